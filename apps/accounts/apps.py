from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "apps.accounts"
    label = "accounts"
    verbose_name = "Users & Authentication"

    def ready(self):
        from nexora.kernel.api import idempotency

        from . import receivers  # noqa: F401
        from .services.answers import AnswerStore

        idempotency.register(AnswerStore())
