"""The rule BatchSize."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import numpy as np

from tintype.profiler.readers import JobProfile, Table
from tintype.profiler.system_metrics import CPU_UTILIZATION, GPU_MEMORY, GPU_UTILIZATION, PROCESS_CPU
from tintype.rules.finding import Change, Finding, Knob, Remedy
from tintype.rules.parameters import Parameters, parameter
from tintype.rules.profiler_figures import (
    Numbers,
    box,
    enough,
    in_loop,
    looks,
    percentile,
    processor_use,
    sample_means,
    too_few,
)
from tintype.rules.profiler_rule import NO_GPU, Judgement, ProfilerRule, scan_parameter
from tintype.rules.rule import Profile


@final
@dataclass(frozen=True)
class BatchSizeParameters(Parameters):
    """What BatchSize can be told."""

    cpu_threshold_p95: float = parameter(70, "per cent of all cores, 95th percentile", low=0, high=100)
    gpu_threshold_p95: float = parameter(70, "per cent of the GPU, 95th percentile", low=0, high=100)
    gpu_memory_threshold_p95: float = parameter(70, "per cent of the GPU's memory, 95th percentile", low=0, high=100)
    patience: int = parameter(1000, "samples before the profile sagemaker says anything", low=0)
    window: int = parameter(500, "samples that the profile sagemaker looks back at", low=1)
    scan_interval_us: int = scan_parameter()


@final
@dataclass
class BatchSize(ProfilerRule[BatchSizeParameters]):
    """A batch so small that neither the GPU, nor its memory, nor the processors have much to do.

    Fires for each GPU when over the training loop the 95th percentiles of the node's processors, of the GPU and of its
    memory are all below their thresholds. In a container with a quota it is the use of the quota that counts.

    **Needs** 20 samples of a GPU. Without a GPU it says "no GPU"; SmallBatchOverhead judges there.

    **Differs from SageMaker's**, which says nothing before `patience` samples, looks at the last `window` of them once
    a minute, and computes the whiskers of the GPU's memory from the quartile of its utilisation.
    """

    NAME: ClassVar[str] = "BatchSize"
    PARAMETERS: ClassVar[type[Parameters]] = BatchSizeParameters
    ADVICE: ClassVar[str] = "Enlarge the batch (and the learning rate with it), or take a smaller machine."

    parameters: BatchSizeParameters = field(default_factory=BatchSizeParameters)
    profile: Profile = Profile.RIGHT

    def judge(self, job: JobProfile) -> Judgement:
        details: dict[str, Any] = {}
        findings: list[Finding] = []
        triggered = datapoints = 0
        gpus = sum(job.gpus(node) for node in job.system().nodes)
        for node in job.system().nodes:
            tables = job.system().together(node, CPU_UTILIZATION, GPU_UTILIZATION, GPU_MEMORY, PROCESS_CPU)
            datapoints += len(tables[0].times)
            if not tables[1] or not tables[2] or not tables[0]:
                continue
            literal = self.profile is Profile.SAGEMAKER
            count, found = self._sagemaker(job, tables) if literal else self._right(job, node, tables, findings)
            triggered += count
            if found:
                details[node] = {**found, "last_timestamp": int(tables[0].times[-1] * 1e6)}
        return self.judged(
            details=details, datapoints=datapoints, triggered=triggered, violations=triggered, findings=tuple(findings),
            missing=self._missing(gpus, datapoints),
        )  # fmt: skip

    def _missing(self, gpus: int, datapoints: int) -> str:
        if not gpus:
            return NO_GPU
        given = self.parameters
        strict = max(given.patience, given.window) + 1
        needed = strict if self.profile is Profile.SAGEMAKER else enough(given.patience)
        return too_few(datapoints, needed) if datapoints < needed else ""

    def _is_small(self, cpu: Numbers, gpu: Numbers, memory: Numbers) -> bool:
        given = self.parameters
        limits = given.cpu_threshold_p95, given.gpu_threshold_p95, given.gpu_memory_threshold_p95
        values = (cpu, gpu, memory)
        return all(percentile(one, 95) < limit for one, limit in zip(values, limits, strict=True))

    def _sagemaker(self, job: JobProfile, tables: tuple[Table, ...]) -> tuple[int, dict[str, Any]]:
        given, count, details = self.parameters, 0, {}
        cpu, times = sample_means(tables[0]), tables[0].times
        for _, end in looks(job, given.scan_interval_us):
            length = int((times < end).sum())
            if length <= max(given.patience, given.window):
                continue
            part = slice(length - given.window, length)
            for place in range(len(tables[1].names)):
                gpu, memory = tables[1].values[:, place], tables[2].values[:, place]
                if self._is_small(cpu[part], gpu[part], memory[part]):
                    count += 1
                    details = _boxes(cpu[:length], tables, length)
        return count, details

    def _right(
        self, job: JobProfile, node: str, tables: tuple[Table, ...], findings: list[Finding]
    ) -> tuple[int, dict[str, Any]]:
        looped = [in_loop(job, table) for table in tables]
        cpu = processor_use(job, node, looped[0], looped[3])
        if len(cpu) < enough(self.parameters.patience):
            return 0, {}
        count = 0
        for place, name in enumerate(looped[1].names):
            gpu, memory = looped[1].values[:, place], looped[2].values[:, place]
            if self._is_small(cpu, gpu, memory):
                count += 1
                p95, most_memory, most_cpu = (percentile(one, 95) for one in (gpu, memory, cpu))
                message = (
                    f"{name}, its memory and the processors are below {p95:.0f} %, {most_memory:.0f} % and "
                    f"{most_cpu:.0f} % for 95 % of the training"
                )
                findings.append(self.finding(message, p95, self.parameters.gpu_threshold_p95, CAUSE, REMEDY))
        return count, _boxes(cpu, tuple(looped), len(cpu))


def _boxes(cpu: Numbers, tables: tuple[Table, ...], length: int) -> dict[str, Any]:
    """As SageMaker's Details of a node, with the whiskers of each from its own quartiles."""
    found: dict[str, Any] = {"cpu": box(cpu[np.isfinite(cpu)])}
    for suffix, table in (("", tables[1]), ("_memory", tables[2])):
        for place, name in enumerate(table.names):
            values = table.values[:length, place]
            if np.isfinite(values).any():
                found[f"{name}{suffix}"] = box(values[np.isfinite(values)])
    return found


CAUSE = "each step is too small to fill the machine"
REMEDY = Remedy(
    "double the batch until the GPU is busy or its memory full, and raise the learning rate with it",
    (Change(Knob.BATCH_SIZE, 2.0),),
)
