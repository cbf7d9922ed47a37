-- Refreshes both revenue views if deals were written since the last time, or whenever `force`. Returns whether it did.
-- Runs as the owner, who alone may refresh. "Were written" is PostgreSQL's own count of rows written to the table: it
-- costs no write of ours. It is read before the refresh, so a write that comes between is caught by the next call. After
-- a crash the count begins anew, and what it says is compared with nothing older.
CREATE FUNCTION refresh_revenue(force boolean DEFAULT false)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    written bigint;
    counted_since timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('refresh_revenue'));
    SELECT n_tup_ins + n_tup_upd + n_tup_del INTO written
      FROM pg_stat_all_tables WHERE relid = 'deals'::regclass;
    SELECT coalesce(greatest(server.stats_reset, database.stats_reset), '-infinity') INTO counted_since
      FROM pg_stat_bgwriter server, pg_stat_database database WHERE database.datname = current_database();
    IF NOT force AND EXISTS (
        SELECT 1 FROM view_refreshes
         WHERE view = 'revenue_by_month' AND rows_written = written AND refreshed_at > counted_since
    ) THEN
        RETURN false;
    END IF;
    REFRESH MATERIALIZED VIEW CONCURRENTLY revenue_by_month;
    REFRESH MATERIALIZED VIEW CONCURRENTLY revenue_by_close_month;
    INSERT INTO view_refreshes (view, refreshed_at, rows_written)
    VALUES ('revenue_by_month', clock_timestamp(), written), ('revenue_by_close_month', clock_timestamp(), written)
    ON CONFLICT (view) DO UPDATE SET refreshed_at = excluded.refreshed_at, rows_written = excluded.rows_written;
    RETURN true;
END
$$
