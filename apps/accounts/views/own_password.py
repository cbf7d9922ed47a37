from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.response import Response
from rest_framework.views import APIView

from ..serializers import OwnPasswordSerializer
from ..services import own_password
from .base import IsPerson


class OwnPasswordView(APIView):
    permission_classes = (IsPerson,)

    @extend_schema(
        operation_id="auth_password",
        request=OwnPasswordSerializer,
        responses={204: None},
        description="Change your password. Your other sessions end; this one stays.",
    )
    def post(self, request):
        person = own_password.find_active(user_id=request.user.pk)
        body = OwnPasswordSerializer(person, data=request.data)
        body.is_valid(raise_exception=True)
        own_password.change_own_password(user=person, **body.validated_data)
        return Response(status=status.HTTP_204_NO_CONTENT)
