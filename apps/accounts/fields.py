from django.db import models


class PasswordHashField(models.CharField):
    """A password hash. Hashes made by Node's bcrypt (`$2b$10$…`) are read as Django's `bcrypt$` and so upgraded at sign-in."""

    def from_db_value(self, value, expression, connection):
        if value and value.startswith(("$2a$", "$2b$", "$2y$")):
            return f"bcrypt${value}"
        return value
