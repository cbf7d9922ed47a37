"""The brand that staff see, and their mails: the tenant's `white_label`, whatever it holds.

    {"name": "Acme CRM", "primary_color": "#0f766e", "logo_url": "https://…/logo.svg"}

It is edited by people, so nothing in it is trusted: what does not look right is left out.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from django.apps import apps
from django.conf import settings

from nexora.kernel import scope

PLATFORM_NAME = "NEXORA"
DEFAULT_COLOR = "#4f46e5"
WHITE, BLACK = (255, 255, 255), (0, 0, 0)
DARK_PAGE = (17, 24, 39)
READABLE = 4.5  # WCAG AA, contrast of text with what is behind it

_HEX = re.compile(r"#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})\Z")
# A part of this much white (or black) makes each lighter (or darker) shade.
_TINTS = {"50": 0.95, "100": 0.89, "200": 0.76, "300": 0.56, "400": 0.32}
_SHADES = {"700": 0.18, "800": 0.34, "900": 0.48, "950": 0.66}


@dataclass(frozen=True, slots=True)
class Brand:
    name: str
    color: str = DEFAULT_COLOR
    logo_url: str | None = None
    shades: dict = field(default_factory=dict)


def brand_of(request):
    """The Brand of the tenant whose host this is; read once a request."""
    known = getattr(request, "_brand", None)
    if known is None:
        tenant = getattr(request, "tenant", None)
        known = request._brand = _brand(tenant.id) if tenant else make_brand(PLATFORM_NAME, None)
    return known


def brand_in_scope():
    """The Brand of the tenant in scope; ScopeRequired outside any and over all tenants."""
    return _brand(scope.current_tenant_id())


def _brand(tenant_id):
    model = apps.get_model(settings.TENANT_MODEL)
    row = model.objects.filter(pk=tenant_id).values_list("name", "white_label").first()
    return make_brand(*row) if row else make_brand(PLATFORM_NAME, None)


def make_brand(tenant_name, white_label):
    """A Brand of what can be used of `white_label`."""
    label = white_label if isinstance(white_label, dict) else {}
    color = _color(label.get("primary_color"))
    return Brand(_text(label.get("name")) or tenant_name, color, _logo(label.get("logo_url")), palette(color))


def _text(value):
    return " ".join(value.split())[:100] if isinstance(value, str) else ""


def _color(value):
    value = value.strip() if isinstance(value, str) else ""
    if not _HEX.match(value):
        return DEFAULT_COLOR
    return "#" + "".join(c * 2 for c in value[1:]) if len(value) == 4 else value.lower()


def _logo(value):
    """An http(s) address or a path on this host."""
    if not isinstance(value, str) or len(value) > 2000 or not value.isprintable() or "\\" in value:
        return None
    value = value.strip()
    try:
        parts = urlsplit(value)
    except ValueError:
        return None
    if parts.scheme in ("http", "https"):
        return value if parts.netloc else None
    return value if not parts.scheme and not parts.netloc and value.startswith("/") else None


def palette(color):
    """{weight: "#rrggbb"} of the theme's primary colour, all of them readable where the theme uses them.

    600 is the brand's colour, darkened until white text stands out on it; 500, the colour of links on dark pages, is
    lightened until it stands out there.
    """
    base = _rgb(color)
    solid = _until_readable(base, BLACK, on=WHITE)
    bright = _until_readable(_mix(solid, WHITE, 0.12), WHITE, on=DARK_PAGE)
    shades = {weight: _hex(_mix(solid, WHITE, share)) for weight, share in _TINTS.items()}
    shades |= {"500": _hex(bright), "600": _hex(solid)}
    return shades | {weight: _hex(_mix(solid, BLACK, share)) for weight, share in _SHADES.items()}


def contrast(one, other):
    """WCAG 2 contrast ratio of two RGB triples, 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _until_readable(color, towards, *, on):
    share = 0.0
    mixed = color
    while contrast(mixed, on) < READABLE and share < 1:
        share += 0.04
        mixed = _mix(color, towards, share)
    return mixed


def _luminance(color):
    """Relative luminance as WCAG 2 defines it."""
    linear = [c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in color]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _mix(color, other, share):
    return tuple(round(a + (b - a) * min(share, 1)) for a, b in zip(color, other, strict=True))


def _rgb(color):
    return tuple(int(color[i : i + 2], 16) for i in (1, 3, 5))


def _hex(color):
    return "#{:02x}{:02x}{:02x}".format(*color)
