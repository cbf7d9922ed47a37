"""What the system checks refuse, each shown with something deliberately broken."""

import inspect
import re

import pytest
from django.core import checks
from django.core.management import call_command
from django.db import connection, connections, models
from django.test.utils import isolate_apps

from apps.accounts.models import User
from nexora.kernel import fields
from nexora.kernel.checks import check_databases, check_models, problems_of_database, problems_of_model
from nexora.kernel.db.indexes import tenant_id_key
from nexora.kernel.db.login import OWNER
from nexora.kernel.fields import TenantForeignKey
from nexora.kernel.models import Record, TenantModel
from tests.database import another_session, as_default

RUNTIME, PLATFORM = "nexora_app", "nexora_platform"


def ids(errors):
    return [error.id for error in errors]


def only(errors):
    (error,) = errors
    assert error.hint, "an error says what to do"
    return error


# -- Models


def test_our_models_pass():
    assert check_models() == []


def test_all_checks_pass(db):
    """Those of Django and of every app, database included."""
    errors = checks.run_checks(databases=["default"])
    assert [error for error in errors if not error.is_silenced()] == []


@isolate_apps("apps.crm")
def test_a_tenant_model_without_a_tenant_is_refused():
    class Broken(TenantModel):
        class Meta(TenantModel.Meta):
            app_label = "crm"

    error = only(problems_of_model(Broken))
    assert error.id == "nexora.E001"
    assert "crm.Broken is a TenantModel without a tenant" in error.msg


@isolate_apps("apps.crm", "apps.accounts", "apps.tenants")
def test_a_plain_key_to_another_tenant_model_is_refused():
    class Broken(TenantModel):
        tenant = fields.tenant_key()
        user = models.ForeignKey(User, models.DB_CASCADE, related_name="+")

        class Meta(TenantModel.Meta):
            app_label = "crm"

    assert only(problems_of_model(Broken)).id == "nexora.E002"


@isolate_apps("apps.crm")
@pytest.mark.parametrize("has_key", [True, False])
def test_a_target_without_its_composite_key_is_refused(has_key):
    class Target(TenantModel):
        tenant = fields.tenant_key()

        class Meta(TenantModel.Meta):
            app_label = "crm"
            db_table = "targets"
            constraints = [tenant_id_key("targets")] if has_key else []

    class Pointing(TenantModel):
        tenant = fields.tenant_key()
        target = TenantForeignKey(Target, models.DB_CASCADE, related_name="+")

        class Meta(TenantModel.Meta):
            app_label = "crm"

    assert ids(problems_of_model(Pointing)) == ([] if has_key else ["nexora.E003"])


@isolate_apps("apps.crm")
def test_a_manager_that_forgets_the_tenant_is_refused():
    class Forgetful(TenantModel):
        tenant = fields.tenant_key()
        objects = models.Manager()

        class Meta(TenantModel.Meta):
            app_label = "crm"

    errors = list(problems_of_model(Forgetful))
    assert ids(errors) == ["nexora.E004", "nexora.E004"]
    assert "default manager" in errors[0].msg and "base manager" in errors[1].msg


@isolate_apps("apps.crm")
def test_a_base_manager_that_forgets_the_tenant_is_refused():
    class Forgetful(TenantModel):
        tenant = fields.tenant_key()
        plain = models.Manager()

        class Meta(TenantModel.Meta):
            app_label = "crm"
            base_manager_name = "plain"

    assert ids(problems_of_model(Forgetful)) == ["nexora.E004"]


@isolate_apps("apps.crm")
@pytest.mark.parametrize("base", [Record, models.Model])
def test_a_model_that_has_a_tenant_and_is_no_tenant_model_is_refused(base):
    class Broken(base):
        tenant = fields.tenant_key()

        class Meta:
            app_label = "crm"

    assert only(problems_of_model(Broken)).id == "nexora.E005"


@isolate_apps("apps.crm")
def test_a_composite_key_on_a_model_without_a_tenant_is_refused():
    class Broken(models.Model):  # noqa: DJ008
        user = TenantForeignKey(User, models.DO_NOTHING, related_name="+")

        class Meta:
            app_label = "crm"

    assert only(problems_of_model(Broken)).id == "nexora.E006"


@isolate_apps("apps.crm")
def test_a_deletion_rule_in_python_is_refused():
    class Broken(TenantModel):
        tenant = models.ForeignKey("tenants.Tenant", models.CASCADE, related_name="+")

        class Meta(TenantModel.Meta):
            app_label = "crm"

    assert only(problems_of_model(Broken)).id == "nexora.E007"


@isolate_apps("apps.crm")
def test_a_many_to_many_table_without_a_tenant_is_refused():
    class Broken(TenantModel):
        tenant = fields.tenant_key()
        friends = models.ManyToManyField("self")

        class Meta(TenantModel.Meta):
            app_label = "crm"

    assert only(problems_of_model(Broken)).id == "nexora.E008"


@pytest.mark.parametrize("rule", [models.CASCADE, models.SET_NULL, models.PROTECT, models.RESTRICT])
def test_a_composite_key_takes_no_deletion_rule_in_python(rule):
    with pytest.raises(ValueError, match="ON DELETE lives in the database"):
        TenantForeignKey(User, rule, null=True)


# -- The database


def test_our_database_passes(db):
    assert check_databases(databases=["default"]) == []


def test_the_database_is_not_looked_at_unless_asked(db, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert check_databases() == []


def test_manage_py_check_looks_at_it(db, capsys):
    call_command("check", databases=["default"])
    assert "no issues" in capsys.readouterr().out


def test_the_owners_login_is_not_looked_at(django_db_setup, django_db_blocker):
    """It migrates, and before that there is nothing to find."""
    with django_db_blocker.unblock(), another_session(login=OWNER) as session, as_default(session):
        assert check_databases(databases=["default"]) == []
        assert session.connection is None


def test_a_database_that_does_not_answer_is_an_error(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock(), another_session(database="no_such_database") as session, as_default(session):
        error = only(check_databases(databases=["default"]))
    assert error.id == "nexora.E100"
    assert "no_such_database" in error.msg


@pytest.fixture
def problems(owner_connection):
    """`problems("sql…")`: the errors after these statements, which are rolled back."""

    def after(*statements, runtime=RUNTIME, platform=PLATFORM):
        with owner_connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return problems_of_database(cursor, runtime=runtime, platform=platform)

    return after


def test_nothing_broken_is_nothing_found(problems):
    assert problems() == []


def test_a_superuser_is_refused(problems):
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT rolname FROM pg_roles WHERE rolsuper LIMIT 1")
        (superuser,) = cursor.fetchone()
    error = only(problems(runtime=superuser))
    assert (error.id, superuser in error.msg) == ("nexora.E101", True)


def test_the_owner_as_runtime_is_refused(problems):
    found = problems(runtime="nexora_owner")
    assert found[0].id == "nexora.E102"
    assert found[0].msg == "The role nexora_owner owns tables."


def test_a_missing_role_is_an_error_that_names_it(problems):
    error = only(problems(platform="no_such_role"))
    assert (error.id, "no_such_role" in error.msg) == ("nexora.E103", True)


def test_a_platform_that_may_not_be_switched_to_is_refused(problems):
    assert ids(problems(runtime=PLATFORM, platform=RUNTIME))[0] == "nexora.E103"


def test_an_inherited_platform_is_refused(problems):
    """A role is always a member of itself with its rights: the plainest way to have them inherited."""
    found = problems(runtime=PLATFORM, platform=PLATFORM)
    assert "inherits" in only([e for e in found if e.id == "nexora.E101"]).msg


def test_a_missing_table_says_migrate(problems):
    error = only(
        problems("ALTER TABLE ai_insights RENAME TO ai_hints", "ALTER TABLE ai_hints DROP COLUMN tenant_id CASCADE")
    )
    assert (error.id, error.msg) == ("nexora.E104", "The database lacks ai_insights.")
    assert "migrate" in error.hint


@pytest.mark.parametrize("statement", ["DISABLE ROW LEVEL SECURITY", "NO FORCE ROW LEVEL SECURITY"])
def test_a_table_without_forced_row_level_security_is_refused(problems, statement):
    error = only(problems(f"ALTER TABLE deals {statement}"))
    assert (error.id, "deals" in error.msg) == ("nexora.E105", True)


@pytest.mark.parametrize(
    "statement",
    [
        "DROP POLICY tenant_rows ON deals",
        "ALTER POLICY tenant_rows ON deals USING (true)",
        "ALTER POLICY tenant_rows ON deals WITH CHECK (true)",
        "ALTER POLICY tenant_rows ON deals USING (tenant_id = current_tenant() OR current_tenant() IS NULL)",
        "ALTER POLICY platform_rows ON deals TO PUBLIC",
        f"CREATE POLICY more ON deals TO {RUNTIME} USING (stage = 'closed_won')",
        "CREATE POLICY more ON deals FOR INSERT WITH CHECK (true)",
    ],
)
def test_a_policy_that_shows_more_or_nothing_is_refused(problems, statement):
    assert only(problems(statement)).id == "nexora.E106"


def test_a_policy_that_narrows_is_allowed(problems):
    assert problems("CREATE POLICY less ON deals AS RESTRICTIVE USING (value > 0)") == []


def test_a_table_that_no_model_knows_is_found_by_its_tenant_id(problems):
    found = problems("CREATE TABLE notes (tenant_id uuid, text text)")
    assert ids(found) == ["nexora.E105", "nexora.E106"]
    assert all("notes" in error.msg for error in found)


@pytest.mark.parametrize("right", ["TRUNCATE", "TRIGGER", "REFERENCES"])
@pytest.mark.parametrize("role", [RUNTIME, PLATFORM])
def test_a_right_that_asks_no_policy_is_refused(problems, role, right):
    error = only(problems(f"GRANT {right} ON deals TO {role}"))
    assert (error.id, right in error.msg) == ("nexora.E107", True)


@pytest.mark.parametrize(
    "statement",
    [
        f"GRANT SELECT ON activities_p03 TO {RUNTIME}",
        "GRANT SELECT ON activities_p03 TO PUBLIC",
        "ALTER TABLE activities_p03 DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE activities_p03 NO FORCE ROW LEVEL SECURITY",
        "CREATE POLICY more ON activities_p03 USING (true)",
    ],
)
def test_an_open_partition_is_refused(problems, statement):
    error = only(problems(statement))
    assert (error.id, "activities_p03" in error.msg) == ("nexora.E108", True)


@pytest.mark.parametrize("grantee", [RUNTIME, PLATFORM])
def test_a_readable_materialized_view_is_refused(problems, grantee):
    error = only(problems(f"GRANT SELECT ON revenue_by_month TO {grantee}"))
    assert (error.id, "revenue_by_month" in error.msg) == ("nexora.E109", True)


def test_every_number_of_an_error_is_shown_above():
    numbers = set(re.findall(r'id="(nexora\.E\d+)"', inspect.getsource(inspect.getmodule(check_models))))
    assert numbers == {f"nexora.E00{n}" for n in range(1, 9)} | {f"nexora.E10{n}" for n in range(10)}


def test_tests_may_ask_the_runtimes_own_connection(db):
    """The catalogue is everybody's to read, so web and worker check without the owner."""
    with connection.cursor() as cursor:
        assert problems_of_database(cursor, runtime=RUNTIME, platform=PLATFORM) == []
