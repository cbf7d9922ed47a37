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
        ('accounts', '0011_second_factors'),
        ('tenants', '0005_search_domains'),
    ]

    operations = [
        migrations.CreateModel(
            name='Invitation',
            fields=[
                ('id', models.UUIDField(db_default=nexora.kernel.db.functions.GenRandomUUID(), default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('tenant', models.ForeignKey(db_default=nexora.kernel.db.functions.CurrentTenant(), db_index=False, default=nexora.kernel.scope.default_tenant_id, on_delete=django.db.models.deletion.DB_CASCADE, related_name='+', to='tenants.tenant')),
                ('email', nexora.kernel.fields.EmailAddressField(max_length=255)),
                ('role', models.CharField(choices=[('super_admin', 'Super admin'), ('admin', 'Admin'), ('manager', 'Manager'), ('user', 'User'), ('guest', 'Guest')], db_default='user', default='user', max_length=50)),
                ('status', models.CharField(choices=[('pending', 'Pending'), ('accepted', 'Accepted'), ('revoked', 'Revoked')], db_default='pending', default='pending', editable=False, max_length=50)),
                ('token', models.CharField(blank=True, editable=False, help_text="SHA-256 of the link's.", max_length=64, null=True)),
                ('invited_by', nexora.kernel.fields.TenantForeignKey(blank=True, editable=False, help_text='Empty for the platform.', null=True, on_delete=django.db.models.deletion.DB_CASCADE, related_name='invitations', to=settings.AUTH_USER_MODEL)),
                ('expires_at', models.DateTimeField(editable=False)),
                ('sent_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('accepted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('revoked_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('created_at', models.DateTimeField(blank=True, db_default=nexora.kernel.db.functions.CurrentTimestamp(), editable=False, null=True)),
                ('updated_at', models.DateTimeField(blank=True, db_default=nexora.kernel.db.functions.CurrentTimestamp(), editable=False, null=True)),
            ],
            options={
                'db_table': 'invitations',
                'abstract': False,
                'base_manager_name': 'objects',
                'default_manager_name': 'objects',
                'indexes': [nexora.kernel.db.indexes.SeedIndex(models.F('tenant'), models.OrderBy(models.F('created_at'), descending=True, nulls_last=True), models.OrderBy(models.F('id'), descending=True), name='idx_invitations_tenant_id_created_at_id'), nexora.kernel.db.indexes.SeedIndex(models.F('tenant'), models.F('role'), models.OrderBy(models.F('created_at'), descending=True, nulls_last=True), models.OrderBy(models.F('id'), descending=True), name='idx_invitations_tenant_id_role_created_at_id'), nexora.kernel.db.indexes.SeedIndex(models.F('tenant'), models.F('status'), models.OrderBy(models.F('created_at'), descending=True, nulls_last=True), models.OrderBy(models.F('id'), descending=True), name='idx_invitations_tenant_id_status_created_at_id'), nexora.kernel.db.indexes.SeedIndex(fields=['tenant', 'expires_at', 'id'], name='idx_invitations_tenant_id_expires_at_id'), nexora.kernel.db.indexes.SeedIndex(fields=['tenant', 'invited_by'], name='idx_invitations_tenant_id_invited_by_id')],
                'constraints': [models.UniqueConstraint(fields=('tenant', 'email', 'accepted_at', 'revoked_at'), name='invitations_tenant_id_email_accepted_at_revoked_at_key', nulls_distinct=False, violation_error_message='This address is invited already.'), models.UniqueConstraint(fields=('tenant', 'token'), name='invitations_tenant_id_token_key'), models.CheckConstraint(condition=models.Q(('role__in', ['super_admin', 'admin', 'manager', 'user', 'guest'])), name='invitations_role_check', violation_error_message='Unknown role.'), models.CheckConstraint(condition=models.Q(models.Q(('role', 'super_admin'), _negated=True), ('tenant', uuid.UUID('00000000-0000-0000-0000-00000000c0de')), _connector='OR'), name='invitations_super_admin_platform_check', violation_error_message='Only the platform has super admins.'), models.CheckConstraint(condition=models.Q(models.Q(('accepted_at', None), ('revoked_at', None), ('status', 'pending')), models.Q(('accepted_at__isnull', False), ('revoked_at', None), ('status', 'accepted')), models.Q(('accepted_at', None), ('revoked_at__isnull', False), ('status', 'revoked')), _connector='OR'), name='invitations_status_check', violation_error_message='An invitation is pending, accepted at a time or revoked at a time.'), nexora.kernel.db.constraints.CompositeForeignKey(field='invited_by', name='invitations_tenant_id_invited_by_id_fkey', on_delete='CASCADE', to='accounts.user')],
            },
        ),
        ProtectTable("invitations"),
    ]
