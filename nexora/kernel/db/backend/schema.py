from django.db.backends.postgresql.schema import DatabaseSchemaEditor as PostgreSQLSchemaEditor


class DatabaseSchemaEditor(PostgreSQLSchemaEditor):
    def _fk_constraint_name(self, model, field, suffix):
        """The name PostgreSQL itself would give, as the seed leaves foreign keys unnamed: <table>_<column>_fkey."""
        return self.quote_name(f"{model._meta.db_table}_{field.column}_fkey"[:63])
