"""The only Python that accesses the ledger's tables: installs, appends, streams, verifies and records.

Promise: reads come from one snapshot, in constant memory; writes go only through the ledger's own SQL functions. Names
are imported on first use: a worker that reads chunks starts without SQLAlchemy, in half the time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audit.store.offered import *  # noqa: F403
else:

    def __getattr__(name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(import_module("audit.store.offered"), name)
