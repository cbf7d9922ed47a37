from django.db.backends.postgresql.operations import DatabaseOperations as PostgreSQLOperations
from psycopg import ClientCursor

from nexora.kernel.db.backend.cursors import LentCursor


class DatabaseOperations(PostgreSQLOperations):
    def deferrable_sql(self):
        """Foreign keys are checked at once, as the seed writes them: a bad reference is its own statement's error."""
        return ""

    def last_executed_query(self, cursor, sql, params):
        """For logs: with the values in it, however they were sent."""
        if isinstance(cursor, LentCursor):
            return ClientCursor(cursor.connection).mogrify(sql, params)
        return super().last_executed_query(cursor, sql, params)
