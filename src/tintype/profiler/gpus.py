"""Readings of NVIDIA's devices, by its management library (NVML) when `nvidia-ml-py` is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Protocol

from tintype.profiler.machine import Gpu
from tintype.profiler.system_metrics import (
    GPU_CLOCK,
    GPU_MEMORY,
    GPU_MEMORY_BYTES,
    GPU_POWER,
    GPU_THROTTLED,
    GPU_UTILIZATION,
)

NO_LIBRARY = "no GPU was measured: the package nvidia-ml-py is not installed"
HELD_BACK = 0x4 | 0x8 | 0x20 | 0x40 | 0x80      # NVML's reasons: power cap, hardware, heat (software, hardware), brake


class Gpus(Protocol):
    """Where readings of devices come from."""

    devices: tuple[Gpu, ...]
    note: str                           # why there is nothing to read; "" when there is

    def read(self) -> Iterator[tuple[int, Mapping[str, float]]]:
        """(index, dimension -> value) for each device; what a device does not tell is left out."""
        ...


class NoGpus:
    """A machine on which no device can be read, and why."""

    def __init__(self, note: str) -> None:
        self.devices: tuple[Gpu, ...] = ()
        self.note = note

    def read(self) -> Iterator[tuple[int, Mapping[str, float]]]:
        """Nothing."""
        return iter(())


class NvmlGpus:
    """All devices of a machine. `library` is the module pynvml."""

    def __init__(self, library: Any) -> None:
        self._library = library
        library.nvmlInit()
        self._handles: dict[int, Any] = {}
        refused: dict[int, str] = {}
        for index in range(library.nvmlDeviceGetCount()):
            try:
                self._handles[index] = library.nvmlDeviceGetHandleByIndex(index)
            except library.NVMLError as error:          # one of another container, say
                refused[index] = str(error)
        self.devices = tuple(self._describe(handle) for handle in self._handles.values())
        self.note = _note(len(self._handles), refused)

    def _describe(self, handle: Any) -> Gpu:
        name, memory = "", 0
        with suppress(self._library.NVMLError):
            name = self._library.nvmlDeviceGetName(handle)
        with suppress(self._library.NVMLError):         # a device that shares the machine's memory has none of its own
            memory = self._library.nvmlDeviceGetMemoryInfo(handle).total
        return Gpu(name.decode(errors="replace") if isinstance(name, bytes) else str(name), int(memory))

    def read(self) -> Iterator[tuple[int, Mapping[str, float]]]:
        """The readings of all devices now."""
        for index, handle in self._handles.items():
            yield index, self._read_one(handle)

    def _read_one(self, handle: Any) -> Mapping[str, float]:
        library = self._library
        readings: dict[str, float] = {}

        def measure(dimension: str, reading: Callable[[], float]) -> None:
            with suppress(library.NVMLError):       # a device need not tell everything, nor a container show it
                readings[dimension] = float(reading())

        measure(GPU_UTILIZATION, lambda: library.nvmlDeviceGetUtilizationRates(handle).gpu)
        with suppress(library.NVMLError):
            memory = library.nvmlDeviceGetMemoryInfo(handle)
            readings[GPU_MEMORY] = 100.0 * memory.used / memory.total
            readings[GPU_MEMORY_BYTES] = float(memory.used)
        measure(GPU_POWER, lambda: library.nvmlDeviceGetPowerUsage(handle) / 1000)
        measure(GPU_CLOCK, lambda: library.nvmlDeviceGetClockInfo(handle, library.NVML_CLOCK_SM))
        measure(GPU_THROTTLED, lambda: bool(library.nvmlDeviceGetCurrentClocksThrottleReasons(handle) & HELD_BACK))
        return readings


def _note(measured: int, refused: Mapping[int, str]) -> str:
    if not refused:
        return "" if measured else "this machine has no GPU"
    which = "no GPU was measured" if not measured else f"not measured: {', '.join(f'gpu{one}' for one in refused)}"
    return f"{which}: {next(iter(refused.values()))}"


def find_gpus() -> Gpus:
    """The devices of this machine, or the reason why none can be read."""
    try:
        import pynvml  # pyright: ignore[reportMissingImports]
    except ImportError:
        return NoGpus(NO_LIBRARY)
    try:
        return NvmlGpus(pynvml)
    except pynvml.NVMLError as error:
        absent = getattr(error, "value", None) == pynvml.NVML_ERROR_LIBRARY_NOT_FOUND
        return NoGpus("this machine has no GPU (no NVIDIA driver)" if absent else f"no GPU was measured: {error}")
