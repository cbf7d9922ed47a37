import django.db.models.deletion
import nexora.kernel.db.functions
import nexora.kernel.scope
from nexora.kernel.db.operations import ProtectTable
import uuid
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tenants', '0006_plan_of_host'),
    ]

    operations = [
        migrations.CreateModel(
            name='RequestCount',
            fields=[
                ('id', models.UUIDField(db_default=nexora.kernel.db.functions.GenRandomUUID(), default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('tenant', models.ForeignKey(db_default=nexora.kernel.db.functions.CurrentTenant(), db_index=False, default=nexora.kernel.scope.default_tenant_id, on_delete=django.db.models.deletion.DB_CASCADE, related_name='+', to='tenants.tenant')),
                ('starts_at', models.DateTimeField()),
                ('count', models.IntegerField()),
                ('created_at', models.DateTimeField(blank=True, db_default=nexora.kernel.db.functions.CurrentTimestamp(), editable=False, null=True)),
            ],
            options={
                'db_table': 'request_counts',
                'abstract': False,
                'base_manager_name': 'objects',
                'default_manager_name': 'objects',
                'constraints': [models.UniqueConstraint(fields=('tenant', 'starts_at'), name='request_counts_tenant_id_starts_at_key')],
            },
        ),
        ProtectTable("request_counts", runtime="SELECT"),
    ]
