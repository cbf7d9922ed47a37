import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from nexora.kernel.db import embedded
from nexora.kernel.db.roles import Plan, PrepareError, prepare


class Command(BaseCommand):
    """Makes what no migration can: the three roles and, where it is missing, the database. Run it again at any time.

        DATABASE_ADMIN_URL=postgresql://postgres:…@host/postgres \\
        DATABASE_OWNER_URL=postgresql://nexora_owner:…@host/nexora \\
        DATABASE_URL=postgresql://nexora_app:…@host/nexora  manage.py prepare_database

    Names and passwords of the roles are those of the last two. The first is used here and nowhere else.

    A role for backups is not made here, because it reads every tenant's rows. pg_dump needs one (row-level security is
    forced on the owner too); as a superuser:

        CREATE ROLE nexora_backup LOGIN BYPASSRLS PASSWORD '…';
        GRANT pg_read_all_data TO nexora_backup;
    """

    help = "Make the roles and the database, as DATABASE_ADMIN_URL. Safe to repeat."
    requires_system_checks = []

    def handle(self, **options):
        try:
            done = self.prepare()
        except (PrepareError, embedded.EmbeddedError) as error:
            raise CommandError(error) from error
        for sentence in done:
            self.stdout.write(sentence)
        if not done:
            self.stdout.write("roles and database are as they should be")

    def prepare(self):
        directory = settings.DATABASES["default"]["EMBEDDED"]
        if directory:
            host = embedded.ensure_running(directory)
            with psycopg.connect(host=host, user=embedded.SUPERUSER, dbname="postgres", autocommit=True) as connection:
                return prepare(connection, Plan.from_settings(settings, database=embedded.DATABASE))
        if not settings.DATABASE_ADMIN_URL:
            raise CommandError(
                "Set DATABASE_ADMIN_URL to an administrator's login, for example postgresql://postgres:…@host/postgres."
            )
        plan = Plan.from_settings(settings)
        try:
            connection = psycopg.connect(settings.DATABASE_ADMIN_URL, autocommit=True, connect_timeout=10)
        except psycopg.ProgrammingError:
            # Not the error's own words: they may quote the URL, which holds a password.
            raise CommandError("DATABASE_ADMIN_URL must be postgresql://user:password@host:port/database.") from None
        except psycopg.OperationalError as error:
            raise CommandError(f"DATABASE_ADMIN_URL does not connect: {' '.join(str(error).split())}") from error
        with connection:
            return prepare(connection, plan)
