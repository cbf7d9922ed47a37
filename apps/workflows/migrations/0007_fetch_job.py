from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):
    """What is queued must not make the fetch of the next job slow."""

    dependencies = [("workflows", "0006_protect_engine"), ("procrastinate", "0041_post_retry_failed_job")]

    operations = [
        migrations.RunSQL(
            (SQL / "procrastinate_fetch_job_v2.v2.sql").read_text(),
            (SQL / "procrastinate_fetch_job_v2.v1.sql").read_text(),
        )
    ]
