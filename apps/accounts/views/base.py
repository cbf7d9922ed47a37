from rest_framework.permissions import AllowAny
from rest_framework.views import APIView


class AuthView(APIView):
    """Open to everybody: the credentials are in the body."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    def read(self, serializer_class):
        serializer = serializer_class(data=self.request.data)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data
