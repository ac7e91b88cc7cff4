"""Forms that are sent empty: each required field says what to do, and the others are optional."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urljoin

from tests.house.page_parts import parts_of
from tests.house.visiting import Visit
from tests.house.walking import Walker

SAYS_NOTHING = ("Bu, seçeneklerden biri değildir.", "Bu alan zorunludur.")
OPTIONAL, CONDITION = "(isteğe bağlı)", "zorunlu)"


def faults_of_empty_forms(who: Walker, visited: Iterable[Visit]) -> tuple[list[str], bool]:
    """Sends the forms of these pages empty: what is wrong with them, and if a field said so, or there was no form."""
    offered = {}
    for visit in visited:
        if visit.answer.status_code == 200 and visit.parts is not None:
            for action, hidden, controls in visit.parts.forms.found:
                offered[visit.endpoint] = (urljoin(visit.address, action), hidden, controls)
    faults, empty = [], 0
    for address, hidden, controls in offered.values():
        for name, control in controls.items():
            marked = OPTIONAL in control.label or CONDITION in control.label
            if not control.alone and name != "chosen" and marked == control.required:
                faults.append(f"{address} {name}: {'both' if marked else 'neither'} required and optional")
        if "/sign-out" in address or "password" in address:
            continue
        answer = who.browser.post(address, **{**hidden, "csrf_token": who.browser.token})
        forms = parts_of(answer.text).forms
        faults += [f"{address}: {said}" for said in forms.summary if any(words in said for words in SAYS_NOTHING)]
        for _action, _hidden, after in forms.found:
            wrong = {name for name, control in after.items() if control.wrong}
            empty += len(wrong)
            faults += [f"{address} {name}: wrong when empty, and marked as optional" for name in wrong
                       if OPTIONAL in after[name].label]  # fmt: skip
    return faults, bool(empty or not offered)
