"""The kinds of records that a definition may name, and what it may read and write of them.

    register("customers", Customer, serializer=CustomerSerializer)

The serializer is the API's: an action writes what a request of the workflow's owner could, by the same rules.
"""

from functools import cached_property
from types import SimpleNamespace

from apps.accounts.models import User
from apps.crm.models import Activity, Customer, Deal
from apps.crm.serializers import ActivitySerializer, CustomerSerializer, DealSerializer
from nexora.kernel import permissions
from nexora.kernel.statements import KEY, Find, Slot, Statements

from .values import Unresolved

# How many relations a path may follow: record.deal.customer.name.
MOST_HOPS = 3

_by_name, _by_model = {}, {}
_statements = Statements()


class Resource:
    """
    name          plural, as in the API's addresses
    serializer    of the API; what it lets a client write, an action may write. None: read only
    readable      names of columns; default: all but redacted ones and the tenant
    listed        whether a trigger or an action may name it; people are only reached from a record
    """

    def __init__(self, name, model, *, serializer=None, readable=None, listed=True):
        self.name = name
        self.model = model
        self.serializer = serializer
        self.listed = listed
        self._readable = readable

    @cached_property
    def columns(self):
        found = {
            column.name: column
            for column in self.model._meta.concrete_fields
            if column.name not in self.model.redacted and column.name not in ("tenant", "password")
        }
        return {name: found[name] for name in self._readable} if self._readable else found

    @cached_property
    def writable(self):
        """Names of what an action may set."""
        if self.serializer is None:
            return ()
        return tuple(name for name, field in self.serializer().fields.items() if not field.read_only)

    @cached_property
    def moments(self):
        """Names of the columns that hold a day or a moment."""
        kinds = ("DateField", "DateTimeField")
        return tuple(name for name, column in self.columns.items() if column.get_internal_type() in kinds)

    def related(self, name):
        """The resource that a column points at, or None."""
        column = self.columns[name]
        return _by_model.get(column.related_model) if column.is_relation else None

    def path_problem(self, path, hops=MOST_HOPS):
        """A sentence about a path into such a record; None where it leads somewhere."""
        if not path:
            return None
        name, *rest = path
        if name not in self.columns:
            return f"{self.name} have no field {name}. They have {', '.join(self.columns)}."
        if not rest:
            return None
        if self.columns[name].get_internal_type() in ("JSONField", "ArrayField"):
            return None
        related = self.related(name)
        if related is None:
            return f"{name} of {self.name} is a plain value; nothing can follow it."
        if hops == 0:
            return f"A path follows at most {MOST_HOPS} relations."
        return related.path_problem(rest, hops - 1)

    def read(self, record, path, reader):
        """The value at `path`, as `reader`, the workflow's owner, may see it; Unresolved where there is none."""
        if not path:
            return record.pk
        name, *rest = path
        column = self.columns.get(name)
        if column is None:
            raise Unresolved(f"{self.name} have no field {name}.")
        value = getattr(record, column.attname)
        if not rest or value is None:
            return value
        related = self.related(name)
        if related is None:
            return follow(value, rest)
        found = related.find(value, reader)
        if found is None:
            raise Unresolved(f"{name} is out of sight of the workflow's owner.")
        return related.read(found, rest, reader)

    def find(self, record_id, reader, *, action="view", locked=False):
        """The record, if `reader` may do that to it; else None."""
        reach = permissions.reach(reader, self.model, action)
        if reach is None:
            return None

        def make():
            records = self.model.objects.filter(pk=Slot(KEY, self.model._meta.pk))
            if reach == permissions.OWN:
                somebody = SimpleNamespace(pk=Slot("reader", User._meta.pk))
                records = records.filter(permissions.named_in(self.model, somebody))
            return Find(records.select_for_update(of=("self",), no_key=True) if locked else records)

        return _statements.get((self.model, reach, locked), make).record({KEY: record_id, "reader": reader.pk})

    def values(self, record):
        """{column: value} of everything that may be read."""
        return {name: getattr(record, column.attname) for name, column in self.columns.items()}


def follow(value, path):
    """Deeper into lists and objects."""
    for part in path:
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isascii() and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            raise Unresolved(f"There is no {part} in it.")
    return value


def register(name, model, **options):
    resource = Resource(name, model, **options)
    _by_name[name] = _by_model[model] = resource
    return resource


def resource_named(name):
    """A resource that a definition may name, or None."""
    found = _by_name.get(name) if isinstance(name, str) else None
    return found if found and found.listed else None


def resource_of(model):
    """The resource of a model, or None."""
    found = _by_model.get(model)
    return found if found and found.listed else None


def names(*, writable=False):
    return [name for name, found in _by_name.items() if found.listed and (found.serializer or not writable)]


register("customers", Customer, serializer=CustomerSerializer)
register("deals", Deal, serializer=DealSerializer)
register("activities", Activity, serializer=ActivitySerializer)
register("users", User, readable=("id", "name", "email", "role", "status"), listed=False)
