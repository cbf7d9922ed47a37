"""The house rules that a program can check: who imports whom, what a room is called, how long a file may grow."""

import ast
import re
import tomllib
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

ROOT = Path(settings.BASE_DIR)
APPS = ("tenants", "accounts", "crm", "analytics", "workflows", "marketplace")
SECTIONS = {
    "tenants": "Multi-Tenancy",
    "accounts": "Users & Authentication",
    "crm": "CRM Module",
    "analytics": "AI & Analytics",
    "workflows": "Workflows & Automation",
    "marketplace": "Marketplace",
}

LONGEST = 400
VAGUE = {"utils", "helpers", "common", "misc"}

ROOMS = {
    *("apps", "models", "querysets", "services", "serializers", "filters", "viewsets", "admin", "urls"),
    *("receivers", "jobs", "migrations"),
}

# Rooms that one app has for a reason of its own. A new one is a decision, so it is written down here.
ROOMS_OF_ITS_OWN = {
    # How people sign in: backends, Node's password hashes and their column, who acts, views that are no records.
    "accounts": {"authentication", "fields", "forms", "hashers", "middleware", "views"},
    # From a host to a tenant, what answers where there is none, the platform's front page, the limits of requests, and
    # the names that a stranger may take.
    "tenants": {"hosts", "middleware", "pages", "rates", "subdomains"},
    # Reports have no key to page by but their month; what it adds to workflows.
    "analytics": {"actions", "pagination", "triggers"},
    # What a workflow may say, what it starts on and does, what makes it run; where webhooks come in; ready-made ones,
    # which are data.
    "workflows": {"actions", "definition", "engine", "gallery", "triggers", "views"},
}

# Where rows are written without an event, beside services: what no trail should show (a stronger hash, sessions that
# end, a sign-in) and the trail itself. May only shrink.
UNPUBLISHED_OUTSIDE_SERVICES = {"apps/accounts/models/people.py", "apps/accounts/receivers.py"}

# Every place that works across tenants. A new one is a decision.
UNSCOPED = {
    "apps/accounts/jobs.py",
    "apps/accounts/middleware.py",
    # A stranger belongs to no organisation, and what they make is the platform's to write.
    "apps/accounts/services/signup.py",
    "apps/accounts/services/unconfirmed.py",
    "apps/accounts/services/verification.py",
    "apps/marketplace/services.py",
    "apps/tenants/jobs.py",
    "apps/tenants/rates/counters.py",
    # What is due is looked for once a minute, over all tenants.
    "apps/workflows/services/upkeep.py",
    "nexora/kernel/api/viewsets.py",
}

# Where a scope is entered other than by its context managers: django-tenants' own hook.
ACTIVATING = {"nexora/kernel/db/backend/base.py"}


def sources(*folders):
    """{path from the root: text} of the Python files, migrations aside."""
    return {
        path.relative_to(ROOT).as_posix(): path.read_text()
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "migrations" not in path.parts
    }


def calls(text, name):
    """The calls of `name(…)` or `….name(…)`."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and name in (getattr(node.func, "attr", None), getattr(node.func, "id", None)):
            yield node


# -- Imports


def test_imports_go_down_only(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    # It would configure logging for the whole process, and the loggers that later tests listen to would fall silent.
    monkeypatch.setattr("logging.config.dictConfig", lambda settings: None)
    assert lint_imports(config_filename="pyproject.toml", no_cache=True) == EXIT_STATUS_SUCCESS, capsys.readouterr().out


def test_the_import_contract_names_every_app():
    """An app that the contract forgets could import anything."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    assert {layer for layer in layers if layer.startswith("apps.")} == {f"apps.{app}" for app in APPS}
    assert layers[0] == "nexora.urls"
    assert layers[-2:] == ["nexora.policy", "nexora.kernel"]


# -- Apps and rooms


def test_the_apps_are_the_seeds_sections():
    found = {c.label: c.verbose_name for c in apps.get_app_configs() if c.name.startswith("apps.")}
    assert found == SECTIONS


@pytest.mark.parametrize("app", APPS)
def test_every_room_of_an_app_is_known(app):
    rooms = {
        path.stem if path.is_file() else path.name
        for path in (ROOT / "apps" / app).iterdir()
        if path.name not in ("__init__.py", "__pycache__")
    }
    assert rooms <= ROOMS | ROOMS_OF_ITS_OWN.get(app, set())


@pytest.mark.parametrize("app", APPS)
def test_no_room_is_empty(app):
    """An absent room is an absent file, never a stub."""
    for path, text in sources(f"apps/{app}").items():
        assert path.endswith("__init__.py") or ast.parse(text).body, path


def test_rooms_of_its_own_are_there():
    for app, rooms in ROOMS_OF_ITS_OWN.items():
        for room in rooms:
            found = [ROOT / "apps" / app / f"{room}.py", ROOT / "apps" / app / room]
            assert any(path.exists() for path in found), f"{app}.{room} is gone: take it off the list"


def test_no_module_has_a_name_that_says_nothing():
    for folder in ("apps", "nexora", "tests", "fixtures"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix == ".py" or path.is_dir():
                assert path.stem not in VAGUE, path


def test_files_stay_short():
    long = {
        path: lines
        for path, text in sources("apps", "nexora", "tests", "fixtures").items()
        if (lines := text.count("\n")) > LONGEST
    }
    assert long == {}, "split by noun and re-export by name"


def test_nothing_is_left_for_later():
    marks = re.compile(r"\b(TO" "DO|FIX" r"ME|XX" r"X)\b")
    assert [path for path, text in sources("apps", "nexora", "tests", "fixtures").items() if marks.search(text)] == []


# -- Doors


def test_writes_without_an_event_stay_in_services():
    found = {
        path
        for path, text in sources("apps").items()
        if not re.search(r"/services(\.py|/)", path) and any(calls(text, "unpublished"))
    }
    assert found == UNPUBLISHED_OUTSIDE_SERVICES


def test_nobody_goes_round_the_querysets_refusal():
    """Django's private doors, and the public ones that ask no manager."""
    for path, text in sources("apps", "nexora").items():
        for name in ("_raw_delete", "_update", "save_base", "QuerySet"):
            made = [call.lineno for call in calls(text, name)]
            assert not made or path == "nexora/kernel/querysets.py", f"{path} calls {name} in line {made}"


def test_leaving_the_scope_is_done_in_few_places_and_says_why():
    found = {}
    for path, text in sources("apps", "nexora").items():
        for call in calls(text, "unscoped"):
            found.setdefault(path, []).append(call)
    assert set(found) == UNSCOPED
    for path, made in found.items():
        for call in made:
            assert {keyword.arg for keyword in call.keywords} in ({"reason"}, {"reason", "tenant"}), (
                f"{path}:{call.lineno}"
            )


def test_a_scope_is_entered_by_its_context_managers_only():
    found = {path for path, text in sources("apps", "nexora").items() if re.search(r"\bscope\.activate\(", text)}
    assert found == ACTIVATING


def test_nobody_else_decides_what_the_session_is_told():
    """`nexora.tenant_id` and the role are set in one place."""
    setters = re.compile(r"set_config\(|SET (LOCAL )?ROLE|SET SESSION AUTHORIZATION|assume_role", re.IGNORECASE)
    found = {path for path, text in sources("apps", "nexora").items() if setters.search(text)}
    assert found <= {"nexora/kernel/db/backend/base.py", "nexora/kernel/db/roles.py"}
