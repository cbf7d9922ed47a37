"""Cursors: what is between a statement and the session that runs it."""

import psycopg
from django.db.backends.utils import CursorDebugWrapper, CursorWrapper
from django.db.utils import InterfaceError
from psycopg.types import numeric

# Whole numbers of a column's size. psycopg would send them in binary, cut off to that size; as text they are refused.
WHOLE_NUMBERS = {
    numeric.Int2: numeric.Int2Dumper,
    numeric.Int4: numeric.Int4Dumper,
    numeric.Int8: numeric.Int8Dumper,
}


class ScopedCursor(CursorWrapper):
    """A cursor may be held while scopes come and go: the scope that counts is that of the statement."""

    def _execute_with_wrappers(self, sql, params, many, executor):
        if self.cursor.connection is not self.db.connection:
            # It went back to the pool: whoever has it now, the scope that is set there is theirs.
            raise InterfaceError("The connection of this cursor is closed.")
        if self.db.is_pooled_by_transaction and self.db.get_autocommit():
            # Scope and statement in one transaction; Django's cursors have read the answer by its end.
            with self.db.wrap_database_errors, self.db.connection.transaction():
                self.db.search_path_set_schemas = None
                self.db._handle_search_path()
                try:
                    return super()._execute_with_wrappers(sql, params, many, executor)
                finally:
                    self.db.search_path_set_schemas = None
        self.db._handle_search_path()
        return super()._execute_with_wrappers(sql, params, many, executor)


class ScopedDebugCursor(ScopedCursor, CursorDebugWrapper):
    pass


class LentCursor(psycopg.Cursor):
    """Sends values beside the SQL, where Django's cursors write them into it: PostgreSQL can keep such a plan."""

    keeps_plan = False

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for kind, dumper in WHOLE_NUMBERS.items():
            self.adapters.register_dumper(kind, dumper)

    def execute(self, query, params=None):
        return super().execute(query, params, prepare=self.keeps_plan)


class PlannedCursor(LentCursor):
    keeps_plan = True
