"""System metrics as SageMaker's profiler writes them: what a row holds, how it is spelt, and where its file lies.

    <profile>/system/incremental/<YYYYMMDDHH>/<start of the minute, unix seconds>.algo-<n>.json
    <profile>/system/training_job_end.ts            empty: nothing more will come
    <profile>/tintype/machine-algo-<n>.json         our facts of the machine (machine.py)

A file is JSON lines, one object for each number; hours are UTC. A reader of SageMaker's files reads ours: the
dimensions that it knows keep their meaning, and ours have names of their own, so that nobody counts "job" as a core.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple, final

SYSTEM = "system"
END_MARKER = "training_job_end.ts"
MINUTE_SECONDS = 60
FILE_NAME = re.compile(r"(\d{10})\.(algo-\d+)\.json")


class Kind(StrEnum):
    """The `Type` of a row."""

    CPU = "cpu"
    GPU = "gpu"
    MEMORY = "memory"
    NETWORK = "network"
    IO = "i/o"


@final
class Series(NamedTuple):
    """Whose number a row holds. `name` may be empty, and so may `dimension`: SageMaker's files leave either out."""

    kind: str                           # a Kind; other words are kept as they are
    name: str                           # "cpu0", "gpu0", "MemoryUsedPercent", ...
    dimension: str                      # "CPUUtilization", ...; what it is a number of
    node: str                           # "algo-1"


# SageMaker's dimensions. Percentages are 0..100.
CPU_UTILIZATION = "CPUUtilization"                  # of a core; not idle and not waiting for a disk
IO_WAIT = "I/OWaitPercentage"                       # of a core
GPU_UTILIZATION = "GPUUtilization"                  # share of time with a kernel on the device
GPU_MEMORY = "GPUMemoryUtilization"                 # share of the device's memory in use
MEMORY_USED = "MemoryUsedPercent"                   # of what the job may use: the machine's, or its cgroup's limit
IOPS = "IOPS"                                       # reads and writes per second, all disks
READ_BYTES = "ReadThroughputInBytesPerSecond"
WRITE_BYTES = "WriteThroughputInBytesPerSecond"
RECEIVED_BYTES = "ReceiveBytesPerSecond"
SENT_BYTES = "TransmitBytesPerSecond"
ALGORITHM, PLATFORM = "Algorithm", "Platform"       # dimensions of network: the job's namespace, the machine's

# Ours.
TOTAL_CPU = "TotalCPUUtilization"                   # of the machine, 0..100
PROCESS_CPU = "ProcessCPUUtilization"               # of the job's processes, per cent of ONE core: 200 is two cores
PROCESS_THREADS = "ProcessThreads"                  # threads of the job's processes
PROCESS_RUNNABLE = "ProcessRunnableThreads"         # of them, in the mean, that ran or waited for a core
RUNNABLE_TASKS = "RunnableTasks"                    # tasks of the machine that run or wait for a core
CPU_THROTTLED = "CPUThrottledPercentage"            # share of the cgroup's periods in which it was held back
PROCESS_MEMORY = "ProcessMemoryBytes"               # resident; pages shared by forked workers count for each of them
MEMORY_USED_BYTES = "MemoryUsedBytes"
DISK_BUSY = "DiskBusyPercentage"                    # of the busiest disk
GPU_MEMORY_BYTES = "GPUMemoryUsedBytes"
GPU_POWER = "GPUPowerWatts"
GPU_CLOCK = "GPUClockMegahertz"                     # of the multiprocessors
GPU_THROTTLED = "GPUThrottled"                      # 1 while heat or power held the clock back, else 0


def row_line(series: Series, value: float, timestamp: float) -> str:
    """One line of a file. `timestamp` is seconds since the epoch."""
    return f'{row_head(series)}{value:.10g}{row_tail(series)}{timestamp:.6f}}}\n'


def row_head(series: Series) -> str:
    """What comes before the value."""
    return f'{{"Type":"{series.kind}","Name":"{series.name}","Dimension":"{series.dimension}","Value":'


def row_tail(series: Series) -> str:
    """What comes between the value and the timestamp."""
    return f',"NodeId":"{series.node}","Timestamp":'


def minute_of(timestamp: float) -> int:
    """The start of the minute, in unix seconds."""
    return int(timestamp) // MINUTE_SECONDS * MINUTE_SECONDS


def file_path(minute: int, node: str) -> str:
    """The file of one minute of one node, relative to the root of the profile."""
    return f"{SYSTEM}/incremental/{datetime.fromtimestamp(minute, UTC):%Y%m%d%H}/{minute:010d}.{node}.json"
