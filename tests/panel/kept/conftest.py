"""A stay in a case, in a table that `itm.keep` made, with its author and a manager."""

from __future__ import annotations

import uuid

import pytest

from itm_admin.cases.models import Case, CasePerson
from tests.conftest import Database
from tests.factories import Factory, Somebody
from tests.panel import kept_tables as kept


@pytest.fixture(scope="module")
def make(shared_database: Database) -> Factory:
    kept.make_tables(shared_database, kept.STAYS)
    return Factory(shared_database)


@pytest.fixture(scope="module")
def author(make: Factory) -> Somebody:
    return make.focal_point()


@pytest.fixture(scope="module")
def manager(make: Factory) -> Somebody:
    return make.manager()


@pytest.fixture
def case(make: Factory, author: Somebody) -> Case:
    return make.case(author)


@pytest.fixture
def link(make: Factory, author: Somebody, case: Case) -> CasePerson:
    return make.person(author, case)


@pytest.fixture
def stay(make: Factory, author: Somebody, link: CasePerson) -> uuid.UUID:
    return kept.stay(make, author, link)
