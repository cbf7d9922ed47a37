from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.response import Response

from nexora.kernel.api.aggregates import Aggregated, Aggregates
from nexora.kernel.api.viewsets import ReadOnlyTenantViewSet, TenantViewSet

from . import filters, gallery, serializers
from .definition import schema
from .models import Workflow, WorkflowExecution, WorkflowStep, WorkflowVersion
from .services import control, secrets, statistics

OBJECT = {"type": "object", "additionalProperties": {}}


class WorkflowViewSet(TenantViewSet):
    queryset = Workflow.objects.all()
    serializer_class = serializers.WorkflowSerializer
    filterset_class = filters.WorkflowFilterSet
    ordering = ("-created_at",)
    ordering_fields = ("name", "enabled", "created_at", "updated_at")
    fast = True
    bulk = True
    search_fields = ("name",)
    action_rights = {
        "definition_schema": "view",
        "templates": "view",
        "run": "update",
        "test": "update",
        "take_over": "update",
        "statistics": "view",
        "secrets": "update",
        "renew_secrets": "update",
    }
    # A workflow has all of its owner's rights, and outlives every key: what it does is said, and tried, by people.
    for_people = (
        *("create", "update", "partial_update", "bulk_update"),
        *("test", "take_over", "secrets", "renew_secrets"),
    )
    secret_actions = ("secrets", "renew_secrets")
    lock_for_themselves = ("run", "test", "take_over", "renew_secrets")

    @extend_schema(responses={(200, "application/json"): OBJECT})
    @action(detail=False, methods=["get"], url_path="schema")
    def definition_schema(self, request):
        """The JSON Schema (2020-12) of `trigger` and `actions`, with an example of every kind."""
        return Response(schema.published())

    @extend_schema(responses=serializers.TemplatesSerializer)
    @action(detail=False, methods=["get"])
    def templates(self, request):
        """Ready-made workflows: post one's name, description, trigger and actions, changed or not, to have it."""
        return Response(serializers.TemplatesSerializer({"results": gallery.TEMPLATES}).data)

    @extend_schema(request=serializers.RunSerializer, responses={202: serializers.StartedSerializer})
    @action(detail=True, methods=["post"])
    def run(self, request, pk=None):
        """Start it now: once for each of the records, or, if it is about none, once."""
        asked = self.asked(serializers.RunSerializer)
        runs, left_out = control.run_workflow(actor=request.user, workflow=self.get_object(), ids=asked.get("ids", []))
        return Response({"executions": [str(run.pk) for run in runs], "left_out": left_out}, status=202)

    @extend_schema(request=serializers.TrialSerializer, responses={(200, "application/json"): OBJECT})
    @action(detail=True, methods=["post"])
    def test(self, request, pk=None):
        """What a run would do on this record: all is done, shown and taken back; nothing is sent or waited for."""
        asked = self.asked(serializers.TrialSerializer)
        return Response(
            control.test_workflow(
                actor=request.user,
                workflow=self.get_object(),
                record_id=asked.get("record"),
                changes=asked.get("changes"),
            )
        )

    @extend_schema(request=None)
    @action(detail=True, methods=["post"], url_path="take-over")
    def take_over(self, request, pk=None):
        """Become its owner, with whose rights it runs."""
        workflow = control.take_over(actor=request.user, workflow=self.get_object())
        return Response(self.get_serializer(workflow).data)

    @extend_schema(responses={(200, "application/json"): OBJECT})
    @action(detail=True, methods=["get"])
    def statistics(self, request, pk=None):
        """How its runs of the last 30 days have done."""
        return Response(statistics.statistics_of(self.get_object()))

    @extend_schema(responses=serializers.SecretsSerializer)
    @action(detail=True, methods=["get"])
    def secrets(self, request, pk=None):
        """Where webhooks for it are sent to and what signs them, and what signs its own requests (Standard Webhooks).

        For people only."""
        return Response(secrets.secrets_of(actor=request.user, workflow=self.get_object()))

    @extend_schema(request=None, responses=serializers.SecretsSerializer)
    @action(detail=True, methods=["post"], url_path="secrets/renew")
    def renew_secrets(self, request, pk=None):
        """New secrets; the old ones end at once. For people only."""
        workflow = secrets.renew_secrets(actor=request.user, workflow=self.get_object())
        return Response(secrets.secrets_of(actor=request.user, workflow=workflow))


class WorkflowVersionViewSet(ReadOnlyTenantViewSet):
    """Each definition that a workflow has had. A run keeps to the one it began with."""

    queryset = WorkflowVersion.objects.all()
    serializer_class = serializers.WorkflowVersionSerializer
    filterset_class = filters.WorkflowVersionFilterSet
    ordering = ("-created_at",)
    fast = True


class WorkflowExecutionViewSet(Aggregated, ReadOnlyTenantViewSet):
    queryset = WorkflowExecution.objects.all()
    serializer_class = serializers.WorkflowExecutionSerializer
    filterset_class = filters.WorkflowExecutionFilterSet
    ordering = ("-started_at",)
    ordering_fields = ("status", "started_at", "completed_at")
    fast = True
    aggregates = Aggregates(group_by=("status", "workflow", "started_at__month"))
    action_rights = {"cancel": "update", "retry": "update", "replay": "update"}
    lock_for_themselves = ("cancel", "retry", "replay")

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def cancel(self, request, pk=None):
        """End it before its next step, or in its wait. A step that is being done is let finish."""
        return self._shown(control.cancel_run(actor=request.user, execution=self.get_object()))

    @extend_schema(request=None, responses={202: serializers.WorkflowExecutionSerializer})
    @action(detail=True, methods=["post"])
    def retry(self, request, pk=None):
        """Go on with a failed run, as a new one, at the step at which it failed."""
        return self._shown(control.retry_run(actor=request.user, execution=self.get_object()), status=202)

    @extend_schema(request=None, responses={202: serializers.WorkflowExecutionSerializer})
    @action(detail=True, methods=["post"])
    def replay(self, request, pk=None):
        """Run the workflow as it is now on what this run began with, as a new run."""
        return self._shown(control.replay_run(actor=request.user, execution=self.get_object()), status=202)

    def _shown(self, execution, status=200):
        return Response(self.get_serializer(execution).data, status=status)


class WorkflowStepViewSet(ReadOnlyTenantViewSet):
    """What each step of a run was given and gave, without secrets."""

    queryset = WorkflowStep.objects.all()
    serializer_class = serializers.WorkflowStepSerializer
    filterset_class = filters.WorkflowStepFilterSet
    ordering = ("-started_at",)
    ordering_fields = ("started_at", "completed_at", "status", "type")
    fast = True
