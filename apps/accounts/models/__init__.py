from .answers import IdempotencyKey
from .people import LastAdmin, User
from .sessions import RefreshToken
from .trail import AuditEvent

__all__ = ["AuditEvent", "IdempotencyKey", "LastAdmin", "RefreshToken", "User"]
