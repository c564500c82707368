"""Tuning a frozen ResNet-18 on hymenoptera, 224 px with flips: the plain script, a process a trial, and `tintype tune`.

    python -m benchmarks frozen_tuning [--runs 1] [--trials 4 50] [--precision auto fp32]

Whole process to whole process. Both start from the same file of weights, written by this benchmark (random: speed is
measured, not accuracy). The peer is run for trials of 2, 4, 3 and 4 epochs; for more trials than four its time is
extrapolated from its own start-up and seconds per epoch, with the epochs that our trials had, and the table says so.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from torchvision import models

from benchmarks.measuring import PEERS, SHARED, TINTYPE, measure, table

DATA = SHARED / "hymenoptera"
EPOCHS = (2, 4, 3, 4)
RANGES = ("lr=0.001:0.1:log", "epochs=2..4", "batch-size=16,32")


@dataclass(frozen=True)
class Peer:
    """What the plain script took."""

    seconds: float
    per_epoch: float
    start_up: float             # of one process: imports, network, loaders

    def extrapolated(self, epochs: list[int]) -> float:
        """Seconds for other trials."""
        return len(epochs) * self.start_up + sum(epochs) * self.per_epoch


def peer(weights: Path, scratch: Path) -> Peer:
    """Four trials in sequence, a process each."""
    total, epochs = 0.0, []
    for number in EPOCHS:
        words = ["--data", DATA, "--weights", weights, "--epochs", str(number), "--model-dir", scratch]
        run = measure([sys.executable, "-W", "ignore", PEERS / "plain_frozen.py", *words])
        total += run.seconds
        epochs += [float(one) for one in re.findall(r"Epoch \d+: ([\d.]+) seconds", run.output)]
    start_up = (total - sum(epochs)) / len(EPOCHS)
    return Peer(total, statistics.mean(epochs), start_up)


def ours(weights: Path, trials: int, precision: str) -> tuple[float, list[int]]:
    """(seconds, epochs of the trials) of one `tintype tune` with an empty home."""
    with tempfile.TemporaryDirectory() as home:
        words = ["--model", "resnet18", "--weights", weights, "--freeze", "--image-size", "224"]
        words += [word for one in RANGES for word in ("--range", one)]
        words += ["-p", "resize=stretch", "-p", "optimizer=adam", "-p", f"precision={precision}"]
        run = measure([*TINTYPE, "tune", DATA, *words, "--max-jobs", str(trials), "--home", home, "--json"])
    epochs = [int(trial["hyperparameters"]["epochs"]) for trial in json.loads(run.output)["trials"]]
    return run.seconds, epochs


def main(arguments: list[str]) -> None:
    """Run it and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--trials", type=int, nargs="*", default=[4, 50])
    parser.add_argument("--precision", nargs="*", default=["auto", "fp32"])
    options = parser.parse_args(arguments)
    rows: list[tuple[object, ...]] = []
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        weights = scratch / "resnet18.pth"
        torch.manual_seed(0)
        torch.save(models.resnet18().state_dict(), weights)
        for _ in range(options.runs):
            plain = peer(weights, scratch)
            for trials in options.trials:
                for precision in options.precision:
                    seconds, epochs = ours(weights, trials, precision)
                    measured = sorted(epochs) == sorted(EPOCHS)
                    took = plain.seconds if measured else plain.extrapolated(epochs)
                    words = f"{took:.0f} s" + ("" if measured else " (extrapolated)")
                    rows.append((trials, sum(epochs), words, precision, f"{seconds:.1f} s", f"{took / seconds:.1f}x"))
    header = ("trials", "epochs in all", "plain script", "our precision", "Tintype", "ratio")
    table("Tuning a frozen ResNet-18, hymenoptera, 224 px", header, rows)


if __name__ == "__main__":
    main(sys.argv[1:])
