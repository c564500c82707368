"""Frames: there and back, in pieces, and what is none."""

from __future__ import annotations

import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.serving.workers.frames import LENGTHS, BrokenFrame, Link, lengths, packed, parsed

PLAIN = st.dictionaries(st.text(max_size=5), st.one_of(st.integers(-9, 9), st.text(max_size=9), st.none()), max_size=3)


@given(PLAIN, st.binary(max_size=50))
def test_there_and_back(header: dict[str, object], body: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        Link(ours).send(header, body)
        assert Link(theirs).receive() == (header, body)


def test_a_large_body_goes_through_in_pieces_and_the_end_is_none() -> None:
    ours, theirs = socket.socketpair()
    body = bytes(range(256)) * 20_000
    with theirs:
        def send() -> None:
            with ours:
                Link(ours).send({"n": 1}, memoryview(body))

        sender = threading.Thread(target=send)
        sender.start()
        link = Link(theirs)
        assert link.receive() == ({"n": 1}, body)
        sender.join()
        assert link.receive() is None


def test_an_end_in_the_middle_of_a_frame_is_an_end() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        with ours:
            ours.sendall(packed({"a": 1}, 100) + b"only this")
        assert Link(theirs).receive() is None


@pytest.mark.parametrize("prefix", [LENGTHS.pack(1 << 30, 0), LENGTHS.pack(2, 1 << 60)])
def test_absurd_lengths_take_no_memory(prefix: bytes) -> None:
    with pytest.raises(BrokenFrame):
        lengths(prefix)


@pytest.mark.parametrize("text", [b"", b"{", b"[1]", b"\xff", b"[" * 100_000])
def test_what_is_no_header(text: bytes) -> None:
    with pytest.raises(BrokenFrame):
        parsed(text)
