"""What a training of the zoo can do wrong: work and waits for each sample, and after each step."""

from __future__ import annotations

import copy
import gc
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

SampleFault = Callable[[int], None]
StepFault = Callable[[nn.Module, torch.Tensor, Path], None]     # the network, the loss, the root of the profile
LayerFault = Callable[..., None]
ThreadFault = Callable[[float], None]                           # until when, of the monotonic clock

KEPT: list[Any] = []
FILES = [(f"image-{number}.jpg", number % 4) for number in range(20_000)]


# ------------------------------------------------------------------------------------------ for each sample


def look_up(index: int) -> None:
    """The label of a sample, looked for in a list of all files."""
    next(label for name, label in FILES if name == f"image-{19_000 + index % 1000}.jpg")


def sleep(seconds: float, every: int = 1) -> SampleFault:
    """A sample that sleeps."""
    return lambda index: time.sleep(seconds) if index % every == 0 else None


def transform(_: int) -> None:
    """A sample that takes work."""
    np.linalg.svd(np.random.default_rng(0).normal(size=(128, 128)))


def augment_in_python(_: int) -> None:
    """Brightness, pixel by pixel, in the interpreter."""
    [min(255, int(pixel * 1.2) + 3) for pixel in range(32 * 32 * 3)]


def blur_with_torch(_: int) -> None:
    """An augmentation by torch, which uses as many threads as it is allowed."""
    picture = torch.rand(1, 3, 224, 224)
    for _ in range(4):
        picture = functional.avg_pool2d(picture, 5, 1, 2)


# ---------------------------------------------------------------------------------------- inside of a layer


def pause(*_: object) -> None:
    """A hook that waits for something."""
    time.sleep(0.15)


# ------------------------------------------------------------------------------------------ after each step


def summarise(*_: object) -> None:
    """Work after a step that is no part of it, as summaries of all weights are."""
    np.linalg.svd(np.random.default_rng(0).normal(size=(400, 400)))


def keep_memory(*_: object) -> None:
    """Keep four megabytes of each step."""
    KEPT.append(np.ones(500_000))


def keep_graph(network: nn.Module, _: torch.Tensor, __: Path) -> None:
    """A look at how it does on another batch, whose score is kept with its graph and all activations."""
    KEPT.append(network(torch.zeros(8, 3, 32, 32)).sum())


def save(network: nn.Module, _: torch.Tensor, root: Path) -> None:
    """A checkpoint with much beside the weights."""
    torch.save({"weights": network.state_dict(), "history": torch.zeros(20_000_000)}, root / "weights.pt")


def plot(*_: object) -> None:
    """Something that takes a tenth of a second."""
    time.sleep(0.1)


def inspect(network: nn.Module, *_: object) -> None:
    """Numbers of each parameter for a log, one `.item()` after the other."""
    for _again in range(200):
        KEPT[:] = [(one.mean().item(), one.std().item(), one.norm().item()) for one in network.parameters()]


def copy_best(network: nn.Module, *_: object) -> None:
    """The best weights so far, which after each step are these, with much beside them."""
    KEPT[:] = [copy.deepcopy(network), torch.zeros(20_000_000).clone()]


def log_to_disk(_network: nn.Module, _loss: torch.Tensor, root: Path) -> None:
    """Many megabytes of log for each step, each of them waited for."""
    with (root / "training.log").open("wb") as log:
        for _ in range(8):
            log.write(b"x" * 4_000_000)
            os.fsync(log.fileno())


def collect_garbage(*_: object) -> None:
    """With a heap of many objects, as after loading annotations."""
    if not KEPT:
        KEPT.extend({"box": [n, n + 1]} for n in range(300_000))
    gc.collect()


# ---------------------------------------------------------------------------------------- beside the training


def multiply(until: float) -> None:
    """Keep cores busy outside of the interpreter's lock."""
    matrix = np.ones((300, 300))
    while time.monotonic() < until:
        matrix @ matrix


def hold_the_lock(until: float) -> None:
    """A monitor in Python that never rests, and holds the interpreter's lock for as long as it may."""
    while time.monotonic() < until:
        sum(range(20_000))


def start_threads(work: ThreadFault, count: int, until: float) -> None:
    """So many threads at `work`."""
    for _ in range(count):
        threading.Thread(target=work, args=(until,), daemon=True).start()
