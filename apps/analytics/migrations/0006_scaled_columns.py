from django.db import migrations

from nexora.kernel.db.operations import ScaledColumns


class Migration(migrations.Migration):
    dependencies = [("analytics", "0005_refresh_after_a_crash")]

    operations = [ScaledColumns("ai_predictions", {"confidence": 4}), ScaledColumns("ai_insights", {"confidence": 4})]
