from .answers import IdempotencyKey
from .attempts import Attempt
from .people import LastAdmin, User
from .sessions import RefreshToken
from .trail import AuditEvent

__all__ = ["Attempt", "AuditEvent", "IdempotencyKey", "LastAdmin", "RefreshToken", "User"]
