from nexora.kernel import clock
from nexora.kernel.querysets import TenantQuerySet


class DealQuerySet(TenantQuerySet):
    def open(self):
        return self.exclude(stage__in=["closed_won", "closed_lost"])

    def won(self):
        return self.filter(stage="closed_won")


class ActivityQuerySet(TenantQuerySet):
    def pending(self):
        return self.exclude(completed=True)

    def overdue(self):
        return self.pending().filter(due_date__lt=clock.now())
