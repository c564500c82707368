"""What this machine computes fast with, as far as it decides in which numbers a network runs. Needs no torch."""

from __future__ import annotations

from pathlib import Path

# Instructions that multiply 8-bit integers without losing bits, and bfloat16, as Linux names them; x86 first, then ARM.
# Without the former, integers are at most twice as fast and, on older x86, inexact (sums saturate at 16 bits). Without
# the latter, bfloat16 is emulated, at a fraction of the speed of float32.
INTEGER_FLAGS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"})
BFLOAT16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})

CPUINFO = Path("/proc/cpuinfo")
GPU = Path("/dev/nvidiactl")            # there when NVIDIA's driver is loaded


def cpu_flags() -> frozenset[str]:
    """The processor's instruction sets as Linux lists them; empty where it does not."""
    try:
        with CPUINFO.open(encoding="ascii", errors="replace") as lines:
            listed = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    except FileNotFoundError:
        return frozenset()
    return frozenset(listed.partition(":")[2].split())


def has_gpu() -> bool:
    """True when there is a CUDA GPU, as far as can be told without loading anything."""
    return GPU.exists()
