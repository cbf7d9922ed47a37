"""From a User-Agent header to words that a person recognises: "Firefox on Linux", "curl"."""

import re

from ua_parser import parse

MOST = 100
# `python-httpx/0.27`: what programs call themselves.
PRODUCT = re.compile(r"[A-Za-z][\w.-]*(?=/|$)")
# What the parser says where it knows nothing.
UNKNOWN = "Other"


def device_of(user_agent):
    """Never more than the header claims; None, where that is nothing."""
    if not user_agent:
        return None
    found = parse(user_agent)
    program = _family(found.user_agent)
    if program is None:
        named = PRODUCT.match(user_agent)
        program = named and named.group()
    # A browser says "Mozilla" first, whichever it is.
    program = "Browser" if program == "Mozilla" else program
    words = " on ".join(word for word in (program, _family(found.os)) if word)
    return words[:MOST] or None


def _family(part):
    return part.family if part and part.family != UNKNOWN else None
