from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "apps.accounts"
    label = "accounts"
    verbose_name = "Users & Authentication"

    def ready(self):
        from . import receivers  # noqa: F401
