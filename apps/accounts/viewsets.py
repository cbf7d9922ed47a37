from nexora.kernel.api.viewsets import PLATFORM, TENANT, ReadOnlyTenantViewSet, TenantViewSet

from .filters import AuditEventFilterSet, UserFilterSet
from .models import AuditEvent, User
from .serializers import AuditEventSerializer, UserSerializer


class UserViewSet(TenantViewSet):
    """The people of this organisation."""

    queryset = User.objects.all()
    serializer_class = UserSerializer
    filterset_class = UserFilterSet
    ordering = ("-created_at",)
    fast = True
    search_fields = ("name", "email")
    confirms_account = True


class AuditEventViewSet(ReadOnlyTenantViewSet):
    """Who changed what, when, from which value to which."""

    queryset = AuditEvent.objects.all()
    serializer_class = AuditEventSerializer
    filterset_class = AuditEventFilterSet
    ordering = ("-created_at",)
    fast = True
    hosts = (TENANT, PLATFORM)
