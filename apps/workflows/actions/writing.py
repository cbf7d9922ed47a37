"""Writing records as the API would for the workflow's owner."""

from types import SimpleNamespace
from uuid import UUID

from nexora.kernel import permissions
from nexora.kernel.errors import Forbidden

from ..definition.registry import StepFailed
from ..definition.resources import resource_named


def resource_for(step, name, action):
    """The resource, if the owner may do that to any of it; StepFailed or Forbidden otherwise."""
    resource = resource_named(name)
    if resource is None:
        raise StepFailed(f"There are no {name} here.")
    if permissions.reach(step.owner, resource.model, action) is None:
        raise permissions.why_not(step.owner, resource.model, action)
    return resource


def create(step, resource, given):
    """The record, made the owner's own where the model says who made it."""
    serializer = _serializer(step, resource, data=given)
    made_by = {
        attname: step.owner.pk
        for attname in resource.model.owner_fields
        if attname.removesuffix("_id") not in serializer.validated_data
    }
    return serializer.save(**made_by)


def update(step, resource, record, given):
    return _serializer(step, resource, record, data=given, partial=True).save()


def target(step, resource, record_id, action):
    """The record, locked; StepFailed if the owner sees none, Forbidden if it is not theirs to write."""
    found = resource.find(_key(record_id), step.owner, locked=True)
    noun = resource.model._meta.verbose_name
    if found is None:
        raise StepFailed(f"There is no {noun} {record_id} that {step.owner} may see.")
    if not permissions.may(step.owner, found, action):
        raise Forbidden(f"{step.owner}, {step.owner.role}, may not {action} the {noun} {found}.")
    return found


def _key(text):
    try:
        return UUID(str(text))
    except ValueError:
        raise StepFailed(f"'{str(text)[:60]}' is no id.") from None


def _serializer(step, resource, *args, **kwargs):
    request = SimpleNamespace(user=step.owner)
    serializer = resource.serializer(*args, context={"request": request}, **kwargs)
    serializer.is_valid(raise_exception=True)
    return serializer
