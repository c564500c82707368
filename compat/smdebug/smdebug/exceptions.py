"""smdebug's exceptions, with its arguments and its texts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from smdebug.core.modes import ModeKeys
from tintype.errors import TintypeError


class SMDebugError(Exception):
    """The root of them all."""


class SMDebugCustomerError(SMDebugError):
    """Something that the user can put right."""


class SMDebugTypeError(SMDebugError, TypeError):
    """An argument of the wrong type."""


class SMDebugRuntimeError(SMDebugError, RuntimeError):
    """Something that could not be done."""


class SMDebugNotImplementedError(SMDebugError, NotImplementedError):
    """Something that is not there."""


class SMDebugValueError(SMDebugError, ValueError):
    """An argument with a wrong value."""


class InvalidCollectionConfiguration(SMDebugError):
    """A collection was asked for that holds nothing."""

    def __init__(self, c_name: str) -> None:
        self.c_name = c_name
        super().__init__(f"Collection {c_name} has not been configured. Please fill in tensor_name or include_regex")


class StepNotYetAvailable(SMDebugError):
    """The step may yet come."""

    def __init__(self, step: int, mode: ModeKeys) -> None:
        self.step, self.mode = step, mode
        super().__init__(f"Step {step} of mode {mode.name} not yet available")


class MissingCollectionFiles(SMDebugError):
    """The training is over, and did not say what it saved."""

    def __init__(self, message: str = "Training job has ended. All the collection files could not be loaded") -> None:
        super().__init__(message)


class IndexReaderException(SMDebugError):
    """An index file that is none."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)


class StepUnavailable(SMDebugError):
    """The step was not saved, and will not be."""

    def __init__(self, step: int, mode: ModeKeys) -> None:
        self.step, self.mode = step, mode
        super().__init__(f"Step {step} of mode {mode.name} is not available as it was not saved")


class TensorUnavailableForStep(SMDebugError):
    """The step is there, the tensor is not, or not whole."""

    def __init__(
        self, tname: str, step: int, mode: ModeKeys = ModeKeys.GLOBAL, has_reductions: bool = False
    ) -> None:
        self.tname, self.step, self.mode, self.has_reductions = tname, step, mode, has_reductions
        more = (
            "This tensor has reductions saved for this step. You might want to query for the reductions."
            if has_reductions
            else ""
        )
        super().__init__(
            f"Value for tensor {tname} is not available for step {step} with mode {mode.name} "
            f"as it was not saved.{more}"
        )


class ShapeUnavailableForStep(SMDebugError):
    """Neither the shape nor the tensor was saved."""

    def __init__(self, tname: str, step: int, mode: ModeKeys = ModeKeys.GLOBAL) -> None:
        self.tname, self.step, self.mode = tname, step, mode
        super().__init__(
            f"Shape for tensor {tname} is not available for step {step} with mode {mode.name} as it was not saved."
        )


class TensorUnavailable(SMDebugError):
    """There is no tensor of that name."""

    def __init__(self, tname: str) -> None:
        self.tname = tname
        super().__init__(f"Tensor {tname} was not saved.")


class InvalidWorker(SMDebugError):
    """No worker of that name saved this."""

    def __init__(self, worker: str) -> None:
        self.worker = worker
        super().__init__(f"Invalid Worker: {worker}")


class NoMoreProfilerData(SMDebugError):
    """The profile ends before."""

    def __init__(self, timestamp: float) -> None:
        self.timestamp = timestamp
        self.msg = f"Looking for timestamp {timestamp} and reached end of training."
        super().__init__(self.msg)


class NoMoreData(SMDebugError):
    """The training ended before."""

    def __init__(self, step: int, mode: ModeKeys, last_step: int) -> None:
        self.step, self.mode, self.last_step = step, mode, last_step
        self.msg = (
            f"Looking for step {step} of mode {mode.name} and reached end of training. "
            f"Max step available is {last_step}"
        )
        super().__init__(self.msg)


class RuleEvaluationConditionMet(SMDebugError):
    """A rule found what it looks for. `end_of_rule` when it need not be asked again."""

    def __init__(self, rule_name: str, step: int, end_of_rule: bool = False) -> None:
        self.rule_name, self.step, self.end_of_rule = rule_name, step, end_of_rule
        super().__init__(f"Evaluation of the rule {rule_name} at step {step} resulted in the condition being met")


class InsufficientInformationForRuleInvocation(SMDebugError):
    """A rule lacks what it needs to be asked at all."""

    def __init__(self, rule_name: str, message: str) -> None:
        self.rule_name, self.message = rule_name, message
        super().__init__(f"Insufficient information to invoke rule {rule_name}: {message}")


@contextmanager
def spoken_as_smdebug() -> Iterator[None]:
    """Raise what Tintype refuses as smdebug would."""
    try:
        yield
    except TintypeError as error:
        raise SMDebugValueError(str(error)) from error
