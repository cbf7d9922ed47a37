"""The base of every tenant-owned table."""

import datetime
import decimal
import json
import uuid

from django.core.exceptions import ValidationError
from django.db import connections, models, router, transaction
from django.db.models.expressions import DatabaseDefault

from nexora.kernel import clock, events, scope, statements
from nexora.kernel.errors import CrossTenantWrite, InUse
from nexora.kernel.querysets import TenantManager

REDACTED = "[redacted]"


def plain(value):
    """A column's value as JSON holds it: text for UUIDs, times and Decimals, lists and dicts as they are."""
    if isinstance(value, (uuid.UUID, decimal.Decimal)):
        return str(value)
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat()
    return value


class Record(models.Model):
    """A record whose every change is published.

    `save()` writes only the columns that changed and publishes one change event in the same transaction; `delete()`
    likewise, with counts of what the database deletes along.

    owner_fields   attribute names holding a user's id, any of which makes the record that user's "own"
    redacted       fields whose values never enter an event
    searched, scaled, elements
                   columns with a copy that an index answers for: see nexora.kernel.copies
    publishes      False for tables that are no business records (sessions, the audit trail itself)
    """

    tenant_attname = None
    owner_fields = ()
    redacted = frozenset()
    searched = ()
    scaled = ()
    elements = {}
    publishes = True

    class Meta:
        abstract = True

    @property
    def owning_tenant_id(self):
        """The tenant whose trail records this record's changes; the platform's, for what all tenants share."""
        return getattr(self, self.tenant_attname) if self.tenant_attname else scope.PLATFORM_TENANT_ID

    def is_above(self, user):
        """Whether the record is out of `user`'s hands whatever the policy says: a person of a higher role is."""
        return False

    @classmethod
    def cascades(cls):
        """Relations whose rows the database deletes along with a record of this model."""
        return [
            relation
            for relation in cls._meta.get_fields(include_hidden=True)
            if relation.auto_created
            and relation.one_to_many
            and relation.field.remote_field.on_delete is models.DB_CASCADE
            and issubclass(relation.related_model, Record)
        ]

    # -- What was loaded

    @classmethod
    def from_db(cls, db, field_names, values, *, fetch_mode=None):
        record = super().from_db(db, field_names, values, fetch_mode=fetch_mode)
        record._remember()
        return record

    def refresh_from_db(self, using=None, fields=None, from_queryset=None):
        super().refresh_from_db(using=using, fields=fields, from_queryset=from_queryset)
        # Reading a deferred column comes here too: what was set meanwhile on the others is still to be saved.
        self._remember(fields)

    def _remember(self, names=None):
        """Take the current values of these columns (names or attnames), or of all, for what the database holds."""
        if names is None:
            self._loaded = self._snapshot(self._meta.concrete_fields)
        else:
            wanted = [f for f in self._meta.concrete_fields if f.name in names or f.attname in names]
            self._loaded = getattr(self, "_loaded", {}) | self._snapshot(wanted)

    def _snapshot(self, columns):
        """{attname: value} of those that are loaded; JSON and arrays are copied, as they can change in place."""
        present = self.__dict__
        return {
            column.attname: _copied(present[column.attname])
            for column in columns
            if column.attname in present and not column.generated
        }

    def changed_fields(self):
        """{field: (from, to)} of the columns that differ from what was loaded; everything set, on a new record."""
        loaded = {} if self._state.adding else getattr(self, "_loaded", {})
        changed = {}
        for column in self._meta.concrete_fields:
            attname = column.attname
            if column.generated or attname not in self.__dict__:
                continue
            after = self.__dict__[attname]
            before = loaded.get(attname)
            if isinstance(after, DatabaseDefault):
                continue
            if attname not in loaded or not _same(before, self._in_type_of(before, after, column), column):
                changed[column.name] = (before, after)
        return changed

    @staticmethod
    def _in_type_of(before, after, column):
        """`after` as the column reads it, so that "12.50" set where Decimal("12.50") was is no change."""
        if after is None or type(after) is type(before) or hasattr(after, "resolve_expression"):
            return after
        try:
            return column.to_python(after)
        except ValidationError:
            return after

    # -- Writing

    def _ensure_in_scope(self):
        scope.require(f"Writing a {self._meta.verbose_name}")

    def save(self, *, force_insert=False, force_update=False, using=None, update_fields=None):
        self._ensure_in_scope()
        adding = self._state.adding
        changed = self.changed_fields()
        if not adding and not force_insert:
            if update_fields is not None:
                wanted = set(update_fields)
                changed = {n: v for n, v in changed.items() if n in wanted or self._meta.get_field(n).attname in wanted}
            if not changed:
                return
            if "updated_at" not in changed and any(f.name == "updated_at" for f in self._meta.concrete_fields):
                self.updated_at = clock.now()
                changed = changed | {"updated_at": (None, self.updated_at)}
            update_fields = list(changed)
        using = using or router.db_for_write(type(self), instance=self)
        with transaction.atomic(using=using, savepoint=False):
            super().save(force_insert=force_insert, force_update=force_update, using=using, update_fields=update_fields)
            self._remember(update_fields)
            if self.publishes:
                action = events.CREATED if adding else events.UPDATED
                # Read again: where an expression was set, the database has answered with its value.
                changed = {
                    name: (before, self.__dict__.get(self._meta.get_field(name).attname))
                    for name, (before, _) in changed.items()
                }
                events.publish(events.record_change(action, self, changes=self._described(changed, adding)))

    def save_with(self, *new):
        """Save the changes of this record and INSERT `new`, records of one other table, by one statement. All are of
        tables that publish nothing, and in the scope of their tenant."""
        for record in (self, *new):
            record._ensure_in_scope()
        using = router.db_for_write(type(self), instance=self)
        changed = self.changed_fields()
        if not new or not changed:
            self.save()
            for record in new:
                record.save(force_insert=True)
            return
        values = {f: f.pre_save(self, add=False) for f in self._meta.concrete_fields if f.name in changed}
        rows = [{f: f.pre_save(record, add=True) for f in record._meta.concrete_fields} for record in new]
        if not statements.insert_and_update(type(new[0]), rows, type(self), self.pk, values, using):
            raise self.NotUpdated(f"The {self._meta.verbose_name} {self.pk} is gone.")
        self._remember(changed)
        for record in new:
            record._state.adding = False
            record._remember()

    def _save_table(self, raw=False, cls=None, force_insert=False, force_update=False, using=None, update_fields=None):
        """Django's, by SQL that is written once; what changes the SQL (an expression for a value) Django writes."""
        if not raw and not force_update and cls is type(self):
            adding = force_insert or self._state.adding
            if adding and update_fields is None and self._write_new(using):
                return False
            if not adding and update_fields and self._write_changes(update_fields, using):
                return True
        return super()._save_table(raw, cls, force_insert, force_update, using, update_fields)

    def _write_new(self, using):
        columns = self._meta.concrete_fields
        values = {column: column.pre_save(self, add=True) for column in columns if not column.generated}
        if values[self._meta.pk] is None:
            return False
        stored = statements.insert(type(self), values, [column for column in columns if column.generated], using)
        if stored is None:
            return False
        self.__dict__ |= stored
        return True

    def _write_changes(self, names, using):
        columns = self._meta.concrete_fields
        values = {column: column.pre_save(self, add=False) for column in columns if column.name in names}
        if any(column.generated and column.referenced_fields & values.keys() for column in columns):
            return False
        count = statements.update(type(self), self.pk, values, using)
        if count == 0:
            raise self.NotUpdated("Save with update_fields did not affect any rows.")
        return bool(count)

    def _described(self, changed, adding):
        """{field: [from, to]} for the event. A new record names what was set; bookkeeping columns are left out."""
        described = {}
        for name, (before, after) in changed.items():
            column = self._meta.get_field(name)
            if column.primary_key or name in ("updated_at", "created_at", "tenant"):
                continue
            if adding and after is None:
                continue
            if name in self.redacted:
                before, after = before and REDACTED, after and REDACTED
            described[name] = [plain(before), plain(after)]
        return described

    def delete(self, using=None, keep_parents=False):
        """Delete the record and, in the database, what hangs on it. InUse names what still points at it."""
        self._ensure_in_scope()
        using = using or router.db_for_write(type(self), instance=self)
        # With a savepoint: whoever deletes several records in one transaction may catch the refusal of one.
        with transaction.atomic(using=using):
            dependents = self._dependents(using)
            self._ensure_unused(dependents)
            change = None
            if self.publishes:
                children = {}
                for relation, count in dependents:
                    if relation.field.remote_field.on_delete is models.DB_CASCADE:
                        table = relation.related_model._meta.db_table
                        children[table] = children.get(table, 0) + count
                change = events.record_change(events.DELETED, self, changes=self._last_values(), children=children)
            result = super().delete(using=using, keep_parents=keep_parents)
            if change:
                events.publish(change)
        return result

    def _last_values(self):
        current = {f.name: (self.__dict__.get(f.attname), None) for f in self._meta.concrete_fields if not f.generated}
        return {name: pair for name, pair in self._described(current, adding=False).items() if pair[0] is not None}

    def _dependents(self, using):
        """[(relation, count)] of rows that point at this record, in one statement."""
        relations = [
            relation
            for relation in self._meta.get_fields(include_hidden=True)
            if relation.auto_created
            and relation.one_to_many
            and issubclass(relation.related_model, Record)
            and relation.related_model._meta.managed
        ]
        if not relations:
            return []
        quote = connections[using].ops.quote_name
        counts, params = [], []
        for relation in relations:
            model, column = relation.related_model, relation.field.column
            where, values = f"{quote(column)} = %s", [self.pk]
            if self.tenant_attname and model.tenant_attname:
                # The tenant's literal lets PostgreSQL prune partitions and use the indexes that begin with it.
                where, values = f"{quote(model.tenant_attname)} = %s AND {where}", [self.owning_tenant_id, self.pk]
            counts.append(f"(SELECT count(*) FROM {quote(model._meta.db_table)} WHERE {where})")
            params += values
        with connections[using].cursor() as cursor:
            cursor.execute(f"SELECT {', '.join(counts)}", params)
            found = cursor.fetchone()
        return [(relation, count) for relation, count in zip(relations, found, strict=True) if count]

    def _ensure_unused(self, dependents):
        blocking = [(r, n) for r, n in dependents if r.field.remote_field.on_delete is models.DO_NOTHING]
        if not blocking:
            return
        held = "; ".join(
            f"{count} {_noun(relation.related_model, count)} ({relation.field.verbose_name})"
            for relation, count in blocking
        )
        raise InUse(f"Cannot delete {self}: still named by {held}. Change or delete those first.")


def _copied(value):
    """Of JSON. copy.deepcopy() takes three times as long, for what JSON cannot hold."""
    if isinstance(value, dict):
        return {name: _copied(held) for name, held in value.items()}
    if isinstance(value, list):
        return [_copied(held) for held in value]
    return value


def _same(before, after, column):
    if before is after:
        return True
    if isinstance(column, models.JSONField) and not hasattr(after, "resolve_expression"):
        return _same_json(before, after)
    return before == after


def _same_json(before, after):
    """Whether both are stored alike. Python holds 1 and true for equal, JSON does not."""
    if type(before) is type(after):
        if type(before) is list:
            return len(before) == len(after) and all(map(_same_json, before, after))
        if type(before) is dict and before.keys() == after.keys():
            return all(_same_json(held, after[name]) for name, held in before.items())
        if type(before) in (str, int, bool):
            return before == after
    return json.dumps(before, sort_keys=True, default=str) == json.dumps(after, sort_keys=True, default=str)


def _noun(model, count):
    return model._meta.verbose_name if count == 1 else model._meta.verbose_name_plural


class TenantModel(Record):
    """A record that belongs to a tenant. Subclasses declare `tenant = fields.tenant_key()`, where the seed has it."""

    tenant_field = "tenant"
    tenant_attname = "tenant_id"

    objects = TenantManager()

    class Meta:
        abstract = True
        base_manager_name = "objects"
        default_manager_name = "objects"

    def _ensure_in_scope(self):
        current = scope.require(f"Writing a {self._meta.verbose_name}")
        tenant_id = self.owning_tenant_id
        if not current.is_over_all_tenants and (
            tenant_id is None or scope.tenant_id_of(tenant_id) != current.tenant_id
        ):
            raise CrossTenantWrite(
                f"{self._meta.verbose_name} {self.pk} belongs to tenant {tenant_id}; the scope is {current.tenant_id}."
            )
