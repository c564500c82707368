"""The .npy format, friendly and hostile."""

from __future__ import annotations

import contextlib
import io
import pickle
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tintype.errors import InvalidRequest
from tintype.serving.content.arrays import read_npy, write_npy

PLAIN = st.sampled_from(["<f4", ">f4", "<f8", "<f2", "|u1", "<i8", ">i2"])


def npy(header: str, data: bytes = b"", version: tuple[int, int] = (1, 0)) -> bytes:
    packed = header.encode("latin-1")
    length = struct.pack("<H" if version[0] == 1 else "<I", len(packed))
    return b"\x93NUMPY" + bytes(version) + length + packed + data


@given(arrays.arrays(PLAIN, arrays.array_shapes(max_dims=4, max_side=5)), st.booleans())
def test_what_numpy_writes_is_read(array: np.ndarray, fortran: bool) -> None:
    stream = io.BytesIO()
    np.save(stream, np.asfortranarray(array) if fortran else array)
    np.testing.assert_array_equal(read_npy(stream.getvalue()), array)


def test_what_is_written_numpy_reads() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(np.load(io.BytesIO(write_npy(array)), allow_pickle=False), array)


def test_version_2() -> None:
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}"
    assert read_npy(npy(header, bytes(8), (2, 0))).shape == (2,)


class Bomb:
    """Unpickling it would be noticed."""

    def __reduce__(self) -> tuple[object, ...]:
        return (pytest.fail, ("a pickle was loaded",))


def test_pickles_are_never_read() -> None:
    stream = io.BytesIO()
    np.save(stream, np.array([Bomb()], object), allow_pickle=True)
    with pytest.raises(InvalidRequest, match="pickle"):
        read_npy(stream.getvalue())
    with pytest.raises(InvalidRequest, match=r"no \.npy file"):
        read_npy(pickle.dumps(Bomb()))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"no \.npy"),
        (b"\x93NUMPY", r"no \.npy"),
        (b"PK\x03\x04 an npz is a zip", r"no \.npy"),
        (npy("{}", version=(3, 0)), "version 3"),
        (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000000)}"), "0 bytes follow"),
        (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", bytes(9)), "9 bytes follow"),
        (npy("{'descr': '|S0', 'fortran_order': False, 'shape': (10,)}"), "holds nothing"),
        (npy("{'descr': 'V', 'fortran_order': False, 'shape': (10,)}"), "holds nothing"),
        (npy("{'descr': '|u1', 'fortran_order': False, 'shape': (2147483647, 2147483647, 2147483647, 0)}"), "nothing"),
        (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}"), "damaged"),
        (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (True,)}"), "damaged"),
        (npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (0,)}"), "damaged"),
        (npy("{'descr': 'f4,f4', 'fortran_order': False, 'shape': (0,)}"), "damaged"),
        (npy("{'descr': '<q99', 'fortran_order': False, 'shape': (0,)}"), "damaged"),
        (npy("{'descr': '<f4', 'shape': (0,)}"), "damaged"),
        (npy("__import__('os').abort()"), "damaged"),
        (npy("[" * 500), "damaged"),
        (npy("-" * 900 + "1"), "damaged"),
        (npy("{1:" * 200 + "1" + "}" * 200), "damaged"),
        (npy(" " * 2000), "2,000 bytes"),
    ],
)
def test_a_hostile_file_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        read_npy(content)


@given(st.binary(max_size=200), st.integers(0, 200), st.binary(min_size=1, max_size=4))
def test_mutations_are_arrays_or_clear_errors(noise: bytes, place: int, patch: bytes) -> None:
    good = write_npy(np.zeros((2, 3), np.uint8)) + noise
    for content in (good[:place] + patch + good[place + len(patch) :], npy(noise.decode("latin-1"))):
        with contextlib.suppress(InvalidRequest):
            assert isinstance(read_npy(content), np.ndarray)
