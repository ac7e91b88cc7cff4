"""The nightly upkeep, called by the scheduler and done where the master key is: beside the web server."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy.engine import Engine

from itm_admin.cases import upkeep
from itm_admin.foundation.config import Settings
from itm_admin.ledger import called_work
from itm_admin.ledger.called_work import CalledWork, NobodyAnswered
from itm_admin.ledger.job_runs import Halt, Scalar

__all__ = ("UPKEEP", "NobodyAnswered", "serve", "work")


def _do(settings: Settings, halt: Halt) -> Mapping[str, int] | None:
    done = upkeep.run(settings, all_ages=True, halt=halt)
    return vars(done) if done is not None else None


UPKEEP = CalledWork("itm_upkeep", 0x49544D05, _do, before="SELECT itm.ask_for_upkeep()")


def work(engine: Engine, halt: Halt, patience: float | None = None) -> Mapping[str, Scalar]:
    """As a scheduled job."""
    return called_work.call(UPKEEP, engine, halt, patience)


def serve(settings: Settings, stopped: Callable[[], bool]) -> None:
    """In the process with the master key, for this work alone."""
    called_work.serve((UPKEEP,), settings, stopped)
