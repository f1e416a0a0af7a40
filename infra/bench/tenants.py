"""Tenants of django-tenants, each a schema with as many tables and indexes as asked for.

A project with the least that django-tenants needs: what is measured is saving a tenant, which makes its schema and
migrates it, in a process that has done so once before.
"""
import contextlib
import io
import pathlib
import sys
import time

DATABASE = "bench_django"
# Columns that an index of a model is made on, one after another.
INDEXED = ["created_at", "kind", "value", "profile", "total"]

TENANT_MODELS = """
from django.db import models
from django_tenants.models import DomainMixin, TenantMixin


class Tenant(TenantMixin):
    auto_create_schema = True
    auto_drop_schema = True


class Domain(DomainMixin):
    pass
"""

MODEL = """

class Table{number}(models.Model):
    id = models.UUIDField(primary_key=True)
    created_at = models.DateTimeField()
    kind = models.CharField(max_length=40)
    value = models.UUIDField()
    profile = models.UUIDField(null=True)
    total = models.DecimalField(max_digits=18, decimal_places=4)
    payload = models.JSONField()

    class Meta:
        indexes = [{indexes}]
"""


class Tenants:
    """A Django project in `directory`, with a database of its own on the service's server."""

    def __init__(self, directory, service, tables, indexes):
        self.write(pathlib.Path(directory), tables, indexes)
        service.psql("-c", f"create database {DATABASE}")
        sys.path.insert(0, directory)
        self.configure(service)
        from django.core.management import call_command
        self.quietly(call_command, "makemigrations", "bench_tenants", "bench_shop", verbosity=0)
        self.quietly(call_command, "migrate_schemas", shared=True, verbosity=0)
        self.tables, self.indexes = self.make_first()

    def write(self, directory, tables, indexes):
        # Each schema also gets Django's tables of migrations and of content types, which have three indexes.
        models = tables - 2
        left = indexes - models - 3
        code = "from django.db import models\n"
        for number in range(models):
            share = left * (number + 1) // models - left * number // models
            chosen = ", ".join(
                f"models.Index(fields=['{INDEXED[index % len(INDEXED)]}'], name='table{number}_{index}')"
                for index in range(share))
            code += MODEL.format(number=number, indexes=chosen)
        for name, text in [("bench_tenants", TENANT_MODELS), ("bench_shop", code)]:
            (directory / name / "migrations").mkdir(parents=True)
            (directory / name / "__init__.py").touch()
            (directory / name / "migrations/__init__.py").touch()
            (directory / name / "models.py").write_text(text)

    def configure(self, service):
        import django
        from django.conf import settings
        settings.configure(
            DATABASES={"default": {
                "ENGINE": "django_tenants.postgresql_backend", "NAME": DATABASE, "USER": "constintel",
                "PASSWORD": service.password, "HOST": f"{service.state}/run",
            }},
            DATABASE_ROUTERS=["django_tenants.routers.TenantSyncRouter"],
            SHARED_APPS=["django_tenants", "django.contrib.contenttypes", "bench_tenants"],
            TENANT_APPS=["django.contrib.contenttypes", "bench_shop"],
            INSTALLED_APPS=["django_tenants", "django.contrib.contenttypes", "bench_tenants", "bench_shop"],
            TENANT_MODEL="bench_tenants.Tenant", TENANT_DOMAIN_MODEL="bench_tenants.Domain",
            DEFAULT_AUTO_FIELD="django.db.models.BigAutoField", USE_TZ=True, SECRET_KEY="bench")
        django.setup()

    def make_first(self):
        """Makes a tenant, so that everything is loaded; gives how many tables and indexes it has."""
        from django.db import connection
        tenant = self.save("first")
        with connection.cursor() as cursor:
            cursor.execute(
                "select count(*) filter (where relkind = 'r'), count(*) filter (where relkind = 'i') from pg_class"
                " where relnamespace = 'first'::regnamespace")
            found = cursor.fetchone()
        self.quietly(tenant.delete, force_drop=True)
        return found

    def save(self, name):
        from bench_tenants.models import Tenant
        tenant = Tenant(schema_name=name)
        self.quietly(tenant.save, verbosity=0)
        return tenant

    def quietly(self, action, *arguments, **options):
        with contextlib.redirect_stdout(io.StringIO()):
            action(*arguments, **options)

    def measure(self, number):
        begun = time.perf_counter()
        tenant = self.save(f"tenant{number:03d}")
        taken = time.perf_counter() - begun
        self.quietly(tenant.delete, force_drop=True)
        return taken
