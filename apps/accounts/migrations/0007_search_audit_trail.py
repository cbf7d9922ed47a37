from django.db import migrations

from nexora.kernel.db.operations import SearchColumns


class Migration(migrations.Migration):
    dependencies = [("accounts", "0006_idempotency_keys")]

    operations = [SearchColumns("audit_events", ("record_label",))]
