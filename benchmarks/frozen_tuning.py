"""Tuning a frozen ResNet-18 on hymenoptera, 224 px with flips: the plain script, a process a trial, and `tintype tune`.

    python -m benchmarks frozen_tuning [--runs 3] [--trials 4 50] [--precision auto fp32] [--extrapolate]

Whole process to whole process, in turn. Tintype begins with an empty home and chooses its trials; the plain script
then runs the same ones (learning rate, batch size, epochs), one after another. With the seed below the four trials
have 2, 4, 3 and 4 epochs. Both start from one file of weights that this benchmark writes (random: what is measured is
time). With `--extrapolate` the plain script runs no more than four trials; what more would take is worked out from its
own median start-up and seconds per epoch, and the table says so. Fifty real ones take most of an hour.

The last column is what 8-bit features do to the trials: the largest difference of a final validation loss between the
precisions, beside the spread of these losses over the trials.
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
from typing import Any

import torch
from torchvision import models

from benchmarks.measuring import PEERS, SHARED, TINTYPE, measure, ratio, table

DATA = SHARED / "hymenoptera"
RANGES = ("lr=0.001:0.1:log", "batch-size=16,32", "epochs=2..4")
LIKE_THE_PEER = ("resize=stretch", "optimizer=adam", "weight-decay=0", "schedule=constant", "augmentation=flip")
SEED = "271"                    # four random trials of 2, 4, 3 and 4 epochs
MOST_TRIALS = 4                 # that the plain script runs when the rest may be extrapolated


@dataclass(frozen=True)
class Ours:
    """One `tintype tune`."""

    seconds: float
    trials: list[dict[str, Any]]        # hyperparameters
    losses: list[float]                 # of validation, in the end


@dataclass(frozen=True)
class Plain:
    """The plain script, for some trials."""

    seconds: float
    start_ups: list[float]              # per process: imports, network, loaders, the model saved
    epochs: list[float]                 # seconds each

    def extrapolated(self, trials: list[dict[str, Any]]) -> float:
        """Seconds for other trials."""
        epochs = sum(trial["epochs"] for trial in trials)
        return len(trials) * statistics.median(self.start_ups) + epochs * statistics.median(self.epochs)


def tune(weights: Path, trials: int, precision: str) -> Ours:
    """`tintype tune` with an empty home."""
    with tempfile.TemporaryDirectory() as home:
        words = ["--model", "resnet18", "--weights", weights, "--freeze", "--strategy", "random", "--seed", SEED]
        words += [word for one in RANGES for word in ("--range", one)]
        settings = (*LIKE_THE_PEER, "image-size=224", f"precision={precision}")
        words += [word for one in settings for word in ("-p", one)]
        run = measure([*TINTYPE, "tune", DATA, *words, "--max-jobs", str(trials), "--home", home, "--json"])
    found = json.loads(run.output)["trials"]
    losses = [trial["metrics"]["valid:loss"] for trial in found]
    return Ours(run.seconds, [trial["hyperparameters"] for trial in found], losses)


def run_plain(weights: Path, scratch: Path, trials: list[dict[str, Any]]) -> Plain:
    """The plain script for `trials`, a process each."""
    seconds, start_ups, epochs = 0.0, [], []
    for trial in trials:
        words = ["--data", DATA, "--weights", weights, "--model-dir", scratch]
        words += [word for name in ("lr", "batch-size", "epochs") for word in (f"--{name}", str(trial[name]))]
        run = measure([sys.executable, "-W", "ignore", PEERS / "plain_frozen.py", *words])
        each = [float(one) for one in re.findall(r"Epoch \d+: ([\d.]+) seconds", run.output)]
        seconds += run.seconds
        start_ups.append(run.seconds - sum(each))
        epochs += each
    return Plain(seconds, start_ups, epochs)


def compare(
    weights: Path, scratch: Path, trials: int, options: argparse.Namespace
) -> tuple[list[float], dict[str, list[Ours]]]:
    """(seconds of the plain script, our runs by precision), `options.runs` of each, in turn."""
    plain: list[float] = []
    own: dict[str, list[Ours]] = {precision: [] for precision in options.precision}
    for _ in range(options.runs):
        for precision, runs in own.items():
            runs.append(tune(weights, trials, precision))
        chosen = next(iter(own.values()))[-1].trials
        ran = run_plain(weights, scratch, chosen[:MOST_TRIALS] if options.extrapolate else chosen)
        plain.append(ran.extrapolated(chosen) if trials > len(ran.start_ups) else ran.seconds)
    return plain, own


def differences(own: dict[str, list[Ours]]) -> str:
    """How far apart the trials' losses are between the precisions, and between the trials."""
    by_trial = list(zip(*(runs[-1].losses for runs in own.values()), strict=True))
    largest = max(max(losses) - min(losses) for losses in by_trial)
    firsts = [losses[0] for losses in by_trial]
    return f"{largest:.4f} (trials: {max(firsts) - min(firsts):.2f})"


def main(arguments: list[str]) -> None:
    """Run it and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--trials", type=int, nargs="*", default=[4])
    parser.add_argument("--precision", nargs="*", default=["auto", "fp32"])
    parser.add_argument("--extrapolate", action="store_true", help="the plain script runs at most four trials")
    options = parser.parse_args(arguments)
    rows: list[tuple[object, ...]] = []
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        weights = scratch / "resnet18.pth"
        torch.manual_seed(0)
        torch.save(models.resnet18().state_dict(), weights)
        for trials in options.trials:
            plain, own = compare(weights, scratch, trials, options)
            how = " (extrapolated)" if options.extrapolate and trials > MOST_TRIALS else ""
            for precision, runs in own.items():
                epochs = sum(trial["epochs"] for trial in runs[-1].trials)
                seconds = [one.seconds for one in runs]
                took = f"{statistics.median(plain):.0f} s{how}", f"{statistics.median(seconds):.1f} s"
                rows.append((trials, epochs, precision, *took, ratio(plain, seconds), differences(own)))
    header = ("trials", "epochs in all", "precision", "plain script", "Tintype", "ratio", "losses apart")
    table("Tuning a frozen ResNet-18, hymenoptera, 224 px (medians)", header, rows)


if __name__ == "__main__":
    main(sys.argv[1:])
