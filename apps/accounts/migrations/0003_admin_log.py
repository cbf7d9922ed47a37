from django.db import migrations

from nexora.kernel.db.operations import ProtectTable

CONSTRAINT = "django_admin_log_user_id_fkey"


class Migration(migrations.Migration):
    """The admin's log points at users: it goes with them, and is seen by those who see its user."""

    dependencies = [
        ("accounts", "0002_protect_tables"),
        ("admin", "0003_logentry_add_action_flag_choices"),
    ]

    operations = [
        migrations.RunSQL(
            f"ALTER TABLE django_admin_log DROP CONSTRAINT {CONSTRAINT}, "
            f"ADD CONSTRAINT {CONSTRAINT} FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE",
            f"ALTER TABLE django_admin_log DROP CONSTRAINT {CONSTRAINT}, "
            f"ADD CONSTRAINT {CONSTRAINT} FOREIGN KEY (user_id) REFERENCES users (id)",
        ),
        # The table has no tenant_id of its own; the users that a session sees are its tenant's.
        ProtectTable("django_admin_log", visible="EXISTS (SELECT 1 FROM users WHERE users.id = user_id)"),
    ]
