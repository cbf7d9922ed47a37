-- The tenant that answers on a host: by subdomain of the base domain, else by white-label host. At most one row.
-- Runs as the owner, because there is no scope before it. The platform answers on the bare base host alone.
CREATE FUNCTION tenant_of_host(wanted_subdomain text, wanted_host text)
RETURNS TABLE (id uuid, status text, plan text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
    SELECT t.id, t.status::text, t.plan::text
      FROM tenants t
     WHERE t.subdomain = wanted_subdomain
       AND t.id <> '00000000-0000-0000-0000-00000000c0de'
    UNION ALL
    SELECT t.id, t.status::text, t.plan::text
      FROM domains d
      JOIN tenants t ON t.id = d.tenant_id
     WHERE d.domain = wanted_host
    LIMIT 1
$$
