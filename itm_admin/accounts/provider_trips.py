"""Trips: a browser on its way to a provider and back, and what it has brought home. Both live in its signed cookie.

A trip is bound to this browser by being there: an answer whose state no trip has is somebody else's. The cookie is
signed, not sealed: its own browser may read it, and nobody else has it. Knows no database.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import MutableMapping
from dataclasses import asdict, dataclass
from typing import Any

_TRIPS, _BROUGHT = "trips", "brought"
LASTS = 600
"""Seconds for the way there and back."""
MOST = 3
"""Trips of a browser at once: one for each of some tabs."""
SIGN_IN, LINK, INVITED, STEP_UP = "sign_in", "link", "invited", "step_up"


@dataclass(frozen=True)
class Trip:
    """One trip. `why`: sign_in, link, invited or step_up. `bound`: whose it is, where it needs somebody."""

    provider: str
    why: str
    next: str
    state: str
    nonce: str
    verifier: str
    at: int
    bound: str = ""

    @property
    def again(self) -> bool:
        """The person is to prove it anew, also with a session at the provider."""
        return self.why == STEP_UP


def begin(cookie: MutableMapping[str, Any], provider: str, why: str, next: str, bound: str = "") -> Trip:
    trip = Trip(
        provider, why, next[:500], secrets.token_urlsafe(24), secrets.token_urlsafe(24), secrets.token_urlsafe(48),
        int(time.time()), bound,
    )  # fmt: skip
    cookie[_TRIPS] = [*_standing(cookie)[-(MOST - 1) :], asdict(trip)]
    return trip


def end(cookie: MutableMapping[str, Any], provider: str, state: str) -> Trip | None:
    """The trip of this answer, once. None: this browser has none of this state, or to another provider."""
    trips = _standing(cookie)
    found = [each for each in trips if state and secrets.compare_digest(each["state"].encode(), state.encode())]
    if not found or found[0]["provider"] != provider:
        return None
    cookie[_TRIPS] = [each for each in trips if each is not found[0]]
    return Trip(**found[0])


def bring(cookie: MutableMapping[str, Any], trip: Trip, subject: str, shown: str) -> None:
    """Keeps who the provider vouches for, until the person confirms the link."""
    bring_person(cookie, trip.provider, trip.why, trip.bound, subject, shown)


def bring_person(
    cookie: MutableMapping[str, Any], provider: str, why: str, bound: str, subject: str, shown: str
) -> None:
    """Keeps the person whom a directory has recognised, until the person confirms the link."""
    cookie[_BROUGHT] = {
        "provider": provider, "why": why, "bound": bound, "subject": subject, "shown": shown, "at": int(time.time()),
    }  # fmt: skip


@dataclass(frozen=True)
class Brought:
    """The person for whom a provider vouches, before the link is confirmed."""

    provider: str
    subject: str
    shown: str


def brought(cookie: MutableMapping[str, Any], why: str, bound: str) -> Brought | None:
    """The person of a trip that was for this, of this account or link; None after ten minutes."""
    found = cookie.get(_BROUGHT)
    if not isinstance(found, dict) or found.get("why") != why or found.get("bound") != bound:
        return None
    if not 0 <= time.time() - found["at"] <= LASTS:
        return None
    return Brought(found["provider"], found["subject"], found["shown"])


def forget_brought(cookie: MutableMapping[str, Any]) -> None:
    cookie.pop(_BROUGHT, None)


def _standing(cookie: MutableMapping[str, Any]) -> list[dict[str, Any]]:
    found = cookie.get(_TRIPS)
    now = time.time()
    listed = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    return [each for each in listed if 0 <= now - each.get("at", 0) <= LASTS]
