"""A test client that shows a form's answer, as every browser does."""

from __future__ import annotations

import re
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

_KEPT = re.compile(r"[?&]answer=|^/answers/")


class FormsClient(FlaskClient):
    """Follows a form to its kept answer (foundation/form_answers.py), and no other redirect.

    `sent` of the answer is what the form itself was answered with; `kept=False` stays there.
    """

    def open(self, *args: Any, kept: bool = True, **more: Any) -> TestResponse:
        sent = super().open(*args, **more)
        address = sent.headers.get("Location", "")
        if not kept or sent.status_code != 303 or not _KEPT.search(address):
            return sent
        shown = super().open(address)
        shown.__dict__["sent"] = sent
        return shown


def install() -> None:
    """For every application that a test makes."""
    Flask.test_client_class = FormsClient
