"""The lines that are added to a file while somebody else writes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import final

CHUNK_BYTES = 1 << 20


@final
class Tail:
    """The whole lines that were added to a file since the last look; the file may come later."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._rest = b""

    def lines(self) -> Iterator[str]:
        """What is new, oldest first; a line that is half written is kept for the next look."""
        while True:
            try:
                with self._path.open("rb") as stream:
                    stream.seek(self._offset)
                    chunk = stream.read(CHUNK_BYTES)
            except FileNotFoundError:
                return
            if not chunk:
                return
            self._offset += len(chunk)
            *whole, self._rest = (self._rest + chunk).split(b"\n")
            yield from (line.decode(errors="replace") for line in whole)
