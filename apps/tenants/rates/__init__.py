"""How many requests a tenant may send in a minute, by its plan (settings.RATE_LIMITS), and what its answers say of it.

The minutes are those of the clock. Counted is what the organisation's own people and programs send: a request that is
refused, or that comes from nobody known, is given back, or a stranger could use up a minute. The headers are those of
draft-ietf-httpapi-ratelimit-headers-10: `RateLimit-Policy: "plan";q=600;w=60` is the limit and its seconds, and
`RateLimit: "plan";r=598;t=30` how many are left until the next minute begins, in 30 s.
"""

from django.conf import settings

from nexora.kernel import clock
from nexora.kernel.api.exceptions import TooManyRequests
from nexora.kernel.pages import refusal

from .counters import Counter
from .windows import SECONDS


def counter_by(redis_url):
    if not redis_url:
        return Counter()
    from .exact import RedisCounter  # not above: the package takes a sixth of a second and 7 MB

    return RedisCounter(redis_url)


# This process's own.
counter = counter_by(settings.REDIS_URL)


def limited(request, tenant, answer):
    """`answer(request)`, or 429 if the HostTenant has sent what its plan allows; with the headers, for those known.

    Of a plan without a limit nothing is counted, nor said.
    """
    limit = settings.RATE_LIMITS.get(tenant.plan)
    if limit is None:
        return answer(request)
    window, second = divmod(int(clock.now().timestamp()), SECONDS)
    wait = SECONDS - second
    number = counter.take(tenant.id, limit, window)
    response = answer(request) if number else refusal(request, _refused(tenant, limit, wait))
    if number and not getattr(request, "is_identified", False):
        counter.give_back(tenant.id, window)
        # How much an organisation sends, and what it has bought, is no stranger's business.
        return response
    left = limit - number if number else 0
    response.headers["RateLimit-Policy"] = f'"plan";q={limit};w={SECONDS}'
    response.headers["RateLimit"] = f'"plan";r={left};t={wait}'
    return response


def _refused(tenant, limit, wait):
    error = TooManyRequests(
        f"The plan of this organisation, {tenant.plan}, allows {limit:,} requests a minute, and so many were sent. "
        f"Go on in {wait} s, or choose a larger plan."
    )
    error.wait = wait
    return error
