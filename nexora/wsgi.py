import os

from django.core.checks import Tags, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application
from django.db import connections

from nexora.kernel.bodies import whole

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "nexora.settings")

application = whole(get_wsgi_application())

from apps.tenants import rates  # noqa: E402  (its settings are ready from here on)

# Whatever serves this module: a login that no policy binds, or a table without one, is not served.
if problems := [problem for problem in run_checks(tags=[Tags.database], databases=["default"]) if problem.is_serious()]:
    raise ImproperlyConfigured("NEXORA does not start.\n" + "\n".join(map(str, problems)))
rates.counter.serve()
# No request is served by this thread: it would keep its connection for ever.
connections.close_all()
