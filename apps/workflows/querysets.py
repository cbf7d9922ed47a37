from nexora.kernel.querysets import TenantQuerySet


class WorkflowQuerySet(TenantQuerySet):
    def enabled(self):
        return self.filter(enabled=True)
