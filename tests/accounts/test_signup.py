"""Self-service sign-up: what it makes, what it refuses, and that it tells nobody whose address is known."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from procrastinate.contrib.django.models import ProcrastinateJob as Job
from rest_framework.test import APIClient

from apps.accounts import jobs
from apps.accounts.models import AuditEvent, User
from apps.accounts.services import signup as service
from apps.tenants.models import Subscription, Tenant
from apps.tenants.subdomains import skeleton
from nexora.kernel import clock
from nexora.kernel.scope import PLATFORM_TENANT_ID, tenant_scope, unscoped
from tests.contracts.test_budgets import statements
from tests.factories import DomainFactory, UserFactory
from tests.mailbox import at_once, confirmation_in, deliver, follow

SIGN_UP, TOKEN = "/api/v1/signup/", "/api/v1/auth/token/"
PASSWORD = "a long-enough secret"
INITECH = {
    "organisation": "Initech",
    "subdomain": "initech",
    "name": "Peter Gibbons",
    "email": "peter@initech.example",
    "password": PASSWORD,
}


@pytest.fixture
def client(platform):
    return APIClient(HTTP_HOST="localhost")


def sign_up(client, **values):
    return client.post(SIGN_UP, INITECH | values)


def found(subdomain="initech"):
    with unscoped(reason="test"):
        return Tenant.objects.filter(subdomain=subdomain).first()


def can_sign_in(subdomain="initech", email=INITECH["email"]):
    answer = APIClient(HTTP_HOST=f"{subdomain}.localhost").post(TOKEN, {"email": email, "password": PASSWORD})
    assert answer.status_code in (200, 401)
    return answer.status_code == 200


# -- What it makes


def test_a_sign_up_makes_an_organisation_on_trial_with_its_admin(client):
    answer = sign_up(client)
    assert (answer.status_code, answer.json().keys()) == (202, {"detail"})
    tenant = found()
    assert (tenant.name, tenant.status, tenant.plan) == ("Initech", "trial", "free")
    with tenant_scope(tenant):
        bought = Subscription.objects.get()
        admin = User.objects.get()
        trail = set(AuditEvent.objects.values_list("action", "resource", "actor_label"))
    assert (bought.plan, bought.status, bought.amount) == ("free", "trial", 0)
    assert bought.next_billing_date == clock.today() + timedelta(days=14)
    assert 0 < bought.users_limit < 25
    assert (admin.name, admin.email, admin.role) == ("Peter Gibbons", "peter@initech.example", "admin")
    assert (admin.status, admin.email_verified) == ("inactive", False)
    assert trail == {
        ("created", "tenants.tenant", "self-service sign-up"),
        ("created", "tenants.subscription", "self-service sign-up"),
        ("signed_up", "accounts.user", "self-service sign-up"),
    }


def test_nobody_signs_in_until_the_link_in_the_mail_is_followed(client):
    sign_up(client)
    (message,) = deliver()
    assert message.to == ["peter@initech.example"]
    assert not can_sign_in()
    assert b"not the password that was chosen" in follow(confirmation_in(message), password="a guess of mine").content
    assert not can_sign_in()
    done = follow(confirmation_in(message), password=PASSWORD)
    assert (done.status_code, b"You can sign in now" in done.content) == (200, True)
    assert can_sign_in()
    with tenant_scope(found()):
        assert (User.objects.get().status, User.objects.get().email_verified) == ("active", True)
    assert found().unconfirmed_since is None


def test_the_mail_is_the_platforms_and_leads_to_the_new_organisation(client):
    """What a stranger typed never becomes the sender of a mail."""
    sign_up(client, organisation="Your Bank <b>Security</b>")
    (message,) = deliver()
    headers = message.message()
    assert headers["from"] == "NEXORA <no-reply@localhost>"
    assert headers["subject"] == "Confirm your sign-up"
    assert 'called "Your Bank <b>Security</b>" at\n\nhttp://initech.localhost/' in message.body
    ((html, _),) = message.alternatives
    assert "Your Bank &lt;b&gt;Security&lt;/b&gt;" in html
    assert "<b>" not in html
    assert confirmation_in(message).startswith("http://initech.localhost/verify-email?token=")


def test_no_secret_is_stored_but_the_passwords_hash(client):
    sign_up(client)
    job = Job.objects.get()
    assert job.args.keys() == {"user_id", "tenant_id"}
    (message,) = deliver()
    token = confirmation_in(message).partition("token=")[2]
    with connection.cursor() as cursor, unscoped(reason="test"):
        for table in ("users", "audit_events", "tenants", "procrastinate_jobs", "attempts"):
            cursor.execute(f"SELECT string_agg(row_to_json(t)::text, ' ') FROM {table} t")
            text = cursor.fetchone()[0] or ""
            assert token not in text and PASSWORD not in text, table


def test_a_mail_that_cannot_leave_is_tried_again():
    for task in (jobs.send_verification, jobs.send_address_in_use):
        assert task.retry_strategy.max_attempts >= 5
        assert task.retry_strategy.exponential_wait >= 3


# -- A known address


@pytest.fixture
def known(acme):
    return UserFactory(tenant=acme, email="ada@acme.com", raw_password=PASSWORD)


def test_a_known_address_is_answered_like_an_unknown_one(client, known):
    one, other = sign_up(client), sign_up(client, subdomain="hooli", email=known.email)
    assert (one.status_code, one.content) == (other.status_code, other.content)
    assert {*one.headers} == {*other.headers}
    assert not can_sign_in() and not can_sign_in("hooli", known.email)
    assert found("hooli").status == "trial"
    with tenant_scope(found("hooli")):
        assert not User.objects.exists()
        assert Subscription.objects.count() == 1


def test_only_the_owner_of_a_known_address_is_told(client, known):
    sign_up(client, email=known.email, organisation="Nobody's <i>business</i>", name="Eve", subdomain="hooli")
    (message,) = deliver()
    assert message.to == [known.email]
    assert message.message()["from"] == "NEXORA <no-reply@localhost>"
    assert "http://acme.localhost/admin/" in message.body and "http://localhost/signup" in message.body
    # Whoever types an address writes nothing to its owner.
    for text in (message.body, message.subject, message.alternatives[0][0]):
        assert not any(word in text for word in ("business", "Eve", "hooli"))
    with tenant_scope(known.tenant_id):
        assert (User.objects.get().name, User.objects.get().status) == (known.name, "active")


def test_the_owner_of_an_unconfirmed_sign_up_is_told_to_confirm_that_one(client):
    sign_up(client)
    deliver()
    sign_up(client, subdomain="hooli")
    (message,) = deliver()
    assert "earlier sign-up, at http://initech.localhost/" in message.body
    assert "/admin/" not in message.body


def test_letter_case_makes_no_new_address(client, known):
    sign_up(client, email="ADA@Acme.COM")
    with unscoped(reason="test"):
        assert User.objects.filter(email__iexact=known.email).count() == 1


def test_both_take_the_same_statements_and_one_hash(client, known, monkeypatch):
    hashed, real = [], service.make_password
    monkeypatch.setattr(service, "make_password", lambda password: hashed.append(password) or real(password))
    sign_up(client, subdomain="warm-up", email="warm@up.example")

    def work(**values):
        hashed.clear()
        with statements() as sent:
            assert sign_up(client, **values).status_code == 202
        return [statement.split(" (")[0][:40] for statement in sent], len(hashed)

    unknown, taken = work(), work(subdomain="hooli", email=known.email)
    assert unknown == taken
    assert unknown[1] == 1


# -- Names


@pytest.mark.parametrize(
    "name",
    [
        "www",
        "api",
        "admin",
        "ns1",
        "ns-27",
        "wvvw",
        "adm1n",
        "a-d-m-i-n",
        "rnail",
        "supp0rt",
        "xn--80ak6aa92e",
        "ab--c",
    ],
)
def test_reserved_names_and_what_looks_like_them_are_refused(client, name):
    answer = sign_up(client, subdomain=name)
    assert answer.status_code == 400
    assert answer.json()["errors"]["subdomain"] == ["This name is reserved, or looks like one that is. Choose another."]


@pytest.mark.parametrize("name", ["nexora-billing", "my-nex0ra", "platform7", "pIatform", "the-p1atform"])
def test_no_name_speaks_for_the_platform(client, name):
    assert sign_up(client, subdomain=name).json()["errors"].keys() == {"subdomain"}


@pytest.mark.parametrize("name", ["", "-a", "a-", "a.b", "a_b", "ä", "A", "a" * 64, "a b", "a\nb"])
def test_a_subdomain_is_one_of_dns(client, name):
    assert sign_up(client, subdomain=name).json()["errors"].keys() == {"subdomain"}


@pytest.mark.parametrize("name", ["globex", "g1obex", "gl0bex", "glob-ex", "giobex", "9lobex"])
def test_a_name_that_another_has_or_that_looks_like_it_is_taken(client, globex, name):
    answer = sign_up(client, subdomain=name)
    assert (answer.status_code, answer.json()["code"]) == (409, "subdomain_taken")
    assert answer.json()["errors"].keys() == {"subdomain"}
    assert found(name) is None or found(name).pk == globex.pk
    assert not Job.objects.exists()


def test_a_name_whose_host_is_somebodys_own_domain_is_taken(client, globex, settings):
    settings.BASE_DOMAIN = "nexora.example"
    DomainFactory(tenant=globex, domain="initech.nexora.example")
    answer = APIClient(HTTP_HOST="nexora.example").post(SIGN_UP, INITECH)
    assert answer.json()["code"] == "subdomain_taken"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("organisation", "Visit https://evil.example now"),
        ("name", "www.evil.example"),
        ("name", "Peter\nBcc: eve@example.com"),
        ("organisation", "a\u202eb"),
        ("organisation", "x" * 101),
        ("email", "peter"),
        ("email", "peter@initech.example\nBcc: eve@example.com"),
        ("password", "short"),
        ("password", "peter@initech.example"),
        ("password", "password1234"),
    ],
)
def test_what_is_wrong_is_named_by_field_and_nothing_is_made(client, field, value):
    answer = sign_up(client, **{field: value})
    assert answer.status_code == 400
    assert answer.json()["errors"].keys() == {field}
    assert found() is None


# -- Where


def test_it_is_served_on_the_platforms_host_only(acme):
    answer = sign_up(APIClient(HTTP_HOST="acme.localhost"))
    assert (answer.status_code, answer.json()["code"]) == (404, "wrong_host")
    assert Client(HTTP_HOST="acme.localhost").get("/signup").status_code == 404
    paths = {host: APIClient(HTTP_HOST=host).get("/api/v1/schema/").json()["paths"] for host in ("localhost",)}
    assert SIGN_UP in paths["localhost"]


def test_attempts_are_counted(client):
    answers = [sign_up(client, subdomain=f"initech-{letter}") for letter in "abcdefgh"]
    assert [answer.status_code for answer in answers][:2] == [202, 202]
    assert answers[-1].status_code == 429
    assert int(answers[-1]["Retry-After"]) > 0


# -- Those that nobody confirms


def nightly(days):
    with clock.frozen_at(clock.now() + timedelta(days=days)):
        jobs.remove_unconfirmed_sign_ups.func()


def test_an_unconfirmed_sign_up_is_removed_after_a_week_and_its_name_is_free(client, known):
    sign_up(client)
    sign_up(client, subdomain="hooli", email=known.email)
    tenant = found()
    nightly(6)
    assert found() and found("hooli")
    nightly(8)
    assert found() is None and found("hooli") is None
    with tenant_scope(PLATFORM_TENANT_ID):
        removed = AuditEvent.objects.get(action="deleted", record_id=tenant.pk)
    assert (removed.resource, removed.record_label) == ("tenants.tenant", "Initech")
    assert removed.actor_label == "apps.accounts.jobs.remove_unconfirmed_sign_ups"
    assert sign_up(client).status_code == 202


def test_confirmed_organisations_and_the_platforms_own_stay(client, acme, globex):
    """Also one whose only person has a new address to confirm."""
    sign_up(client)
    follow(confirmation_in(deliver()[0]), password=PASSWORD)
    with tenant_scope(found()):
        admin = User.objects.get()
        admin.email = "peter@new.example"
        admin.save()
        assert not admin.email_verified
    nightly(30)
    assert found() and found("acme") and found("globex")


@pytest.mark.parametrize("person", [{"status": "active", "email_verified": False}, {"status": "inactive"}])
def test_an_organisation_where_somebody_works_stays(client, person):
    sign_up(client)
    UserFactory(tenant=found(), **person)
    nightly(30)
    assert found()


# -- Races


@pytest.fixture
def _no_job_is_left(transactional_db):
    """The queue's tables are no models of Django's, which would empty them after a test without a transaction."""
    yield
    Job.objects.all().delete()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_no_job_is_left")
def test_of_sign_ups_for_one_name_at_the_same_time_one_wins(platform):
    names, answers = ["initech", "1nitech", "in-itech", "initech"], []

    def work(number):
        client = APIClient(HTTP_HOST="localhost")
        answers.append(sign_up(client, subdomain=names[number], email=f"peter{number}@initech.example"))

    at_once(len(names), work)
    assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409]
    with unscoped(reason="test"):
        assert Tenant.objects.filter(subdomain_skeleton=skeleton("initech")).count() == 1
        assert User.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_no_job_is_left")
def test_of_sign_ups_with_one_address_at_the_same_time_one_gets_it(platform):
    answers = []

    def work(number):
        answers.append(sign_up(APIClient(HTTP_HOST="localhost"), subdomain=f"initech-{number}"))

    at_once(3, work)
    assert {(answer.status_code, answer.content) for answer in answers} == {(202, answers[0].content)}
    with unscoped(reason="test"):
        assert User.objects.filter(email=INITECH["email"]).count() == 1
        assert Tenant.objects.filter(subdomain__startswith="initech-").count() == 3
