from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tenants", "0008_subdomain_skeleton")]

    operations = [
        migrations.AddField(
            model_name="tenant",
            name="unconfirmed_since",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                help_text="When a stranger signed this organisation up; empty as soon as somebody has confirmed their "
                "address.",
                null=True,
            ),
        ),
    ]
