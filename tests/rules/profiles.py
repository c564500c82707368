"""Profiles of jobs that are told in a few words: what the machine did, and what each step was made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.profiler.recordings import START, Ticking, sample, span_writer
from tintype.profiler.machine import Machine
from tintype.profiler.phases import Outside, Phase, StepMode
from tintype.profiler.readers import JobProfile, open_profile
from tintype.profiler.span_files import Span, StepSpan
from tintype.profiler.system_metrics import (
    ALGORITHM,
    CPU_UTILIZATION,
    GPU_MEMORY,
    GPU_UTILIZATION,
    IO_WAIT,
    MEMORY_USED,
    PROCESS_CPU,
    PROCESS_MEMORY,
    PROCESS_THREADS,
    RECEIVED_BYTES,
    RUNNABLE_TASKS,
    TOTAL_CPU,
    Kind,
)
from tintype.profiler.system_writer import SystemMetricsWriter

MS = 1_000_000
Number = float | Callable[[int], float]     # constant, or by the number of the sample or step
Key = tuple[str, str, str]


@dataclass
class Told:
    """A job: two samples a second, then steps one after the other. Phases are in milliseconds."""

    seconds: float = 60.0
    cores: int = 4
    usable_cores: float = 0.0               # of a quota; 0: all
    cpu: Number = 50.0                      # per cent of each core
    io_wait: Number = 0.0
    memory: Number = 20.0                   # per cent of 8 GiB
    gpus: Sequence[Number] = ()
    gpu_memory: Number = 40.0
    more: Mapping[Key, Number] = field(default_factory=dict)
    steps: int = 0
    first_step: float = 1.0                 # seconds after the start
    phases: Mapping[Phase, Number] = field(default_factory=dict)
    rest: Number = 0.0                      # milliseconds of a step that are in no phase
    decoding: float = 0.0                   # of the data wait, 0..1
    waiting_cpu: float = 0.0                # of the data wait, 0..1
    working_cpu: float = 0.0                # of the rest of the step, 0..1
    passes: int = 1                         # backward passes of a step
    between: Mapping[Outside, float] = field(default_factory=dict)      # milliseconds after every tenth step
    workers: int = 1
    num_workers: int = 0
    instance_type: str = ""
    slow_worker: float = 1.0                # times that the forward of the last worker takes longer

    def write(self, root: Path) -> JobProfile:
        """Write it as our sampler and span writer do, and open it."""
        self._write_samples(root)
        for worker in range(self.workers if self.steps else 0):
            self._write_steps(root, worker)
        memory = 8 << 30
        usable = self.usable_cores or float(self.cores)
        Machine("algo-1", self.cores, usable, memory, memory, instance_type=self.instance_type).save(root)
        return open_profile(root)

    def _write_samples(self, root: Path) -> None:
        writer = SystemMetricsWriter(root)
        for n in range(int(self.seconds * 2)):
            cpu, own = at(self.cpu, n), at(self.memory, n) / 100 * (8 << 30)
            values: dict[Key, float] = {(Kind.CPU, f"cpu{core}", CPU_UTILIZATION): cpu for core in range(self.cores)}
            values |= {(Kind.CPU, f"cpu{core}", IO_WAIT): at(self.io_wait, n) for core in range(self.cores)}
            values |= {
                (Kind.MEMORY, MEMORY_USED, ""): at(self.memory, n), (Kind.MEMORY, "job", PROCESS_MEMORY): own,
                (Kind.CPU, "total", TOTAL_CPU): cpu, (Kind.CPU, "job", PROCESS_CPU): cpu * self.cores,
                (Kind.CPU, "job", PROCESS_THREADS): 4.0, (Kind.CPU, "total", RUNNABLE_TASKS): 2.0,
                (Kind.NETWORK, RECEIVED_BYTES, ALGORITHM): 1000.0,
            }  # fmt: skip
            for gpu, utilisation in enumerate(self.gpus):
                values[Kind.GPU, f"gpu{gpu}", GPU_UTILIZATION] = at(utilisation, n)
                values[Kind.GPU, f"gpu{gpu}", GPU_MEMORY] = at(self.gpu_memory, n)
            values |= {key: at(value, n) for key, value in self.more.items()}
            writer.write(START + n / 2, sample(values))
        writer.end()

    def _write_steps(self, root: Path, worker: int) -> None:
        clock = Ticking()
        writer = span_writer(root, clock, f"{worker}-algo-1")
        clock.pass_ms(1000 * self.first_step)
        args = (("num_workers", self.num_workers), ("pin_memory", False))
        writer.add(Span(Outside.LOADER_START, Outside.LOADER_START, clock.now, clock.now + MS, args))
        for number in range(self.steps):
            start, phases = clock.now, []
            for phase, duration in self.phases.items():
                slower = self.slow_worker if worker == self.workers - 1 and phase is Phase.FORWARD else 1.0
                time = int(at(duration, number) * slower * MS)
                phases.append((phase, clock.now, time))
                clock.now += time
            clock.pass_ms(at(self.rest, number))
            wait = next((time for phase, _, time in phases if phase is Phase.DATA_WAIT), 0)
            cpu, decoding = int(wait * self.waiting_cpu), int(wait * self.decoding)
            working = int((clock.now - start - wait) * self.working_cpu)
            loading = cpu, decoding
            writer.add(
                StepSpan(StepMode.TRAIN, number, start, clock.now, tuple(phases), *loading, working, self.passes)
            )
            if number % 10 == 9:
                for what, duration in self.between.items():
                    begun = clock.now
                    clock.pass_ms(duration)
                    writer.add(Span(what, what, begun, clock.now))
        writer.end()


def at(value: Number, n: int) -> float:
    """The n-th number."""
    return float(value(n)) if callable(value) else float(value)


COMPUTING = {Phase.DATA_WAIT: 2.0, Phase.FORWARD: 20.0, Phase.LOSS: 1.0, Phase.BACKWARD: 40.0, Phase.OPTIMIZER: 3.0}
WAITING = {**COMPUTING, Phase.DATA_WAIT: 100.0}


def noise(seed: int = 0, size: int = 100_000) -> Callable[[int], float]:
    """Numbers from a normal distribution, by place."""
    numbers = np.random.default_rng(seed).normal(size=size)
    return lambda n: float(numbers[n % size])
