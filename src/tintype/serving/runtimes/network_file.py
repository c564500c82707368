"""Which of an archive's ONNX files a runtime runs, and whether it is the one that the description describes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, final

from tintype.errors import BadArchive
from tintype.models import pixel_blocks
from tintype.models.archive import Archive
from tintype.models.network_input import NORMALISED, OUTPUT
from tintype.serving.runtimes.precision import Precision


@final
@dataclass(frozen=True)
class NetworkFile:
    """An ONNX file, and the name of its input, which is that of a layout (`models.network_input`)."""

    path: Path
    input: str

    @classmethod
    def of(cls, archive: Archive, precision: Precision) -> Self:
        """The one for such numbers. Raises `BadArchive` when the archive has none."""
        path = archive.integers if precision == "int8" else archive.onnx
        if path is None:
            raise BadArchive(f"the archive has no ONNX file for {precision}; train or export it again")
        return cls(path, pixel_blocks.INPUT if precision == "int8" and archive.blocks else NORMALISED)

    def check(self, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        """Raise `BadArchive` unless these are the names that the network has to have."""
        if (list(inputs), list(outputs)) != ([self.input], [OUTPUT]):
            found = f"inputs {', '.join(inputs)} and outputs {', '.join(outputs)}"
            raise BadArchive(f"{self.path.name} has {found}, expected {self.input} and {OUTPUT}; export it again")
