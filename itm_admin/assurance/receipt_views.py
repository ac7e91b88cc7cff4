"""Pages of receipts: an institution's own, and an auditor's of every ledger that they may see."""

from __future__ import annotations

import io
import uuid
from typing import ClassVar

from flask import Response, g, request, send_file, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf.file import FileField

from itm_admin.assurance import labels, ledger_queries, receipts
from itm_admin.assurance.ledger_queries import AnyRow
from itm_admin.foundation import access
from itm_admin.foundation.audited_reads import record_read
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import REQUIRED, Invalid, Message
from itm_admin.foundation.forms import Asks, PanelForm
from itm_admin.foundation.roles import AUDIT, INSTITUTION
from itm_admin.foundation.views import Page, route


class ReceiptForm(PanelForm):
    asks: ClassVar[Asks] = {"receipt": _l("Choose a file.")}

    receipt = FileField(_l("Receipt that you kept"))


class _Receipts(Page):
    """Downloading a receipt, and comparing a kept one."""

    back: ClassVar[tuple[Message, str]]

    @route("/", act="show")
    def show(self) -> str:
        return self._page(ReceiptForm())

    @route("/", act="show", methods=("POST",))
    def compare(self) -> str | tuple[str, int]:
        form = ReceiptForm()
        file = request.files.get("receipt")
        try:
            if not file or not file.filename:
                raise Invalid({"receipt": REQUIRED})
            compared = receipts.compare(db.session, file.stream.read(receipts.LARGEST + 1))
        except Invalid as error:
            form.take(error)
            return self._page(form), 422
        record_read(
            "record.read",
            "ledger",
            compared.ledger,
            outcome="success" if compared.answer == "goes on" else "failure",
            detail={"page": "receipt", "held": compared.kept.size, "answer": compared.answer},
        )
        return self._page(form, compared)

    @route("/<uuid:id>", act="export")
    def take(self, id: uuid.UUID) -> Response:
        receipt = receipts.current(db.session, id)
        record_read("ledger.export", "ledger", id, detail={"format": "receipt", "size": receipt.size})
        file = io.BytesIO(receipt.content)
        return send_file(file, mimetype="text/plain", as_attachment=True, download_name=receipt.filename)

    def _page(self, form: ReceiptForm, compared: receipts.Compared | None = None) -> str:
        ledgers = ledger_queries.ledgers(db.session)
        if compared is None:
            record_read("record.list", "ledger", subjects=[row.id for row in ledgers], detail={"page": "receipt"})
        may_take = access.allowed(f"{self.endpoint}.take", g.actor)
        signed = receipts.signed(db.session) if may_take else frozenset()
        return self.render(
            "assurance/receipts.html",
            form=form,
            compared=compared,
            name=next((labels.ledger_name(row) for row in ledgers if compared and row.id == compared.ledger), None),
            endpoint=self.endpoint,
            back=self.back,
            words=labels,
            may_take=may_take,
            takes=[self._link(row) for row in ledgers if row.id in signed],
        )

    def _link(self, row: AnyRow) -> tuple[str, str, str]:
        name = labels.ledger_name(row)
        label = _("Receipt of %(name)s", name=name)
        if row.closed_at:
            label = _("Receipt of %(name)s, closed generation %(number)s", name=name, number=row.generation)
        return url_for(f"{self.endpoint}.take", id=row.id), label, "secondary"


class InstitutionReceiptView(_Receipts):
    """Receipts of the reader's own institution's ledger."""

    subject = "InstitutionHistory"
    scopes = (INSTITUTION,)
    route_base = "/institution-history/receipts"
    back = (_l("Our access history"), "InstitutionHistoryView.list")


class ReceiptView(_Receipts):
    """Receipts of every ledger that an auditor may see."""

    subject = "Ledger"
    scopes = (AUDIT,)
    route_base = "/ledgers/receipts"
    back = (_l("Ledgers"), "LedgerView.list")


VIEWS: tuple[type, ...] = (InstitutionReceiptView, ReceiptView)
