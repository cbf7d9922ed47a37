"""The same columns, without a tenant."""

import uuid

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.postgres.fields import ArrayField
from django.db import models


class User(AbstractBaseUser):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    email = models.CharField(max_length=255, unique=True)
    password = models.CharField(max_length=255, db_column="password_hash")
    name = models.CharField(max_length=255)
    last_login = None

    USERNAME_FIELD = "email"

    class Meta:
        managed = False
        db_table = "users"

    def __str__(self):
        return self.name


class Customer(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=255)
    email = models.EmailField(max_length=255, null=True, blank=True)
    phone = models.CharField(max_length=50, null=True, blank=True)
    company = models.CharField(max_length=255, null=True, blank=True)
    status = models.CharField(
        max_length=50,
        choices=[(s, s) for s in ("lead", "prospect", "active", "churned")],
        default="lead",
    )
    tags = ArrayField(models.TextField(), null=True, blank=True)
    custom_fields = models.JSONField(null=True, blank=True, default=dict)
    created_by = models.ForeignKey(User, models.DO_NOTHING, null=True, db_column="created_by", related_name="customers")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        managed = False
        db_table = "customers"

    def __str__(self):
        return self.name


class Deal(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    customer = models.ForeignKey(Customer, models.CASCADE, related_name="deals")
    value = models.DecimalField(max_digits=12, decimal_places=2)
    stage = models.CharField(max_length=50)

    class Meta:
        managed = False
        db_table = "deals"

    def __str__(self):
        return f"{self.stage}: {self.value}"


class Revenue(models.Model):
    month = models.DateTimeField(primary_key=True)
    total_revenue = models.DecimalField(max_digits=20, decimal_places=2)
    deal_count = models.BigIntegerField()

    class Meta:
        managed = False
        db_table = "revenue"

    def __str__(self):
        return f"{self.month:%B %Y}"
