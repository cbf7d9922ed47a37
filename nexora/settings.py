"""One settings module. What differs between machines comes from the environment, and is read here only.

DATABASE_URL            runtime login; unset: the embedded PostgreSQL under .data/
DATABASE_OWNER_URL      owner login, for migrate, loaddata, flush, createsuperuser and test databases
DATABASE_ADMIN_URL      administrator's login, for `manage.py prepare_database` only
DATABASE_POOL           1 for a pool of connections in each process, instead of one kept by each thread
DATABASE_POOLER         transaction when DATABASE_URL leads to PgBouncer in transaction mode
DATABASE_PLATFORM_ROLE  role that `unscoped(reason=…)` switches to (default nexora_platform)
NEXORA_BASE_DOMAIN      bare host of the platform; tenants live on <subdomain>.<base> (default localhost)
NEXORA_SECRET_KEY       signing key; unset: made once and kept in .data/secret-key
NEXORA_SECRET_KEY_FALLBACKS  former keys, between spaces: second factors sealed with one of them are still read, and
                        messages signed by it still taken
NEXORA_DATA_DIR         where the embedded database and the key live (default .data beside manage.py)
NEXORA_BIND             address that `make run` serves on (default 127.0.0.1)
NEXORA_PUBLIC_PORT      port of the addresses in mails, where it is not the usual one; `manage.py up` says its own
NEXORA_RATE_LIMITS      requests a minute by plan (default free=300,growth=1500,pro=7500,enterprise=30000; a plan not
                        named keeps its own); off for no limit
REDIS_URL               a Redis that counts them exactly, redis://host:6379/0; unset: each process counts and tells the
                        others once a second
NEXORA_HTTPS            1 when served behind TLS: secure cookies, HSTS
NEXORA_PROXIES          how many proxies of your own stand before the web (default 0); each adds to X-Forwarded-For
NEXORA_MAIL_FROM        address that mails are from (default no-reply@<base domain>); their sender's name is the brand's
SMTP_URL                smtp://user:password@host:587 (STARTTLS; ?starttls=0 for none) or smtps://…:465; unset: every
                        mail is kept in mail/ of NEXORA_DATA_DIR
NEXORA_OUTGOING_HTTP    1 to let requests of workflows and webhooks go to http:// too; unset: https:// only
NEXORA_OUTGOING_HOSTS   hosts that they may go to although they are private, between commas, each with its port or for
                        every port: 127.0.0.1:9999,sink.internal
NEXORA_DEBUG            1 for Django's debug pages
"""

import os
import re
import secrets
from datetime import timedelta
from pathlib import Path

from nexora.kernel import destinations, mailers
from nexora.kernel.db import login

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(os.environ.get("NEXORA_DATA_DIR") or BASE_DIR / ".data").resolve()


def _flag(name):
    value = os.environ.get(name, "0")
    if value not in ("0", "1", ""):
        raise ValueError(f"{name} must be 0 or 1, not {value!r}.")
    return value == "1"


def _secret_key():
    if key := os.environ.get("NEXORA_SECRET_KEY"):
        return key
    path = DATA_DIR / "secret-key"
    if not path.exists():
        DATA_DIR.mkdir(parents=True, exist_ok=True)
        # A private file of this process first, then an atomic link: two processes starting together agree on one key.
        draft = path.with_name(f"secret-key.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(64))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()


SECRET_KEY = _secret_key()
SECRET_KEY_FALLBACKS = os.environ.get("NEXORA_SECRET_KEY_FALLBACKS", "").split()
DEBUG = _flag("NEXORA_DEBUG")
HTTPS = _flag("NEXORA_HTTPS")

# Whose word is taken for a client's address, which waits for sign-in and the audit trail go by.
PROXIES = int(os.environ.get("NEXORA_PROXIES") or 0)

# -- Hosts: the tenancy middleware knows every host there is and answers 404 for the others.
BASE_DOMAIN = os.environ.get("NEXORA_BASE_DOMAIN", "localhost").lower()
ALLOWED_HOSTS = ["*"]
PUBLIC_PORT = mailers.public_port(os.environ)

# The kernel comes first: its commands (migrate, loaddata, flush, createsuperuser) replace those of the apps below.
INSTALLED_APPS = [
    "nexora.kernel",
    "django_tenants",
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "nexora.kernel.apps.NexoraAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "procrastinate.contrib.django",
    "apps.tenants",
    "apps.accounts",
    "apps.crm",
    "apps.workflows",
    "apps.analytics",
    "apps.marketplace",
    "nexora.bench",
]

# Those of the kernel let the API pass: see nexora/kernel/middleware.py.
MIDDLEWARE = [
    "nexora.kernel.middleware.client_address",
    "django.middleware.security.SecurityMiddleware",
    "nexora.kernel.middleware.ContentSecurityPolicy",
    "nexora.kernel.api.limits.limits",
    "apps.tenants.middleware.TenantMiddleware",
    "nexora.kernel.middleware.Common",
    "nexora.kernel.middleware.Sessions",
    "nexora.kernel.middleware.CsrfProtection",
    "nexora.kernel.middleware.Authentication",
    "nexora.kernel.middleware.Messages",
    "nexora.kernel.middleware.FrameOptions",
    "apps.accounts.middleware.ActorMiddleware",
    "apps.accounts.middleware.PlatformAdminMiddleware",
]

ROOT_URLCONF = "nexora.urls"
WSGI_APPLICATION = "nexora.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.csp",
            ],
        },
    },
]

# -- Database: one alias, two logins (see nexora/kernel/db/login.py).
DATABASES = {"default": login.database_settings(os.environ, DATA_DIR)}
DATABASE_PLATFORM_ROLE = os.environ.get("DATABASE_PLATFORM_ROLE", "nexora_platform")
DATABASE_ADMIN_URL = os.environ.get("DATABASE_ADMIN_URL", "")

# -- django-tenants, in a shared-table design: one schema, rows told apart by tenant_id.
TENANT_MODEL = "tenants.Tenant"
TENANT_DOMAIN_MODEL = "tenants.Domain"
SHARED_APPS = INSTALLED_APPS
TENANT_APPS = ["apps.tenants"]  # must not be empty; no schema is ever made from it
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["apps.accounts.authentication.TenantBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "apps.accounts.hashers.NodeBCryptPasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
PASSWORD_RESET_TIMEOUT = 3600
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"

POLICY = "nexora.policy.POLICY"


# -- Requests of the API that a tenant may send in a minute, by its plan; the platform's own host has enterprise's. In a
# busy minute 25 people send 30 each and their programs ten a second, which is growth's. See apps/tenants/rates.
def _rate_limits(defaults):
    text = os.environ.get("NEXORA_RATE_LIMITS", "")
    if text == "off":
        return {}
    given = dict(part.strip().partition("=")[::2] for part in text.split(",") if part.strip())
    for plan, limit in given.items():
        if plan not in defaults or not re.fullmatch("[1-9][0-9]{0,8}", limit):
            raise ValueError(
                f"NEXORA_RATE_LIMITS must be off, or such as free=120,pro=3000: plans ({', '.join(defaults)}) with a "
                f"number of requests a minute, up to nine digits. {plan}={limit} is not."
            )
    return defaults | {plan: int(limit) for plan, limit in given.items()}


RATE_LIMITS = _rate_limits({"free": 300, "growth": 1_500, "pro": 7_500, "enterprise": 30_000})
REDIS_URL = os.environ.get("REDIS_URL", "")

# -- Jobs: every app has its own in jobs.py; see nexora/kernel/jobs.py.
PROCRASTINATE_AUTODISCOVER_MODULE_NAME = "jobs"
PROCRASTINATE_ON_APP_READY = "nexora.kernel.jobs.manage"

# -- Mail: see nexora/kernel/mail.py.
MAILERS = mailers.mailers(os.environ, DATA_DIR)
DEFAULT_FROM_EMAIL = mailers.sender_address(os.environ, BASE_DOMAIN)

# -- Requests that leave: see nexora/kernel/outgoing.py.
OUTGOING_HTTP = _flag("NEXORA_OUTGOING_HTTP")
OUTGOING_HOSTS = destinations.allowed_hosts(os.environ)

BIND = os.environ.get("NEXORA_BIND", "127.0.0.1")

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
FORMAT_MODULE_PATH = "nexora.kernel.formats"
STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

SILENCED_SYSTEM_CHECKS = [
    # The seed names a constraint check_status on four tables; PostgreSQL scopes such names to their table.
    "models.E032",
    # ON DELETE lives in the database. The admin log's Python cascade on users is Django's; accounts gives that column a
    # database cascade too, and a test deletes a tenant that has log entries.
    "fields.E323",
]

# -- Admin: what depends on the request (brand, navigation) is in nexora/kernel/admin/site.py.
UNFOLD = {
    "SIDEBAR": {"show_search": True},
    "SHOW_VIEW_ON_SITE": False,
}
# Daily work first, foundations last; on the platform's host the other way round.
ADMIN_SECTIONS = ["crm", "workflows", "analytics", "marketplace", "accounts", "tenants"]

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        # By how the token begins; the other takes every token for its own.
        "apps.accounts.authentication.KeyAuthentication",
        "apps.accounts.authentication.TenantJWTAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["nexora.kernel.permissions.PolicyPermission"],
    "DEFAULT_RENDERER_CLASSES": ["nexora.kernel.api.formats.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["nexora.kernel.api.formats.StrictJSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "nexora.kernel.api.formats.JSONNegotiation",
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_PAGINATION_CLASS": "nexora.kernel.api.pagination.KeysetPagination",
    "DEFAULT_FILTER_BACKENDS": ["nexora.kernel.api.filters.FilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "nexora.kernel.api.schema.ApiSchema",
    "EXCEPTION_HANDLER": "nexora.kernel.api.exceptions.problem_handler",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=5),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=14),
    "UPDATE_LAST_LOGIN": False,
    "ALGORITHM": "HS256",
    "ISSUER": "nexora",
    "USER_ID_CLAIM": "sub",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "NEXORA API",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "DESCRIPTION": "The tenant is the host: every address below is served on `<subdomain>.<base domain>`.",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "GET_LIB_DOC_EXCLUDES": "nexora.kernel.api.schema.own_words_only",
    "PREPROCESSING_HOOKS": ["nexora.kernel.api.schema.host_endpoints"],
    # Without drf-spectacular's own hook, which names enums: `status` means something else in every table.
    "POSTPROCESSING_HOOKS": ["nexora.kernel.api.schema.document_problems"],
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
}

FIXTURE_DIRS = [BASE_DIR / "fixtures"]

# -- The largest body of the API, and of a form without its files.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

# -- Browser hardening
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_ENGINE = "nexora.kernel.sessions"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = ["^(healthz|readyz)$"]
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_CSP = {
    "default-src": ["'self'"],
    "img-src": ["'self'", "data:", "https:"],
    "object-src": ["'none'"],
    "base-uri": ["'self'"],
    "frame-ancestors": ["'none'"],
    "form-action": ["'self'"],
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "nexora.kernel.logs.Line", "fmt": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {
        # Without Django's mails to ADMINS about faults: they tell the whole address, and with it the token of a link.
        "django": {"handlers": [], "level": "INFO"},
        # A mistyped filter is refused with 400, which is answer enough; at ERROR each would log a traceback.
        "django.security.DisallowedModelAdminLookup": {"level": "CRITICAL"},
        # It warns of other people's malformed answers with the whole address asked, and with it the query.
        "urllib3": {"level": "ERROR"},
    },
    "root": {"handlers": ["console"], "level": os.environ.get("NEXORA_LOG_LEVEL", "WARNING")},
}
