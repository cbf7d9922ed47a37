from .handover import DeactivationSerializer, HandedOverSerializer, SuccessorSerializer
from .invitations import AcceptanceSerializer, InvitationSerializer
from .keys import APIKeySerializer, IssuedAPIKeySerializer
from .notifications import MarkedReadSerializer, NotificationSerializer
from .own_password import OwnPasswordSerializer
from .passwords import ResetRequestSerializer, ResetSerializer
from .people import MeSerializer, UserSerializer
from .sessions import CredentialsSerializer, EndedSerializer, RefreshSerializer, SessionSerializer, TokenPairSerializer
from .signup import AcceptedSerializer, SignUpSerializer
from .trail import AuditEventSerializer
from .verification import EmailAddressSerializer, EmailTokenSerializer, VerifiedSerializer

__all__ = [
    "APIKeySerializer",
    "AcceptanceSerializer",
    "AcceptedSerializer",
    "AuditEventSerializer",
    "CredentialsSerializer",
    "DeactivationSerializer",
    "EmailAddressSerializer",
    "EmailTokenSerializer",
    "EndedSerializer",
    "HandedOverSerializer",
    "InvitationSerializer",
    "IssuedAPIKeySerializer",
    "MarkedReadSerializer",
    "MeSerializer",
    "NotificationSerializer",
    "OwnPasswordSerializer",
    "RefreshSerializer",
    "ResetRequestSerializer",
    "ResetSerializer",
    "SessionSerializer",
    "SignUpSerializer",
    "SuccessorSerializer",
    "TokenPairSerializer",
    "UserSerializer",
    "VerifiedSerializer",
]
