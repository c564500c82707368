"""What a training job says to a person: its log, one line per event, in which its metrics can be found by regexes.

    computing on 2 CPU threads, fp32, channels last
    decode the images: 0.93 s
    epoch 1/4  train:loss=0.6931  valid:accuracy=0.75  lr=0.001
    warning: 1 files are set aside and not trained on: train/ants/imageNotFound.gif: ...

Numbers are written so that reading them gives the same number again. No torch here.
"""

from __future__ import annotations

from tintype.training.events import Epoch, Event, Failure, Note, Phase, Warning

SPLITS = ("train", "valid")
FIGURES = ("loss", "accuracy", "top5")
METRICS = (*(f"{split}:{figure}" for split in SPLITS for figure in FIGURES), "lr")


def lines_of(event: Event) -> list[str]:
    """The lines of the log that an event makes; most events that are meant for programs make none."""
    match event:
        case Epoch():
            metrics = "  ".join(f"{name}={float(value)!r}" for name, value in event.metrics.items())
            return [f"epoch {event.epoch}/{event.epochs}  {metrics}"]
        case Phase():
            return [f"{event.name}: {event.seconds:.2f} s"]
        case Note():
            return event.text.splitlines()
        case Warning():
            return [f"warning: {line}" for line in event.text.splitlines()]
        case Failure():
            return [f"failed: {line}" for line in event.reason.splitlines()]
        case _:
            return []


def frozen_at_random(network: str) -> str:
    """The warning about a network that has something frozen and nothing learnt."""
    return (
        f"what is frozen of {network} is random and stays so, as no pretrained weights are put in: only the rest "
        "learns, from features that nobody has trained. Train all of it (--no-freeze, or freeze=none), or give it "
        "weights (--weights FILE)"
    )


def metric_definitions() -> dict[str, str]:
    """Metric name -> the regex that finds its `step` (the epoch) and its `value` in a line of the log."""
    return {name: rf"^epoch (?P<step>\d+)/\d+ .*\b{name}=(?P<value>\S+)" for name in METRICS}
