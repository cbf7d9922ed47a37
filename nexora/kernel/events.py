"""The one change event.

Every write of a tenant model through `save()` or `delete()` publishes one RecordChange inside the same transaction; a
service that writes many rows publishes its own. Readers (audit trail, timelines, triggers, webhooks) register with
`@reader` in their app's receivers.py and get a list of changes; a reader that raises rolls the write back.
"""

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from nexora.kernel import clock, scope

CREATED, UPDATED, DELETED = "created", "updated", "deleted"
# Of a list, not of a record: somebody took its rows away as a file.
EXPORTED = "exported"

_readers = []
_pending = ContextVar("nexora_pending_events", default=None)
_actor = ContextVar("nexora_actor", default=None)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who writes: a person of `tenant_id`, or, without an id, the system. `address` is the client's IP address.

    `session_id` is the session in which a person does it, where there is one.
    """

    id: UUID | None
    label: str
    tenant_id: UUID | None = None
    address: str | None = None
    session_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class RecordChange:
    """What happened to one record, or to a list of them.

    action     created, updated or deleted, or another verb that a service names
    model      the model class
    record_id  None of a list; so is `record`
    changes    {field: [from, to]}, columns' JSON-ready values come from `nexora.kernel.models.plain`
    children   {table: count} of rows that the database deletes along with the record
    """

    action: str
    model: type
    record_id: UUID | None
    tenant_id: UUID
    label: str
    changes: dict = field(default_factory=dict)
    children: dict = field(default_factory=dict)
    actor: Actor | None = None
    at: datetime | None = None
    record: object = None


def reader(function):
    """Register a function of `list[RecordChange]`."""
    if function not in _readers:
        _readers.append(function)
    return function


def publish(change):
    """Hand the change to every reader now, or at the end of the enclosing `batch()`."""
    pending = _pending.get()
    if pending is not None:
        pending.append(change)
        return
    for read in _readers:
        read([change])


def record_change(action, record, *, changes=None, children=None):
    """A RecordChange of a model instance, by the current actor, at the current time."""
    return RecordChange(
        action=action,
        model=type(record),
        record_id=record.pk,
        tenant_id=record.owning_tenant_id,
        label=str(record)[:255],
        changes=changes or {},
        children=children or {},
        actor=_actor.get(),
        at=clock.now(),
        record=record,
    )


def list_change(action, model, label, *, changes=None, tenant_id=None):
    """A RecordChange of a list of records, in the trail of `tenant_id`, else of the tenant in scope; over all tenants
    in the platform's."""
    return RecordChange(
        action=action,
        model=model,
        record_id=None,
        tenant_id=tenant_id or scope.require("An event").tenant_id or scope.PLATFORM_TENANT_ID,
        label=label[:255],
        changes=changes or {},
        actor=_actor.get(),
        at=clock.now(),
    )


@contextmanager
def batch():
    """Inside a transaction: collect events and hand them to the readers together, in order, at the end."""
    if _pending.get() is not None:
        yield
        return
    pending = []
    token = _pending.set(pending)
    try:
        yield
    finally:
        _pending.reset(token)
    if pending:
        for read in _readers:
            read(pending)


@contextmanager
def apart():
    """What is published inside is no part of an enclosing `batch()`: it can be rolled back alone."""
    token = _pending.set(None)
    try:
        yield
    finally:
        _pending.reset(token)


def flush():
    """Inside a `batch()`: hand what is collected to the readers now, so that thousands of events need not be kept."""
    pending = _pending.get()
    if pending:
        taken, pending[:] = list(pending), []
        for read in _readers:
            read(taken)


def actor():
    """The current Actor, or None when nobody said who acts."""
    return _actor.get()


@contextmanager
def acting_as(who):
    token = _actor.set(who)
    try:
        yield who
    finally:
        _actor.reset(token)


def identify(who):
    """Name the actor for the rest of the enclosing `acting_as()`: authentication learns it after the request began."""
    _actor.set(who)
