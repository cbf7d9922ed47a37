from django.db import migrations

from nexora.kernel.db.operations import CRUD, Grant


class Migration(migrations.Migration):
    """Tables of Django and procrastinate hold no tenant's records; the runtime gets what it uses of them, by name."""

    dependencies = [
        ("accounts", "0003_admin_log"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("sessions", "0001_initial"),
        ("procrastinate", "0041_post_retry_failed_job"),
    ]

    operations = [
        Grant("SELECT", on=["django_content_type", "auth_permission", "django_migrations"]),
        Grant(CRUD, on=["django_session"]),
        Grant(
            CRUD,
            on=[
                "procrastinate_jobs",
                "procrastinate_events",
                "procrastinate_periodic_defers",
                "procrastinate_workers",
            ],
        ),
        Grant(
            "USAGE",
            on=[
                "SEQUENCE procrastinate_jobs_id_seq",
                "procrastinate_events_id_seq",
                "procrastinate_periodic_defers_id_seq",
                "procrastinate_workers_id_seq",
                "django_admin_log_id_seq",
            ],
        ),
    ]
