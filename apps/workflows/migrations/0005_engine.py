import django.core.validators
import django.db.models.deletion
import django.db.models.fields.json
import nexora.kernel.db.constraints
import nexora.kernel.db.functions
import nexora.kernel.db.indexes
import nexora.kernel.fields
import nexora.kernel.scope
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tenants', '0010_setting_of_second_factor'),
        ('workflows', '0004_index_filters'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='workflow',
            name='version',
            field=models.IntegerField(db_default=1, default=1, editable=False, help_text='Counts the definitions.'),
        ),
        migrations.AddField(
            model_name='workflow',
            name='runs_per_minute',
            field=models.IntegerField(db_default=60, default=60, help_text='When its trigger starts more than that, it is taken for a loop and switched off.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(100000)]),
        ),
        migrations.AddField(
            model_name='workflow',
            name='notice',
            field=models.TextField(blank=True, editable=False, help_text='Why it was switched off by itself.', null=True),
        ),
        migrations.AddField(
            model_name='workflow',
            name='next_run_at',
            field=models.DateTimeField(blank=True, editable=False, help_text='When its schedule is due, or until when dates were looked at.', null=True),
        ),
        migrations.AddField(
            model_name='workflow',
            name='secret_serial',
            field=models.IntegerField(db_default=1, default=1, editable=False),
        ),
        migrations.AddField(
            model_name='workflow',
            name='starts_on',
            field=models.GeneratedField(db_persist=True, expression=django.db.models.fields.json.KeyTextTransform('type', 'trigger'), output_field=models.TextField()),
        ),
        migrations.AddField(
            model_name='workflow',
            name='listens_to',
            field=models.GeneratedField(db_persist=True, expression=django.db.models.fields.json.KeyTextTransform('resource', 'trigger'), output_field=models.TextField()),
        ),
        migrations.CreateModel(
            name='WorkflowVersion',
            fields=[
                ('id', models.UUIDField(db_default=nexora.kernel.db.functions.GenRandomUUID(), default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('tenant', models.ForeignKey(db_default=nexora.kernel.db.functions.CurrentTenant(), db_index=False, default=nexora.kernel.scope.default_tenant_id, on_delete=django.db.models.deletion.DB_CASCADE, related_name='+', to='tenants.tenant')),
                ('workflow', nexora.kernel.fields.TenantForeignKey(on_delete=django.db.models.deletion.DB_CASCADE, related_name='versions', to='workflows.workflow')),
                ('number', models.IntegerField()),
                ('trigger', models.JSONField()),
                ('actions', models.JSONField()),
                ('created_by', nexora.kernel.fields.TenantForeignKey(blank=True, db_column='created_by', null=True, on_delete=django.db.models.deletion.DB_SET_NULL, related_name='workflow_versions', to=settings.AUTH_USER_MODEL)),
                ('created_at', models.DateTimeField(blank=True, db_default=nexora.kernel.db.functions.CurrentTimestamp(), editable=False, null=True)),
            ],
            options={
                'db_table': 'workflow_versions',
                'abstract': False,
                'base_manager_name': 'objects',
                'default_manager_name': 'objects',
            },
        ),
        migrations.AddConstraint(
            model_name='workflowversion',
            constraint=models.UniqueConstraint(fields=('tenant', 'id'), name='workflow_versions_tenant_id_id_key'),
        ),
        migrations.AddField(
            model_name='workflowexecution',
            name='version',
            field=nexora.kernel.fields.TenantForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.DB_CASCADE, related_name='executions', to='workflows.workflowversion'),
        ),
        migrations.AddField(
            model_name='workflowexecution',
            name='owner',
            field=nexora.kernel.fields.TenantForeignKey(blank=True, editable=False, help_text="The workflow's owner when it began.", null=True, on_delete=django.db.models.deletion.DB_SET_NULL, related_name='workflow_executions', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='workflowexecution',
            name='state',
            field=models.CharField(blank=True, choices=[('pending', 'Pending'), ('ready', 'Ready'), ('stepping', 'Stepping'), ('calling', 'Calling'), ('waiting', 'Waiting'), ('retrying', 'Retrying'), ('completed', 'Completed'), ('failed', 'Failed'), ('cancelled', 'Cancelled')], editable=False, max_length=20, null=True),
        ),
        migrations.AddField(
            model_name='workflowexecution',
            name='attempt',
            field=models.IntegerField(db_default=1, default=1, editable=False, help_text='Of the step it stands at.'),
        ),
        migrations.AddField(
            model_name='workflowexecution',
            name='depth',
            field=models.IntegerField(db_default=0, default=0, editable=False, help_text='How many runs led to it.', validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(3)]),
        ),
        migrations.AddField(
            model_name='workflowexecution',
            name='parent',
            field=nexora.kernel.fields.TenantForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.DB_SET_NULL, related_name='children', to='workflows.workflowexecution'),
        ),
        migrations.AddField(
            model_name='workflowexecution',
            name='retry_of',
            field=nexora.kernel.fields.TenantForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.DB_SET_NULL, related_name='retries', to='workflows.workflowexecution'),
        ),
        migrations.AddField(
            model_name='workflowexecution',
            name='resume_at',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name='workflowexecution',
            name='cancel_requested_at',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name='workflowexecution',
            name='resource',
            field=models.CharField(blank=True, editable=False, max_length=100, null=True),
        ),
        migrations.AddField(
            model_name='workflowexecution',
            name='record_id',
            field=models.UUIDField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name='workflowexecution',
            name='trigger_key',
            field=models.CharField(blank=True, editable=False, help_text='What may start the workflow only once.', max_length=255, null=True),
        ),
        migrations.AddField(
            model_name='workflowexecution',
            name='position',
            field=models.JSONField(blank=True, editable=False, null=True),
        ),
        migrations.AddConstraint(
            model_name='workflowexecution',
            constraint=models.UniqueConstraint(fields=('tenant', 'id'), name='workflow_executions_tenant_id_id_key'),
        ),
        migrations.CreateModel(
            name='WorkflowStep',
            fields=[
                ('id', models.UUIDField(db_default=nexora.kernel.db.functions.GenRandomUUID(), default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('tenant', models.ForeignKey(db_default=nexora.kernel.db.functions.CurrentTenant(), db_index=False, default=nexora.kernel.scope.default_tenant_id, on_delete=django.db.models.deletion.DB_CASCADE, related_name='+', to='tenants.tenant')),
                ('execution', nexora.kernel.fields.TenantForeignKey(on_delete=django.db.models.deletion.DB_CASCADE, related_name='steps', to='workflows.workflowexecution')),
                ('path', models.CharField(help_text='Its place: 2, or 2#7.do.0 in the eighth round of a for-each.', max_length=255)),
                ('key', models.CharField(max_length=64)),
                ('type', models.CharField(max_length=50)),
                ('status', models.CharField(choices=[('running', 'Running'), ('waiting', 'Waiting'), ('retrying', 'Retrying'), ('completed', 'Completed'), ('failed', 'Failed'), ('skipped', 'Skipped'), ('cancelled', 'Cancelled')], max_length=20)),
                ('attempts', models.IntegerField(db_default=1, default=1)),
                ('input', models.JSONField(blank=True, null=True)),
                ('output', models.JSONField(blank=True, null=True)),
                ('error', models.TextField(blank=True, null=True)),
                ('failures', models.JSONField(blank=True, help_text='Of earlier attempts: [{attempt, at, error}].', null=True)),
                ('started_at', models.DateTimeField(blank=True, db_default=nexora.kernel.db.functions.CurrentTimestamp(), null=True)),
                ('completed_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'db_table': 'workflow_steps',
                'abstract': False,
                'base_manager_name': 'objects',
                'default_manager_name': 'objects',
            },
        ),
        migrations.AlterField(
            model_name='workflow',
            name='created_by',
            field=nexora.kernel.fields.TenantForeignKey(blank=True, db_column='created_by', null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='workflows_created', to=settings.AUTH_USER_MODEL, verbose_name='owner'),
        ),
        migrations.AddIndex(
            model_name='workflow',
            index=nexora.kernel.db.indexes.SeedIndex(fields=['tenant', 'listens_to', 'enabled'], name='idx_workflows_tenant_id_listens_to_enabled'),
        ),
        migrations.AddIndex(
            model_name='workflow',
            index=nexora.kernel.db.indexes.SeedIndex(fields=['tenant', 'starts_on'], name='idx_workflows_tenant_id_starts_on'),
        ),
        migrations.AddIndex(
            model_name='workflow',
            index=nexora.kernel.db.indexes.SeedIndex(condition=models.Q(('enabled', True), ('starts_on__in', ['schedule', 'date.reached'])), fields=['next_run_at'], name='idx_workflows_next_run_at'),
        ),
        migrations.AddConstraint(
            model_name='workflow',
            constraint=models.CheckConstraint(condition=models.Q(('runs_per_minute__gte', 1), ('runs_per_minute__lte', 100000)), name='workflows_runs_per_minute_check', violation_error_message='Runs per minute are 1 to 100,000.'),
        ),
        migrations.AddIndex(
            model_name='workflowexecution',
            index=nexora.kernel.db.indexes.SeedIndex(models.F('tenant'), models.F('workflow_id'), models.OrderBy(models.F('started_at'), descending=True, nulls_last=True), models.OrderBy(models.F('id'), descending=True), name='idx_workflow_executions_tenant_id_workflow_id_started_at_id'),
        ),
        migrations.AddIndex(
            model_name='workflowexecution',
            index=nexora.kernel.db.indexes.SeedIndex(fields=['tenant', 'record_id'], name='idx_workflow_executions_tenant_id_record_id'),
        ),
        migrations.AddIndex(
            model_name='workflowexecution',
            index=nexora.kernel.db.indexes.SeedIndex(fields=['tenant', 'version'], name='idx_workflow_executions_tenant_id_version_id'),
        ),
        migrations.AddIndex(
            model_name='workflowexecution',
            index=nexora.kernel.db.indexes.SeedIndex(fields=['tenant', 'owner'], name='idx_workflow_executions_tenant_id_owner_id'),
        ),
        migrations.AddIndex(
            model_name='workflowexecution',
            index=nexora.kernel.db.indexes.SeedIndex(fields=['tenant', 'parent'], name='idx_workflow_executions_tenant_id_parent_id'),
        ),
        migrations.AddIndex(
            model_name='workflowexecution',
            index=nexora.kernel.db.indexes.SeedIndex(fields=['tenant', 'retry_of'], name='idx_workflow_executions_tenant_id_retry_of_id'),
        ),
        migrations.AddIndex(
            model_name='workflowexecution',
            index=nexora.kernel.db.indexes.SeedIndex(condition=models.Q(('resume_at__isnull', False), ('status', 'running')), fields=['resume_at'], name='idx_workflow_executions_resume_at'),
        ),
        migrations.AddIndex(
            model_name='workflowexecution',
            index=nexora.kernel.db.indexes.SeedIndex(condition=models.Q(('state__in', ['pending', 'ready'])), fields=['tenant', 'state', 'started_at', 'id'], name='idx_workflow_executions_tenant_id_state_started_at_id'),
        ),
        migrations.AddConstraint(
            model_name='workflowexecution',
            constraint=models.CheckConstraint(condition=models.Q(('depth__gte', 0), ('depth__lte', 3)), name='workflow_executions_depth_check', violation_error_message='A chain of runs is at most 3 deep.'),
        ),
        migrations.AddConstraint(
            model_name='workflowexecution',
            constraint=models.UniqueConstraint(fields=('tenant', 'workflow', 'trigger_key'), name='workflow_executions_tenant_id_workflow_id_trigger_key_key'),
        ),
        migrations.AddConstraint(
            model_name='workflowexecution',
            constraint=nexora.kernel.db.constraints.CompositeForeignKey(field='version', name='workflow_executions_tenant_id_version_id_fkey', on_delete='CASCADE', to='workflows.workflowversion'),
        ),
        migrations.AddConstraint(
            model_name='workflowexecution',
            constraint=nexora.kernel.db.constraints.CompositeForeignKey(field='owner', name='workflow_executions_tenant_id_owner_id_fkey', on_delete='SET NULL', to='accounts.user'),
        ),
        migrations.AddConstraint(
            model_name='workflowexecution',
            constraint=nexora.kernel.db.constraints.CompositeForeignKey(field='parent', name='workflow_executions_tenant_id_parent_id_fkey', on_delete='SET NULL', to='workflows.workflowexecution'),
        ),
        migrations.AddConstraint(
            model_name='workflowexecution',
            constraint=nexora.kernel.db.constraints.CompositeForeignKey(field='retry_of', name='workflow_executions_tenant_id_retry_of_id_fkey', on_delete='SET NULL', to='workflows.workflowexecution'),
        ),
        migrations.AddIndex(
            model_name='workflowstep',
            index=nexora.kernel.db.indexes.SeedIndex(models.F('tenant'), models.OrderBy(models.F('started_at'), descending=True, nulls_last=True), models.OrderBy(models.F('id'), descending=True), name='idx_workflow_steps_tenant_id_started_at_id'),
        ),
        migrations.AddIndex(
            model_name='workflowstep',
            index=nexora.kernel.db.indexes.SeedIndex(fields=['tenant', 'completed_at', 'id'], name='idx_workflow_steps_tenant_id_completed_at_id'),
        ),
        migrations.AddIndex(
            model_name='workflowstep',
            index=nexora.kernel.db.indexes.SeedIndex(models.F('tenant'), models.F('execution_id'), models.OrderBy(models.F('started_at'), descending=True, nulls_last=True), models.OrderBy(models.F('id'), descending=True), name='idx_workflow_steps_tenant_id_execution_id_started_at_id'),
        ),
        migrations.AddIndex(
            model_name='workflowstep',
            index=nexora.kernel.db.indexes.SeedIndex(models.F('tenant'), models.F('status'), models.OrderBy(models.F('started_at'), descending=True, nulls_last=True), models.OrderBy(models.F('id'), descending=True), name='idx_workflow_steps_tenant_id_status_started_at_id'),
        ),
        migrations.AddIndex(
            model_name='workflowstep',
            index=nexora.kernel.db.indexes.SeedIndex(models.F('tenant'), models.F('type'), models.OrderBy(models.F('started_at'), descending=True, nulls_last=True), models.OrderBy(models.F('id'), descending=True), name='idx_workflow_steps_tenant_id_type_started_at_id'),
        ),
        migrations.AddConstraint(
            model_name='workflowstep',
            constraint=models.UniqueConstraint(fields=('tenant', 'execution', 'path'), name='workflow_steps_tenant_id_execution_id_path_key'),
        ),
        migrations.AddConstraint(
            model_name='workflowstep',
            constraint=nexora.kernel.db.constraints.CompositeForeignKey(field='execution', name='workflow_steps_tenant_id_execution_id_fkey', on_delete='CASCADE', to='workflows.workflowexecution'),
        ),
        migrations.AddIndex(
            model_name='workflowversion',
            index=nexora.kernel.db.indexes.SeedIndex(models.F('tenant'), models.OrderBy(models.F('created_at'), descending=True, nulls_last=True), models.OrderBy(models.F('id'), descending=True), name='idx_workflow_versions_tenant_id_created_at_id'),
        ),
        migrations.AddIndex(
            model_name='workflowversion',
            index=nexora.kernel.db.indexes.SeedIndex(models.F('tenant'), models.F('workflow_id'), models.OrderBy(models.F('created_at'), descending=True, nulls_last=True), models.OrderBy(models.F('id'), descending=True), name='idx_workflow_versions_tenant_id_workflow_id_created_at_id'),
        ),
        migrations.AddIndex(
            model_name='workflowversion',
            index=nexora.kernel.db.indexes.SeedIndex(fields=['tenant', 'created_by'], name='idx_workflow_versions_tenant_id_created_by'),
        ),
        migrations.AddConstraint(
            model_name='workflowversion',
            constraint=models.UniqueConstraint(fields=('tenant', 'workflow', 'number'), name='workflow_versions_tenant_id_workflow_id_number_key'),
        ),
        migrations.AddConstraint(
            model_name='workflowversion',
            constraint=nexora.kernel.db.constraints.CompositeForeignKey(field='workflow', name='workflow_versions_tenant_id_workflow_id_fkey', on_delete='CASCADE', to='workflows.workflow'),
        ),
        migrations.AddConstraint(
            model_name='workflowversion',
            constraint=nexora.kernel.db.constraints.CompositeForeignKey(field='created_by', name='workflow_versions_tenant_id_created_by_fkey', on_delete='SET NULL', to='accounts.user'),
        ),
    ]
