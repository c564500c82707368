"""Accuracy at equal wall time, from random weights: Tintype's defaults, the plain loop, and fastai; three seeds.

    python -m benchmarks accuracy [--seeds 3] [--epochs-hymenoptera 12] [--epochs-cifar 12]

Tintype trains for a number of epochs; each peer is then given as many seconds, counted from its first step, as
Tintype's whole training took after the same point. Tintype's own decoding counts against it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from dataclasses import dataclass

from benchmarks.measuring import PEERS, SHARED, TINTYPE, measure, table


@dataclass(frozen=True)
class Case:
    """One data set and the settings that a peer's user would take for it."""

    name: str
    folder: str
    valid: str
    size: int
    batch: int


CASES = (
    Case("hymenoptera", "hymenoptera", "val", 224, 32),
    Case("cifar10-small", "cifar10-small", "valid", 32, 64),
)


def ours(case: Case, epochs: int, seed: int, network: str) -> tuple[float, float]:
    """(validation accuracy of the last epoch, seconds of the job)."""
    with tempfile.TemporaryDirectory() as home:
        words = ["--model", network, "--weights", "none", "--epochs", str(epochs), "--seed", str(seed)]
        run = measure([*TINTYPE, "train", SHARED / case.folder, *words, "--home", home, "--json"])
        document = json.loads(run.output)
        return document["metrics"]["valid:accuracy"]["last"], document["result"]["seconds"]


def peer(script: str, case: Case, budget: float, seed: int) -> float:
    """Validation accuracy of the last epoch within the budget."""
    root = SHARED / case.folder
    words = ["--train", root / "train", "--valid", root / case.valid, "--size", str(case.size)]
    words += ["--batch-size", str(case.batch), "--budget", f"{budget:.1f}", "--seed", str(seed)]
    run = measure([sys.executable, "-W", "ignore", PEERS / script, *words])
    return json.loads(run.output.splitlines()[-1])["valid_accuracy"]


def spread(values: list[float]) -> str:
    """`mean ± standard deviation`, in percent."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{100 * statistics.mean(values):.1f} ± {100 * deviation:.1f}"


def main(arguments: list[str]) -> None:
    """Run it and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs-hymenoptera", type=int, default=12)
    parser.add_argument("--epochs-cifar", type=int, default=12)
    parser.add_argument("--network", default="small_cnn", help="Tintype's; small_cnn is what it takes by itself")
    options = parser.parse_args(arguments)
    rows = []
    for case, epochs in zip(CASES, (options.epochs_hymenoptera, options.epochs_cifar), strict=True):
        own, plain, fast, seconds = [], [], [], []
        for seed in range(options.seeds):
            accuracy, budget = ours(case, epochs, seed, options.network)
            own.append(accuracy)
            seconds.append(budget)
            plain.append(peer("plain_finetune.py", case, budget, seed))
            fast.append(peer("fastai_finetune.py", case, budget, seed))
        rows.append((case.name, f"{statistics.mean(seconds):.0f}", spread(own), spread(plain), spread(fast)))
    sides = (f"Tintype ({options.network}), %", "plain loop (resnet18), %", "fastai (resnet18), %")
    header = ("data", "seconds each", *sides)
    table(f"Accuracy at equal wall time, {options.seeds} seeds, from random weights", header, rows)


if __name__ == "__main__":
    main(sys.argv[1:])
