"""How an organisation comes to be by itself."""

from datetime import timedelta
from decimal import Decimal

from django.conf import settings
from django.db import connection

from nexora.kernel import clock
from nexora.kernel.errors import Conflict

from ..models import Domain, Plan, Subscription, Tenant
from ..subdomains import skeleton

TRIAL_DAYS = 14
# What a trial may use: enough to see what the platform does, too little to live on.
TRIAL = {
    "plan": Plan.FREE,
    "status": "trial",
    "ai_credits": 100,
    "users_limit": 5,
    "storage_limit": 1024**3,
    "features": ["crm"],
    "billing_cycle": Subscription.BillingCycle.MONTHLY,
    "amount": Decimal("0.00"),
}


class SubdomainTaken(Conflict):
    """Another organisation has this subdomain, or one that looks like it. Choose another."""

    code = "subdomain_taken"
    title = "Subdomain taken"


def open_trial(*, name, subdomain):
    """A new Tenant with a trial Subscription, which nobody has confirmed yet. Inside the caller's transaction.

    SubdomainTaken if another looks like it. Of two sign-ups of names that look alike, the second waits for the first.
    """
    looks = skeleton(subdomain)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"subdomain {looks}"])
    own_host = Domain.objects.filter(domain=f"{subdomain}.{settings.BASE_DOMAIN}").values("tenant_id")
    if Tenant.objects.filter(subdomain_skeleton=looks).values("id").union(own_host).exists():
        message = f"The address {subdomain} is taken, or looks like one that is. Choose another."
        raise SubdomainTaken(message, fields={"subdomain": [message]})
    tenant = Tenant(name=name, subdomain=subdomain, status=Tenant.Status.TRIAL, unconfirmed_since=clock.now())
    tenant.save()
    ends_on = clock.today() + timedelta(days=TRIAL_DAYS)
    Subscription(tenant=tenant, next_billing_date=ends_on, **TRIAL).save()
    return tenant
