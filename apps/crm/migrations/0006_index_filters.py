import nexora.kernel.db.indexes
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('crm', '0005_scaled_columns'),
        ('tenants', '0005_search_domains'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddIndex(
            model_name='activity',
            index=nexora.kernel.db.indexes.SeedIndex(models.F('tenant'), models.F('type'), models.OrderBy(models.F('created_at'), descending=True, nulls_last=True), models.OrderBy(models.F('id'), descending=True), name='idx_activities_tenant_id_type_created_at_id'),
        ),
        migrations.AddIndex(
            model_name='activity',
            index=nexora.kernel.db.indexes.SeedIndex(models.F('tenant'), models.F('completed'), models.OrderBy(models.F('created_at'), descending=True, nulls_last=True), models.OrderBy(models.F('id'), descending=True), name='idx_activities_tenant_id_completed_created_at_id'),
        ),
        migrations.AddIndex(
            model_name='activity',
            index=nexora.kernel.db.indexes.SeedIndex(fields=['tenant', 'due_date', 'id'], name='idx_activities_tenant_id_due_date_id'),
        ),
        migrations.AddIndex(
            model_name='activity',
            index=nexora.kernel.db.indexes.SeedIndex(fields=['tenant', 'updated_at', 'id'], name='idx_activities_tenant_id_updated_at_id'),
        ),
        migrations.AddIndex(
            model_name='customer',
            index=nexora.kernel.db.indexes.SeedIndex(models.F('tenant'), models.F('status'), models.OrderBy(models.F('created_at'), descending=True, nulls_last=True), models.OrderBy(models.F('id'), descending=True), name='idx_customers_tenant_id_status_created_at_id'),
        ),
        migrations.AddIndex(
            model_name='customer',
            index=nexora.kernel.db.indexes.SeedIndex(fields=['tenant', 'phone'], name='idx_customers_tenant_id_phone'),
        ),
        migrations.AddIndex(
            model_name='customer',
            index=nexora.kernel.db.indexes.SeedIndex(fields=['tenant', 'updated_at', 'id'], name='idx_customers_tenant_id_updated_at_id'),
        ),
        migrations.AddIndex(
            model_name='deal',
            index=nexora.kernel.db.indexes.SeedIndex(models.F('tenant'), models.F('stage'), models.OrderBy(models.F('created_at'), descending=True, nulls_last=True), models.OrderBy(models.F('id'), descending=True), name='idx_deals_tenant_id_stage_created_at_id'),
        ),
        migrations.AddIndex(
            model_name='deal',
            index=nexora.kernel.db.indexes.SeedIndex(models.F('tenant'), models.F('probability'), models.OrderBy(models.F('created_at'), descending=True, nulls_last=True), models.OrderBy(models.F('id'), descending=True), name='idx_deals_tenant_id_probability_created_at_id'),
        ),
        migrations.AddIndex(
            model_name='deal',
            index=nexora.kernel.db.indexes.SeedIndex(fields=['tenant', 'expected_close_date', 'id'], name='idx_deals_tenant_id_expected_close_date_id'),
        ),
        migrations.AddIndex(
            model_name='deal',
            index=nexora.kernel.db.indexes.SeedIndex(fields=['tenant', 'updated_at', 'id'], name='idx_deals_tenant_id_updated_at_id'),
        ),
        migrations.AddIndex(
            model_name='deal',
            index=nexora.kernel.db.indexes.SeedIndex(fields=['tenant', 'closed_at', 'id'], name='idx_deals_tenant_id_closed_at_id'),
        ),
    ]
