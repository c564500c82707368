"""A watcher that keeps what it is told."""

from __future__ import annotations

from dataclasses import dataclass, field

from tintype.tuning.state import TuningState


@dataclass
class Listening:
    lines: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def stage(self, name: str) -> None: ...

    def progress(self, what: str, done: int, total: int) -> None: ...

    def epoch(self, job: str, epoch: int, epochs: int, metrics: dict[str, float]) -> None: ...

    def trials(self, state: TuningState) -> None: ...

    def warning(self, text: str) -> None:
        self.warnings.append(text)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def line(self, text: str) -> None:
        self.lines.append(text)
