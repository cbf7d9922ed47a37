"""Addresses of admin pages."""

from urllib.parse import urlencode

from django.contrib.admin.utils import quote
from django.urls import reverse


def change_url(record):
    options = record._meta
    return reverse(f"admin:{options.app_label}_{options.model_name}_change", args=[quote(record.pk)])


def list_url(model, **filters):
    """`list_url(Deal, stage__exact="proposal")`"""
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return f"{address}?{urlencode(filters)}" if filters else address
