"""A plain Flask-AppBuilder application with two tenants, its own process: what the panel would be without its frame.

Every view has `base_filters`, as the documentation advises, but for the one whose author forgot. It knows
nothing of the panel: its tables share Flask-AppBuilder's metadata, so it never runs in the tests' process.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

from flask import Flask, g
from flask_appbuilder import (
    AppBuilder,
    CompactCRUDMixin,
    MasterDetailView,
    Model,
    ModelRestApi,
    ModelView,
    MultipleView,
)
from flask_appbuilder.actions import action
from flask_appbuilder.charts.views import GroupByChartView
from flask_appbuilder.models.group import aggregate_count
from flask_appbuilder.models.sqla.filters import FilterEqualFunction
from flask_appbuilder.models.sqla.interface import SQLAInterface
from flask_appbuilder.security.sqla.manager import SecurityManager
from flask_appbuilder.security.sqla.models import User
from flask_appbuilder.utils.legacy import get_sqla_class
from sqlalchemy import Column, ForeignKey, Integer, String, Table
from sqlalchemy.orm import relationship
from werkzeug.serving import WSGIRequestHandler, make_server

db = get_sqla_class()()


class TenantUser(User):
    __tablename__ = "ab_user"
    tenant_id = Column(Integer)


class Project(Model):
    __tablename__ = "project"
    id = Column(Integer, primary_key=True)
    tenant_id = Column(Integer)
    name = Column(String(50), nullable=False)
    budget_code = Column(String(50))
    records = relationship("Record", back_populates="project")

    def __repr__(self) -> str:
        return str(self.name)


record_label = Table(
    "record_label",
    Model.metadata,
    Column("record_id", ForeignKey("record.id"), primary_key=True),
    Column("label_id", ForeignKey("label.id"), primary_key=True),
)


class Label(Model):
    __tablename__ = "label"
    id = Column(Integer, primary_key=True)
    tenant_id = Column(Integer)
    name = Column(String(50), nullable=False)

    def __repr__(self) -> str:
        return str(self.name)


class Record(Model):
    __tablename__ = "record"
    id = Column(Integer, primary_key=True)
    tenant_id = Column(Integer)
    code = Column(String(50), unique=True, nullable=False)
    title = Column(String(50))
    state = Column(String(20))
    secret = Column(String(50))
    project_id = Column(Integer, ForeignKey("project.id"))
    project = relationship(Project, back_populates="records")
    labels = relationship(Label, secondary=record_label)

    def __repr__(self) -> str:
        return str(self.code)


def own_tenant() -> int | None:
    tenant: int | None = g.user.tenant_id
    return tenant


OWN = [["tenant_id", FilterEqualFunction, own_tenant]]
FORM = ["code", "title", "project", "labels"]


class RecordView(ModelView):
    datamodel = SQLAInterface(Record)
    base_filters = OWN
    list_columns = ["code", "title", "project"]
    show_columns = ["code", "title", "project", "labels"]
    add_columns = edit_columns = FORM
    page_size = 25

    def pre_add(self, item: Record) -> None:
        item.tenant_id = own_tenant()  # type: ignore[assignment]

    @action("close", "Close", "Sure?", "fa-lock")
    def close(self, items: Record | list[Record]) -> Any:
        for item in items if isinstance(items, list) else [items]:
            item.state = "closed"
            self.datamodel.edit(item)
        return self.post_edit_redirect()


class ForgottenView(ModelView):
    datamodel = SQLAInterface(Record)
    list_columns = ["code", "title"]


class ProjectView(ModelView):
    datamodel = SQLAInterface(Project)
    base_filters = OWN
    list_columns = show_columns = add_columns = edit_columns = ["name"]
    related_views = [RecordView]


class ProjectMasterView(MasterDetailView):
    datamodel = SQLAInterface(Project)
    base_filters = OWN
    list_columns = ["name"]
    related_views = [RecordView]


class SeveralView(MultipleView):
    views = [ProjectView, RecordView]


class CompactView(CompactCRUDMixin, ModelView):
    datamodel = SQLAInterface(Record)
    base_filters = OWN
    list_columns = ["code", "title"]
    add_columns = edit_columns = ["code", "title"]


class RecordChartView(GroupByChartView):
    datamodel = SQLAInterface(Record)
    base_filters = OWN
    chart_title = "Records"
    definitions = [{"group": "title", "series": [(aggregate_count, "title")]}]


class DottedView(ModelView):
    datamodel = SQLAInterface(Project)
    base_filters = [["records.tenant_id", FilterEqualFunction, own_tenant]]
    list_columns = ["name"]


class RecordApi(ModelRestApi):
    datamodel = SQLAInterface(Record)
    base_filters = OWN
    allow_browser_login = True
    resource_name = "record"
    list_columns = show_columns = ["id", "code", "title", "project.name"]
    add_columns = edit_columns = FORM

    def pre_add(self, item: Record) -> None:
        item.tenant_id = own_tenant()  # type: ignore[assignment]


class TenantSecurityManager(SecurityManager):
    user_model = TenantUser


VIEWS = (
    RecordView,
    ForgottenView,
    ProjectView,
    ProjectMasterView,
    SeveralView,
    CompactView,
    RecordChartView,
    DottedView,
)
BUSINESS = [["|".join(view.__name__ for view in (*VIEWS, RecordApi)), ".*"]]
ADMINISTRATION = [["UserDBModelView|ResetPasswordView|User", ".*"]]
# (username, tenant, role); the password is the username.
PEOPLE = (("alice", 1, "Business"), ("bob", 2, "Business"), ("chief", 1, "TenantAdmin"), ("root", None, "Admin"))


def build(database_url: str, uploads: str) -> Flask:
    """The application over an empty database, with its tables and people made."""
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY="a key of the tests and of nothing else",
        SQLALCHEMY_DATABASE_URI=database_url,
        SQLALCHEMY_ENGINE_OPTIONS={"pool_size": 10},
        UPLOAD_FOLDER=uploads,
        WTF_CSRF_ENABLED=False,
        FAB_ADD_SECURITY_API=True,
        FAB_PASSWORD_HASH_METHOD="pbkdf2:sha256:1",
        FAB_ROLES={"Business": BUSINESS, "TenantAdmin": BUSINESS + ADMINISTRATION},
    )
    db.init_app(app)
    with app.app_context():
        appbuilder = AppBuilder(app, db.session, security_manager_class=TenantSecurityManager)
        for view in VIEWS:
            appbuilder.add_view(view, view.__name__)
        appbuilder.add_api(RecordApi)
        for name, tenant, role in PEOPLE:
            security = appbuilder.sm
            user = security.add_user(name, name, name, f"{name}@example.test", security.find_role(role), password=name)
            user.tenant_id = tenant
            db.session.commit()
    return app


class Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """Say nothing of requests."""


def main() -> None:
    """Serve until standard input ends, so that no server outlives its test run."""
    server = make_server("127.0.0.1", 0, build(*sys.argv[1:3]), threaded=True, request_handler=Quiet)
    print(server.server_port, flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    main()
