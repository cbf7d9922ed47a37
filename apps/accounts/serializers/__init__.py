from .keys import APIKeySerializer, IssuedAPIKeySerializer
from .people import MeSerializer, UserSerializer
from .sessions import CredentialsSerializer, EndedSerializer, RefreshSerializer, TokenPairSerializer
from .trail import AuditEventSerializer

__all__ = [
    "APIKeySerializer",
    "AuditEventSerializer",
    "CredentialsSerializer",
    "EndedSerializer",
    "IssuedAPIKeySerializer",
    "MeSerializer",
    "RefreshSerializer",
    "TokenPairSerializer",
    "UserSerializer",
]
