from django.apps import AppConfig


class BenchConfig(AppConfig):
    """Rows in bulk, and what a request costs with them. Has no table; above every app, because it fills them all."""

    name = "nexora.bench"
    label = "bench"
    verbose_name = "Bench"
