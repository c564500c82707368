"""SageMaker's SMS, which needs a telephone company."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from tintype.errors import Unsupported
from tintype.rules.actions.action import Action, Occasion


@final
@dataclass(frozen=True)
class Sms(Action):
    """Understood, so that a configuration made for SageMaker is, and never sent."""

    number: str

    def perform(self, occasion: Occasion) -> str:
        """Raises `Unsupported`."""
        raise Unsupported("text messages are not supported; use the action webhook or email instead")
