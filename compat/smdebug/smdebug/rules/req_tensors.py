"""Which tensors a rule needs at which steps, so that they are there before it is asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from smdebug.core.tensor import Tensor
from smdebug.exceptions import TensorUnavailable
from smdebug.trials.trial import Trial


class RequiredTensorsForTrial:
    """What is needed of one trial."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.logger = trial.logger
        self._steps: dict[str, list[int]] = {}
        self._tensors: dict[str, Tensor] = {}

    def add(self, name: str, steps: Sequence[int], should_match_regex: bool = False) -> None:
        """Need a tensor at some steps; or each that matches an expression. Raises `TensorUnavailable`."""
        if not should_match_regex and not self.trial.has_tensor(name):
            raise TensorUnavailable(name)
        for one in self.trial.tensor_names(regex=[name]) if should_match_regex else [name]:
            self._steps.setdefault(one, []).extend(steps)
            self._tensors.setdefault(one, self.trial.tensor(one))

    def get_tensor_steps(self, name: str) -> list[int]:
        """The steps at which a tensor is needed."""
        return self._steps[name]

    def get_names(self) -> Iterable[str]:
        """The tensors that are needed, by name."""
        return self._steps.keys()

    def get(self) -> Iterable[Tensor]:
        """The tensors that are needed."""
        return self._tensors.values()

    def clear(self) -> None:
        """Need nothing any more."""
        self._steps.clear()
        self._tensors.clear()

    def fetch(self) -> None:
        """Wait for what is needed, and read it once. Raises what `Tensor.value` raises."""
        self.trial.wait_for_steps(sorted({step for steps in self._steps.values() for step in steps}))
        for name, steps in self._steps.items():
            for step in steps:
                self._tensors[name].value(step)


class RequiredTensors:
    """What is needed of the trial that is judged, and of others beside it."""

    def __init__(self, base_trial: Trial, other_trials: Iterable[Trial] | None) -> None:
        self.base_trial = base_trial
        self._per_trial = {one: RequiredTensorsForTrial(one) for one in (base_trial, *(other_trials or ()))}

    def _of(self, trial: Trial | None) -> RequiredTensorsForTrial:
        return self._per_trial[self.base_trial if trial is None else trial]

    def add(
        self, name: str, steps: Sequence[int], trial: Trial | None = None, should_match_regex: bool = False
    ) -> None:
        """Need a tensor at some steps; see `RequiredTensorsForTrial.add`."""
        self._of(trial).add(name, steps, should_match_regex)

    def get_tensor_steps(self, name: str, trial: Trial | None = None) -> list[int]:
        """The steps at which a tensor is needed."""
        return self._of(trial).get_tensor_steps(name)

    def get_names(self, trial: Trial | None = None) -> Iterable[str]:
        """The tensors that are needed, by name."""
        return self._of(trial).get_names()

    def get(self, trial: Trial | None = None) -> Iterable[Tensor]:
        """The tensors that are needed."""
        return self._of(trial).get()

    def clear(self) -> None:
        """Need nothing any more."""
        for one in self._per_trial.values():
            one.clear()

    def fetch(self) -> None:
        """Wait for what is needed, and read it once."""
        for one in self._per_trial.values():
            one.fetch()
