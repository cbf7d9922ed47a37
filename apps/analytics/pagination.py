from nexora.kernel.api.pagination import KeysetPagination

from .services import revenue_refreshes


class ReportPagination(KeysetPagination):
    """Pages of a report, each with `as_of`: reports are made anew within a minute of a change, not at once."""

    facts = {"as_of": revenue_refreshes()}

    def get_paginated_response_schema(self, schema):
        page = super().get_paginated_response_schema(schema)
        as_of = {
            "type": ["string", "null"],
            "format": "date-time",
            "description": "When the report was made; null before the first time.",
        }
        return page | {"required": ["as_of", *page["required"]], "properties": {"as_of": as_of, **page["properties"]}}
