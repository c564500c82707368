"""Full fine-tuning at 224 px, batch 32, from random weights: images per second, and the whole process.

    python -m benchmarks fine_tuning [--runs 3]

Same images, size, batch, optimiser and flips on each side. The peers are the plain loop and fastai. A whole process is
measured from its start to its end; steady state is the training part of its last epoch alone: what is done once, such
as choosing kernels, is in the first.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measuring import PEERS, SHARED, TINTYPE, Measured, measure, ratio, table

DATA = SHARED / "hymenoptera"
IMAGES = 244                    # in train, without the file that is no image
EPOCHS = {"resnet18": 4, "efficientnet_b0": 2}       # of each network that is measured


def peer(script: str, network: str, epochs: int) -> Measured:
    """One run of a peer's script."""
    folders = ["--train", DATA / "train", "--valid", DATA / "val"]
    words = [*folders, "--model", network, "--epochs", str(epochs)]
    return measure([sys.executable, "-W", "ignore", PEERS / script, *words])


@dataclass(frozen=True)
class Run:
    """One run of a side."""

    seconds: float              # of the whole process
    rate: float                 # images per second in the training part of the last epoch


def ours(network: str, epochs: int) -> Run:
    """One run, with an empty home, so that nothing is cached."""
    with tempfile.TemporaryDirectory() as home:
        settings = ["augmentation=flip", "optimizer=adam", "lr=0.001", "batch-size=32", "resize=stretch"]
        words = [word for one in settings for word in ("-p", one)]
        command = ["train", DATA, "--model", network, "--weights", "none", "--image-size", "224", "--no-freeze"]
        run = measure([*TINTYPE, *command, "--epochs", str(epochs), *words, "--home", home, "--json"])
        (events,) = Path(home).glob("jobs/*/logs/events.jsonl")
        last = [one for one in map(json.loads, events.read_text().splitlines()) if one["event"] == "epoch"][-1]
    evaluating = json.loads(run.output)["result"]["phases"]["evaluate"] / epochs
    return Run(run.seconds, IMAGES / (last["seconds"] - evaluating))


def run_of_peer(run: Measured) -> Run:
    """What a peer's process took, and its rate in the last epoch."""
    return Run(run.seconds, json.loads(run.output.splitlines()[-1])["images_per_second"])


def medians(sides: list[list[float]], unit: str) -> list[str]:
    """Of each side, for the table."""
    return [f"{statistics.median(one):.1f}{unit}" for one in sides]


def main(arguments: list[str]) -> None:
    """Run it and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--networks", nargs="*", default=list(EPOCHS), choices=EPOCHS)
    options = parser.parse_args(arguments)
    rows: list[tuple[str, ...]] = []
    for network in options.networks:
        epochs = EPOCHS[network]
        sides: tuple[list[Run], ...] = ([], [], [])
        for _ in range(options.runs):
            sides[0].append(run_of_peer(peer("plain_finetune.py", network, epochs)))
            sides[1].append(run_of_peer(peer("fastai_finetune.py", network, epochs)))
            sides[2].append(ours(network, epochs))
            for name, runs in zip(("plain", "fastai", "ours"), sides, strict=True):
                told = f"  {network}, {name}: {runs[-1].seconds:.1f} s, {runs[-1].rate:.1f}/s"
                print(told, file=sys.stderr, flush=True)
        plain, fast, own = rates = [[one.rate for one in runs] for runs in sides]
        rows.append((f"{network}, steady state", *medians(rates, "/s"), ratio(own, plain), ratio(own, fast)))
        plain, fast, own = times = [[one.seconds for one in runs] for runs in sides]
        title = f"{network}, whole process, {epochs} epochs"
        rows.append((title, *medians(times, " s"), ratio(plain, own), ratio(fast, own)))
    header = ("", "plain loop", "fastai", "Tintype", "against the plain loop", "against fastai")
    table("Full fine-tuning, 224 px, batch 32", header, rows)


if __name__ == "__main__":
    main(sys.argv[1:])
