import nexora.kernel.db.indexes
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('analytics', '0006_scaled_columns'),
        ('tenants', '0005_search_domains'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddIndex(
            model_name='aicreditusage',
            index=nexora.kernel.db.indexes.SeedIndex(models.F('tenant'), models.F('credits_used'), models.OrderBy(models.F('created_at'), descending=True, nulls_last=True), models.OrderBy(models.F('id'), descending=True), name='idx_ai_credit_usage_tenant_id_credits_used_created_at_id'),
        ),
        migrations.AddIndex(
            model_name='aiinsight',
            index=nexora.kernel.db.indexes.SeedIndex(models.F('tenant'), models.F('type'), models.OrderBy(models.F('created_at'), descending=True, nulls_last=True), models.OrderBy(models.F('id'), descending=True), name='idx_ai_insights_tenant_id_type_created_at_id'),
        ),
        migrations.AddIndex(
            model_name='aiinsight',
            index=nexora.kernel.db.indexes.SeedIndex(models.F('tenant'), models.F('priority'), models.OrderBy(models.F('created_at'), descending=True, nulls_last=True), models.OrderBy(models.F('id'), descending=True), name='idx_ai_insights_tenant_id_priority_created_at_id'),
        ),
        migrations.AddIndex(
            model_name='aiinsight',
            index=nexora.kernel.db.indexes.SeedIndex(models.F('tenant'), models.F('impact'), models.OrderBy(models.F('created_at'), descending=True, nulls_last=True), models.OrderBy(models.F('id'), descending=True), name='idx_ai_insights_tenant_id_impact_created_at_id'),
        ),
        migrations.AddIndex(
            model_name='aiinsight',
            index=nexora.kernel.db.indexes.SeedIndex(models.F('tenant'), models.F('actionable'), models.OrderBy(models.F('created_at'), descending=True, nulls_last=True), models.OrderBy(models.F('id'), descending=True), name='idx_ai_insights_tenant_id_actionable_created_at_id'),
        ),
        migrations.AddIndex(
            model_name='aiinsight',
            index=nexora.kernel.db.indexes.SeedIndex(models.F('tenant'), models.F('dismissed'), models.OrderBy(models.F('created_at'), descending=True, nulls_last=True), models.OrderBy(models.F('id'), descending=True), name='idx_ai_insights_tenant_id_dismissed_created_at_id'),
        ),
        migrations.AddIndex(
            model_name='aiinsight',
            index=nexora.kernel.db.indexes.SeedIndex(fields=['tenant', 'dismissed_at', 'id'], name='idx_ai_insights_tenant_id_dismissed_at_id'),
        ),
        migrations.AddIndex(
            model_name='aiprediction',
            index=nexora.kernel.db.indexes.SeedIndex(models.F('tenant'), models.F('type'), models.OrderBy(models.F('created_at'), descending=True, nulls_last=True), models.OrderBy(models.F('id'), descending=True), name='idx_ai_predictions_tenant_id_type_created_at_id'),
        ),
        migrations.AddIndex(
            model_name='aiprediction',
            index=nexora.kernel.db.indexes.SeedIndex(fields=['tenant', 'model_version'], name='idx_ai_predictions_tenant_id_model_version'),
        ),
    ]
