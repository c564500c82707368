"""Reading the events of steps by NumPy, many lines at once: half a million of them are a day.

Lines that differ in their digits only have one skeleton. Of each skeleton one line is read by the JSON parser, with its
numbers replaced by their places, which tells where every number of all such lines belongs. Whatever is not the event of
a step with whole, positive numbers is left to the parser, line by line.
"""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tintype.profiler.phases import MODES, PHASES, STEP_PREFIX
from tintype.profiler.span_files import DECODING, PASSES, SPANS, WAITING_CPU, WORKING_CPU

NUMBER = re.compile(rb"\d+")
MOST_DIGITS = 18
FIRST_PLACE = 1_000_000                 # place k of a number is written as this plus k
DIGITS = b"0123456789"
ZEROS = bytes.maketrans(DIGITS, b"0" * 10)
BLANKS = bytes(byte if byte in DIGITS else ord(" ") for byte in range(256))
MODE_NUMBERS = {mode.value: number for number, mode in enumerate(MODES)}
PHASE_NAMES = {phase.value for phase in PHASES}


def step_rows(content: bytes, dtype: np.dtype[Any]) -> tuple[NDArray[Any], list[bytes]] | None:
    """(steps as rows of `dtype`, their start relative to the base of the file; all other lines), or None.

    None when the file is not one event to a line, or has numbers of more than 18 digits.
    """
    zeros = content.translate(ZEROS)
    if not content.endswith(b"\n") or b"0" * (MOST_DIGITS + 1) in zeros:
        return None
    for length in (8, 4, 2, 2, 2):                      # a run of up to 18 digits becomes one zero
        zeros = zeros.replace(b"0" * length, b"0")
    skeletons = zeros.split(b"\n")[:-1]
    kinds: dict[bytes, int] = {}
    which = np.array([kinds.setdefault(skeleton, len(kinds)) for skeleton in skeletons])
    counts = np.array([skeleton.count(b"0") for skeleton in kinds])[which]
    firsts = np.cumsum(counts) - counts
    values = np.fromstring(content.translate(BLANKS), np.int64, sep=" ")
    texts = content.split(b"\n")
    parts: list[NDArray[Any]] = []
    others: list[bytes] = []
    for kind in range(len(kinds)):
        members = np.flatnonzero(which == kind)
        places = _places(texts[members[0]].rstrip(b", "))
        if places is None:
            others += [texts[member] for member in members]
        else:
            parts.append(_rows(values, firsts[members], places, dtype))
    return np.concatenate([np.zeros(0, dtype), *parts]), others


def _places(line: bytes) -> dict[str, int] | None:
    """For each field of a row, the place of its number in the line; None when it is not the event of a step."""
    count = 0

    def numbered(_: re.Match[bytes]) -> bytes:
        nonlocal count
        count += 1
        return str(FIRST_PLACE + count - 1).encode()

    try:
        event = json.loads(NUMBER.sub(numbered, line))
        args, mode = event["args"], event["name"].removeprefix(STEP_PREFIX)
        if event["ph"] != "X" or mode == event["name"] or not set(args[SPANS]) <= PHASE_NAMES:
            return None
        found = {"start": event["ts"], "duration": event["dur"], "number": int(args["step_num"])}
        found |= {"waiting_cpu": args[WAITING_CPU]} if WAITING_CPU in args else {}
        found |= {"decode": args[DECODING]} if DECODING in args else {}
        found |= {"working_cpu": args[WORKING_CPU]} if WORKING_CPU in args else {}
        found |= {"passes": args[PASSES]} if PASSES in args else {}
        for phase, (at, time) in args[SPANS].items():
            found |= {f"{phase}_at": at, phase: time}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if mode not in MODE_NUMBERS or not all(type(one) is int and one >= FIRST_PLACE for one in found.values()):
        return None
    return {"mode": MODE_NUMBERS[mode], **{name: one - FIRST_PLACE for name, one in found.items()}}


def _rows(
    values: NDArray[np.int64], firsts: NDArray[np.int64], places: dict[str, int], dtype: np.dtype[Any]
) -> NDArray[Any]:
    rows = np.zeros(len(firsts), dtype)
    for name, place in places.items():
        if name == "mode":
            rows[name] = place
        elif name in ("number", "passes"):
            rows[name] = values[firsts + place]
        else:
            rows[name] = values[firsts + place] / 1e6
    return rows
