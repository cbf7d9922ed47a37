import nexora.kernel.db.indexes
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tenants', '0005_search_domains'),
        ('workflows', '0003_search_columns'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddIndex(
            model_name='workflow',
            index=nexora.kernel.db.indexes.SeedIndex(models.F('tenant'), models.F('enabled'), models.OrderBy(models.F('created_at'), descending=True, nulls_last=True), models.OrderBy(models.F('id'), descending=True), name='idx_workflows_tenant_id_enabled_created_at_id'),
        ),
        migrations.AddIndex(
            model_name='workflow',
            index=nexora.kernel.db.indexes.SeedIndex(fields=['tenant', 'updated_at', 'id'], name='idx_workflows_tenant_id_updated_at_id'),
        ),
        migrations.AddIndex(
            model_name='workflowexecution',
            index=nexora.kernel.db.indexes.SeedIndex(models.F('tenant'), models.F('status'), models.OrderBy(models.F('started_at'), descending=True, nulls_last=True), models.OrderBy(models.F('id'), descending=True), name='idx_workflow_executions_tenant_id_status_started_at_id'),
        ),
        migrations.AddIndex(
            model_name='workflowexecution',
            index=nexora.kernel.db.indexes.SeedIndex(fields=['tenant', 'completed_at', 'id'], name='idx_workflow_executions_tenant_id_completed_at_id'),
        ),
    ]
