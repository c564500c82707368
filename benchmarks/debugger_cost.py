"""What the debugger costs a training of ResNet-18, beside real smdebug 1.0.34 in the same process tree.

    python -m benchmarks debugger_cost [--runs 3] [--image-side 64]

    idle          hooks are there and nothing is saved
    full          weights, biases and gradients in full (90 MB) and the loss, each 5 steps
    losses        the loss at every step
    reductions    five reductions of every weight, bias, gradient and layer output each 10 steps, the loss at every one

A hook's cost is the processor time of the training thread at the steps that are saved (or at all, where all are alike),
less that at the same steps of a run without a hook. Each time is the least of its run, since others on the machine only
ever add to it, and the runs of the three sides are interleaved. Beside it stands the time on the wall.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.debugger.real_smdebug import Unavailable, environment

from benchmarks.measuring import PEERS, measure, table

SCRIPT = PEERS / "debugger_steps.py"
WARM = 5                            # steps that are not counted

# case -> (steps, which of them count as saved)
CASES: dict[str, tuple[int, Callable[[int], bool]]] = {
    "idle": (25, lambda step: True),
    "full": (36, lambda step: step % 5 == 0),
    "losses": (25, lambda step: True),
    "reductions": (46, lambda step: step % 10 == 0),
}


@dataclass(frozen=True)
class Cost:
    """Milliseconds of the quickest of the steps that count."""

    thread: float
    wall: float


def run(side: str, case: str, python: Path, image_side: int) -> Cost:
    """One training."""
    steps, counts = CASES[case]
    command = [python, "-W", "ignore", SCRIPT, side, case, str(steps), str(image_side)]
    found = json.loads(measure(command, timeout_seconds=600).output.strip().splitlines()[-1])
    chosen = [times for step, times in enumerate(found) if step >= WARM and counts(step)]
    thread, _, wall = (1000 * min(column) for column in zip(*chosen, strict=True))
    return Cost(thread, wall)


def compare(case: str, theirs: Path, runs: int, image_side: int) -> list[object]:
    """A row of the table."""
    sides = {"none": Path(sys.executable), "tintype": Path(sys.executable), "smdebug": theirs}
    found = {side: [] for side in sides}
    for _ in range(runs):
        for side, python in sides.items():
            found[side].append(run(side, case, python, image_side))
    least = {side: (min(one.thread for one in costs), min(one.wall for one in costs)) for side, costs in found.items()}
    bare = least["none"]
    ours, others = ([now - then for now, then in zip(least[side], bare, strict=True)] for side in tuple(sides)[1:])
    return [
        case,
        f"{bare[0]:.1f} ({bare[1]:.1f}) ms",
        *(f"{one[0]:+.2f} ({one[1]:+.1f}) ms" for one in (ours, others)),
        *(f"{mine / them:.2f}" if them > 0 else "-" for mine, them in zip(ours, others, strict=True)),
    ]


def main(arguments: list[str]) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="debugger_cost")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--image-side", type=int, default=64)
    parser.add_argument("--case", choices=list(CASES), action="append")
    given = parser.parse_args(arguments)
    try:
        theirs = environment() / "bin/python"
    except Unavailable as error:
        sys.exit(f"smdebug cannot be run here: {error}")
    header = ["case", "step without a hook: thread (wall)", "added by Tintype", "added by smdebug",
              "ratio of threads", "of walls"]  # fmt: skip
    rows = [compare(case, theirs, given.runs, given.image_side) for case in given.case or CASES]
    table(f"ResNet-18, batch of 8 at {given.image_side} px, one thread", header, rows)


if __name__ == "__main__":
    main(sys.argv[1:])
