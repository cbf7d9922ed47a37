"""What is asked of each server: {operation: [[method, path, body], …]}, walked in turn. `#` becomes a new number."""

import json
from urllib.parse import quote

SEARCHED = ["Jür", "Ame", "Beg", "Łuk", "Grace", "Noa", "Oli", "Åsa"]  # what names begin with


def _create(company):
    return json.dumps({"name": "Ada Lovelace #", "email": "ada#@engine.example", "company": company})


UPDATE = '{"phone": "+1 555 #"}'


def nexora(ids, company):
    api = "/api/v1"
    return {
        "list 50": [["GET", f"{api}/customers/?page_size=50", None]],
        "list 50 with count": [["GET", f"{api}/customers/?page_size=50&count=true", None]],
        "get": [["GET", f"{api}/customers/{key}/", None] for key in ids["customers"]],
        "create": [["POST", f"{api}/customers/", _create(company)]],
        "update": [["PATCH", f"{api}/customers/{key}/", UPDATE] for key in ids["customers"]],
        "search": [["GET", f"{api}/customers/?page_size=50&search={quote(text)}", None] for text in SEARCHED],
        "revenue report": [["GET", f"{api}/analytics/revenue-by-close-month/?page_size=50", None]],
        "aggregate": [["GET", f"{api}/deals/aggregate/?group_by=stage&sum=value&count=true", None]],
    }


def stock(ids, company):
    pages = [["GET", "/api/customers/", None]]
    return {
        "list 50": pages,  # its pages count whether asked or not
        "list 50 with count": pages,
        "get": [["GET", f"/api/customers/{key}/", None] for key in ids["customers"]],
        "create": [["POST", "/api/customers/", _create(company)]],
        "update": [["PATCH", f"/api/customers/{key}/", UPDATE] for key in ids["customers"]],
        "search": [["GET", f"/api/customers/?search={quote(text)}", None] for text in SEARCHED],
        "revenue report": [["GET", "/api/revenue/", None]],
        "aggregate": [["GET", "/api/deals/aggregate/?group_by=stage", None]],
    }


def bare(ids, company):
    return {
        "list 50": [["GET", "/list", None]],
        "list 50 with count": [["GET", "/count", None]],
        "get": [["GET", f"/get/{key}", None] for key in ids["customers"]],
        "create": [["POST", "/create", _create(company)]],
        "update": [["PATCH", f"/update/{key}", UPDATE] for key in ids["customers"]],
        "search": [["GET", f"/search/{quote(text)}", None] for text in SEARCHED],
        "revenue report": [["GET", "/report", None]],
        "aggregate": [["GET", "/aggregate", None]],
    }


def at_scale(ids):
    """Asked of the small and of the large database."""
    asked = nexora(ids, "")
    return {
        "list 50 customers": asked["list 50"],
        "get a customer": asked["get"],
        "list 50 activities": [["GET", "/api/v1/activities/?page_size=50", None]],
        "get an activity": [["GET", f"/api/v1/activities/{key}/", None] for key in ids["activities"]],
    }
