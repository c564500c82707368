"""The rule SimilarAcrossRuns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from tintype.debugger.collection import Collection
from tintype.debugger.tensor_log import open_log
from tintype.errors import InvalidRequest, TintypeError
from tintype.rules.attached import LOSSES
from tintype.rules.finding import Finding, Remedy
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.rule import Profile, Rule
from tintype.rules.selection import nothing_named, selected
from tintype.rules.step_view import StepView
from tintype.storage import is_url

if TYPE_CHECKING:
    from tintype.debugger.tensor_log import TensorLog

RTOL, ATOL = 1e-4, 1e-6                 # sums on a device differ in the last bits from run to run
OPS = (("mean", False), ("min", False), ("max", False), ("std", False), ("mean", True), ("l2", False))


@final
@dataclass(frozen=True)
class SimilarAcrossRunsParameters(Parameters):
    """What SimilarAcrossRuns can be told."""

    other_trials: tuple[str, ...] = parameter((), "tensor logs (paths, URLs) or names of jobs to compare with")
    collection_names: tuple[str, ...] = parameter((), "collections that are compared")
    tensor_regex: tuple[str, ...] = parameter((), "expressions that find the tensors to compare")
    include: tuple[str, ...] = parameter((), "an older name of tensor_regex")


@final
@dataclass
class SimilarAcrossRuns(Rule[SimilarAcrossRunsParameters]):
    """Two runs that should be the same are not: tensors of the same name differ at the same step.

    Fires when a tensor at a global step differs from that of a run in `other_trials`; once for each tensor.

    **Needs** `other_trials`, and the same tensors (or reductions of them) at the same steps in both logs. Without
    `collection_names` and `tensor_regex` losses are compared. A job is looked for beside the directory of this one.

    **Differs from SageMaker's** in allowing for the last bits (a relative difference of 1e-4), as sums on a device come
    out differently each time; in taking several runs and reductions; and in saying that there was nothing to compare
    when no step is in both. The profile `sagemaker` compares exactly.
    """

    NAME: ClassVar[str] = "SimilarAcrossRuns"
    PARAMETERS: ClassVar[type[Parameters]] = SimilarAcrossRunsParameters
    ATTACHES: ClassVar[tuple[Collection, ...]] = (LOSSES,)

    parameters: SimilarAcrossRunsParameters = field(default_factory=SimilarAcrossRunsParameters)
    profile: Profile = Profile.RIGHT
    _others: dict[str, TensorLog] = field(default_factory=dict)
    _told: set[tuple[str, str]] = field(default_factory=set)
    _compared: bool = False

    def check(self, log: TensorLog, step: StepView) -> Iterable[Finding]:
        given = self.parameters
        regexes = (*given.tensor_regex, *given.include)
        collections = ("losses",) if nothing_named(regexes, given.collection_names) else given.collection_names
        names = selected(step, collections, regexes)
        if not names:
            return ()
        return [found for one in given.other_trials for found in self._compare(step, self._open(log, one), one, names)]

    def _open(self, log: TensorLog, other: str) -> TensorLog:
        if other not in self._others:
            self._others[other] = open_log(locate(other, log.location))
        return self._others[other]

    def _compare(self, step: StepView, other: TensorLog, run: str, names: list[str]) -> Iterable[Finding]:
        if not other.ended and step.step not in other.steps():
            other.refresh()
        try:
            there = StepView.at(other, step.step)
        except TintypeError:            # it has no such step, and so nothing to compare
            return
        for name in names:
            pair = _both(step, there, name)
            if pair is None or (run, name) in self._told:
                continue
            self._compared = True
            apart = _difference(*pair, exactly=self.profile is Profile.SAGEMAKER)
            if apart is not None:
                self._told.add((run, name))
                yield Finding(
                    self.NAME, step.step, step.mode, step.mode_step, name, apart, RTOL,
                    f"{name} differs from that of {run} by up to {apart:.3g}", CAUSE, REMEDY,
                )  # fmt: skip

    def missing(self) -> str:
        if self._compared:
            return ""
        if not self.parameters.other_trials:
            return "other_trials was not given"
        return "no tensor was saved at the same step of both runs"


def locate(other: str, here: str) -> str:
    """The place of another log: a path, a URL, or the name of a job beside the one whose log is `here`.

    Raises `InvalidRequest` when there is nothing.
    """
    if is_url(other):
        return other
    beside = None if is_url(here) else Path(here).parent.parent / other / Path(here).name
    for path in (Path(other).expanduser(), beside):
        if path is not None and path.is_dir():
            return str(path)
    raise InvalidRequest(f"SimilarAcrossRuns: other_trials: there is no tensor log {other!r}, and no job of that name")


def _both(here: StepView, there: StepView, name: str) -> tuple[np.ndarray, np.ndarray] | None:
    one, other = here.value(name), there.value(name)
    if one is not None and other is not None:
        return one, other
    pairs = [(here.number(name, op, absolute=a), there.number(name, op, absolute=a)) for op, a in OPS]
    known = [(a, b) for a, b in pairs if a is not None and b is not None]
    return (np.array([a for a, _ in known]), np.array([b for _, b in known])) if known else None


def _difference(one: np.ndarray, other: np.ndarray, *, exactly: bool) -> float | None:
    """The largest difference; None when they are the same."""
    if one.shape != other.shape or one.dtype.kind not in "biufc":
        return None if np.array_equal(one, other) else float("inf")
    rtol, atol = (0.0, 0.0) if exactly else (RTOL, ATOL)
    if np.allclose(one, other, rtol=rtol, atol=atol, equal_nan=True):
        return None
    return float(np.nanmax(np.abs(np.subtract(one, other, dtype=np.float64))))


CAUSE = "another seed, order of the data, software or hyperparameters, or operations that cannot be repeated exactly"
REMEDY = Remedy("compare the hyperparameters of both jobs; set the seed, and torch.use_deterministic_algorithms(True)")
