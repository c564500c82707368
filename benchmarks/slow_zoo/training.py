"""One training of the zoo, in processes of its own: slowed in one known way, and profiled as any other.

    python -m benchmarks.slow_zoo.training CASE PROFILE [RANK]
"""

from __future__ import annotations

import io
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset

from benchmarks.slow_zoo.cases import CASES, Case
from benchmarks.slow_zoo.faults import start_threads
from benchmarks.slow_zoo.networks import CLASSES
from tintype.profiler.capture import start_capture
from tintype.profiler.capture_settings import CaptureSettings

SECONDS = 8.0                               # of training,
LEAST_STEPS, MOST_SECONDS = 60, 40.0        # or longer, where the machine is so slow that there are few steps

Batch = tuple[torch.Tensor, torch.Tensor]


class Samples(Dataset[tuple[torch.Tensor, int]]):
    """Noise with labels, as slow as the case says."""

    def __init__(self, case: Case, seconds: float) -> None:
        self.case, self.seconds = case, seconds
        self.jpeg = b""
        if case.jpeg_side:
            noise = np.random.default_rng(0).integers(0, 256, (case.jpeg_side, case.jpeg_side, 3), np.uint8)
            stream = io.BytesIO()
            Image.fromarray(noise).save(stream, "jpeg")
            self.jpeg = stream.getvalue()

    def __len__(self) -> int:
        return 4000

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        if self.seconds:
            time.sleep(self.seconds)
        if self.case.for_sample:
            self.case.for_sample(index)
        if self.jpeg:
            Image.open(io.BytesIO(self.jpeg)).load()
        return torch.zeros(3, self.case.side, self.case.side), index % CLASSES


class Stream(IterableDataset[tuple[torch.Tensor, int]]):
    """The same samples, one after the other."""

    def __init__(self, samples: Samples) -> None:
        self.samples = samples

    def __iter__(self) -> Iterator[tuple[torch.Tensor, int]]:
        return (self.samples[index] for index in range(len(self.samples)))


def batches_of(case: Case, sample_seconds: float) -> Iterable[Batch]:
    """An epoch."""
    if case.in_memory:
        return [_made(case, number) for number in range(200)]
    samples = Samples(case, sample_seconds)
    return DataLoader(
        Stream(samples) if case.streamed else samples, case.batch, num_workers=case.workers,
        worker_init_fn=lambda _: torch.set_num_threads(case.worker_threads),
    )  # fmt: skip


def _made(case: Case, number: int) -> Batch:
    is_large = case.large_every and number % case.large_every == case.large_every - 1
    side = case.side * (4 if is_large else 1)
    return torch.zeros(case.batch, 3, side, side), torch.zeros(case.batch).long()


def evaluate(network: nn.Module, batches: Iterable[torch.Tensor], *, with_gradients: bool) -> None:
    """A pass that nothing is learnt from."""
    network.eval()
    with torch.set_grad_enabled(with_gradients):
        for images in batches:
            network(images)
    network.train()


@dataclass
class Learner:
    """What moves the weights."""

    case: Case
    network: nn.Module
    loss_of: nn.Module
    optimizer: torch.optim.Optimizer

    def learn(self, images: torch.Tensor, labels: torch.Tensor, number: int) -> torch.Tensor:
        """The loss of a batch, from which the weights have learnt; `number` counts batches from 1."""
        if self.case.given_to_optimizer:
            self.optimizer.zero_grad()
            return self.optimizer.step(lambda: self._look(images, labels))      # type: ignore[return-value]
        loss = self._look(images, labels)
        if number % self.case.accumulate == 0:
            self.optimizer.step()
            self.optimizer.zero_grad()
        return loss

    def _look(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        loss = self.loss_of(self.network(images), labels)
        loss.backward()
        return loss


def train(case: Case, root: Path, rank: int) -> None:
    """Train for some seconds."""
    torch.set_num_threads(case.torch_threads)
    capture = start_capture(CaptureSettings(root), {"CURRENT_HOST": "algo-1", "RANK": str(rank)})
    time.sleep(case.start_seconds)
    network, loss_of = case.network(case.side, case.width), nn.CrossEntropyLoss()
    is_last = case.ranks > 1 and rank == case.ranks - 1
    if case.slow_rank and is_last:
        next(network.children()).register_forward_hook(lambda *_: time.sleep(case.slow_rank))
    optimizer = torch.optim.SGD(network.parameters(), 0.01)
    if case.hook:
        next(network.children()).register_forward_hook(case.hook)
    learner = Learner(case, network, loss_of, optimizer)
    held: Iterable[torch.Tensor] = [torch.zeros(32, 3, case.side, case.side)] * 4
    if case.evaluates_like_a_beginner:
        held = DataLoader(list(held), None)             # type: ignore[arg-type]
    batches = batches_of(case, case.slow_loading_rank if is_last else 0.0)
    begun = time.monotonic()
    start_threads(case.beside, case.threads, begun + MOST_SECONDS)
    number = 0
    while not _is_over(begun, number):
        for images, labels in batches:
            number += 1
            loss = learner.learn(images, labels, number)
            if case.after_step:
                case.after_step(network, loss, root)
            if case.evaluate_every and number % case.evaluate_every == 0:
                evaluate(network, held, with_gradients=case.evaluates_like_a_beginner)
            if _is_over(begun, number):
                break
    del capture


def _is_over(begun: float, steps: int) -> bool:
    passed = time.monotonic() - begun
    return passed > MOST_SECONDS or (passed > SECONDS and steps >= LEAST_STEPS)


def main(name: str, root: Path) -> None:
    """Train; several ranks in processes of their own."""
    case = CASES[name]
    if case.ranks == 1:
        train(case, root, 0)
        return
    command = [sys.executable, "-m", "benchmarks.slow_zoo.training", name, str(root)]
    for rank in [subprocess.Popen([*command, str(rank)]) for rank in range(case.ranks)]:
        rank.wait()


if __name__ == "__main__":
    if len(sys.argv) > 3:
        train(CASES[sys.argv[1]], Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main(sys.argv[1], Path(sys.argv[2]))
