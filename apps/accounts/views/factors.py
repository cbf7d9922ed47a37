"""One's own second factor. Every request proves the password anew, so a stolen access token changes nothing here."""

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.response import Response

from ..serializers.factors import (
    ConfirmationSerializer,
    EnrolledSerializer,
    EnrolmentSerializer,
    ProofSerializer,
    RecoveryCodesSerializer,
    SignInSerializer,
)
from ..services import factors, signin
from .base import AuthView


class SecondFactorView(AuthView):
    def recognised(self, data):
        request = self.request._request
        return signin.recognised(request=request, email=data["email"], password=data["password"])

    @property
    def address(self):
        return signin.address_of(self.request)

    def finalize_response(self, *args, **kwargs):
        response = super().finalize_response(*args, **kwargs)
        response["Cache-Control"] = "no-store"
        return response


class EnrolmentView(SecondFactorView):
    @extend_schema(
        operation_id="auth_second_factor_start",
        request=SignInSerializer,
        responses=EnrolmentSerializer,
        description="A new secret for your phone's app, in force once `confirm/` has had a code of it. With a second "
        "factor already, send a code of that one: it stays in force until then.",
    )
    def post(self, request):
        data = self.read(SignInSerializer)
        with self.recognised(data) as user:
            enrolment = factors.start_enrolment(user=user, code=data.get("code"), address=self.address)
        return Response(EnrolmentSerializer(enrolment).data)


class ConfirmationView(SecondFactorView):
    @extend_schema(
        operation_id="auth_second_factor_confirm",
        request=ConfirmationSerializer,
        responses=EnrolledSerializer,
        description="A code of the new secret puts it in force. Answers recovery codes, and a session.",
    )
    def post(self, request):
        data = self.read(ConfirmationSerializer)
        user = signin.recognise(request=request._request, email=data["email"], password=data["password"])
        codes = factors.confirm_enrolment(user=user, code=data["code"], address=self.address)
        tokens = signin.let_in(request=request._request, user=user)
        return Response(EnrolledSerializer({"recovery_codes": codes, **tokens}).data)


class RecoveryCodesView(SecondFactorView):
    @extend_schema(
        operation_id="auth_second_factor_recovery_codes",
        request=ProofSerializer,
        responses=RecoveryCodesSerializer,
        description="Ten new recovery codes. Those of before are void.",
    )
    def post(self, request):
        data = self.read(ProofSerializer)
        with self.recognised(data) as user:
            codes = factors.renew_recovery_codes(user=user, code=data["code"], address=self.address)
        return Response(RecoveryCodesSerializer({"recovery_codes": codes}).data)


class RemovalView(SecondFactorView):
    @extend_schema(
        operation_id="auth_second_factor_remove",
        request=ProofSerializer,
        responses={204: None},
        description="Sign in with the password alone from now on. 409 where your organisation requires more.",
    )
    def post(self, request):
        data = self.read(ProofSerializer)
        with self.recognised(data) as user:
            factors.remove_second_factor(user=user, code=data["code"], address=self.address)
        return Response(status=status.HTTP_204_NO_CONTENT)
