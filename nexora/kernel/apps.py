from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class KernelConfig(AppConfig):
    default = True
    name = "nexora.kernel"
    label = "kernel"
    verbose_name = "Kernel"

    def ready(self):
        from nexora.kernel import checks, copies, search  # noqa: F401  (register the system checks and lookups)


class NexoraAdminConfig(admin_apps.AdminConfig):
    """django.contrib.admin with our site as its default one."""

    default = False
    default_site = "nexora.kernel.admin.site.NexoraAdminSite"
