from django.db.backends.postgresql.operations import DatabaseOperations as PostgreSQLOperations


class DatabaseOperations(PostgreSQLOperations):
    def deferrable_sql(self):
        """Foreign keys are checked at once, as the seed writes them: a bad reference is its own statement's error."""
        return ""
