"""Flask-AppBuilder's security manager, without its users, roles, screens, tokens and keys.

foundation.roles answers permissions for the person whom the gate admitted; nothing is public and nothing is queried.
None of Flask-AppBuilder's own ways to sign in, register, reset a password or issue tokens exists here, shown or hidden.
"""

from __future__ import annotations

from typing import Any

from flask import current_app, g
from flask_appbuilder.const import PERMISSION_PREFIX
from flask_appbuilder.menu import MenuItem
from flask_appbuilder.security.manager import BaseSecurityManager
from flask_login import LoginManager

from itm_admin.foundation import access
from itm_admin.foundation.access import Access
from itm_admin.foundation.actor import Actor


class SecurityManager(BaseSecurityManager):
    """Answers Flask-AppBuilder's questions, and keeps no users or roles for it."""

    def __init__(self, appbuilder: Any) -> None:
        # Not the original's: it would set up a token manager, a rate limiter in one process's memory and roles.
        self.appbuilder = appbuilder
        self._builtin_roles: dict[str, Any] = {}
        self.lm = self.create_login_manager(current_app)

    def create_login_manager(self, app: Any) -> LoginManager:
        """`current_user` is the person whom the gate has loaded; Flask-Login's own cookies are ignored."""
        manager = LoginManager(app)
        manager.session_protection = None
        manager.request_loader(lambda _request: self.current_user)
        return manager

    @property
    def current_user(self) -> Actor | None:
        actor = g.get("actor")
        return actor if isinstance(actor, Actor) else None

    @staticmethod
    def before_request() -> None:
        """Nothing: the gate (foundation.access) comes before every request."""

    def register_views(self) -> None:
        """None."""

    def create_db(self) -> None:
        """Nothing: roles are data in code, and no ab_* table exists."""

    def has_access(self, permission_name: str, view_name: str) -> bool:
        """`has_access` and `protect` ask it inside each method: the roles' table, in a scope that the route serves."""
        actor, here = self.current_user, g.get("access")
        scopes = here.scopes if here is not None and here.subject == view_name else ()
        asked = Access(view_name, permission_name.removeprefix(PERMISSION_PREFIX), scopes)
        return actor is not None and actor.is_active and access.scope_of(asked, actor) is not None

    def is_item_public(self, permission_name: str, view_name: str) -> bool:
        return False

    def get_user_menu_access(self, menu_names: list[str] | None = None) -> set[str]:
        """Names of the entries whose page the gate lets this person enter, and of the groups that have such a one."""
        entered = (name for item in self.appbuilder.menu.get_list() for name in _entered(item, self.current_user))
        return set(entered).intersection(menu_names or ())

    def load_user(self, pk: Any) -> Actor | None:
        """The signed-in person, if the key is theirs: nobody else is loaded by a key."""
        actor = self.current_user
        return actor if actor is not None and actor.get_id() == str(pk) else None

    get_user_by_id = load_user

    def load_user_jwt(self, _jwt_header: Any, jwt_data: Any) -> None:
        return None

    def validate_api_key(self, api_key_string: str) -> None:
        return None

    def add_permissions_view(self, base_permissions: Any, view_menu: Any) -> None:
        """Nothing: see create_db."""

    def add_permissions_menu(self, view_menu_name: Any) -> None:
        """Nothing: see create_db."""

    def add_limit_view(self, baseview: Any) -> None:
        """Nothing: signing in is throttled in the database, for all processes together."""

    def security_cleanup(self, baseviews: Any, menus: Any) -> None:
        """Nothing: see create_db."""

    def get_first_user(self) -> None:
        return None

    def noop_user_update(self, user: Any) -> None:
        """Nothing: an unknown name at the sign-in costs a comparison of its own (accounts.passwords)."""


def _entered(item: MenuItem, actor: Actor | None) -> list[str]:
    """The item's name and those of its entries, as far as they lead somewhere."""
    inside = [name for child in item.childs for name in _entered(child, actor)]
    view = item.baseview
    leads = view is not None and actor is not None and access.allowed(f"{view.endpoint}.{view.default_view}", actor)
    return [item.name, *inside] if inside or leads else []
