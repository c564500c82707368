"""Tensor logs made by hand for the tests of rules, through the debugger's own writer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tintype.debugger.collection import BUILT_IN, Collection
from tintype.debugger.log_writer import TensorLogWriter
from tintype.debugger.modes import Mode
from tintype.debugger.reductions import BY_TOKEN, reduce
from tintype.debugger.tensor_log import TensorLog, open_log
from tintype.rules.catalogue import make_rule
from tintype.rules.evaluation import evaluate
from tintype.rules.rule import Profile
from tintype.rules.rule_run import RuleRun
from tintype.rules.run_facts import RunFacts

LOSS = "CrossEntropyLoss_output_0"
Tensors = Mapping[str, Any]
STANDARD = [BUILT_IN[name] for name in ("losses", "weights", "biases", "gradients")]


class Log:
    """A log under construction. Steps count by themselves."""

    def __init__(
        self, folder: Path, collections: Iterable[Collection] = (), *, clock: Callable[[], float] = lambda: 1.0
    ) -> None:
        self.folder = folder
        self.writer = TensorLogWriter(folder, clock=clock)
        self.writer.write_collections([*STANDARD, *collections])
        self.step = -1
        self.mode_steps = dict.fromkeys(Mode, -1)

    def add(self, tensors: Tensors, mode: Mode = Mode.TRAIN, *, reduced: Sequence[str] = ()) -> int:
        """Write a step of `mode`; with `reduced` only those reductions of what is not a single number."""
        self.skip(1, mode)
        with self.writer.step(self.step, mode, self.mode_steps[mode]) as record:
            for name, value in tensors.items():
                array = np.asarray(value, dtype=None if isinstance(value, np.ndarray) else np.float32)
                if not reduced or array.ndim == 0:
                    record.add(name, array)
                    continue
                record.add_shape(name, array.shape)
                for token in reduced:
                    absolute, op = token.startswith("abs_"), BY_TOKEN[token.removeprefix("abs_")]
                    record.add_reduction(name, op, reduce(array, op, absolute=absolute), absolute=absolute)
        return self.step

    def skip(self, count: int, mode: Mode = Mode.TRAIN) -> None:
        """Steps of which nothing is saved."""
        self.step += count
        self.mode_steps[mode] += count

    def losses(self, values: Iterable[float], mode: Mode = Mode.TRAIN, name: str = LOSS) -> None:
        """A step for each loss."""
        for value in values:
            self.add({name: value}, mode)

    def read(self, *, end: bool = True) -> TensorLog:
        """The log as a reader sees it."""
        if end:
            self.writer.end()
        return open_log(self.folder)

    def judge(
        self, rule: str, profile: Profile = Profile.RIGHT, facts: RunFacts | None = None, **parameters: Any
    ) -> RuleRun:
        """The verdict of one rule on the whole."""
        return evaluate(self.read(), {"it": make_rule(rule, parameters, profile)}, facts, lambda: 1.0)[0]


def noisy(levels: Sequence[float], noise: float, seed: int = 0) -> list[float]:
    """Losses around `levels`, with a noise of minibatches: `noise` times the level, on one side longer."""
    rng = np.random.default_rng(seed)
    factors = np.exp(rng.normal(0, noise, len(levels)))
    return list(np.asarray(levels) * factors)
