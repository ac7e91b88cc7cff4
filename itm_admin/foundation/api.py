"""The base of every REST API: Flask-AppBuilder's, described by OpenAPI, behind the same gate as the pages.

Callers sign in as people do and send the same anti-forgery token (header ``X-CSRFToken``) with every change.
Each operation names the schema of its answer, and the answer is serialised through it. Errors are problem documents
(RFC 9457). Page sizes are capped.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from flask import Response, g, jsonify, request
from flask_appbuilder.api import BaseApi
from flask_babel import lazy_gettext as _l
from marshmallow import Schema
from sqlalchemy import Select
from sqlalchemy.orm import Session

from itm_admin.foundation.access import route, shut_forgotten
from itm_admin.foundation.errors import Denied, Invalid, Unauthenticated, VersionMissing
from itm_admin.foundation.i18n import say_language
from itm_admin.foundation.json_body import body
from itm_admin.foundation.lists import Listing, Shown
from itm_admin.foundation.shown_list import COUNT_BOUND
from itm_admin.foundation.views import Frozen

__all__ = ["Api", "body", "describes", "maybe_versioned", "page_shown", "parameters_of", "route", "tag_of", "versioned"]

_Method = TypeVar("_Method", bound=Callable[..., Any])
Parameters = Callable[[], list[dict[str, Any]]]

_PROBLEM = {"content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}}
_TAG = re.compile(r'"([0-9]{1,9})(?:-gzip)?"')
"""A version as `tag_of` gives it, or as the ETag of the same answer says that it was compressed (compression.py)."""
_KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "schema": {"type": "string", "maxLength": 200},
    "description": "One intention, one record: a request that is sent twice with it is answered with the first record.",
}
_MATCHING = {
    "in": "header",
    "name": "If-Match",
    "schema": {"type": "string", "pattern": '^"[0-9]{1,9}(-gzip)?"$'},
    "description": "The version that the change was made on, as ETag gave it; or `row_version` in the body.",
}


class Api(Frozen, BaseApi):
    """A set of operations on one subject, under /api/v1/<resource_name>."""

    subject: ClassVar[str | None] = None
    scopes: ClassVar[tuple[str, ...]] = ()
    is_api: ClassVar[bool] = True
    csrf_exempt = False
    allow_browser_login = True
    responses = {
        code: {"description": text, **_PROBLEM}
        for code, text in {
            "400": "The request is malformed or has wrong values.",
            "401": "Nobody is signed in, or the API key opens nothing (any more).",
            "403": "Not permitted. Of the type urn:itm:problem:factor-too-old: sign in again with a code, then repeat.",
            "404": "Not found, or not for this person.",
            "409": "Somebody else has changed the record (row_version).",
            "412": "Somebody else has changed the record (If-Match).",
            "413": "The request is too large.",
            "422": "The Idempotency-Key came before with another content.",
            "423": "The record is not open for this change.",
            "428": "The change names no version: send row_version or If-Match.",
            "429": "Too many attempts.",
            "503": "The ledger or the database cannot be written: nothing was stored, no data is shown.",
        }.items()
    }

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        shut_forgotten(cls)

    def __init__(self) -> None:
        self.class_permission_name = self.subject
        super().__init__()

    def response_401(self) -> Response:
        """Flask-AppBuilder's refusal, told as every other one."""
        raise Unauthenticated

    def response_403(self) -> Response:
        raise Denied

    def operation_helper(
        self, path: str | None = None, operations: Any = None, methods: Any = None, func: Any = None, **_more: Any
    ) -> None:
        """Flask-AppBuilder calls this for the description of one route."""
        inside = [
            {"in": "path", "name": name, "required": True, "schema": {"type": "string", "format": "uuid"}}
            for name in re.findall(r"{(\w+)}", path or "")
        ]
        for method in methods:
            if method == "DELETE" and "requestBody" in func._operation:
                continue  # clients and proxies drop such a body: described as POST only, but still accepted
            told = copy.deepcopy(func._operation)
            told["parameters"] = [*inside, *(each for make in func._parameters for each in make())]
            told["operationId"] = f"{type(self).__name__}.{func.__name__}"
            token: dict[str, list[str]] = {"session": [], **({} if method == "GET" else {"csrf": []})}
            by_key: list[dict[str, list[str]]] = [] if func._fresh else [{"bearer": []}]
            told["security"] = [token, *by_key] if not func._public else [{}] if method == "GET" else [{"csrf": []}]
            operations[method.lower()] = told

    def changed(self, record: Any) -> Response:
        """The answer after a change: the record's id and new version."""
        return tag_of(self.answer(id=record.id, row_version=record.row_version), record)

    def answer(self, status: int = 200, /, **document: Any) -> Response:
        """A JSON document (which may have a field `status`); what it shows is queued with `record_read` beforehand."""
        return self.told(document, status)

    def told(self, document: Mapping[str, Any], status: int = 200) -> Response:
        """As `answer`, for an existing document. Members outside the operation's schema are not sent."""
        operation = getattr(self, (request.endpoint or "").rpartition(".")[2])
        response = jsonify(operation._gives().dump(document))
        response.status_code = status
        return say_language(response)


def describes(
    summary: str,
    *,
    gives: type[Schema],
    takes: type[Schema] | tuple[type[Schema], ...] = (),
    parameters: Parameters | None = None,
    matching: bool = False,
    status: int = 200,
) -> Callable[[_Method], _Method]:
    """The operation's description for OpenAPI, and its answer's schema.

    `takes`: the body, one of these. `matching`: the change names its version in If-Match or in the body.
    """

    def describe(method: _Method) -> _Method:
        done = {"description": "Done", "content": {"application/json": {"schema": gives}}}
        operation: dict[str, Any] = {
            "summary": summary,
            "responses": {
                str(status): done,
                **{code: {"$ref": f"#/components/responses/{code}"} for code in Api.responses},
            },
        }
        bodies = takes if isinstance(takes, tuple) else (takes,)
        if bodies:
            shape = bodies[0] if len(bodies) == 1 else {"oneOf": [*bodies]}
            operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": shape}}}
        asked: list[Parameters] = [parameters] if parameters else []
        if status == 201:
            asked.append(lambda: [_KEY])
        if matching:
            asked.append(lambda: [_MATCHING])
        method.__dict__.update(_operation=operation, _gives=gives, _parameters=asked)
        return method

    return describe


def parameters_of(listing: Listing[Any]) -> Parameters:
    """A list's query parameters, with their values."""

    def parameters() -> list[dict[str, Any]]:
        orders = [column.name for column in listing.columns if column.order]
        shapes: dict[str, dict[str, Any]] = {
            "page": {"type": "integer", "minimum": 1, "maximum": COUNT_BOUND},
            "size": {"type": "integer", "minimum": 1, "maximum": 100},
            "sort": {"type": "string", "enum": [sign + name for name in orders for sign in ("", "-")]},
            "q": {"type": "string", "maxLength": 100},
        }
        for each in listing.filters:
            # A register's ids are no part of the description: they are the installation's
            ids = each.kind == "record" or each.of_records
            codes = [] if ids else [code for code, _label in each.options()]
            shape = {"format": "date"} if each.kind == "day" else {} if ids else {"enum": codes}
            shapes[each.name] = {"type": "string", **shape}
        return [{"in": "query", "name": name, "schema": shape} for name, shape in shapes.items()]

    return parameters


def page_shown(session: Session, listing: Listing[Any], statement: Select[Any]) -> Shown[Any]:
    """The requested page. Raises Invalid beyond the bound: an empty page would claim that there is no more."""
    query = listing.read(request.args, columns=False)
    if (query.page - 1) * query.size >= COUNT_BOUND:
        most = _l("At most %(most)s rows can be paged through. Narrow the list with filters.", most=COUNT_BOUND)
        raise Invalid({"page": most})
    return listing.page(session, statement, query)


def versioned() -> tuple[dict[str, Any], int]:
    """The body without `row_version`, and the version in it or in If-Match.

    Raises VersionMissing if neither has one.
    """
    data, version = maybe_versioned()
    if version is None:
        raise VersionMissing
    return data, version


def maybe_versioned() -> tuple[dict[str, Any], int | None]:
    """As `versioned`, if a first write has no version. Raises Invalid if the body and If-Match name different ones."""
    matched = _matched()
    data = body(may_be_empty=matched is not None)
    version = matched
    if "row_version" in data:
        version = data.pop("row_version")
        if not isinstance(version, int) or isinstance(version, bool):
            raise Invalid({"row_version": _l("This value is not correct.")})
    if matched not in (None, version):
        raise Invalid({"row_version": _l("The header If-Match names another version.")})
    return data, version


def tag_of(response: Response, record: Any) -> Response:
    """The answer with the record's version as its ETag, for If-Match."""
    response.headers["ETag"] = f'"{record.row_version}"'
    return response


def _matched() -> int | None:
    """The version in If-Match; None without the header, an impossible version if the header names none."""
    header = request.headers.get("If-Match")
    if header is None:
        return None
    g.matching = True
    found = _TAG.fullmatch(header.strip())
    return int(found[1]) if found else -1
