"""The same update with Django: plain, and audited by django-auditlog or django-simple-history."""

from __future__ import annotations

import json
import sys
import uuid
from functools import partial
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import django
from django.conf import settings
from django.core.management import call_command

from tests.benchmarks.taking import in_turn

APPS = {"django-auditlog": "auditlog", "django-simple-history": "simple_history"}


def configure(package: str, address: str) -> None:
    url = urlsplit(address)
    settings.configure(
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql", "NAME": url.path[1:], "USER": url.username,
                "PASSWORD": unquote(url.password or ""), "HOST": parse_qs(url.query)["host"][0], "CONN_MAX_AGE": None,
            }
        },
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", APPS[package]],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField", USE_TZ=True,
    )  # fmt: skip
    django.setup()


def models(package: str) -> tuple[Any, Any]:
    """A plain and an audited model with the columns of a case."""
    from django.contrib.postgres.fields import ArrayField
    from django.db import models as m

    class Columns(m.Model):
        id = m.UUIDField(primary_key=True, default=uuid.uuid4)
        institution_id = m.UUIDField(default=uuid.uuid4)
        unit_id = m.UUIDField(default=uuid.uuid4)
        lead_institution_id = m.UUIDField(default=uuid.uuid4)
        reference = m.TextField(default="ITM-2026-00001")
        status = m.TextField(default="Active")
        opened_on = m.DateField(default="2026-03-01")
        closed_on = m.DateField(null=True)
        closure_reason = m.TextField(null=True)
        province = m.TextField(default="TR-06")
        referral_source = m.TextField(default="GENDARMERIE")
        exploitation_types = ArrayField(m.TextField(), default=list)
        industry = m.TextField(null=True)
        confidentiality = m.TextField(default="INTERNAL")
        shared = m.BooleanField(default=True)
        sensitivity = m.SmallIntegerField(default=1)
        deleted_at = m.DateTimeField(null=True)
        deletion_reason = m.TextField(null=True)
        data_key = m.BinaryField(default=b"k" * 60)
        narrative = m.BinaryField(null=True)
        row_version = m.IntegerField(default=1)
        updated_at = m.DateTimeField(auto_now=True)

        class Meta:
            abstract = True
            app_label = "contenttypes"

    class Plain(Columns):
        class Meta:
            app_label = "contenttypes"

    if package == "django-simple-history":
        from simple_history.models import HistoricalRecords

        class Audited(Columns):
            history = HistoricalRecords()

            class Meta:
                app_label = "contenttypes"
    else:
        from auditlog.registry import auditlog

        class Audited(Columns):  # type: ignore[no-redef]
            class Meta:
                app_label = "contenttypes"

        auditlog.register(Audited)
    return Plain, Audited


def main() -> None:
    asked = json.load(sys.stdin)
    configure(asked["package"], asked["address"])
    plain, audited = models(asked["package"])
    from django.db import connection, transaction

    call_command("migrate", verbosity=0)
    made = [plain, audited, *([audited.history.model] if hasattr(audited, "history") else [])]
    with connection.schema_editor() as editor:
        for model in made:
            editor.create_model(model)
    keys = {model: model.objects.create().pk for model in (plain, audited)}

    def change(model: Any) -> None:
        for number in range(asked["updates"]):
            with transaction.atomic():
                row = model.objects.get(pk=keys[model])
                row.province = ("TR-06", "TR-34")[(number + (row.province == "TR-06")) % 2]
                row.save()

    taken = in_turn(asked["turns"], {"audited": partial(change, audited), "plain": partial(change, plain)}, warm_up=20)
    print(json.dumps({"ratio": taken.ratio("audited", "plain")}))


if __name__ == "__main__":
    main()
