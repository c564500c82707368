"""What a rule is: something that looks at each step of a tensor log as it arrives and says what is wrong.

A rule is one file: a frozen `Parameters` dataclass with SageMaker's names and defaults, and a final dataclass that
derives from `Rule`. The class docstring is its page in `docs/debugger.md`. Add one line to `catalogue.py`, and a
test under `tests/rules/`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from tintype.debugger.collection import Collection
from tintype.rules.finding import Finding
from tintype.rules.parameters import Parameters
from tintype.rules.step_view import StepView

if TYPE_CHECKING:
    from tintype.debugger.tensor_log import TensorLog

class Profile(StrEnum):
    """How a rule judges: as it should, or as SageMaker's rule of that name does."""

    RIGHT = "right"
    SAGEMAKER = "sagemaker"


P = TypeVar("P", bound=Parameters)


class Rule(ABC, Generic[P]):
    """Judges one training. An instance sees every step of one log once, in order, and may remember what it saw.

    Subclasses are dataclasses with the fields `parameters` and `profile`, followed by state with defaults.
    """

    NAME: ClassVar[str]                                         # SageMaker's name, where it has such a rule
    PARAMETERS: ClassVar[type[Parameters]]
    ATTACHES: ClassVar[tuple[Collection, ...]] = ()             # what is saved for it, see attached.py

    parameters: P
    profile: Profile

    @property
    def title(self) -> str:
        """What the rule is called where it is reported: its name, or the class of a user's rule."""
        return self.NAME

    def anew(self) -> Rule[P]:
        """The rule for the next training in the same log (the next fold), which knows nothing of the one before."""
        return type(self)(parameters=self.parameters, profile=self.profile)     # type: ignore[call-arg]

    @abstractmethod
    def check(self, log: TensorLog, step: StepView) -> Iterable[Finding]:
        """What is wrong at `step`; called once for each step that has data, in the order of global steps."""

    @abstractmethod
    def missing(self) -> str:
        """What the log lacked for a judgement so far, in words for a person; "" when the rule could judge."""

    def conclude(self, log: TensorLog) -> Iterable[Finding]:
        """What is wrong with the whole; called once, after the last step of a training that has ended."""
        return ()

    def idle(self, log: TensorLog, now: float) -> Iterable[Finding]:
        """Called now and then while nothing new arrives; `now` is in seconds since the epoch, UTC."""
        return ()


AnyRule = Rule[Any]
