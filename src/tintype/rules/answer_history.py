"""The answers of a run as rules need them: a window of the newest training samples, and the passes of evaluation."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import final

from tintype.debugger.modes import Mode
from tintype.rules.answers import Answers, joined
from tintype.rules.step_view import StepView

KEPT_PASSES = 4
MOST_SAMPLES = 20_000                   # of one pass; what comes after is not kept, so that memory stays small


@final
@dataclass(frozen=True)
class Pass:
    """One pass over the validation images, with the training samples seen just before it."""

    step: StepView                      # its last step
    training_steps: int                 # steps of training before it
    trained: Answers | None             # the newest training samples, at most `AnswerHistory.window`, oldest first
    answers: Answers
    fresh: int = 0                      # training samples since the pass before


@final
@dataclass
class AnswerHistory:
    """Gathers answers; `add` says when a pass of evaluation is over, which is known at the next training step."""

    window: int = 256                   # training samples that are kept
    passes: deque[Pass] = field(default_factory=lambda: deque(maxlen=KEPT_PASSES))
    training_steps: int = 0
    seen: int = 0                       # training samples in all
    newest: deque[Answers] = field(default_factory=deque)
    _open: list[Answers] = field(default_factory=list)
    _last: StepView | None = None
    _seen_before: int = 0               # training samples at the pass before

    def add(self, step: StepView) -> Pass | None:
        """Take the answers at `step`; returns the pass that ended before it, if one did."""
        answers = Answers.at(step)
        if step.is_training:
            ended = self.close()
            self.training_steps += 1
            if answers is not None:
                self._train(answers)
            return ended
        if step.mode is Mode.EVAL and answers is not None:
            if sum(map(len, self._open)) < MOST_SAMPLES:
                self._open.append(answers)
            self._last = step
        return None

    def close(self) -> Pass | None:
        """End the pass that is under way, if one is."""
        if not self._open or self._last is None:
            return None
        fresh, self._seen_before = self.seen - self._seen_before, self.seen
        ended = Pass(self._last, self.training_steps, self.trained(), joined(self._open), fresh)
        self._open = []
        self.passes.append(ended)
        return ended

    def trained(self) -> Answers | None:
        """The newest training samples."""
        return joined(list(self.newest)) if self.newest else None

    def _train(self, answers: Answers) -> None:
        if self.newest and self.newest[-1].classes != answers.classes:
            self.newest.clear()
        self.newest.append(answers)
        self.seen += len(answers)
        while len(self.newest) > 1 and sum(map(len, self.newest)) - len(self.newest[0]) >= self.window:
            self.newest.popleft()
