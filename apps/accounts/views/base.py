from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.views import APIView

from nexora.kernel.api.declarations import HOSTS
from nexora.kernel.api.viewsets import ensure_served_here
from nexora.kernel.permissions import ensure_person


class IsPerson(IsAuthenticated):
    """Signed in, and no program: for what a key may not do, whatever its scopes."""

    def has_permission(self, request, view):
        if not super().has_permission(request, view):
            return False
        ensure_person(request.user)
        return True


class AuthView(APIView):
    """Open to everybody: the credentials are in the body.

    hosts   which hosts serve it: "tenant", "platform" or both
    """

    hosts = HOSTS
    authentication_classes = ()
    permission_classes = (AllowAny,)

    def initial(self, request, *args, **kwargs):
        ensure_served_here(self.hosts)
        super().initial(request, *args, **kwargs)

    def read(self, serializer_class):
        serializer = serializer_class(data=self.request.data)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data
