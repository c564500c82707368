"""Reading an event file by hand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from smdebug.core.modes import ModeKeys
from smdebug.exceptions import spoken_as_smdebug
from tintype.debugger.event_decoding import TensorHead
from tintype.debugger.log_location import log_files
from tintype.debugger.record_reading import read_tensor, scan


class FileReader:
    """The tensors of one event file, in the order in which they were written."""

    def __init__(self, fname: str, wtype: str = "tfevent") -> None:
        self._files, self._name = log_files(Path(fname).parent), Path(fname).name

    def read_tensors(self, check: str | bool = "minimal") -> Iterator[tuple[str, int, Any, ModeKeys, int]]:
        """Name, global step, value, mode, step of the mode."""
        for head, value in self._read():
            yield head.tag, head.step, value, head.mode, head.mode_step

    def read_events(self, check: str = "minimal", regex_list: list[str] | None = None) -> list[dict[str, Any]]:
        """`timestamp` (seconds), `step`, `name` and `value` (a number as an array of one, as smdebug's hook saves it)
        of each, or of those that match an expression.
        """
        return [
            {"timestamp": head.wall_time, "step": head.step, "name": head.tag, "value": np.atleast_1d(value)}
            for head, value in self._read()
            if regex_list is None or any(re.search(one, head.tag) for one in regex_list)
        ]

    def _read(self) -> Iterator[tuple[TensorHead, np.ndarray[Any, Any]]]:
        with spoken_as_smdebug():
            for head, start, length in scan(self._files, self._name):
                yield head, read_tensor(self._files, self._name, start, length)

    def __enter__(self) -> FileReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return
