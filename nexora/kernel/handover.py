"""What a person leaves behind: open records that name them as the one who sees to them.

The kernel knows no record, so an app registers its own when it is ready:

    handover.register(Deal, holder="assigned_to", is_open=DealQuerySet.open)

Who made a record is no holder: that stays true whoever sees to it now.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import batched

from nexora.kernel import events, permissions
from nexora.kernel.errors import Forbidden

# Records that are held in memory, and whose events are, at a time.
AT_ONCE = 500

_kinds = []


@dataclass(frozen=True)
class Kind:
    """Records of `model` that the relation `holder` gives to a person; `is_open` narrows a queryset to open ones."""

    model: type
    holder: str
    is_open: Callable

    @property
    def name(self):
        return str(self.model._meta.verbose_name_plural)

    def held_by(self, person):
        # The tenant is named although the scope may name it: over all tenants no index would be found without.
        return self.is_open(self.model.objects.filter(tenant_id=person.tenant_id, **{self.holder: person.pk}))


def register(model, *, holder, is_open):
    _kinds.append(Kind(model, holder, is_open))


def kinds():
    """Every registered Kind."""
    return tuple(_kinds)


def count_open(person):
    """{"deals": 3, …}: how many records of each kind `person` holds."""
    return {kind.name: kind.held_by(person).count() for kind in _kinds}


def in_words(counts):
    """ "3 deals and 1 activity"; empty text where there is nothing."""
    nouns = {kind.name: str(kind.model._meta.verbose_name) for kind in _kinds}
    *others, last = [f"{n:,} {nouns[name] if n == 1 else name}" for name, n in counts.items() if n] or [""]
    return f"{', '.join(others)} and {last}" if others else last


def ensure_may_move(actor):
    """Forbidden unless the person may update all records of every kind."""
    for kind in _kinds:
        if permissions.reach(actor, kind.model, "update") != permissions.ALL:
            raise Forbidden(f"Your role, {actor.role}, may not hand over {kind.name} of other people.")


def move_open(*, person, successor):
    """Give what `person` holds to `successor`, record after record, inside a transaction; {kind: how many}."""
    return {kind.name: _move(kind, person, successor) for kind in _kinds}


def _move(kind, person, successor):
    moved = 0
    held = kind.held_by(person).order_by("pk")
    # Looked for once: in a second look PostgreSQL would pass all that this transaction has moved already.
    for ids in batched(list(held.values_list("pk", flat=True)), AT_ONCE):
        with events.batch():
            for record in held.filter(pk__in=ids).select_for_update(of=("self",), no_key=True):
                setattr(record, kind.holder, successor)
                record.save()
                moved += 1
            events.flush()
    return moved
