"""What writing and reading a tensor log costs, in seconds of the processor: the machine may be busy with other things.

    python -m benchmarks tensor_log

One short run of each: a step with a loss in it, a step of 90 MB in 180 tensors, a tensor of 1 GB, the loss history of
100,000 steps (with our journal, and as smdebug would have left it), and one tensor's history at 1,000 steps of a log of
5 GB (its event files have holes, so that it does not take that room on the disk).
"""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from tintype.debugger.log_writer import TensorLogWriter
from tintype.debugger.modes import Mode
from tintype.debugger.tensor_log import open_log

LOSS = "CrossEntropyLoss_output_0"
MIB = 1024**2


def cpu_seconds(action: Callable[[], object]) -> float:
    """The processor's time that one call takes, the kernel's included."""
    began = time.process_time()
    action()
    return time.process_time() - began


def peak_mib() -> float:
    """The most memory that this process had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MIB


def write_losses(root: Path, steps: int) -> None:
    """A log with a loss at each step."""
    writer = TensorLogWriter(root)
    for step in range(steps):
        with writer.step(step, Mode.TRAIN, step) as record:
            record.add(LOSS, np.float32(step))
    writer.end()


def write_layers(root: Path, steps: int, tensors: int, elements: int) -> None:
    """A log with many tensors at each step."""
    writer = TensorLogWriter(root)
    values = {f"ResNet_layer{number}.weight": np.zeros(elements, np.float32) for number in range(tensors)}
    for step in range(steps):
        with writer.step(step, Mode.TRAIN, step) as record:
            for name, value in values.items():
                record.add(name, value)
    writer.end()


def small_steps(root: Path) -> str:
    """A step of one loss."""
    return f"{cpu_seconds(lambda: write_losses(root, 2000)) / 2000 * 1e6:.0f} µs"


def large_steps(root: Path) -> str:
    """A step of 90 MB in 180 tensors."""
    return f"{cpu_seconds(lambda: write_layers(root, 3, 180, 125_000)) / 3 * 1e3:.0f} ms"


def one_large_tensor(root: Path) -> str:
    """A tensor of 1 GB, written and read: what memory it needs beside itself."""
    value = np.ones(250_000_000, np.float32)
    before = peak_mib()
    writer = TensorLogWriter(root)
    with writer.step(0) as record:
        record.add("x", value)
    writing = peak_mib() - before
    del value, record
    seconds = cpu_seconds(lambda: open_log(root).value("x", 0))
    return f"{writing:.0f} MiB more to write it, {peak_mib() - before - writing:.0f} more to read it in {seconds:.2f} s"


def loss_history(root: Path) -> str:
    """The losses of 100,000 steps, from opening the log."""
    write_losses(root, 100_000)
    with_journal = cpu_seconds(lambda: open_log(root).series(LOSS, Mode.TRAIN))
    shutil.rmtree(root / "tintype")
    without = cpu_seconds(lambda: open_log(root).series(LOSS, Mode.TRAIN))
    return f"{with_journal:.2f} s; {without:.1f} s without the journal"


def tensor_history(root: Path) -> str:
    """One tensor of 5 KB at 1,000 steps of a log of 5 GB, from opening the log."""
    write_layers(root, 1000, 60, 1250)
    for path in root.rglob("*.tfevents"):
        os.truncate(path, 5_000_000)
    before = peak_mib()
    seconds = cpu_seconds(lambda: open_log(root).values("ResNet_layer30.weight", Mode.TRAIN))
    memory = peak_mib() - before
    shutil.rmtree(root / "tintype")
    without = cpu_seconds(lambda: open_log(root).values("ResNet_layer30.weight", Mode.TRAIN))
    return f"{seconds:.2f} s, {memory:.0f} MiB more; {without:.2f} s without the journal"


PARTS: tuple[Callable[[Path], str], ...] = (small_steps, large_steps, tensor_history, loss_history, one_large_tensor)


def main(arguments: Sequence[str]) -> None:
    """Run each part, or those that are named, and print a line for each."""
    for part in PARTS:
        if arguments and part.__name__ not in arguments:
            continue
        with tempfile.TemporaryDirectory() as folder:
            print(f"{(part.__doc__ or '').rstrip('.'):75} {part(Path(folder) / 'log')}", flush=True)
