import nexora.kernel.db.indexes
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0007_search_audit_trail'),
        ('tenants', '0005_search_domains'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='auditevent',
            index=nexora.kernel.db.indexes.SeedIndex(models.F('tenant'), models.F('action'), models.OrderBy(models.F('created_at'), descending=True, nulls_last=True), models.OrderBy(models.F('id'), descending=True), name='idx_audit_events_tenant_id_action_created_at_id'),
        ),
        migrations.AddIndex(
            model_name='auditevent',
            index=nexora.kernel.db.indexes.SeedIndex(models.F('tenant'), models.F('resource'), models.OrderBy(models.F('created_at'), descending=True, nulls_last=True), models.OrderBy(models.F('id'), descending=True), name='idx_audit_events_tenant_id_resource_created_at_id'),
        ),
        migrations.AddIndex(
            model_name='refreshtoken',
            index=nexora.kernel.db.indexes.SeedIndex(models.F('tenant'), models.OrderBy(models.F('created_at'), descending=True, nulls_last=True), models.OrderBy(models.F('id'), descending=True), name='idx_refresh_tokens_tenant_id_created_at_id'),
        ),
        migrations.AddIndex(
            model_name='refreshtoken',
            index=nexora.kernel.db.indexes.SeedIndex(fields=['tenant', 'expires_at', 'id'], name='idx_refresh_tokens_tenant_id_expires_at_id'),
        ),
        migrations.AddIndex(
            model_name='user',
            index=nexora.kernel.db.indexes.SeedIndex(models.F('tenant'), models.F('role'), models.OrderBy(models.F('created_at'), descending=True, nulls_last=True), models.OrderBy(models.F('id'), descending=True), name='idx_users_tenant_id_role_created_at_id'),
        ),
        migrations.AddIndex(
            model_name='user',
            index=nexora.kernel.db.indexes.SeedIndex(models.F('tenant'), models.F('status'), models.OrderBy(models.F('created_at'), descending=True, nulls_last=True), models.OrderBy(models.F('id'), descending=True), name='idx_users_tenant_id_status_created_at_id'),
        ),
        migrations.AddIndex(
            model_name='user',
            index=nexora.kernel.db.indexes.SeedIndex(models.F('tenant'), models.F('email_verified'), models.OrderBy(models.F('created_at'), descending=True, nulls_last=True), models.OrderBy(models.F('id'), descending=True), name='idx_users_tenant_id_email_verified_created_at_id'),
        ),
        migrations.AddIndex(
            model_name='user',
            index=nexora.kernel.db.indexes.SeedIndex(fields=['tenant', 'last_login', 'id'], name='idx_users_tenant_id_last_login_id'),
        ),
        migrations.AddIndex(
            model_name='user',
            index=nexora.kernel.db.indexes.SeedIndex(fields=['tenant', 'updated_at', 'id'], name='idx_users_tenant_id_updated_at_id'),
        ),
    ]
