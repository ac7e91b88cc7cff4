"""Blank consent forms to print, in the languages that the Presidency has added, and its form for another text.

The forms hold no personal data. Their programming interface gives the texts to programs that print elsewhere.
"""

from __future__ import annotations

from typing import Any

from flask import Response, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from itm_admin.consent import texts
from itm_admin.consent.texts import COLUMNS, TEXTS, ConsentText
from itm_admin.foundation import access, vocabulary
from itm_admin.foundation.actor import me
from itm_admin.foundation.api import Api, body, describes
from itm_admin.foundation.api_schemas import Changed, all_of
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.database import db
from itm_admin.foundation.forms import attempt, tell
from itm_admin.foundation.once import once
from itm_admin.foundation.roles import INSTITUTION
from itm_admin.foundation.transaction import writing
from itm_admin.foundation.views import Page, keyring, redirect_after_post, route
from itm_admin.record.derive import answer_schema, form_class
from itm_admin.record.kind import kind_of
from itm_admin.record.page_acts import BOTH

Answer = str | tuple[str, int] | Any
_KIND = "consent_text"
_TextForm = form_class(kind_of(ConsentText), COLUMNS)


class ConsentTextView(Page):
    """The texts, and a blank form of each to print."""

    subject = "ConsentText"
    scopes = (INSTITUTION,)
    route_base = "/consent-forms"

    @route("/", act="list")
    def list(self) -> Answer:
        found: dict[str, list[ConsentText]] = {}
        for text in texts.newest_of_each(db.session):
            found.setdefault(text.purpose, []).append(text)
        record_read("record.list", _KIND, detail={"page": "forms"})
        rows = [(code, words, found.get(code, [])) for code, words in vocabulary.choices("consent_purpose")]
        may_add = access.allowed(f"{self.endpoint}.add", me())
        steps = [(url_for(f"{self.endpoint}.add"), _("New text"), "primary")] if may_add else []
        return self.render("consent/forms.html", rows=rows, steps=steps)

    @route("/print", act="show")
    def show(self) -> Answer:
        """The blank form of ?purpose=…&language=…; without a text in that language the form in the page's own."""
        purpose = request.args.get("purpose", "")
        purpose = purpose if purpose in vocabulary.codes("consent_purpose") else vocabulary.codes("consent_purpose")[0]
        version = request.args.get("version", "")
        number = int(version) if version.isascii() and version.isdigit() and len(version) < 5 else None
        text = texts.find(db.session, purpose, request.args.get("language", ""), number)
        record_read("record.read", _KIND, text.id if text is not None else None, detail={"page": "print"})
        return self.render("consent/form.html", purpose=purpose, text=text, scopes=vocabulary.choices("data_scope"))

    @route("/new", act="add", methods=BOTH)
    def add(self) -> Answer:
        form = _TextForm()
        if form.submitted() and (made := attempt(form, lambda session: _add(session, form.payload()))) is not None:
            tell(_("The text is added. From now on its form is printed."))
            values = {"purpose": made.purpose, "language": made.language}
            return redirect_after_post(f"{self.endpoint}.show", **values)
        record_read("record.list", _KIND, detail={"page": "add"})
        page = self.render("consent/text_add.html", form=form)
        return page, form.refused_with if form.submitted() else 200


class ConsentTextApi(Api):
    """The texts that are read out when consent is asked."""

    subject = "ConsentText"
    scopes = (INSTITUTION,)
    resource_name = "consent-texts"
    openapi_spec_tag = "Consent"

    @route("/", act="list")
    @describes(
        "The newest version of each text",
        gives=all_of(
            answer_schema(kind_of(ConsentText), "ConsentTextAnswer", ("id", "number", *COLUMNS)), "ConsentTexts"
        ),
    )
    def list(self) -> Response:
        found = texts.newest_of_each(db.session)
        record_read("record.list", _KIND, subjects=[text.id for text in found])
        return self.answer(items=found)

    @route("/", act="add", methods=("POST",))
    @describes(
        "Adds the next version of a text", takes=TEXTS.schema(COLUMNS, "ConsentTextInput"), gives=Changed, status=201
    )
    def add(self) -> Response:
        with writing() as session:
            made = _add(session, body())
        return self.answer(201, id=made.id, row_version=made.row_version)


def _add(session: Session, data: Any) -> ConsentText:
    return once(session, ConsentText, lambda: TEXTS.add(session, keyring(), None, data, COLUMNS))
