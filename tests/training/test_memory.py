from __future__ import annotations

import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator is not glibc's")

# Allocates and frees 40 MB six times, touching every page, and counts the page faults of the later rounds.
ROUNDS = """
import resource, sys
from tintype.training.memory import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for number in range(6):
    if number == 2:
        before = faults()
    block = bytearray(40_000_000)
    block[::4096] = bytes(len(block[::4096]))
    del block
print(faults() - before)
"""


@pytest.mark.parametrize(("mode", "fewest", "most"), [("keep", 0, 500), ("as it is", 30_000, 10**9)])
def test_freed_memory_is_used_again(mode: str, fewest: int, most: int) -> None:
    done = subprocess.run([sys.executable, "-c", ROUNDS, mode], capture_output=True, text=True, check=True)
    assert fewest <= int(done.stdout) <= most
