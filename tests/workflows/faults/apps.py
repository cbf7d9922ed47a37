from django.apps import AppConfig


class FaultsConfig(AppConfig):
    name = "tests.workflows.faults"
    label = "faults"

    def ready(self):
        from . import injection, probes  # noqa: F401

        injection.install()
