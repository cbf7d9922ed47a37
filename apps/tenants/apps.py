from django.apps import AppConfig


class TenantsConfig(AppConfig):
    name = "apps.tenants"
    label = "tenants"
    verbose_name = "Multi-Tenancy"

    def ready(self):
        from . import receivers  # noqa: F401
