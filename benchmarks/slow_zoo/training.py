"""One training of the zoo, in a process of its own: slowed in one known way, and profiled as any other.

    python -m benchmarks.slow_zoo.training CASE PROFILE [RANK]
"""

from __future__ import annotations

import io
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

from tintype.profiler.capture import start_capture
from tintype.profiler.capture_settings import CaptureSettings

SECONDS = 8.0                               # of training
CLASSES = 4


@dataclass(frozen=True)
class Slowed:
    """What is wrong with a training; the defaults are a healthy one."""

    batch: int = 16
    side: int = 32                          # of an image, pixels
    width: int = 64                         # channels of the network
    item: Callable[[int], None] | None = None           # done for each sample
    jpeg_side: int = 0                      # samples are decoded from JPEGs of this size
    workers: int = 0
    after_step: Callable[[nn.Module, Path], None] | None = None
    evaluate_every: int = 0                 # steps
    start_seconds: float = 0.0
    threads: int = 0                        # that spin beside the training
    in_memory: bool = False                 # batches are there already
    slow_rank: float = 0.0                  # seconds that the last of two ranks takes longer for each step


def sleep(seconds: float, every: int = 1) -> Callable[[int], None]:
    """A sample that sleeps."""
    return lambda index: time.sleep(seconds) if index % every == 0 else None


def transform(_: int) -> None:
    """A sample that takes work."""
    np.linalg.svd(np.random.default_rng(0).normal(size=(64, 64)))


def summarise(_: nn.Module, __: Path) -> None:
    """Work after a step that is no part of it, as summaries of all weights are."""
    np.linalg.svd(np.random.default_rng(0).normal(size=(400, 400)))


LEAKED: list[np.ndarray] = []


def leak(_: nn.Module, __: Path) -> None:
    """Keep four megabytes of each step."""
    LEAKED.append(np.ones(500_000))


CASES: dict[str, Slowed] = {
    "healthy": Slowed(),
    "healthy, more images": Slowed(batch=64),
    "sleep in the loader": Slowed(item=sleep(0.01)),
    "one slow sample in a hundred": Slowed(batch=4, item=sleep(0.5, 100)),
    "tiny batches": Slowed(batch=1, width=8, side=8, in_memory=True),
    "huge images": Slowed(jpeg_side=1600, batch=4),
    "heavy transforms": Slowed(item=transform),
    "evaluation every step": Slowed(evaluate_every=1),
    "checkpoint every step": Slowed(after_step=lambda network, root: [  # type: ignore[arg-type,return-value]
        torch.save({"weights": network.state_dict(), "history": torch.zeros(20_000_000)}, root / "weights.pt")]),
    "memory leak": Slowed(after_step=leak),
    "plotting after each step": Slowed(after_step=lambda *_: time.sleep(0.1)),
    "summaries after each step": Slowed(after_step=summarise),
    "throttled reads": Slowed(item=sleep(0.004)),
    "far too many workers": Slowed(workers=6, item=sleep(0.001)),
    "long initialization": Slowed(start_seconds=25.0),
    "more threads than cores": Slowed(threads=16),
    "two ranks, one slow": Slowed(slow_rank=0.05),
}  # fmt: skip


class Samples(Dataset[tuple[torch.Tensor, int]]):
    """Noise with labels, as slow as the case says."""

    def __init__(self, slowed: Slowed) -> None:
        self.slowed = slowed
        self.jpeg = b""
        if slowed.jpeg_side:
            noise = np.random.default_rng(0).integers(0, 256, (slowed.jpeg_side, slowed.jpeg_side, 3), np.uint8)
            stream = io.BytesIO()
            Image.fromarray(noise).save(stream, "jpeg")
            self.jpeg = stream.getvalue()

    def __len__(self) -> int:
        return 4000

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        if self.slowed.item:
            self.slowed.item(index)
        if self.jpeg:
            Image.open(io.BytesIO(self.jpeg)).load()
        return torch.zeros(3, self.slowed.side, self.slowed.side), index % CLASSES


def network_of(slowed: Slowed) -> nn.Module:
    """A small convolutional network."""
    width = slowed.width
    return nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, CLASSES),
    )  # fmt: skip


def batches_of(slowed: Slowed) -> Iterable[tuple[torch.Tensor, torch.Tensor]]:
    """An epoch."""
    if slowed.in_memory:
        return [(torch.zeros(slowed.batch, 3, slowed.side, slowed.side), torch.zeros(slowed.batch).long())] * 1000
    return DataLoader(Samples(slowed), batch_size=slowed.batch, num_workers=slowed.workers)


def spin(until: float) -> None:
    """Keep a core busy outside of the interpreter's lock."""
    matrix = np.ones((300, 300))
    while time.monotonic() < until:
        matrix @ matrix


def evaluate(network: nn.Module, batches: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
    """A pass without gradients."""
    network.eval()
    with torch.no_grad():
        for images, _ in batches:
            network(images)
    network.train()


def main(case: str, root: Path, rank: int) -> None:
    """Train for some seconds."""
    slowed = CASES[case]
    torch.set_num_threads(1)
    capture = start_capture(CaptureSettings(root), {"CURRENT_HOST": "algo-1", "RANK": str(rank)})
    time.sleep(slowed.start_seconds)
    network, loss_of = network_of(slowed), nn.CrossEntropyLoss()
    if slowed.slow_rank and rank == 1:
        network[0].register_forward_hook(lambda *_: time.sleep(slowed.slow_rank))  # type: ignore[index]
    optimizer = torch.optim.SGD(network.parameters(), 0.01)
    held = [(torch.zeros(32, 3, slowed.side, slowed.side), torch.zeros(32))] * 4
    until = time.monotonic() + SECONDS
    for _ in range(slowed.threads):
        threading.Thread(target=spin, args=(until,), daemon=True).start()
    number = 0
    while time.monotonic() < until:
        for images, labels in batches_of(slowed):
            optimizer.zero_grad()
            loss_of(network(images), labels).backward()
            optimizer.step()
            number += 1
            if slowed.after_step:
                slowed.after_step(network, root)
            if slowed.evaluate_every and number % slowed.evaluate_every == 0:
                evaluate(network, held)
            if time.monotonic() > until:
                break
    del capture


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0)
