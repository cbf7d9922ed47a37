"""Errors that the platform raises on purpose. The API turns each into problem+json, the admin into a message."""


class NexoraError(Exception):
    """Base of every deliberate refusal.

    status  HTTP status of the answer
    code    stable machine-readable word; part of the API's contract
    title   the same in two to five words, never varying
    codes   {code: sentence} of further codes that it is raised with; with the docstring, what /problems/<code> shows
    detail  a sentence: what happened, to what, and what to do
    fields  {field: [sentences]} where particular inputs are at fault
    wait    seconds after which the same request may succeed; the Retry-After header
    """

    status = 400
    code = "refused"
    title = "Refused"
    wait = None

    def __init__(self, detail, *, code=None, fields=None, **extra):
        super().__init__(detail)
        self.detail = detail
        if code:
            self.code = code
        self.fields = fields or {}
        self.extra = extra


class ScopeRequired(NexoraError):
    """A programming error, never a user's: answered as 500."""

    status = 500
    code = "scope_required"
    title = "No tenant scope"

    def __init__(self, what):
        super().__init__(
            f"{what} needs a tenant. Enter one with `tenant_scope(tenant)`; for work across tenants, "
            'say why with `unscoped(reason="…")`. Both are in nexora.kernel.scope.'
        )


class CrossTenantWrite(NexoraError):
    """A programming error: code in one tenant's scope tried to write another's record."""

    status = 500
    code = "cross_tenant_write"
    title = "Write into another tenant"


class UnpublishedWrite(NexoraError):
    """A programming error: a bulk write that would publish no change event."""

    status = 500
    code = "unpublished_write"
    title = "Write without an event"


class Invalid(NexoraError):
    """A field or a parameter is wrong: "errors" says which, and why."""

    status = 400
    code = "invalid"
    title = "Invalid input"


class Forbidden(NexoraError):
    """The person's role does not allow this, here or on this record."""

    status = 403
    code = "permission_denied"
    title = "Permission denied"


class PeopleOnly(Forbidden):
    """A program's key may not do this, whatever its scopes. Sign in as a person."""

    code = "people_only"
    title = "For people only"

    def __init__(self, detail="A program's key may not do this; sign in as a person.", **extra):
        super().__init__(detail, **extra)


class InsufficientScope(Forbidden):
    """The person behind the key may do this; the key's scopes do not include it. Create a key that has the scope."""

    code = "insufficient_scope"
    title = "Not in the key's scopes"


class Conflict(NexoraError):
    """The request is well formed, but the state of the records forbids it."""

    status = 409
    code = "conflict"
    title = "Conflict"


class InUse(Conflict):
    """Other records point at this one. Change or delete those first."""

    code = "in_use"
    title = "Still in use"


class NotSignedIn(NexoraError):
    """Wrong, stale or missing credentials."""

    status = 401
    code = "not_authenticated"
    title = "Not signed in"
    codes = {
        "bad_authorization_header": "The Authorization header is not `Bearer <access token>`: two words.",
        "invalid_credentials": "No active account of this organisation has this email and password.",
        "token_not_valid": "The token is malformed, expired, or of another organisation's host. Take a new one for the "
        "refresh token, or sign in again.",
        "token_rotated": "The refresh token has just been replaced by another request. Use the newer one.",
        "session_ended": "The session is over. Sign in again.",
        "account_closed": "The account is no longer active.",
        "key_not_valid": "The key is unknown on this host, expired or revoked, or its person is not active. Create a "
        "new one.",
    }


class Unavailable(NexoraError):
    """The database does not answer, or two requests were in each other's way. Send the request again."""

    status = 503
    code = "database_unavailable"
    title = "Temporarily unavailable"
    wait = 2
