from nexora.kernel.db.login import owner_login


class AsOwner:
    """A command that changes tables, or rows of every tenant: it logs in as the owner from start to end."""

    def execute(self, *args, **options):
        with owner_login():
            return super().execute(*args, **options)
