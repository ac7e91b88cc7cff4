"""The only Python that talks to the ledger's tables: installs them, appends, streams, verifies, records.

Promise: what is read is one snapshot, in constant memory; nothing is written but by the ledger's own functions. What is
offered is imported when it is first asked for: a worker that reads chunks starts without SQLAlchemy, in half the time.
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
