"""Full fine-tuning at 224 px, batch 32, from random weights: images per second, and the whole process.

    python -m benchmarks fine_tuning [--runs 3]

Same images, size, batch, optimiser and flips on each side. The peers are the plain loop and fastai. A whole process is
measured from its start to its end; steady state is the training part of the last epoch alone, of all three: what is
done once, such as choosing kernels, is in the first.
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
NETWORKS = ("resnet18", "efficientnet_b0")


def peer(script: str, network: str, epochs: int) -> Measured:
    """One run of a peer's script."""
    folders = ["--train", DATA / "train", "--valid", DATA / "val"]
    words = [*folders, "--model", network, "--epochs", str(epochs)]
    return measure([sys.executable, "-W", "ignore", PEERS / script, *words])


@dataclass(frozen=True)
class Ours:
    """One run of `tintype train`."""

    seconds: float              # of the whole process
    rate: float                 # images per second in the training part of the last epoch


def ours(network: str, epochs: int) -> Ours:
    """One run, with an empty home, so that nothing is cached."""
    with tempfile.TemporaryDirectory() as home:
        settings = ["augmentation=flip", "optimizer=adam", "lr=0.001", "batch-size=32", "resize=stretch"]
        words = [word for one in settings for word in ("-p", one)]
        command = ["train", DATA, "--model", network, "--weights", "none", "--image-size", "224", "--no-freeze"]
        run = measure([*TINTYPE, *command, "--epochs", str(epochs), *words, "--home", home, "--json"])
        (events,) = Path(home).glob("jobs/*/logs/events.jsonl")
        last = [one for one in map(json.loads, events.read_text().splitlines()) if one["event"] == "epoch"][-1]
    evaluating = json.loads(run.output)["result"]["phases"]["evaluate"] / epochs
    return Ours(run.seconds, IMAGES / (last["seconds"] - evaluating))


def rate_of_peer(run: Measured) -> float:
    """Images per second in the last epoch."""
    return json.loads(run.output.splitlines()[-1])["images_per_second"]


def main(arguments: list[str]) -> None:
    """Run it and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS))
    options = parser.parse_args(arguments)
    rows: list[tuple[str, ...]] = []
    for network in options.networks:
        epochs = 2
        plain, fast, own = [], [], []
        for _ in range(options.runs):
            plain.append(rate_of_peer(peer("plain_finetune.py", network, epochs)))
            fast.append(rate_of_peer(peer("fastai_finetune.py", network, epochs)))
            own.append(ours(network, epochs).rate)
        medians = [f"{statistics.median(one):.1f}/s" for one in (plain, fast, own)]
        rows.append((f"{network}, steady state", *medians, ratio(own, plain), ratio(own, fast)))
    whole = [[], [], []]
    for _ in range(options.runs):
        whole[0].append(peer("plain_finetune.py", "resnet18", 4).seconds)
        whole[1].append(peer("fastai_finetune.py", "resnet18", 4).seconds)
        whole[2].append(ours("resnet18", 4).seconds)
    medians = [f"{statistics.median(one):.1f} s" for one in whole]
    rows.append(("resnet18, whole process, 4 epochs", *medians, ratio(whole[0], whole[2]), ratio(whole[1], whole[2])))
    header = ("", "plain loop", "fastai", "Tintype", "against the plain loop", "against fastai")
    table("Full fine-tuning, 224 px, batch 32", header, rows)


if __name__ == "__main__":
    main(sys.argv[1:])
