from django.apps import AppConfig


class KernelConfig(AppConfig):
    name = "nexora.kernel"
    label = "kernel"
    verbose_name = "Kernel"

    def ready(self):
        from nexora.kernel import checks  # noqa: F401  (registers the system checks)
