from .answers import IdempotencyKey
from .attempts import Attempt
from .factors import RecoveryCode, SecondFactor
from .keys import APIKey
from .people import LastAdmin, User
from .sessions import RefreshToken
from .trail import AuditEvent

__all__ = [
    "APIKey",
    "Attempt",
    "AuditEvent",
    "IdempotencyKey",
    "LastAdmin",
    "RecoveryCode",
    "RefreshToken",
    "SecondFactor",
    "User",
]
