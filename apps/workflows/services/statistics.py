"""How a workflow has done."""

from datetime import timedelta

from django.db.models import Avg, Count, F, Max, Q

from nexora.kernel import clock

from ..models import WorkflowExecution

DAYS = 30


def statistics_of(workflow, *, days=DAYS, most=None):
    """Of the runs that began in the last `days`: how many, by status, the share of those over that completed, the mean
    duration in seconds of the completed, and when the last began and failed. `most`: no more than the newest so many
    are looked at."""
    since = clock.now() - timedelta(days=days)
    Status = WorkflowExecution.Status
    runs = WorkflowExecution.objects.filter(
        tenant_id=workflow.tenant_id, workflow_id=workflow.pk, started_at__gte=since
    )
    if most is not None:
        runs = runs.order_by(F("started_at").desc(nulls_last=True), "-id")[:most]
    found = runs.aggregate(
        runs=Count("*"),
        **{status.value: Count("pk", filter=Q(status=status)) for status in Status},
        duration=Avg(F("completed_at") - F("started_at"), filter=Q(status=Status.COMPLETED)),
        last_started_at=Max("started_at"),
        last_failed_at=Max("completed_at", filter=Q(status=Status.FAILED)),
    )
    duration = found.pop("duration")
    over = found["completed"] + found["failed"]
    return {
        "days": days,
        **found,
        "success_rate": round(found["completed"] / over, 4) if over else None,
        "mean_seconds": round(duration.total_seconds(), 3) if duration is not None else None,
    }
