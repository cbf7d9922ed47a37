from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.views import APIView

from nexora.kernel.permissions import ensure_person


class IsPerson(IsAuthenticated):
    """Signed in, and no program: for what a key may not do, whatever its scopes."""

    def has_permission(self, request, view):
        if not super().has_permission(request, view):
            return False
        ensure_person(request.user)
        return True


class AuthView(APIView):
    """Open to everybody: the credentials are in the body."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    def read(self, serializer_class):
        serializer = serializer_class(data=self.request.data)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data
