from __future__ import annotations

import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator is not glibc's")

# Allocates and frees so many bytes six times, touching every page, and counts the page faults of the later rounds.
ROUNDS = """
import resource, sys
from tintype.freed_memory import keep_freed_memory
if sys.argv[1] != "as it is":
    assert keep_freed_memory(*(int(one) for one in sys.argv[1].split()[1:]))
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for number in range(6):
    if number == 2:
        before = faults()
    block = bytearray(int(sys.argv[2]))
    block[::4096] = bytes(len(block[::4096]))
    del block
print(faults() - before)
"""


@pytest.mark.parametrize(
    ("mode", "size", "fewest", "most"),
    [
        ("keep", 40_000_000, 0, 500),
        ("as it is", 40_000_000, 30_000, 10**9),
        ("keep 16000000", 8_000_000, 0, 500),
        ("keep 16000000", 40_000_000, 30_000, 10**9),
    ],
)
def test_freed_memory_is_used_again(mode: str, size: int, fewest: int, most: int) -> None:
    done = subprocess.run([sys.executable, "-c", ROUNDS, mode, str(size)], capture_output=True, text=True, check=True)
    assert fewest <= int(done.stdout) <= most
