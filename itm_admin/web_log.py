"""Gunicorn's own words about requests, without anything of them: addresses and malformed lines hold what was typed.

Its access log is set in web.py; this is what it says when a request cannot be read, or when the panel broke.
"""

from __future__ import annotations

import sys
from typing import Any

from gunicorn.glogging import Logger

from itm_admin.foundation.traces import trace


class Reticent(Logger):
    """Says where a request came from and where the fault is, never what was asked."""

    def warning(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        told = str(msg)
        if told.startswith("Invalid request from"):
            told = told.partition(": ")[0]
        super().warning(told, *args, **kwargs)

    def exception(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        fault = sys.exc_info()[1]
        if isinstance(msg, Exception) or fault is None or not str(msg).startswith(("Error", "Socket", "HTTP/2")):
            super().exception(msg, *args, **kwargs)  # no request's: a worker that could not start
        else:
            self.error("A request ended with %s", trace(fault))
