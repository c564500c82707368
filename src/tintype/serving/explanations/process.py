"""`python -m tintype.serving.explanations.process FOLDER PARENT`: a picture on standard input, its explanation on
standard output as JSON, by the unpacked archive in FOLDER.

A process for each picture: whatever the decoder or the network make of hostile bytes ends with it. Confined as the
decoders are, at low priority, and it dies with PARENT.
"""

from __future__ import annotations

import base64
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

from PIL import Image

from tintype.datasets.transforms import Preprocessing
from tintype.errors import TintypeError, Unsupported
from tintype.jobs import processes
from tintype.models.archive import open_unpacked
from tintype.serving.content.predictions import Predictions
from tintype.serving.explanations.explanation import explain
from tintype.serving.workers.confinement import allow_seconds, confine

EXTRA_BYTES = 4 * 1024**3
SECONDS = 60.0
MAX_PIXELS = 50_000_000
TOP = 5
NICENESS = 10


def explained(folder: Path, content: bytes) -> dict[str, Any]:
    """{"method", "index", "label", "top", "heat", "picture"}: the heat in rows, 0 to 1; the picture a PNG in base64.

    Raises `Unsupported` for an archive without an ONNX file, `BadImage` and its kind for a picture that is none.
    """
    archive = open_unpacked(folder)
    if archive.onnx is None:
        raise Unsupported("this model has no ONNX file, so it cannot be told where it looks; train it again")
    preprocessing = Preprocessing.from_json(archive.description.preprocessing)
    rgb = preprocessing.decode(content, MAX_PIXELS)
    found = explain(archive, preprocessing.normalise(rgb[None]))
    ranked = Predictions(archive.description.classes, found.logits[None]).top(TOP)[0]
    return {
        "method": found.method,
        "index": found.index,
        "label": archive.description.classes[found.index],
        "top": [one.to_json() for one in ranked],
        "heat": [[round(float(value), 4) for value in row] for row in found.heat],
        "picture": _png(rgb),
    }


def _png(rgb: Any) -> str:
    stream = io.BytesIO()
    Image.fromarray(rgb).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def main(arguments: list[str]) -> int:
    """The exit code: 0, or 2 with {"type", "message"} on standard output."""
    folder, parent = Path(arguments[0]), int(arguments[1])
    processes.die_with(parent)
    os.nice(NICENESS)
    content = sys.stdin.buffer.read()
    confine(EXTRA_BYTES)
    allow_seconds(SECONDS)
    try:
        print(json.dumps(explained(folder, content)))
    except TintypeError as error:
        print(json.dumps({"type": type(error).__name__, "message": str(error)}))
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
