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
        ('accounts', '0005_search_columns'),
        ('tenants', '0004_search_columns'),
    ]

    operations = [
        migrations.CreateModel(
            name='IdempotencyKey',
            fields=[
                ('id', models.UUIDField(db_default=nexora.kernel.db.functions.GenRandomUUID(), default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('tenant', models.ForeignKey(db_default=nexora.kernel.db.functions.CurrentTenant(), db_index=False, default=nexora.kernel.scope.default_tenant_id, on_delete=django.db.models.deletion.DB_CASCADE, related_name='+', to='tenants.tenant')),
                ('user', nexora.kernel.fields.TenantForeignKey(on_delete=django.db.models.deletion.DB_CASCADE, related_name='idempotency_keys', to=settings.AUTH_USER_MODEL)),
                ('route', models.CharField(max_length=100)),
                ('key', models.CharField(editable=False, help_text='SHA-256 of address and key.', max_length=64)),
                ('body', models.CharField(editable=False, help_text="SHA-256 of the request's body.", max_length=64)),
                ('status', models.PositiveSmallIntegerField()),
                ('headers', models.JSONField(db_default={}, default=dict)),
                ('answer', models.TextField()),
                ('created_at', models.DateTimeField(blank=True, db_default=nexora.kernel.db.functions.CurrentTimestamp(), editable=False, null=True)),
            ],
            options={
                'db_table': 'idempotency_keys',
                'abstract': False,
                'base_manager_name': 'objects',
                'default_manager_name': 'objects',
                'indexes': [nexora.kernel.db.indexes.SeedIndex(fields=['created_at'], name='idx_idempotency_keys_created_at')],
                'constraints': [models.UniqueConstraint(fields=('tenant', 'user', 'route', 'key'), name='idempotency_keys_tenant_id_user_id_route_key_key'), nexora.kernel.db.constraints.CompositeForeignKey(field='user', name='idempotency_keys_tenant_id_user_id_fkey', on_delete='CASCADE', to='accounts.user')],
            },
        ),
        ProtectTable("idempotency_keys"),
    ]
