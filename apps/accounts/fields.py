from django.db import models


class PasswordHashField(models.CharField):
    """A password hash. Node's bcrypt hashes (`$2b$10$…`) are read as Django's `bcrypt$`, so sign-in upgrades them."""

    def from_db_value(self, value, expression, connection):
        if value and value.startswith(("$2a$", "$2b$", "$2y$")):
            return f"bcrypt${value}"
        return value
