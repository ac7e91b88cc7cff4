"""The gate: admits requests to routes, and tells PostgreSQL who is at work.

Promise: a route without a declaration shows nothing. Every view and API method declares an act on a subject (`@route`);
the gate compares it with the roles' table before the method runs and binds the context of the fitting scope. It must
never know a business table or the ways of signing in.

Behind it stands a second wall: `@route` puts Flask-AppBuilder's own `has_access` (`protect` for an API) around each
method that is not public. It asks the security manager, and answers as the gate does.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Flask, abort, current_app, g, request, url_for
from flask_appbuilder.baseviews import expose
from flask_appbuilder.security.decorators import has_access, protect
from werkzeug.routing import RequestRedirect, UUIDConverter
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from itm_admin.foundation import tenancy
from itm_admin.foundation.actor import Actor
from itm_admin.foundation.database import db
from itm_admin.foundation.errors import (
    Denied,
    FactorTooOld,
    Invalid,
    KeyAndSession,
    KeyOnlyForInterface,
    KeyTakesNoFactor,
    KeyTooNarrow,
    NotFound,
    Unauthenticated,
)
from itm_admin.foundation.roles import EVERYBODY, ROLES, SCOPES, kind_of_subject
from itm_admin.foundation.tenancy import Context

METHODS_THAT_CHANGE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
FRESH = 5 * 60
"""Seconds since the last second factor with which an act that takes a fresh one is done."""
_Method = TypeVar("_Method", bound=Callable[..., Any])


@dataclass(frozen=True)
class Access:
    """A route's declaration: an act on a subject, in one of the scopes it serves (without any: the person's own).

    `public` routes need no sign-in; `quiet` ones show no data and need no entry in the ledger.
    """

    subject: str
    act: str
    scopes: tuple[str, ...] = ()
    public: bool = False
    quiet: bool = False
    api: bool = False
    second_step: bool = False
    """It also opens for half a session: the password was right, and the second factor is missing."""
    fresh: bool = False
    """It takes a second factor of the last five minutes: an open session that somebody finds is not enough. A form is
    shown without one, and sent with one."""
    kind: str = ""
    """The kind that its entries are about, where they name no other."""


def route(
    url: str,
    *,
    act: str,
    methods: Iterable[str] = ("GET",),
    public: bool = False,
    quiet: bool = False,
    second_step: bool = False,
    fresh: bool = False,
) -> Callable[[_Method], _Method]:
    """Routes a view's or API's method at `url` as `act` on its class's subject, behind the wall if it is not public."""

    def declare(method: _Method) -> _Method:
        is_new = not hasattr(method, "_public")  # of a method with two addresses
        method.__dict__.update(_permission_name=act, _public=public, _quiet=quiet)
        method.__dict__.update(_second_step=second_step, _fresh=fresh)
        walled = behind_wall(method) if is_new and not public else method
        return expose(url, methods=tuple(methods))(walled)  # type: ignore[no-any-return]

    return declare


def behind_wall(method: Callable[..., Any]) -> Callable[..., Any]:
    """The method behind the second wall. Who is not signed in is answered as at the gate: FAB has no page for it."""
    of_page, of_api = has_access(method), protect(allow_browser_login=True)(method)

    @functools.wraps(of_page)
    def walled(self: Any, *args: Any, **kwargs: Any) -> Any:
        if g.get("actor") is None:
            return _to_sign_in(self.is_api)
        return (of_api if self.is_api else of_page)(self, *args, **kwargs)

    return walled


def shut_forgotten(cls: type[Any]) -> None:
    """Puts the wall around methods under Flask-AppBuilder's `@expose` alone: the gate has no declaration of them."""
    for name, method in list(vars(cls).items()):
        if hasattr(method, "_urls") and not hasattr(method, "_public"):
            setattr(cls, name, behind_wall(method))


def install(
    app: Flask,
    load_actor: Callable[[], Actor | None],
    ask_to_sign_in: Callable[[], Response],
    ask_for_factor: Callable[[FactorTooOld], Response],
    declared: Mapping[str, Access],
) -> None:
    """Puts the gate before every request. `declared`: the endpoints that no view class declares.

    `ask_to_sign_in` answers a page's request that needs a session and has none, `ask_for_factor` one whose last second
    factor is too old for it.
    """
    app.extensions["itm_access"] = dict(declared)
    app.extensions["itm_load_actor"] = load_actor
    app.extensions["itm_ask_to_sign_in"] = ask_to_sign_in
    app.extensions["itm_ask_for_factor"] = ask_for_factor
    app.url_map.converters["uuid"] = RecordId
    app.register_error_handler(FactorTooOld, _factor_too_old)
    app.before_request(_begin)
    app.before_request(enter)
    app.teardown_request(_end)


def declare_views(app: Flask, views: Iterable[Any]) -> None:
    """Reads the declarations of all registered views. A view without a subject stays shut."""
    register: dict[str, Access] = app.extensions["itm_access"]
    for view in views:
        model = getattr(view, "datamodel", None)
        for name in dir(view):
            method = getattr(view, name)
            if name in view.exclude_route_methods or name not in (view.include_route_methods or {name}):
                continue
            if getattr(method, "_urls", None) and hasattr(method, "_public") and getattr(view, "subject", None):
                register[f"{view.endpoint}.{name}"] = Access(
                    subject=view.subject,
                    act=method._permission_name,
                    scopes=view.scopes,
                    public=method._public,
                    quiet=method._quiet,
                    api=view.is_api,
                    second_step=method._second_step,
                    fresh=method._fresh,
                    kind=model.kind.name if model is not None else kind_of_subject(view.subject),
                )


def access_of(endpoint: str | None) -> Access | None:
    """The endpoint's declaration; None if it has none, or nothing is registered at the address."""
    found: Access | None = current_app.extensions["itm_access"].get(endpoint)
    return found


def scope_for(access: Access, roles: frozenset[str]) -> str | None:
    """The scope in which these roles may do the act: the first that the route serves. None: they may not."""
    if access.act in EVERYBODY.get(access.subject, ()):
        able = [role for code, role in ROLES.items() if code in roles]
    else:
        able = [
            role for code, role in ROLES.items() if code in roles and access.act in role.may.get(access.subject, ())
        ]
    offered = {scope for role in able for scope in role.scopes}
    return next((scope for scope in access.scopes or SCOPES if scope in offered), None)


def scope_of(access: Access, actor: Actor) -> str | None:
    """As `scope_for`, of a person or of a program: a key does of its person's rights what it names."""
    if actor.key is not None and not actor.key.covers(access.act, access.subject):
        return None
    return scope_for(access, actor.roles)


def allowed(endpoint: str, actor: Actor | None) -> bool:
    """True if the person may enter the endpoint: for menus and buttons, without a query."""
    access = access_of(endpoint)
    if access is None:
        return False
    return access.public or (actor is not None and scope_of(access, actor) is not None)


def bind_request(context: Context) -> None:
    """Binds a context together with this request's id, route and address."""
    tenancy.bind(
        dataclasses.replace(
            context,
            request_id=g.request_id,
            route=request.url_rule.rule if request.url_rule else None,
            address=request.remote_addr,
        ),
        db.session(),
    )


def _begin() -> None:
    g.request_id = uuid.uuid4().hex
    g.actor = None
    tenancy.forget_renewals()
    g.access = access_of(request.endpoint)
    bind_request(tenancy.NOBODY)


_WRITTEN = re.compile(UUIDConverter.regex)


class Malformed(str):
    """Text where an address has a record's id."""


class RecordId(UUIDConverter):
    """A record's id in an address. Malformed ones come to the gate too, which answers as to an id that nobody has."""

    regex = "[^/]+"
    part_isolating = True

    def to_python(self, value: str) -> uuid.UUID | Malformed:  # type: ignore[override]
        return uuid.UUID(value) if _WRITTEN.fullmatch(value) else Malformed(value)


def _refuse_malformed_ids() -> None:
    if any(isinstance(value, Malformed) for value in (request.view_args or {}).values()):
        raise NotFound


def enter() -> Response | None:
    """Binds the context and lets the request pass, or refuses, or redirects to the sign-in page."""
    if request.routing_exception is not None:
        if not isinstance(request.routing_exception, RequestRedirect) and not request.path.startswith("/api/"):
            _know_who_asks()
        return None  # 404, 405 or a redirect that Flask answers itself
    access: Access | None = g.access
    if access is None:
        abort(404)
    _refuse_broken_text()
    if access.public:
        _refuse_malformed_ids()
    _refuse_key(access)
    if access.public and access.quiet:
        return None
    g.actor = current_app.extensions["itm_load_actor"]()
    if _is_half(g.actor) and not access.second_step:
        g.actor = None
        if not access.public and not access.api and (endpoint := current_app.config.get("ITM_SECOND_STEP_ENDPOINT")):
            return redirect(url_for(endpoint, next=request.full_path.rstrip("?")), 303)
    if access.public:
        return None
    if g.actor is None:
        return _to_sign_in(access.api)
    scope = scope_of(access, g.actor)
    if scope is None:
        raise KeyTooNarrow if g.actor.key is not None and scope_for(access, g.actor.roles) else Denied
    bind_request(g.actor.own_context() if _is_half(g.actor) else g.actor.context(scope))
    _refuse_malformed_ids()
    if access.fresh and not _shows_a_form() and not _has_fresh_factor(g.actor):
        raise FactorTooOld
    return None


def sent_key() -> str | None:
    """The API key in the request's header (RFC 6750); None without one. An address or a form never holds one."""
    scheme, _space, sent = request.headers.get("Authorization", "").partition(" ")
    return sent.strip() if scheme.lower() == "bearer" else None


def _refuse_key(access: Access) -> None:
    """A key opens the programming interface alone, without a cookie. What is public and shows nothing stays open."""
    if sent_key() is None or (access.public and access.quiet and not access.api):
        return
    if not access.api or access.public:
        raise KeyOnlyForInterface
    if current_app.config["SESSION_COOKIE_NAME"] in request.cookies:
        raise KeyAndSession


def _know_who_asks() -> None:
    """For the frame around a page that does not exist: it is the signed-in person's, in the scope of their work."""
    if sent_key() is not None:
        return
    found = current_app.extensions["itm_load_actor"]()
    g.actor = None if _is_half(found) else found
    if g.actor is not None and g.actor.scopes:
        bind_request(g.actor.context(g.actor.scopes[0]))


def _is_half(actor: Actor | None) -> bool:
    return actor is not None and actor.here is not None and actor.here.half


def _shows_a_form() -> bool:
    """True for the page of a form; false for a download, which the same address does not answer otherwise."""
    methods = (request.url_rule.methods or ()) if request.url_rule else ()
    return request.method not in METHODS_THAT_CHANGE and bool(METHODS_THAT_CHANGE.intersection(methods))


def _has_fresh_factor(actor: Actor) -> bool:
    age = actor.here.factor_age if actor.here is not None else None
    return age is not None and age <= FRESH


def _factor_too_old(error: FactorTooOld) -> Response:
    """The question for a factor, also where a service refuses; the interface has a problem document instead."""
    asked = "itm_problem_page" if g.access.api else "itm_ask_for_factor"
    by_key = g.actor is not None and g.actor.key is not None
    answer: Response = current_app.extensions[asked](KeyTakesNoFactor() if by_key else error)
    return answer


def _to_sign_in(is_api: bool) -> Response:
    if is_api:
        raise Unauthenticated
    answer: Response = current_app.extensions["itm_ask_to_sign_in"]()
    return answer


def _refuse_broken_text() -> None:
    for values in (request.args, request.form):
        for name, texts in values.lists():
            for text in (name, *texts):
                if "\x00" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
                    raise Invalid


def _end(_error: BaseException | None) -> None:
    tenancy.forget_renewals()
    tenancy.bind(tenancy.NOBODY)
