from .answers import IdempotencyKey
from .attempts import Attempt
from .factors import RecoveryCode, SecondFactor
from .invitations import Invitation
from .keys import APIKey
from .notifications import Notification
from .people import LastAdmin, User
from .sessions import RefreshToken
from .trail import AuditEvent

__all__ = [
    "APIKey",
    "Attempt",
    "AuditEvent",
    "IdempotencyKey",
    "Invitation",
    "LastAdmin",
    "Notification",
    "RecoveryCode",
    "RefreshToken",
    "SecondFactor",
    "User",
]
