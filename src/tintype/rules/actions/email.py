"""Sends a finding by e-mail, over an SMTP server that the machine's owner names."""

from __future__ import annotations

import re
import smtplib
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import final

from tintype.errors import InvalidRequest, StorageFailed
from tintype.rules.actions.action import Action, Occasion

TIMEOUT_SECONDS = 10.0
# Not a full grammar: one @, something on both sides, nothing that could end a header.
ADDRESS = re.compile(r"^[^\s@,;<>\"]{1,64}@[^\s@,;<>\"]{1,255}$")


@final
@dataclass(frozen=True)
class MailServer:
    """How mail is sent. Without a host there is none."""

    host: str = ""
    port: int = 25
    sender: str = "tintype@localhost"
    user: str = ""
    password: str = field(default="", repr=False)
    start_tls: bool = False


@final
@dataclass(frozen=True)
class Email(Action):
    """SageMaker's Email, to one address."""

    address: str
    server: MailServer

    def __post_init__(self) -> None:
        if not ADDRESS.match(self.address):
            raise InvalidRequest(f"email: endpoint must be an e-mail address, got {self.address!r}")

    def perform(self, occasion: Occasion) -> str:
        """Send. Raises `InvalidRequest` without a server and `StorageFailed` when it refuses."""
        if not self.server.host:
            raise InvalidRequest("no mail could be sent: set TINTYPE_SMTP_HOST to a mail server")
        try:
            with smtplib.SMTP(self.server.host, self.server.port, timeout=TIMEOUT_SECONDS) as smtp:
                if self.server.start_tls:
                    smtp.starttls(context=ssl.create_default_context())
                if self.server.user:
                    smtp.login(self.server.user, self.server.password)
                smtp.send_message(self._message(occasion))
        except (OSError, smtplib.SMTPException) as error:
            raise StorageFailed(f"no mail could be sent over {self.server.host}: {error}") from error
        return f"sent mail to {self.address}"

    def _message(self, occasion: Occasion) -> EmailMessage:
        message = EmailMessage()
        message["From"], message["To"] = self.server.sender, self.address
        message["Subject"] = " ".join(f"{occasion.rule}: {occasion.job or 'a training'} has an issue".split())
        finding = occasion.finding
        lines = [occasion.sentence, "", occasion.details]
        lines += [f"Likely cause: {finding.cause}"] if finding.cause else []
        lines += [f"What to do: {finding.remedy.text}"] if finding.remedy else []
        message.set_content("\n".join(lines) + "\n")
        return message
