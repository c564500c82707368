"""CRC-64/NVME, which the AWS command line 2 sends by default, with NumPy.

A chunk is cut into lanes of equal length that go through the table together, and their sums are then joined two by
two: the sum of `a + b` is the sum of `a` moved on by as many zero bytes as `b` has, exclusive-or the sum of `b`.
Moving on is linear, so that it is eight look-ups. What was summed before is exclusive-or'ed into the first eight
bytes. The polynomial is reflected, initial value and final exclusive-or are all ones: https://reveng.sourceforge.io.
"""

from __future__ import annotations

from functools import cache
from typing import final

import numpy as np
from numpy.typing import NDArray

POLYNOMIAL = 0x9A6C9329AC4BC9B5         # 0xAD93D23594C93659 with its bits turned round
ONES = 0xFFFFFFFFFFFFFFFF
LANE_BYTES = 128
Words = NDArray[np.uint64]


@final
class Crc64:
    """A running sum."""

    def __init__(self) -> None:
        self._state = ONES

    def update(self, data: bytes, /) -> None:
        """Take in more."""
        if len(data) < 2 * LANE_BYTES:
            state, table = self._state, _table_list()
            for byte in data:
                state = table[(state ^ byte) & 0xFF] ^ (state >> 8)
            self._state = state
            return
        lanes = 1 << ((len(data) - 1) // LANE_BYTES).bit_length()
        padded = np.zeros(lanes * LANE_BYTES, np.uint8)         # zeros before the data leave a sum of zero as it is
        start = len(padded) - len(data)
        padded[start:] = np.frombuffer(data, np.uint8)
        padded[start : start + 8] ^= np.frombuffer(self._state.to_bytes(8, "little"), np.uint8)
        self._state = _lanes(padded.reshape(lanes, LANE_BYTES))

    def digest(self) -> bytes:
        """Eight bytes."""
        return (self._state ^ ONES).to_bytes(8)


def _lanes(lanes: NDArray[np.uint8]) -> int:
    """The sum of all lanes (rows), begun at zero."""
    table, state = _table(), np.zeros(len(lanes), np.uint64)
    for column in np.ascontiguousarray(lanes.T):
        state = table.take(state.astype(np.uint8) ^ column) ^ (state >> np.uint64(8))
    length = LANE_BYTES
    while len(state) > 1:
        state = _moved(state[0::2], length) ^ state[1::2]
        length *= 2
    return int(state[0])


def _moved(states: Words, zero_bytes: int) -> Words:
    """The states after as many zero bytes; a power of two times LANE_BYTES."""
    tables = _moving_tables(zero_bytes)
    found = np.zeros_like(states)
    for index in range(8):
        found ^= tables[index][(states >> np.uint64(8 * index)) & np.uint64(0xFF)]
    return found


@cache
def _table() -> Words:
    values = np.arange(256, dtype=np.uint64)
    for _ in range(8):
        halves = values >> np.uint64(1)
        values = np.where(values & np.uint64(1), halves ^ np.uint64(POLYNOMIAL), halves)
    return values


@cache
def _table_list() -> list[int]:
    return [int(value) for value in _table()]


@cache
def _moving_tables(zero_bytes: int) -> Words:
    """(8, 256): what each byte of a state becomes."""
    start = np.arange(256, dtype=np.uint64)[None, :] << (np.arange(8, dtype=np.uint64) * np.uint64(8))[:, None]
    if zero_bytes > 1:
        half = zero_bytes // 2
        return np.stack([_moved(_moved(row, half), half) for row in start])
    return _table()[start & np.uint64(0xFF)] ^ (start >> np.uint64(8))
