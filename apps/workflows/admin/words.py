"""Definitions in words: what a condition asks, what a step is given, how long something took."""

import json
import re

from django.utils.html import format_html, format_html_join

from ..engine.steps import redacted

LONGEST = 160
LONGEST_JSON = 20_000
OPS = {
    "eq": "is",
    "ne": "is not",
    "gt": "is more than",
    "gte": "is at least",
    "lt": "is less than",
    "lte": "is at most",
    "in": "is one of",
    "contains": "contains",
    "starts_with": "begins with",
    "changed": "has changed",
    "changed_to": "has changed to",
    "changed_from": "has changed from",
}
GROUPS = {"all": " and ", "any": " or "}
UNITS = (("days", 86_400), ("hours", 3_600), ("minutes", 60))


def condition(tree, *, is_inner=False):
    """A condition as a sentence; what is none as the JSON that it is."""
    if not isinstance(tree, dict):
        return value(tree)
    for name, word in GROUPS.items():
        if isinstance(tree.get(name), list):
            inner = [condition(one, is_inner=True) for one in tree[name]]
            sentence = word.join(inner)
            return f"({sentence})" if is_inner and len(inner) > 1 else sentence
    if "not" in tree:
        return f"not ({condition(tree['not'])})"
    return comparison(tree) if isinstance(tree.get("path"), str) else value(tree)


def comparison(leaf):
    op, given = leaf.get("op"), leaf.get("value")
    if op == "is_null":
        return f"{leaf['path']} is {'not ' if given is False else ''}empty"
    said = f"{leaf['path']} {OPS.get(op, op) if isinstance(op, str) else value(op)}"
    return said if op == "changed" else f"{said} {value(given)}"


def value(given):
    """A value of a definition on one line, without what looks like a secret."""
    given = redacted(given)
    if isinstance(given, list) and all(isinstance(one, (str, int, float)) for one in given):
        text = ", ".join(value(one) for one in given)
    elif given is None:
        text = "nothing"
    elif isinstance(given, str):
        text = given
    else:
        text = json.dumps(given, ensure_ascii=False)
    return shortened(" ".join(text.split()))


def shortened(text, longest=LONGEST):
    return text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"


def pretty(given):
    """JSON as people read it, without what looks like a secret."""
    text = json.dumps(redacted(given), ensure_ascii=False, indent=2)
    return (
        text if len(text) <= LONGEST_JSON else f"{text[:LONGEST_JSON]}\n… {len(text) - LONGEST_JSON:,} more characters"
    )


def marked(text):
    """As HTML, with what stands between backticks as code."""
    parts = text.split("`")
    return format_html_join(
        "", "{}", [(format_html("<code>{}</code>", part) if n % 2 else part,) for n, part in enumerate(parts)]
    )


def span(seconds):
    for unit, size in UNITS:
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:,.1f} s" if seconds >= 0.1 or seconds == 0 else f"{seconds * 1000:,.0f} ms"


def between(start, end):
    return None if start is None or end is None else span(max((end - start).total_seconds(), 0))


_SPAN = re.compile(r"^P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$")


def duration(text):
    """`4 days` for P4D; None for what is none."""
    found = _SPAN.match(text) if isinstance(text, str) else None
    parts = zip(found.groups(), ("week", "day", "hour", "minute", "second"), strict=True) if found else ()
    said = [f"{int(number):,} {unit}{'' if int(number) == 1 else 's'}" for number, unit in parts if number]
    return " ".join(said) or None


def moment(when):
    return f"{when:%-d %b %Y, %H:%M}" if when else ""
