import apps.accounts.models.keys
import django.contrib.postgres.fields
import django.db.models.deletion
import nexora.kernel.db.constraints
import nexora.kernel.db.functions
import nexora.kernel.db.indexes
import nexora.kernel.fields
import nexora.kernel.scope
from nexora.kernel.db.operations import ProtectTable
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0009_attempts'),
        ('tenants', '0005_search_domains'),
    ]

    operations = [
        migrations.CreateModel(
            name='APIKey',
            fields=[
                ('id', models.UUIDField(db_default=nexora.kernel.db.functions.GenRandomUUID(), default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('tenant', models.ForeignKey(db_default=nexora.kernel.db.functions.CurrentTenant(), db_index=False, default=nexora.kernel.scope.default_tenant_id, on_delete=django.db.models.deletion.DB_CASCADE, related_name='+', to='tenants.tenant')),
                ('user', nexora.kernel.fields.TenantForeignKey(help_text='On whose behalf the program acts.', on_delete=django.db.models.deletion.DB_CASCADE, related_name='api_keys', to=settings.AUTH_USER_MODEL)),
                ('name', models.CharField(help_text='What the key is for.', max_length=100)),
                ('prefix', models.CharField(editable=False, help_text='How the key begins, to recognise it by.', max_length=12)),
                ('token', models.CharField(editable=False, help_text='SHA-256 of the key.', max_length=64)),
                ('scopes', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=150), help_text='Such as crm.customer:read or crm.deal:write, which includes reading; * is every resource.', validators=[apps.accounts.models.keys.validate_scopes])),
                ('expires_at', models.DateTimeField(blank=True, help_text='Empty: the key works until it is revoked.', null=True)),
                ('last_used_at', models.DateTimeField(blank=True, editable=False, help_text='To the minute.', null=True)),
                ('last_used_ip', models.GenericIPAddressField(blank=True, editable=False, null=True, verbose_name='last used from')),
                ('revoked_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('created_by', nexora.kernel.fields.TenantForeignKey(blank=True, db_column='created_by', null=True, on_delete=django.db.models.deletion.DB_SET_NULL, related_name='api_keys_created', to=settings.AUTH_USER_MODEL)),
                ('created_at', models.DateTimeField(blank=True, db_default=nexora.kernel.db.functions.CurrentTimestamp(), editable=False, null=True)),
                ('updated_at', models.DateTimeField(blank=True, db_default=nexora.kernel.db.functions.CurrentTimestamp(), editable=False, null=True)),
            ],
            options={
                'verbose_name': 'API key',
                'db_table': 'api_keys',
                'abstract': False,
                'base_manager_name': 'objects',
                'default_manager_name': 'objects',
                'indexes': [nexora.kernel.db.indexes.SeedIndex(models.F('tenant'), models.OrderBy(models.F('created_at'), descending=True, nulls_last=True), models.OrderBy(models.F('id'), descending=True), name='idx_api_keys_tenant_id_created_at_id'), nexora.kernel.db.indexes.SeedIndex(fields=['tenant', 'user'], name='idx_api_keys_tenant_id_user_id'), nexora.kernel.db.indexes.SeedIndex(fields=['tenant', 'created_by'], name='idx_api_keys_tenant_id_created_by')],
                'constraints': [models.UniqueConstraint(fields=('token',), name='api_keys_token_key'), nexora.kernel.db.constraints.CompositeForeignKey(field='user', name='api_keys_tenant_id_user_id_fkey', on_delete='CASCADE', to='accounts.user'), nexora.kernel.db.constraints.CompositeForeignKey(field='created_by', name='api_keys_tenant_id_created_by_fkey', on_delete='SET NULL', to='accounts.user')],
            },
        ),
        # What a key may do is fixed when it is made, and a key that was ever used stays on record: with its person it goes.
        ProtectTable(
            "api_keys",
            runtime="SELECT, INSERT, UPDATE (name, last_used_at, last_used_ip, revoked_at, updated_at)",
        ),
    ]
