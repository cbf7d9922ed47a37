from .people import MeSerializer, UserSerializer
from .sessions import CredentialsSerializer, EndedSerializer, RefreshSerializer, TokenPairSerializer
from .trail import AuditEventSerializer

__all__ = [
    "AuditEventSerializer",
    "CredentialsSerializer",
    "EndedSerializer",
    "MeSerializer",
    "RefreshSerializer",
    "TokenPairSerializer",
    "UserSerializer",
]
