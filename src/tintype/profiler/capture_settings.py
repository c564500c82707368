"""What of a training is recorded in its own process: told by one variable of its environment.

    TINTYPE_PROFILER={"directory": ".../profiler-output", "operators": {"first": 10, "steps": 3}, "hot_spots": {...}}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

from tintype.errors import InvalidRequest

VARIABLE = "TINTYPE_PROFILER"
OF_LOOP = "TINTYPE_PROFILER_OF_LOOP"        # set: the loop says its phases by itself, and nobody else is to record them


@final
@dataclass(frozen=True)
class Window:
    """Which training steps are looked at more closely: by their numbers, or from a moment on for some time."""

    first: int = 0                      # step, counted from 0
    steps: int = 0                      # how many; 0: as the time says
    since: float = 0.0                  # seconds since the epoch; 0: at once
    seconds: float = 0.0                # how long; 0: no limit

    def __post_init__(self) -> None:
        if self.first < 0 or self.steps < 0 or self.seconds < 0 or not (self.steps or self.seconds):
            raise InvalidRequest(f"a window needs a first step of at least 0 and a number of steps or seconds: {self}")

    def has_begun(self, step: int, now: float) -> bool:
        """Whether the step that is about to begin is inside, or after it."""
        return step >= self.first and now >= self.since

    def is_over(self, steps: int, seconds: float) -> bool:
        """Whether as many steps and seconds as there were since it began are enough."""
        return (self.steps > 0 and steps >= self.steps) or (self.seconds > 0 and seconds >= self.seconds)


@final
@dataclass(frozen=True)
class CaptureSettings:
    """Spans of all steps, and closer looks at a few."""

    directory: Path                     # the job's profiler-output
    operators: Window | None = None     # torch.profiler, layers and memory: slows its steps down by a fifth and more
    hot_spots: Window | None = None     # the Python stack, a hundred times a second

    @property
    def has_windows(self) -> bool:
        """There is something to look at more closely."""
        return self.operators is not None or self.hot_spots is not None

    def to_variable(self) -> str:
        """The value of the variable."""
        parts = {name: asdict(one) for name in ("operators", "hot_spots") if (one := getattr(self, name)) is not None}
        return json.dumps({"directory": str(self.directory), **parts})

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> CaptureSettings | None:
        """None when nothing is asked for. Raises `InvalidRequest` for a value that is none."""
        given = environ.get(VARIABLE, "").strip()
        if not given:
            return None
        try:
            document: dict[str, Any] = json.loads(given)
            windows = {name: Window(**document[name]) for name in ("operators", "hot_spots") if document.get(name)}
            return cls(Path(document["directory"]), **windows)
        except (ValueError, TypeError, KeyError) as error:
            raise InvalidRequest(f"{VARIABLE} must be JSON with a directory, got {given[:100]!r}") from error
