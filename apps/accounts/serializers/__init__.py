from .keys import APIKeySerializer, IssuedAPIKeySerializer
from .people import MeSerializer, UserSerializer
from .sessions import CredentialsSerializer, EndedSerializer, RefreshSerializer, TokenPairSerializer
from .signup import AcceptedSerializer, SignUpSerializer
from .trail import AuditEventSerializer
from .verification import EmailAddressSerializer, EmailTokenSerializer, VerifiedSerializer

__all__ = [
    "APIKeySerializer",
    "AcceptedSerializer",
    "AuditEventSerializer",
    "CredentialsSerializer",
    "EmailAddressSerializer",
    "EmailTokenSerializer",
    "EndedSerializer",
    "IssuedAPIKeySerializer",
    "MeSerializer",
    "RefreshSerializer",
    "SignUpSerializer",
    "TokenPairSerializer",
    "UserSerializer",
    "VerifiedSerializer",
]
