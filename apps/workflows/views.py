from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.response import Response
from rest_framework.views import APIView

from nexora.kernel.api.declarations import TENANT
from nexora.kernel.api.viewsets import CANONICAL_ID, ensure_served_here

from .serializers import ReceivedSerializer
from .services import hooks

NOBODY = UUID(int=0)
SIGNED = [
    OpenApiParameter(name, str, OpenApiParameter.HEADER, required=True, description=description)
    for name, description in (
        ("webhook-id", "The message's own id: sent again with the same, it starts nothing again."),
        ("webhook-timestamp", "Seconds since 1970, at most 5 minutes from now."),
        ("webhook-signature", "v1,<base64 of HMAC-SHA256>"),
    )
]


class HookView(APIView):
    """Open to everybody: the signature says who it is."""

    hosts = (TENANT,)
    authentication_classes = ()
    permission_classes = (AllowAny,)

    def initial(self, request, *args, **kwargs):
        ensure_served_here(self.hosts)
        super().initial(request, *args, **kwargs)

    @extend_schema(
        operation_id="hooks_receive",
        parameters=SIGNED,
        request={"application/json": {}},
        responses={200: ReceivedSerializer, 202: ReceivedSerializer},
        description="A webhook for a workflow, signed by Standard Webhooks with that workflow's secret. 202: its run "
        "was stored and begins at once (`execution` is null if the trigger's condition leaves it out); 200: a message "
        "of this id had come before.",
    )
    def post(self, request, workflow_id):
        # Any text may stand there; what is no id is a workflow that there is not.
        workflow_id = UUID(workflow_id) if CANONICAL_ID.fullmatch(workflow_id) else NOBODY
        body = request._request.body
        execution, is_known = hooks.receive(
            workflow_id=workflow_id, headers=request.headers, body=body, sent=request.data
        )
        answer = {"execution": execution and str(execution.pk), "duplicate": is_known}
        return Response(answer, status=200 if is_known else 202)
