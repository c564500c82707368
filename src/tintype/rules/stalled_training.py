"""The rule StalledTraining, which SageMaker calls StalledTrainingRule."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, final

from tintype.debugger.collection import Collection
from tintype.debugger.modes import Mode
from tintype.errors import NotFound
from tintype.rules.attached import LOSSES
from tintype.rules.finding import Finding, Remedy
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.rule import Profile, Rule
from tintype.rules.step_view import StepView

if TYPE_CHECKING:
    from tintype.debugger.tensor_log import TensorLog


@final
@dataclass(frozen=True)
class StalledTrainingParameters(Parameters):
    """What StalledTraining can be told."""

    threshold: float = parameter(1800.0, "seconds without a saved step", low=0)
    stop_training_on_fire: bool = parameter(False, "stop the training, as the action StopTraining does")
    training_job_name_prefix: str | None = parameter(
        None, "the job that is stopped: it must begin so; none: the job that is watched"
    )


@final
@dataclass
class StalledTraining(Rule[StalledTrainingParameters]):
    """Nothing has been saved for too long: the training hangs.

    Fires when `threshold` seconds pass between two saved steps, or since the last one (or since the rule began to
    look) while the training is said to run; once for each standstill.

    **Needs** losses at every step, or anything else that is saved often.

    **Differs from SageMaker's**, which measures by the clock of the rule: one that begins late, or is held up itself,
    misses a standstill or invents one. Here the time is that at which each step was saved, so that a finished log is
    judged just as well. `stop_training_on_fire` stops the watched job alone, whose name must begin with
    `training_job_name_prefix`; theirs stops whatever single job has the prefix. The profile `sagemaker` differs only in
    ending at its first finding.
    """

    NAME: ClassVar[str] = "StalledTraining"
    PARAMETERS: ClassVar[type[Parameters]] = StalledTrainingParameters
    ATTACHES: ClassVar[tuple[Collection, ...]] = (LOSSES,)

    parameters: StalledTrainingParameters = field(default_factory=StalledTrainingParameters)
    profile: Profile = Profile.RIGHT
    _saved_at: float | None = None              # when the newest step was saved
    _step: tuple[int, Mode, int] = (0, Mode.GLOBAL, 0)
    _began: float | None = None                 # when nothing was there yet
    _told: bool = False                         # of the present standstill

    def check(self, log: TensorLog, step: StepView) -> Iterable[Finding]:
        saved_at = _time_of(log, step.step)
        if saved_at is None:
            return ()
        waited = 0.0 if self._saved_at is None else saved_at - self._saved_at
        before, told = self._step, self._told
        self._saved_at, self._step, self._told = saved_at, (step.step, step.mode, step.mode_step), False
        return () if told or waited <= self.parameters.threshold else [self._finding(waited, before)]

    def idle(self, log: TensorLog, now: float) -> Iterable[Finding]:
        self._began = now if self._began is None else self._began
        since = self._began if self._saved_at is None else self._saved_at
        if self._told or log.ended or now - since <= self.parameters.threshold:
            return ()
        self._told = True
        return [self._finding(now - since, self._step)]

    def missing(self) -> str:
        return "" if self._saved_at is not None or self._told else "no step was saved"

    def _finding(self, waited: float, after: tuple[int, Mode, int]) -> Finding:
        step, mode, mode_step = after
        return Finding(
            self.NAME, step, mode, mode_step, "", waited, self.parameters.threshold,
            f"nothing was saved for {waited:.0f} seconds after step {step}", CAUSE, REMEDY,
        )  # fmt: skip


def _time_of(log: TensorLog, step: int) -> float | None:
    try:
        return log.time_of(step)
    except NotFound:                    # the event file is gone; the step before counts
        return None


CAUSE = "the data loader waits (a slow disk, a dead worker), or another process of the training is gone"
REMEDY = Remedy("look at the log of the job and at its processes; a loader with a timeout fails instead of hanging")
