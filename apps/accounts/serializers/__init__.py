from .invitations import AcceptanceSerializer, InvitationSerializer
from .keys import APIKeySerializer, IssuedAPIKeySerializer
from .passwords import ResetRequestSerializer, ResetSerializer
from .people import MeSerializer, UserSerializer
from .sessions import CredentialsSerializer, EndedSerializer, RefreshSerializer, TokenPairSerializer
from .signup import AcceptedSerializer, SignUpSerializer
from .trail import AuditEventSerializer
from .verification import EmailAddressSerializer, EmailTokenSerializer, VerifiedSerializer

__all__ = [
    "APIKeySerializer",
    "AcceptanceSerializer",
    "AcceptedSerializer",
    "AuditEventSerializer",
    "CredentialsSerializer",
    "EmailAddressSerializer",
    "EmailTokenSerializer",
    "EndedSerializer",
    "InvitationSerializer",
    "IssuedAPIKeySerializer",
    "MeSerializer",
    "RefreshSerializer",
    "ResetRequestSerializer",
    "ResetSerializer",
    "SignUpSerializer",
    "TokenPairSerializer",
    "UserSerializer",
    "VerifiedSerializer",
]
