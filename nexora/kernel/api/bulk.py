"""Several records in one request, all or none: `POST …/bulk-update/` and `POST …/bulk-delete/`.

A viewset that says `bulk = True` has both. Each record is found, judged and written as by a PATCH or DELETE of its own;
the request's one transaction takes everything back when one of them is refused.
"""

from contextlib import contextmanager

from django.db import IntegrityError
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.response import Response

from nexora.kernel.api import conditional
from nexora.kernel.api.constraints import refused_by_database
from nexora.kernel.api.exceptions import NotFound, flatten
from nexora.kernel.api.serializers import UNKNOWN_FIELD
from nexora.kernel.errors import Forbidden, Invalid, NexoraError

MOST_RECORDS = 200
IDS, SET = "ids", "set"
ADDRESSES = ("bulk-update/", "bulk-delete/")
# {action: what its answer counts}
ANSWERS = {"bulk_update": "updated", "bulk_delete": "deleted"}


class IdField(serializers.UUIDField):
    """An id in its usual form; DRF's would take a number or a URN as well."""

    def to_internal_value(self, data):
        if not isinstance(data, str) or len(data) != 36:
            self.fail("invalid", value=data)
        return super().to_internal_value(data)


# Without a docstring: it would be published as what each of its subclasses is.
class BodySerializer(serializers.Serializer):
    def to_internal_value(self, data):
        if isinstance(data, dict) and (unknown := data.keys() - self.fields.keys()):
            raise serializers.ValidationError({name[:100]: [UNKNOWN_FIELD] for name in sorted(unknown)[:20]})
        return super().to_internal_value(data)


class IdsSerializer(BodySerializer):
    ids = serializers.ListField(child=IdField(), min_length=1, max_length=MOST_RECORDS)

    def validate_ids(self, ids):
        if len(set(ids)) < len(ids):
            raise serializers.ValidationError("Each id once.")
        return ids


class ChangesSerializer(IdsSerializer):
    set = serializers.DictField()


@contextmanager
def named(record, *, deleting=False):
    """Whatever refuses this record says which it was."""
    key, label = str(record.pk), str(record)
    try:
        yield
    except serializers.ValidationError as error:
        raise Invalid(
            f"{label} cannot be changed so, and nothing was. Correct it, or leave this id out: {key}.",
            fields=flatten(error.detail, SET),
        ) from error
    except (IntegrityError, NexoraError) as error:
        refusal = refused_by_database(error, deleting=deleting) if isinstance(error, IntegrityError) else error
        if refusal.status < 500:
            refusal.fields = {key: [refusal.detail]} | {f"{SET}.{name}": said for name, said in refusal.fields.items()}
        raise refusal from error


# No docstring: readers of the OpenAPI document would be shown it.
class Bulk:
    bulk = False

    @classmethod
    def get_extra_actions(cls):
        names = () if cls.bulk else ("bulk_update", "bulk_delete")
        return [action for action in super().get_extra_actions() if action.__name__ not in names]

    @action(detail=False, methods=["post"], url_path="bulk-update")
    def bulk_update(self, request):
        """Change several records alike, or none of them.

        Each is changed as by a PATCH with `set`. If one of them may not be, none is, and `errors` says which and why.
        """
        asked = self.asked(ChangesSerializer)
        records = self.get_objects(asked[IDS])
        for record in records:
            with named(record):
                serializer = self.get_serializer(record, data=asked[SET], partial=True)
                serializer.is_valid(raise_exception=True)
                self.perform_update(serializer)
        return Response({ANSWERS["bulk_update"]: len(records)})

    @action(detail=False, methods=["post"], url_path="bulk-delete")
    def bulk_delete(self, request):
        """Delete several records, or none of them.

        Each is deleted as by a DELETE. If one of them may not be, none is, and `errors` says which and why.
        """
        records = self.get_objects(self.asked(IdsSerializer)[IDS])
        for record in records:
            with named(record, deleting=True):
                self.perform_destroy(record)
        return Response({ANSWERS["bulk_delete"]: len(records)})

    def asked(self, serializer_class):
        conditional.refuse(self.request)
        serializer = serializer_class(data=self.request.data)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data

    def get_objects(self, ids):
        """The records, locked, in an order that all requests lock in; one that cannot be had refuses them all."""
        found = {record.pk: record for record in self.locked(self.get_queryset()).filter(pk__in=ids).order_by("pk")}
        if missing := [record_id for record_id in ids if record_id not in found]:
            sentence = self.not_found().detail
            raise NotFound(sentence, fields={str(record_id): [sentence] for record_id in missing})
        refused = {}
        for record in found.values():
            try:
                self.ensure_may_touch(record)
            except Forbidden as error:
                refused[str(record.pk)] = [error.detail]
        if refused:
            raise Forbidden(next(iter(refused.values()))[0], fields=refused)
        return list(found.values())
