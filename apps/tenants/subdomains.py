"""Which subdomains a stranger may take: none that is reserved, and none that a reader takes for another's.

Two names look alike when their skeletons are equal: without hyphens, with one letter for all that look like it.
PostgreSQL computes the skeleton of each tenant's, so that it can be looked up; Python that of what is asked for.
"""

from django.db import models

# Read in this order: characters first, then pairs of what they became.
CHARACTERS = {"0": "o", "1": "l", "i": "l", "2": "z", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "9": "g"}
PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"))
DIGITS = "0123456789"

# What a visitor or a program takes for ours, or the internet for a service. Each with any number behind it.
WORDS = """
abuse account accounts admin administrator api app apps assets auth autoconfig autodiscover backup beta billing blog cdn
chat cloud community confirm console contact dashboard demo dev developer developers dns docs download downloads email
example files forum ftp git guest health help home host hostmaster imap img images info internal intranet invite jobs
legal live localhost log login logout mail mailer manage marketplace media metrics mobile monitor mx my nameserver news
no-reply noreply ns official oauth ops partner partners password pay payment payments pop pop3 portal postmaster privacy
prod production proxy public register registration relay reset root sales sandbox secure security server service
services shop sign-in sign-up signin signup sip smtp ssh ssl sso staff stage staging static stats status store
super-admin superuser support sys sysadmin system team terms test testing tls upload uploads user users verify vpn web
webhook webhooks webmail webmaster whois wpad www xmpp
"""
RESERVED = frozenset(WORDS.split())
# In no part of a name: what carries it speaks for the platform.
OURS = ("nexora", "platform")


def skeleton(name):
    """`g1o-bex` and `globex` have one skeleton. Names that look like neither have two."""
    name = name.replace("-", "").translate(str.maketrans(CHARACTERS))
    for pair, letter in PAIRS:
        name = name.replace(pair, letter)
    return name


def _as_sql(column):
    sql = f"translate(replace({column}, '-', ''), '{''.join(CHARACTERS)}', '{''.join(CHARACTERS.values())}')"
    for pair, letter in PAIRS:
        sql = f"replace({sql}, '{pair}', '{letter}')"
    return sql


class Skeleton(models.Func):
    """skeleton(), as PostgreSQL computes it. Whoever changes what looks alike makes the column anew in a migration."""

    template = _as_sql("%(expressions)s")
    output_field = models.CharField(max_length=100)


RESERVED_SKELETONS = frozenset(map(skeleton, RESERVED))


def is_reserved(subdomain):
    """Whether no sign-up gets this name, taken or not."""
    # "--" in third place is how the internet writes letters that are not ASCII (xn--), or will write others.
    if subdomain[2:4] == "--" or any(skeleton(word) in skeleton(subdomain) for word in OURS):
        return True
    return not RESERVED_SKELETONS.isdisjoint({skeleton(subdomain), skeleton(subdomain.rstrip(f"{DIGITS}-"))})
