"""django-tenants' PostgreSQL backend, in a shared-table design.

django-tenants sends `SET search_path` whenever the tenant of a connection changes, and forgets what it sent on
rollback, savepoint rollback and close, so that it sends again. Here that one statement sets the tenant id and the role
instead, and "what should be sent" is read from the scope before every statement. The search path stays `public`.
"""

import select
import sys

import psycopg
from django.core.exceptions import ImproperlyConfigured
from django.db.backends.base.base import NO_DB_ALIAS
from django_tenants.postgresql_backend.base import DatabaseWrapper as TenantsDatabaseWrapper
from psycopg.pq import TransactionStatus

from nexora.kernel import scope
from nexora.kernel.db.backend.cursors import LentCursor, PlannedCursor, ScopedCursor, ScopedDebugCursor
from nexora.kernel.db.backend.operations import DatabaseOperations
from nexora.kernel.db.backend.schema import DatabaseSchemaEditor
from nexora.kernel.db.login import OWNER, RUNTIME

SET_SCOPE = "SELECT set_config('nexora.tenant_id', %s, false), set_config('role', %s, false)"
# Behind a pooler in transaction mode the session is another client's after COMMIT: there the scope ends with it.
SET_LOCAL_SCOPE = SET_SCOPE.replace("false", "true")
OUTSIDE = ("", "none")


class DatabaseWrapper(TenantsDatabaseWrapper):
    SchemaEditorClass = DatabaseSchemaEditor
    ops_class = DatabaseOperations

    # django-tenants assigns both; here the search path never moves and the tenant is the scope's.
    schema_name = property(lambda self: "public", lambda self, value: None)
    tenant = property(lambda self: scope.current(), lambda self, value: None)

    def __init__(self, settings_dict, alias="default"):
        self.login = OWNER if alias == NO_DB_ALIAS else RUNTIME
        self._constructed = False
        self._scope_sent = None
        self._lent = {}
        super().__init__(settings_dict, alias)
        self._constructed = True

    # -- Which login

    def get_connection_params(self):
        embedded = self.settings_dict.get("EMBEDDED")
        if embedded:
            from nexora.kernel.db.embedded import ensure_running

            self.settings_dict["HOST"] = ensure_running(embedded)
        params = super().get_connection_params()
        if not self.is_pooled_by_transaction:
            # psycopg would never keep a plan; this is: only of a statement that asks for it.
            params["prepare_threshold"] = sys.maxsize
        if self.login == OWNER:
            owner = self.settings_dict.get("OWNER")
            if not owner:
                raise ImproperlyConfigured(
                    "This command logs in as the owner of the tables: set DATABASE_OWNER_URL beside DATABASE_URL."
                )
            params |= {key.lower(): value for key, value in owner.items() if value}
            if not owner.get("PASSWORD"):
                params.pop("password", None)
        return params

    @property
    def pool(self):
        # Django keeps one pool for each alias; the owner's sessions must never be lent to the runtime.
        return super().pool if self.login == RUNTIME else None

    def init_connection_state(self):
        super().init_connection_state()
        # Reported by the server at login, so it costs nothing; `manage.py check --database default` looks further.
        if self.login == RUNTIME and self.connection.info.parameter_status("is_superuser") == "on":
            user = self.connection.info.user
            self.connection.close()
            raise ImproperlyConfigured(
                f"DATABASE_URL logs in as {user}, a superuser, whom row-level security does not bind. "
                "Use the runtime role made by `manage.py prepare_database`."
            )

    def is_usable(self):
        """Asked at the start of each request. An idle session has nothing to say unless it has ended: then its socket
        can be read, and only then is a statement spent on asking."""
        idle = self.connection is not None and self.connection.info.transaction_status == TransactionStatus.IDLE
        if idle and hasattr(select, "poll"):
            socket = select.poll()
            socket.register(self.connection.fileno(), select.POLLIN)
            if not socket.poll(0):
                return True
        return super().is_usable()

    # -- Which scope

    @property
    def is_pooled_by_transaction(self):
        return self.settings_dict.get("POOLER") == "transaction" and self.login == RUNTIME

    def lend_cursor(self, *, keeps_plan=False):
        """A cursor of which there is one a session: for a statement whose whole answer is read at once.

        keeps_plan   PostgreSQL plans the statement once for each session, whatever its values
        """
        self.close_if_health_check_failed()
        self.ensure_connection()
        # The plan stays with the session, which a pooler gives to somebody else after COMMIT.
        kind = PlannedCursor if keeps_plan and not self.is_pooled_by_transaction else LentCursor
        cursor = self._lent.get(kind)
        if cursor is None or cursor.connection is not self.connection:
            cursor = self._lent[kind] = kind(self.connection)
        return self._prepare_cursor(cursor)

    def _close(self):
        self._lent.clear()
        return super()._close()

    def make_cursor(self, cursor):
        return ScopedCursor(cursor, self)

    def make_debug_cursor(self, cursor):
        return ScopedDebugCursor(cursor, self)

    def _commit(self):
        # COMMIT of a failed transaction rolls back without an error, and takes back what was set in it.
        if self.connection is not None and self.connection.info.transaction_status == TransactionStatus.INERROR:
            self.search_path_set_schemas = None
        if self.is_pooled_by_transaction:
            self.search_path_set_schemas = None
        return super()._commit()

    def set_tenant(self, tenant, include_public=True):
        """django-tenants' API: sets the scope of this context. A tenant without an id stands for "no tenant"."""
        if not self._constructed:
            return
        if isinstance(tenant, scope.Scope):
            scope.activate(tenant)
        elif tenant_id := getattr(tenant, "pk", None):
            scope.activate(scope.Scope(scope.TENANT, tenant_id))
        else:
            scope.activate(None)

    def _session_state(self):
        current = scope.current()
        if current is None:
            return OUTSIDE
        role = "none"
        if current.kind == scope.UNSCOPED and self.login == RUNTIME:
            from django.conf import settings

            role = settings.DATABASE_PLATFORM_ROLE
        return (str(current.tenant_id) if current.tenant_id else "", role)

    def _handle_search_path(self, cursor=None):
        """Called before every cursor is handed out (by django-tenants) and before every statement."""
        if self._setting_search_path or self.connection is None:
            return
        if self.is_pooled_by_transaction and self._between_transactions():
            return
        # django-tenants forgets what was sent by setting it to None.
        if self.search_path_set_schemas is not None and scope.current() is self._scope_sent:
            return
        state = self._session_state()
        if state == self.search_path_set_schemas:
            return
        if self.search_path_set_schemas is None and state == OUTSIDE and self.login == OWNER:
            return
        self._setting_search_path = True
        self.search_path_set_schemas = None
        try:
            with self.wrap_database_errors:
                self._send(state)
        finally:
            self._setting_search_path = False

    def _between_transactions(self):
        """Nothing that is set now would last until the statement; the statement's own transaction sets it."""
        return self.connection.autocommit and self.connection.info.transaction_status == TransactionStatus.IDLE

    def _send(self, state):
        try:
            self.connection.execute(SET_LOCAL_SCOPE if self.is_pooled_by_transaction else SET_SCOPE, state)
        except psycopg.errors.InFailedSqlTransaction:
            # The transaction is lost anyway and the next statement says so; its rollback makes us send again.
            return
        self.search_path_set_schemas = state
        self._scope_sent = scope.current()
