"""How gunicorn serves the panel: threads, one copy of the code, and no trace of what people searched for.

Read by gunicorn itself (`--config python:itm_admin.web`), after `command` has put it together.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from itm_admin.foundation.config import Settings
from itm_admin.foundation.database import processes

ROOT = Path(__file__).parents[1]

worker_class = "gthread"
preload_app = True  # imported once, shared by the workers, and a fault in it ends the start at once
timeout = 60
graceful_timeout = 20
keepalive = 5
loglevel = "warning"
logger_class = "itm_admin.web_log.Reticent"
forwarded_allow_ips = ""  # ITM_TRUSTED_PROXIES alone decides whom to believe
# The route's pattern in place of the path, which holds ids and invitations' tokens; never the query.
access_log_format = '%(t)s %(h)s "%(m)s %({x-route}o)s" %(s)s %(B)s %(M)sms %({x-request-id}o)s'
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108, PTH112 (a heartbeat in memory)


def post_fork(server: Any, worker: Any) -> None:
    """A worker ends with its master, even when that is killed."""
    processes.die_with_parent(server.pid, signal.SIGKILL)


def command(settings: Settings, descriptor: int | None = None) -> list[str]:
    """The command line that serves on an already listening socket, or on the settings' own address."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return [
        *(sys.executable, "-m", "gunicorn", "--config", "python:itm_admin.web", "--no-control-socket"),
        *("--bind", f"fd://{descriptor}" if descriptor is not None else f"{host}:{settings.port}"),
        *("--workers", str(settings.web_workers), "--threads", str(settings.web_threads)),
        *("--access-logfile", str(settings.home / "access.log"), "--chdir", str(ROOT)),
        "app:create_app()",
    ]
