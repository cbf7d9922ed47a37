from django.db import migrations

from nexora.kernel.db.operations import ProtectTable


class Migration(migrations.Migration):
    dependencies = [("analytics", "0001_initial")]

    operations = [
        ProtectTable("ai_predictions", runtime="SELECT, INSERT"),
        ProtectTable("ai_insights"),
        ProtectTable("ai_credit_usage", runtime="SELECT, INSERT"),
    ]
