from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('workflows', '0007_fetch_job'),
    ]

    operations = [
        migrations.AddField(
            model_name='workflow',
            name='clock_record_id',
            field=models.UUIDField(blank=True, editable=False, help_text='The last looked at of those with the date of next_run_at.', null=True),
        ),
    ]
