from django.db.models.signals import pre_delete
from django.dispatch import receiver

from apps.tenants.models import Tenant

from .models import Plugin


@receiver(pre_delete, sender=Tenant)
def keep_plugins_of_a_leaving_tenant(sender, instance, using, **kwargs):
    """Plugins outlive the tenant whose people wrote them; else the seed's key to users would forbid the deletion."""
    for plugin in Plugin.objects.using(using).filter(author__tenant_id=instance.pk):
        plugin.author = None
        plugin.save(using=using)
