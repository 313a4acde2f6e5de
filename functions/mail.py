"""Handing over a mail: to an SMTP server, or to a folder where none is set up.

SMTP has no way to ask afterwards whether a mail was taken. What can be done is done: the sender's record that the mail
is being handed over is written as late as possible, between the mail's last line and the single dot that completes
it, so that a process that dies anywhere else knows for certain.
"""

from __future__ import annotations

import contextlib
import os
import re
import smtplib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Literal, Protocol

Begin = Callable[[], bool]
Outcome = Literal["sent", "written"]
Done = Callable[[Outcome], None]

# A header is not folded: a folded address in List-Unsubscribe would be encoded and lead nowhere.
_WIRE = SMTP.clone(max_line_length=900)
_LINE_DOT = re.compile(rb"(?m)^\.")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class MailError(Exception):
    """A mail was not handed over."""


class MailUnavailableError(MailError):
    """The server cannot be reached, or takes no mail of ours at all; this mail has certainly not been taken."""


class MailRefusedError(MailError):
    """The server refused this mail (`permanent`: for good, a reply 5xx); it has certainly not been taken."""

    def __init__(self, message: str, *, permanent: bool) -> None:
        self.permanent = permanent
        super().__init__(message)


class MailUnknownError(MailError):
    """The mail was completed, and the server's answer never came: it may have been taken or not."""


class Mailer(Protocol):
    """`deliver` calls `begin` before the mail can be taken, leaves when it says False (another process has the mail),
    and calls `done` with what happened as soon as it is certain.
    Raises MailError.
    """

    @property
    def kind(self) -> Literal["smtp", "folder"]:
        """Whether mails are sent, or only written."""
        ...

    @property
    def repeatable(self) -> bool:
        """Whether delivering the same key again changes nothing."""
        ...

    @property
    def place(self) -> str:
        """Where mails go, for people."""
        ...

    def deliver(self, message: EmailMessage, *, key: str, begin: Begin, done: Done) -> None:
        """Hand over one mail to its one recipient."""
        ...


@dataclass(frozen=True, kw_only=True)
class FolderMailer:
    """Writes each mail as `<key>.eml`; the same key again gives the same file. Nothing is ever sent."""

    folder: Path
    kind: Literal["smtp", "folder"] = "folder"
    repeatable: bool = True

    @property
    def place(self) -> str:
        """The folder."""
        return str(self.folder)

    def deliver(self, message: EmailMessage, *, key: str, begin: Begin, done: Done) -> None:
        """The file is there, whole, before `begin` is asked."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        target = self.folder / f"{key}.eml"
        partial = target.with_suffix(f".{os.getpid()}.part")
        try:
            with partial.open("wb") as file:
                file.write(message.as_bytes(policy=_WIRE))
                file.flush()
                os.fsync(file.fileno())
            partial.replace(target)
        except OSError as problem:
            partial.unlink(missing_ok=True)
            raise MailUnavailableError(f"{target} cannot be written: {problem}") from problem
        if begin():
            done("written")


@dataclass(frozen=True, kw_only=True)
class SmtpMailer:
    """One connection a mail. `secure`: TLS from the first byte; else STARTTLS wherever the server offers it.

    A password is never sent unencrypted, except to this machine. Times are seconds.
    """

    host: str
    port: int = 587
    user: str | None = None
    password: str | None = None
    secure: bool = False
    timeout: float = 30
    answer_timeout: float = 120
    kind: Literal["smtp", "folder"] = "smtp"
    repeatable: bool = False

    def __repr__(self) -> str:
        return f"SmtpMailer({self.place})"

    @property
    def place(self) -> str:
        """Host and port."""
        return f"{self.host}:{self.port}"

    def deliver(self, message: EmailMessage, *, key: str, begin: Begin, done: Done) -> None:
        """Everything but the completing dot first, then `begin`, then the dot."""
        connection = self._connect()
        try:
            self._prepare(connection, message)
            if not begin():
                return
            self._complete(connection)
            done("sent")
            with contextlib.suppress(OSError, smtplib.SMTPException):
                connection.quit()
        finally:
            connection.close()

    def knock(self) -> None:
        """Connect, log in and leave; raises MailUnavailableError."""
        connection = self._connect()
        with contextlib.suppress(OSError, smtplib.SMTPException):
            connection.quit()

    def _connect(self) -> smtplib.SMTP:
        try:
            context = ssl.create_default_context()
            if self.secure:
                return self._greeted(
                    smtplib.SMTP_SSL(self.host, self.port, timeout=self.timeout, context=context)
                )
            connection = smtplib.SMTP(self.host, self.port, timeout=self.timeout)
            try:
                connection.ehlo_or_helo_if_needed()
                if connection.has_extn("starttls"):
                    connection.starttls(context=context)
                elif self.user and self.host not in _LOOPBACK:
                    raise MailUnavailableError(
                        f"{self.place} offers no encryption, and the password is not sent without: set SMTP_SECURE"
                    )
                return self._greeted(connection)
            except BaseException:
                connection.close()
                raise
        except (OSError, smtplib.SMTPException) as problem:
            raise MailUnavailableError(f"{self.place} takes no mail: {_said(problem)}") from problem
        except UnicodeError:
            # Its own words would show a part of the password.
            raise MailUnavailableError(
                f"{self.place} takes no mail: SMTP_HOST, SMTP_USER or SMTP_PASS has a character that cannot be sent"
            ) from None

    def _greeted(self, connection: smtplib.SMTP) -> smtplib.SMTP:
        connection.ehlo_or_helo_if_needed()
        if self.user:
            connection.login(self.user, self.password or "")
        return connection

    def _prepare(self, connection: smtplib.SMTP, message: EmailMessage) -> None:
        sender = message["From"].addresses[0].addr_spec
        recipient = message["To"].addresses[0].addr_spec
        try:
            code, text = connection.mail(sender)
            if code != 250:
                raise MailUnavailableError(f"{self.place} refused the sender {sender}: {code} {_text(text)}")
            code, text = connection.rcpt(recipient)
            if code not in (250, 251):
                raise MailRefusedError(
                    f"{self.place} refused the recipient: {code} {_text(text)}", permanent=code >= 500
                )
            code, text = connection.docmd("DATA")
            if code != 354:
                raise MailRefusedError(
                    f"{self.place} refused the mail: {code} {_text(text)}", permanent=code >= 500
                )
            body = message.as_bytes(policy=_WIRE).rstrip(b"\r\n") + b"\r\n"
            connection.send(_LINE_DOT.sub(b"..", body))
        except (OSError, smtplib.SMTPException) as problem:
            raise MailUnavailableError(f"{self.place} broke off: {_said(problem)}") from problem

    def _complete(self, connection: smtplib.SMTP) -> None:
        try:
            if connection.sock is not None:
                connection.sock.settimeout(self.answer_timeout)
            connection.send(b".\r\n")
            code, text = connection.getreply()
        except (OSError, smtplib.SMTPException) as problem:
            raise MailUnknownError(
                f"{self.place} was given the mail and did not answer: {_said(problem)}"
            ) from problem
        if code // 100 != 2:
            raise MailRefusedError(
                f"{self.place} refused the mail: {code} {_text(text)}", permanent=code >= 500
            )


@dataclass(frozen=True, kw_only=True)
class Post:
    """How this installation writes to people. `sender` is an address; `base_url` is where links lead.

    `unsubscribe_token` signs a search's id. `resend_when_unsure`: a mail whose fate is unknown is sent again, at the
    risk of arriving twice; otherwise it waits for a person's decision, at the risk of not arriving.
    """

    mailer: Mailer
    sender: str
    base_url: str
    unsubscribe_token: Callable[[str], str]
    resend_when_unsure: bool = False


def _text(reply: bytes | str) -> str:
    said = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
    return " ".join(said.split())[:300]


def _said(problem: Exception) -> str:
    if isinstance(problem, smtplib.SMTPResponseException):
        return f"{problem.smtp_code} {_text(problem.smtp_error)}"
    return _text(str(problem)) or type(problem).__name__
