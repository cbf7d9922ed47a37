"""What workflows do."""

from . import activities, assignments, flow, http, mails, notices, queries, records, waits

__all__ = ["activities", "assignments", "flow", "http", "mails", "notices", "queries", "records", "waits"]
