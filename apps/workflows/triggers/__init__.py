"""What workflows start on."""

from . import dates, manual, records, schedules, stages, webhooks

__all__ = ["dates", "manual", "records", "schedules", "stages", "webhooks"]
