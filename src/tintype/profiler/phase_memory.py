"""The most memory that each phase of a step had in use: of the GPU's allocator, or of the process.

Both peaks can be set back, the second by the kernel (`/proc/self/clear_refs`, proc(5)); where that is not allowed, what
is in use at the end of a phase stands for its peak.
"""

from __future__ import annotations

from pathlib import Path
from typing import final

import torch

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"                        # of the resident memory; nothing else is cleared


@final
class PhaseMemory:
    """Told when a phase ends; used by the thread that trains."""

    def __init__(self) -> None:
        self._on_gpu = False
        self._can_reset = True
        self._peaks: dict[str, int] = {}

    def start(self) -> None:
        """Begin with the phase that comes next."""
        self._on_gpu = torch.cuda.is_available() and torch.cuda.is_initialized()
        self._reset()

    def phase_ended(self, phase: str) -> None:
        """What the phase that has just ended needed."""
        now = torch.cuda.max_memory_allocated() if self._on_gpu else self._resident()
        self._peaks[phase] = max(now, self._peaks.get(phase, 0))
        self._reset()

    def peaks(self) -> tuple[dict[str, int], str]:
        """(phase -> bytes, whose they are)."""
        return dict(self._peaks), "tensors on the GPU" if self._on_gpu else "the whole process"

    def _reset(self) -> None:
        if self._on_gpu:
            torch.cuda.reset_peak_memory_stats()
        elif self._can_reset:
            try:
                CLEAR.write_text(RESET_PEAK)
            except OSError:                         # not in this container
                self._can_reset = False

    def _resident(self) -> int:
        wanted = "VmHWM:" if self._can_reset else "VmRSS:"
        for line in STATUS.read_text().splitlines():
            if line.startswith(wanted):
                return int(line.split()[1]) * 1024
        return 0
