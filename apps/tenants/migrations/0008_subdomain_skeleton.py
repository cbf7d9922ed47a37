from django.db import migrations, models

from apps.tenants.subdomains import Skeleton
from nexora.kernel.db.indexes import SeedIndex


class Migration(migrations.Migration):
    dependencies = [("tenants", "0007_request_counts")]

    operations = [
        migrations.AddField(
            model_name="tenant",
            name="subdomain_skeleton",
            field=models.GeneratedField(
                db_persist=True, expression=Skeleton("subdomain"), output_field=models.CharField(max_length=100)
            ),
        ),
        migrations.AddIndex(
            model_name="tenant",
            index=SeedIndex(fields=["subdomain_skeleton"], name="idx_tenants_subdomain_skeleton"),
        ),
    ]
