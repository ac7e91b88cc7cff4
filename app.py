"""The composition root: puts settings, database, gate, views and error pages together.

``create_app()`` is what the web server loads; executed, this file runs the whole system on this machine.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

from flask import Flask, Response, g, send_from_directory
from werkzeug.exceptions import NotFound

from itm_admin.accounts import actor, api_key_use, preference_views, saved_views, sessions
from itm_admin.accounts.api_key_use import who_is_at_work
from itm_admin.accounts.directory_calls import Places
from itm_admin.accounts.passkeys import Site
from itm_admin.accounts.provider_register import ProviderRegister
from itm_admin.accounts.returning import ask_to_sign_in
from itm_admin.accounts.step_up import ask_for_factor
from itm_admin.assurance import scheduler_watch
from itm_admin.assurance.alerts import alerts_for
from itm_admin.assurance.tampering import found_changed
from itm_admin.foundation import (
    access,
    audited_reads,
    compression,
    error_pages,
    form_answers,
    formats,
    headers,
    i18n,
    once,
    synthetic,
    tenancy,
)
from itm_admin.foundation.actor import shown_actor
from itm_admin.foundation.config import Settings
from itm_admin.foundation.database import db, engine_options
from itm_admin.foundation.encryption import Keyring
from itm_admin.foundation.erasure_list import Erasures
from itm_admin.foundation.forgery import LIFETIME, Forgery
from itm_admin.foundation.proxies import BehindProxies
from itm_admin.panel import FILES, Panel, links, navigation
from itm_admin.schedule import JOBS

LARGEST_REQUEST = 1024 * 1024


def create_app(settings: Settings | None = None) -> Flask:
    """The panel as a WSGI application. SettingError names a setting that is missing or wrong."""
    settings = settings or Settings.from_environment()
    app = Flask("itm_admin", root_path=str(Path(__file__).parent / "itm_admin"))
    app.config.update(_config(settings))
    inside = headers.WithHeaders(app.wsgi_app, settings.https)
    app.wsgi_app = BehindProxies(  # type: ignore[method-assign]
        inside, settings.trusted_proxies, settings.trusted_hosts, settings.https
    )
    db.init_app(app)
    app.extensions["itm_keyring"] = Keyring.from_settings(settings)
    app.extensions["itm_providers"] = ProviderRegister.of(settings)
    app.extensions["itm_directory_places"] = Places(settings.web_threads // 2)
    app.extensions["itm_erasures"] = Erasures.of(settings)
    compression.install(app, _vendor_file)  # first of all, so that it gets the final response
    headers.install(app)
    actor.install(app)
    api_key_use.install(app)
    form_answers.install_keeping(app)
    audited_reads.install(app)
    form_answers.install_showing(app)
    error_pages.install(app)
    access.install(app, who_is_at_work, ask_to_sign_in, ask_for_factor, FILES)
    saved_views.install(app)
    scheduler_watch.install(app, JOBS)
    Forgery(app)
    formats.install(app)
    once.install(app)
    app.add_url_rule("/vendor/<path:name>", "static_vendor", _vendor)
    app.context_processor(_page_values)
    with app.app_context():
        i18n.configure(app)
        Panel(app, db.session)
    return app


def _config(settings: Settings) -> dict[str, Any]:
    return {
        "SECRET_KEY": settings.secret_key,
        "SQLALCHEMY_DATABASE_URI": settings.database_url,
        "SQLALCHEMY_ENGINE_OPTIONS": engine_options(settings.web_threads),
        "SESSION_COOKIE_NAME": "__Host-itm" if settings.https else "itm",
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": settings.https,
        "SESSION_COOKIE_PATH": "/",
        "SESSION_REFRESH_EACH_REQUEST": False,
        "PERMANENT_SESSION_LIFETIME": timedelta(hours=24),
        "ITM_SESSION_IDLE": timedelta(minutes=settings.session_idle_minutes),
        "ITM_API_KEY_DAYS": settings.api_key_days,
        "ITM_SESSION_LASTS": timedelta(hours=settings.session_hours),
        "MAX_CONTENT_LENGTH": LARGEST_REQUEST,
        "MAX_FORM_MEMORY_SIZE": LARGEST_REQUEST,
        "MAX_FORM_PARTS": 500,
        "TRUSTED_HOSTS": settings.trusted_hosts,
        "WTF_CSRF_TIME_LIMIT": LIFETIME,
        "WTF_CSRF_SSL_STRICT": False,  # it asks for a Referer, which programs do not send; forgery.py asks for Origin
        "ITM_HOME": str(settings.home),
        "ITM_SITE": Site.at(settings.origin),
        "ITM_ORIGIN": settings.origin,
        "ITM_MAILS": settings.smtp_url is not None,
        "ITM_WITNESSED_HERE": settings.witnessed_here,
        "ITM_WITNESSES": settings.witnesses,
        "ITM_QUORUM": settings.quorum,
        "ITM_SIGNED_CALLS": frozenset({"ProviderCallView.signed_out"}),
        "ITM_SIGN_IN_ENDPOINT": "SignInView.sign_in",
        "ITM_SECOND_STEP_ENDPOINT": "SecondStepView.code",
        "APP_NAME": "İTM",
    }


VENDOR = {
    "bootstrap.min.css": ("flask_bootstrap", "static/bootstrap5/css"),
    "bootstrap.min.js": ("flask_bootstrap", "static/bootstrap5/js"),
    "swagger-ui.css": ("swagger_ui_bundle", "vendor/swagger-ui-4.15.5"),
    "swagger-ui-bundle.js": ("swagger_ui_bundle", "vendor/swagger-ui-4.15.5"),
}
"""Files that are served out of installed packages."""


def _vendor_file(name: str) -> Path | None:
    package, folder = VENDOR.get(name, ("", ""))
    return Path(str(files(package) / folder / name)) if package else None


def _vendor(name: str) -> Response:
    path = _vendor_file(name)
    if path is None:
        raise NotFound
    return send_from_directory(path.parent, name, max_age=86400)


def _page_values() -> dict[str, Any]:
    """The values that layout.html uses on every page."""
    return {
        "actor": shown_actor(),
        "scope": tenancy.current().scope,
        "navigation": navigation(),
        "alerts": _alerts(),
        "demo": not g.get("failed") and synthetic.is_synthetic(),
        "request_id": g.get("request_id"),
        "language": i18n.language(),
        "preference": preference_views.preference,
        "links": links(),
        "session_left": sessions.left(who.here) if (who := shown_actor()) else None,
        "found_changed": lambda id: found_changed(db.session, str(id)),
    }


def _alerts() -> list[Any]:
    """The alerts for auditors and the Presidency; not read again while an error page is written."""
    who = shown_actor()
    return [] if who is None or g.get("failed") else alerts_for(who)


if __name__ == "__main__":
    from itm_admin.commands.main import main

    sys.argv[1:1] = ["run"]
    main()
