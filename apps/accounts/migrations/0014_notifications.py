import django.contrib.postgres.indexes
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.text
import django.db.models.lookups
import nexora.kernel.db.constraints
import nexora.kernel.db.functions
import nexora.kernel.db.indexes
import nexora.kernel.fields
import nexora.kernel.json
import nexora.kernel.scope
from nexora.kernel.db.operations import ProtectTable
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0013_sessions_of_browsers'),
        ('tenants', '0010_setting_of_second_factor'),
    ]

    operations = [
        migrations.CreateModel(
            name='Notification',
            fields=[
                ('id', models.UUIDField(db_default=nexora.kernel.db.functions.GenRandomUUID(), default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('tenant', models.ForeignKey(db_default=nexora.kernel.db.functions.CurrentTenant(), db_index=False, default=nexora.kernel.scope.default_tenant_id, on_delete=django.db.models.deletion.DB_CASCADE, related_name='+', to='tenants.tenant')),
                ('user', nexora.kernel.fields.TenantForeignKey(on_delete=django.db.models.deletion.DB_CASCADE, related_name='notifications', to=settings.AUTH_USER_MODEL)),
                ('text', models.TextField(validators=[django.core.validators.MaxLengthValidator(2000), nexora.kernel.json.check_text])),
                ('resource', models.CharField(blank=True, help_text='app.model of the record that it is about.', max_length=100, null=True)),
                ('record_id', models.UUIDField(blank=True, null=True)),
                ('level', models.CharField(choices=[('info', 'Info'), ('success', 'Success'), ('warning', 'Warning'), ('danger', 'Danger')], db_default='info', default='info', max_length=20)),
                ('created_at', models.DateTimeField(blank=True, db_default=nexora.kernel.db.functions.CurrentTimestamp(), editable=False, null=True)),
                ('read_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'db_table': 'notifications',
                'abstract': False,
                'base_manager_name': 'objects',
                'default_manager_name': 'objects',
                'indexes': [nexora.kernel.db.indexes.SeedIndex(models.F('tenant'), models.F('user_id'), models.OrderBy(models.F('created_at'), descending=True, nulls_last=True), models.OrderBy(models.F('id'), descending=True), name='idx_notifications_tenant_id_user_id_created_at_id'), nexora.kernel.db.indexes.SeedIndex(models.F('tenant'), models.F('user_id'), models.OrderBy(models.F('created_at'), descending=True, nulls_last=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('read_at', None)), name='idx_notifications_tenant_id_user_id_unread'), django.contrib.postgres.indexes.BrinIndex(fields=['created_at'], name='idx_notifications_created_at'), nexora.kernel.db.indexes.SeedIndex(condition=models.Q(('read_at__isnull', False)), fields=['read_at'], name='idx_notifications_read_at')],
                'constraints': [models.CheckConstraint(condition=models.Q(django.db.models.lookups.GreaterThan(django.db.models.functions.text.Length('text'), 0), django.db.models.lookups.LessThanOrEqual(django.db.models.functions.text.Length('text'), 2000)), name='notifications_text_check', violation_error_message='A notification has a text of at most 2,000 characters.'), models.CheckConstraint(condition=models.Q(('level__in', ['info', 'success', 'warning', 'danger'])), name='notifications_level_check', violation_error_message='Unknown level.'), nexora.kernel.db.constraints.CompositeForeignKey(field='user', name='notifications_tenant_id_user_id_fkey', on_delete='CASCADE', to='accounts.user')],
            },
        ),
        # What somebody was told stays as it was, but that they read it. The platform writes to its own people, and removes
        # what is old.
        ProtectTable(
            "notifications",
            runtime="SELECT, INSERT, UPDATE (read_at), DELETE",
            platform="SELECT, INSERT, UPDATE (read_at), DELETE",
        ),
    ]
