"""Sends mails to an SMTP server: always over TLS with a verified name, except to a server on this machine."""

from __future__ import annotations

import smtplib
import ssl
from contextlib import suppress
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate
from pathlib import Path
from urllib.parse import unquote, urlsplit

from itm_admin.foundation.config import SettingError, Settings, private

PATIENCE = 15.0
"""Seconds for each answer of the server."""
_HERE = ("localhost", "127.0.0.1", "::1")


class NotSent(Exception):
    """The server did not take the mail. Holds the kind of fault alone: answers may hold addresses."""


@dataclass(frozen=True)
class Post:
    """One server, and the sender of our mails."""

    host: str
    port: int
    whole: bool
    """TLS from the first byte (smtps); otherwise STARTTLS."""
    sender: str
    user: str | None = None
    password: str | None = None
    authorities: Path | None = None

    @classmethod
    def of(cls, settings: Settings) -> Post:
        """The server in the settings. Raises SettingError if a file that it needs cannot be used."""
        url, sender = settings.smtp_url, settings.smtp_from
        if url is None or sender is None:
            raise SettingError("ITM_SMTP_URL" if url is None else "ITM_SMTP_FROM", "is missing")
        parts = urlsplit(url)
        whole = parts.scheme == "smtps"
        password = _password(settings.smtp_password_file)
        if parts.username and password is None:
            raise SettingError("ITM_SMTP_PASSWORD_FILE", "is missing, while ITM_SMTP_URL names a user")
        found = cls(
            parts.hostname or "", parts.port or (465 if whole else 587), whole, sender,
            unquote(parts.username) if parts.username else None, password, settings.smtp_authorities,
        )  # fmt: skip
        found._tls()
        return found

    def send(self, address: str, subject: str, body: str, id: str) -> None:
        """Sends a mail. Raises NotSent if the server does not take it. A repeated `id` makes two sendings one mail."""
        mail = EmailMessage()
        mail["From"], mail["Subject"] = self.sender, subject
        mail["Date"], mail["Message-ID"] = formatdate(), f"<{id}@{self.sender.rpartition('@')[2]}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(body)
        try:
            mail["To"] = Address(addr_spec=address)
        except Exception as fault:  # the library's parser fails in many ways, and one address must not stop all mails
            raise NotSent(type(fault).__name__) from None
        try:
            server = self._connect()
            try:
                if self.user is not None:
                    server.login(self.user, self.password or "")
                server.send_message(mail)
            finally:
                with suppress(smtplib.SMTPException, OSError):
                    server.quit()
        except (smtplib.SMTPException, OSError, ValueError) as fault:
            raise NotSent(type(fault).__name__) from None

    def _connect(self) -> smtplib.SMTP:
        if self.whole:
            return smtplib.SMTP_SSL(self.host, self.port, timeout=PATIENCE, context=self._tls())
        server = smtplib.SMTP(self.host, self.port, timeout=PATIENCE)
        try:
            server.ehlo()
            if self.host not in _HERE or server.has_extn("starttls"):
                server.starttls(context=self._tls())  # SMTPNotSupportedError: nothing is sent in the clear
                server.ehlo()
        except BaseException:
            server.close()
            raise
        return server

    def _tls(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self.authorities)
        except (OSError, ssl.SSLError):
            raise SettingError("ITM_SMTP_AUTHORITIES", f"{self.authorities}: no certificates") from None


def _password(path: Path | None) -> str | None:
    if path is None:
        return None
    private("ITM_SMTP_PASSWORD_FILE", path)
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeError):
        raise SettingError("ITM_SMTP_PASSWORD_FILE", f"{path}: it cannot be read") from None
