import nexora.kernel.db.indexes
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0012_invitations'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='refreshtoken',
            name='idx_refresh_tokens_tenant_id_user_id',
        ),
        migrations.AddField(
            model_name='refreshtoken',
            name='kind',
            field=models.CharField(choices=[('api', 'API'), ('browser', 'Browser')], db_default='api', default='api', max_length=20),
        ),
        migrations.AddField(
            model_name='refreshtoken',
            name='device',
            field=models.CharField(blank=True, max_length=100, null=True),
        ),
        migrations.AddField(
            model_name='refreshtoken',
            name='last_used_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddIndex(
            model_name='refreshtoken',
            index=nexora.kernel.db.indexes.SeedIndex(models.F('tenant'), models.F('user_id'), models.OrderBy(models.F('created_at'), descending=True, nulls_last=True), models.OrderBy(models.F('id'), descending=True), name='idx_refresh_tokens_tenant_id_user_id_created_at_id'),
        ),
        migrations.AddIndex(
            model_name='refreshtoken',
            index=nexora.kernel.db.indexes.SeedIndex(models.F('tenant'), models.F('kind'), models.OrderBy(models.F('created_at'), descending=True, nulls_last=True), models.OrderBy(models.F('id'), descending=True), name='idx_refresh_tokens_tenant_id_kind_created_at_id'),
        ),
        migrations.AddIndex(
            model_name='refreshtoken',
            index=nexora.kernel.db.indexes.SeedIndex(fields=['tenant', 'last_used_at', 'id'], name='idx_refresh_tokens_tenant_id_last_used_at_id'),
        ),
        migrations.AddConstraint(
            model_name='refreshtoken',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['api', 'browser'])), name='refresh_tokens_kind_check', violation_error_message="A session is the API's or a browser's."),
        ),
    ]
