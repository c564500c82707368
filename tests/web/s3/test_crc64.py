"""CRC-64/NVME: the known value, and the same sum however the data is cut."""

from __future__ import annotations

import random
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tintype.web.s3.crc64 import LANE_BYTES, Crc64


def summed(*pieces: bytes) -> bytes:
    found = Crc64()
    for piece in pieces:
        found.update(piece)
    return found.digest()


def test_the_known_value() -> None:
    assert summed(b"123456789").hex() == "ae8b14860a799888"
    assert summed(bytes(32)).hex() == "cf3473434d4ecf3b"


@given(size=st.integers(0, 9 * LANE_BYTES), cuts=st.lists(st.integers(0, 9 * LANE_BYTES), max_size=4))
def test_the_same_however_it_is_cut(size: int, cuts: list[int]) -> None:
    data = random.Random(size).randbytes(size)
    ends = [0, *sorted(min(cut, size) for cut in cuts), size]
    pieces = [data[start:end] for start, end in pairwise(ends)]
    one_by_one = [data[index : index + 1] for index in range(size)]
    assert summed(data) == summed(*pieces) == summed(*one_by_one)
