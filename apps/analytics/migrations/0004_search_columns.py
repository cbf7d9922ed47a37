from django.db import migrations

from nexora.kernel.db.operations import SearchColumns


class Migration(migrations.Migration):
    dependencies = [("analytics", "0003_revenue_views")]

    operations = [SearchColumns("ai_insights", ("title",)), SearchColumns("ai_credit_usage", ("feature",))]
