"""The admin: a site with the tenant's brand, and the base classes of every record's pages."""

from nexora.kernel.admin.inlines import ReadOnlyInline, RecordInline
from nexora.kernel.admin.records import RecordAdmin, TenantModelAdmin, over_all_tenants

__all__ = ["ReadOnlyInline", "RecordAdmin", "RecordInline", "TenantModelAdmin", "over_all_tenants"]
