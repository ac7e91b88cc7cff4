"""The same update with SQLAlchemy: plain, and versioned by SQLAlchemy-Continuum."""

from __future__ import annotations

import json
import sys
import uuid
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session, configure_mappers, declarative_base, sessionmaker
from sqlalchemy_continuum import make_versioned

from tests.benchmarks.taking import in_turn

make_versioned(user_cls=None)
Base: Any = declarative_base()


class Columns:
    id = sa.Column(sa.Uuid, primary_key=True, default=uuid.uuid4)
    institution_id = sa.Column(sa.Uuid, default=uuid.uuid4)
    unit_id = sa.Column(sa.Uuid, default=uuid.uuid4)
    lead_institution_id = sa.Column(sa.Uuid, default=uuid.uuid4)
    reference = sa.Column(sa.Text, default="ITM-2026-00001")
    status = sa.Column(sa.Text, default="Active")
    opened_on = sa.Column(sa.Date, default=date(2026, 3, 1))
    closed_on = sa.Column(sa.Date)
    closure_reason = sa.Column(sa.Text)
    province = sa.Column(sa.Text, default="TR-06")
    referral_source = sa.Column(sa.Text, default="GENDARMERIE")
    exploitation_types = sa.Column(ARRAY(sa.Text), default=list)  # type: ignore[var-annotated]
    industry = sa.Column(sa.Text)
    confidentiality = sa.Column(sa.Text, default="INTERNAL")
    shared = sa.Column(sa.Boolean, default=True)
    sensitivity = sa.Column(sa.SmallInteger, default=1)
    deleted_at = sa.Column(sa.DateTime(timezone=True))
    deletion_reason = sa.Column(sa.Text)
    data_key = sa.Column(sa.LargeBinary, default=b"k" * 60)
    narrative = sa.Column(sa.LargeBinary)
    row_version = sa.Column(sa.Integer, default=1)
    updated_at = sa.Column(
        sa.DateTime(timezone=True), default=lambda: datetime.now(UTC), onupdate=lambda: datetime.now(UTC)
    )


class Plain(Columns, Base):
    __tablename__ = "plain"


class Versioned(Columns, Base):
    __tablename__ = "versioned"
    __versioned__: dict[str, object] = {}


def main() -> None:
    asked = json.load(sys.stdin)
    configure_mappers()
    engine = sa.create_engine(asked["address"])
    Base.metadata.create_all(engine)
    session_of: sessionmaker[Session] = sessionmaker(engine)
    keys: dict[Any, uuid.UUID] = {}
    with session_of() as session:
        for model in (Plain, Versioned):
            session.add(row := model())
            session.flush()
            keys[model] = row.id  # type: ignore[assignment]
        session.commit()

    def change(model: Any) -> None:
        for _ in range(asked["updates"]):
            with session_of() as session:
                row = session.get_one(model, keys[model])
                row.province = "TR-34" if row.province == "TR-06" else "TR-06"
                session.commit()

    work = {"audited": partial(change, Versioned), "plain": partial(change, Plain)}
    print(json.dumps({"ratio": in_turn(asked["turns"], work, warm_up=20).ratio("audited", "plain")}))


if __name__ == "__main__":
    main()
