"""The words of mails, in the receiver's language. No name of anybody but members of staff, and nothing about a case."""

from __future__ import annotations

from collections.abc import Mapping

from itm_admin.foundation.i18n import catalogue


def _l(message: str) -> str:
    """Marks a text for translation; `compose` translates it into the receiver's language."""
    return message


_FRAME = _l("Dear %(name)s,\n\n%(words)s\n\nİTM. This mail was sent automatically; do not answer it.")
_UNKNOWN = _l(
    "If this is not your doing, or you do not know why it was done, tell your institution's manager and auditor at "
    "once."
)
_WHERE = _l("When, by whom and by whose confirmation stands in the panel: on the account's page and in the ledger.")

_OWN: Mapping[str, tuple[str, str]] = {
    "told_link": (
        _l("A new one-time link for your account"),
        _l("A new one-time link was made for your account %(username)s. Your password and your sessions have ended."),
    ),
    "told_confirmed": (
        _l("Your first sign-in is confirmed"),
        _l("Another person has confirmed the first sign-in of your account %(username)s. You can sign in now."),
    ),
    "told_rise": (
        _l("A new role of your account"),
        _l(
            "Your account %(username)s has got a new role. Its password, links and sessions of before are void; a new "
            "one-time link follows."
        ),
    ),
    "told_end": (_l("A role of your account has ended"), _l("A role of your account %(username)s has ended.")),
    "told_give": (
        _l("A new role of your account"),
        _l("Your account %(username)s has got a new role. It holds from your next sign-in."),
    ),
    "told_suspend": (
        _l("Your account is suspended"),
        _l("Your account %(username)s was suspended. Its sessions and API keys have ended, and nobody can sign in."),
    ),
    "told_resume": (
        _l("Your account is active again"),
        _l("Your account %(username)s was suspended and is active again. API keys of before stay ended."),
    ),
    "told_rank_asked": (
        _l("You are named as a focal point of your institution"),
        _l(
            "The account %(username)s was named as the primary or deputy focal point of its institution. It counts "
            "when the Presidency has approved it."
        ),
    ),
    "told_rank": (
        _l("You are a focal point of your institution"),
        _l(
            "The Presidency has approved the account %(username)s as the primary or deputy focal point of its "
            "institution. Name and title stand in the list of focal points, which all member institutions read."
        ),
    ),
    "told_rank_refused": (
        _l("You were not approved as a focal point"),
        _l("The Presidency has not approved the account %(username)s as a focal point. The role itself stays."),
    ),
    "told_rank_ended": (
        _l("You are no primary or deputy focal point any more"),
        _l(
            "The account %(username)s does not stand for its institution as the primary or deputy focal point any "
            "more: somebody else was approved, or the account or its role has ended."
        ),
    ),
    "told_reset": (
        _l("The password of your account has ended"),
        _l("Two people have ended the password of your account %(username)s. A new one-time link follows."),
    ),
    "told_password": (
        _l("The password of your account was changed"),
        _l("The password of your account %(username)s was changed. All other sessions have ended."),
    ),
    "told_factor": (
        _l("A second factor of your account was changed"),
        _l(
            "A second factor of your account %(username)s was set up, renamed or removed, or new recovery codes were "
            "made. All other sessions have ended."
        ),
    ),
    "told_recovery": (
        _l("A recovery code of your account was used"),
        _l("Somebody has signed in to your account %(username)s with a recovery code. The code is used up."),
    ),
    "told_factors_asked": (
        _l("Somebody asks to end your second factors"),
        _l(
            "For your account %(username)s it was asked to end all second factors, as if they were lost. It happens "
            "only if another person confirms it."
        ),
    ),
    "told_factors": (
        _l("The second factors of your account have ended"),
        _l(
            "Two people have ended all second factors of your account %(username)s. Set up a new one at your next "
            "sign-in."
        ),
    ),
    "told_key_made": (
        _l("A new API key"),
        _l(
            "An API key was made: %(key)s. The account %(username)s is responsible for it and takes its secret in the "
            "panel: My profile, API keys. Nobody else ever sees the secret."
        ),
    ),
    "told_key_taken": (
        _l("The secret of an API key was taken"),
        _l("The secret of the API key %(key)s was taken with the account %(username)s. The key works from now on."),
    ),
    "told_key_rotated": (
        _l("An API key has another secret"),
        _l("Another secret of the API key %(key)s was taken with the account %(username)s."),
    ),
    "told_key_ended": (
        _l("An API key has ended"),
        _l(
            "The API key %(key)s, for which the account %(username)s was responsible, has ended. Programs that use it "
            "have stopped."
        ),
    ),
    "told_key_changed": (
        _l("An API key was changed"),
        _l(
            "The name or the limits of the API key %(key)s were changed; the account %(username)s is responsible for "
            "it. It may do no more than before, and its secret stays."
        ),
    ),
    "told_key_asked": (
        _l("An API key waits for your consent to wider limits"),
        _l(
            "Wider limits are asked for the API key %(key)s. They count only when the account %(username)s, which is "
            "responsible for it, accepts them in the panel: My profile, API keys."
        ),
    ),
    "told_key_widened": (
        _l("An API key has wider limits"),
        _l("With the account %(username)s, wider limits of the API key %(key)s were accepted. Its secret stays."),
    ),
    "told_key_declined": (
        _l("Wider limits of an API key do not wait any more"),
        _l("The wider limits that were asked for the API key %(key)s were declined or taken back. It stays as it was."),
    ),
    "told_key_expires": (
        _l("An API key ends soon"),
        _l(
            "The API key %(key)s, for which the account %(username)s is responsible, ends on %(until)s. If the program "
            "still needs it, have a manager ask for a longer time, or make another one."
        ),
    ),
    "told_identity": (
        _l("The institution sign-in of your account has changed"),
        _l(
            "Your account %(username)s was linked with your institution's own sign-in, or a link of that kind has "
            "ended. You see it in the panel: My profile."
        ),
    ),
    "told_unusual": (
        _l("An unusual sign-in with your account"),
        _l(
            "Somebody has signed in with your account %(username)s, and it was unusual: %(unusual)s.\n\nBrowser: "
            "%(device)s. Address: %(place)s."
        ),
    ),
    "told_email": (
        _l("The e-mail address of your account was changed"),
        _l("The e-mail address of your account %(username)s was changed. This mail goes to the address of before."),
    ),
}
_AUDIT: Mapping[str, tuple[str, str]] = {
    "audit_link": (_l("A new one-time link"), _l("A new one-time link was made for the account %(username)s.")),
    "audit_confirmed": (
        _l("A first sign-in was confirmed"),
        _l("The first sign-in of the account %(username)s by a new link was confirmed by another person."),
    ),
    "audit_rise": (_l("A new role"), _l("The account %(username)s has got a role that opens data or raises somebody.")),
    "audit_end": (_l("A role has ended"), _l("A role of the account %(username)s has ended.")),
    "audit_factors": (
        _l("Second factors have ended"),
        _l("Two people have ended all second factors of the account %(username)s."),
    ),
    "audit_reset": (_l("A password has ended"), _l("Two people have ended the password of the account %(username)s.")),
}
_MANAGER: Mapping[str, tuple[str, str]] = {
    "told_manager_unusual": (
        _l("An unusual sign-in in your institution"),
        _l(
            "Somebody has signed in with the account %(username)s of your institution, and it was unusual: "
            "%(unusual)s.\n\nBrowser: %(device)s. Address: %(place)s.\n\nIf you do not know of it, ask the person; "
            "suspend the account if it was somebody else."
        ),
    ),
}
UNUSUAL: Mapping[str, str] = {
    "device": _l("a new device"),
    "network": _l("a new network"),
    "hour": _l("an hour in which your institution hardly works"),
}
_LINK = (
    _l("Your one-time link"),
    _l(
        "with this link you choose the password of your account %(username)s. It works once and for 72 hours:\n\n"
        "%(link)s\n\nGive it to nobody: nobody of İTM asks for it."
    ),
)
TEXTS = {"link": _LINK, **_OWN, **_MANAGER, **_AUDIT}


def compose(kind: str, language: str, values: Mapping[str, str]) -> tuple[str, str]:
    """Subject and body."""
    say = catalogue(language).gettext
    subject, words = TEXTS[kind]
    unusual = ", ".join(say(UNUSUAL[code]) for code in values.get("unusual", "").split(",") if code in UNUSUAL)
    said = [say(words) % {"device": "—", "place": "—", "until": "—", **values, "unusual": unusual}]
    if kind in _OWN:
        said.append(say(_UNKNOWN))
    elif kind in _AUDIT:
        said.append(say(_WHERE))
    return f"İTM: {say(subject)}", say(_FRAME) % {"name": values["name"], "words": "\n\n".join(said)} + "\n"
