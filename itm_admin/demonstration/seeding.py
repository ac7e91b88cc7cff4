"""`itm demo`: fills an empty installation with the demonstration, and prints its logins.

Continues an interrupted run and changes nothing once it is complete. Refuses a database with other data. Works as the
application's role, in the contexts of the demonstration's people, which the owner's login opens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session, sessionmaker

import itm_admin.areas
import itm_admin.models  # noqa: F401 relationships resolve once every table is known
from itm_admin.accounts import bootstrap, invitations
from itm_admin.accounts.models import Account
from itm_admin.demonstration import acts, codes, consents, plan, referrals
from itm_admin.demonstration import logins as kept_logins
from itm_admin.demonstration.casework import Casework
from itm_admin.demonstration.incidents import Incidents
from itm_admin.demonstration.staff import SUPERVISOR, TEAM
from itm_admin.demonstration.staffing import BEGINS, Office
from itm_admin.foundation import command_door, synthetic, tenancy
from itm_admin.foundation.config import Refusal, Settings
from itm_admin.foundation.encryption import Keyring
from itm_admin.foundation.roles import ACCOUNTS
from itm_admin.foundation.synthetic import ROUTE, route_at
from itm_admin.institutions.models import Institution
from itm_admin.record.checks import today

Progress = Callable[[int, int], None]


def seed(settings: Settings, progress: Progress, *, volume: int = plan.FULL) -> None:
    """Makes the missing parts of the demonstration. Raises Refusal for a database with other data.

    `progress` gets the work done and the total. `volume` is the number of cases; the people are always complete.
    """
    settings.require("ITM_DATABASE_URL", "ITM_MASTER_KEY_FILE")
    keyring = Keyring.from_settings(settings)
    engine = command_door.engine(settings, ROUTE)
    try:
        with _alone(engine):
            _fill(bootstrap.making_sessions(engine), settings, keyring, progress, volume)
    finally:
        engine.dispose()


def logins(settings: Settings) -> list[dict[str, str]]:
    """Each of username, password, totp, role, institution, ordered by role. Refusal if there is no demonstration."""
    found = kept_logins.kept(settings)
    if found is None:
        raise Refusal(f"ITM_HOME: there is no demonstration in {settings.home}: `itm demo` makes it")
    return found


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    """One at a time: a second run waits for the first, and then finds everything."""
    with engine.connect() as connection:
        connection.execute(text("select pg_advisory_lock(hashtext('itm demo'))"))
        connection.commit()
        yield
        connection.execute(text("select pg_advisory_unlock(hashtext('itm demo'))"))


def _fill(
    sessions: sessionmaker[Session], settings: Settings, keyring: Keyring, progress: Progress, volume: int
) -> None:
    begun = _is_begun(sessions)
    if begun and kept_logins.kept(settings) is None:
        raise Refusal(
            f"ITM_HOME: the logins of this database's demonstration are not in {settings.home}:"
            " name the folder where they are, or begin with an empty database"
        )
    people = kept_logins.complete(settings)
    passwords = {name: login.password for name, login in people.items()}
    if not begun:
        _begin(sessions, keyring, passwords)
    last = min(plan.LAST, today())
    drawn = dict(plan.draw(volume, last))
    steps = _Steps(progress, len(TEAM) + sum(len(cases) for cases in drawn.values()))
    office = Office(sessions, passwords, steps.one)
    office.staff()
    codes.set_up(sessions, keyring, people)
    consents.write_texts(sessions, keyring, office)
    works = {code: Casework(sessions, keyring, office, code) for code in drawn}
    told = Incidents(sessions, settings, office, passwords).all(drawn, last)
    for portion in acts.portions(drawn, last):
        told.append((portion.begins, partial(works[portion.institution].work, portion, steps.one)))
    for _moment, happen in sorted(told, key=lambda each: each[0]):
        happen()
    referrals.send(sessions, keyring, office)


def _is_begun(sessions: sessionmaker[Session]) -> bool:
    """True if this is a demonstration already; False if the database is empty. Raises Refusal otherwise."""
    everything = tenancy.Context(scope=ACCOUNTS, account_name=ROUTE)
    with sessions() as session, tenancy.acting(everything, session):
        said = synthetic.marked(session)
        empty = not (session.scalar(select(Institution.id).limit(1)) or session.scalar(select(Account.id).limit(1)))
    if said is False:
        raise Refusal(
            "itm demo: this installation is for real data (`itm init`); a demonstration needs a database of its own"
        )
    if said is None and not empty:
        raise Refusal(
            "itm demo: this database holds institutions or accounts already; a demonstration needs an empty one"
        )
    return said is True


def _begin(sessions: sessionmaker[Session], keyring: Keyring, passwords: Mapping[str, str]) -> None:
    """The mark, the register and the first two people, who take up their one-time links: all or nothing."""
    first = next(member for member in TEAM if member.role == SUPERVISOR)
    person = bootstrap.FirstPerson(first.username, first.first_name, first.last_name, first.email, first.title)
    with sessions() as session:
        tokens = bootstrap.begin(session, keyring, synthetic=True, supervisor=person)
        with tenancy.acting(tenancy.Context(route=route_at(BEGINS)), session):
            invitations.redeem(session, tokens.administrator, passwords[bootstrap.ADMINISTRATOR])
            invitations.redeem(session, tokens.supervisor, passwords[first.username])
        session.commit()


class _Steps:
    """Counts for the progress bar."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0
        progress(0, total)

    def one(self) -> None:
        self._done += 1
        self._progress(self._done, self._total)
