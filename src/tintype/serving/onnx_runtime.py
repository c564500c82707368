"""ONNX Runtime on the processor: no torch, ready in a fraction of a second."""

from __future__ import annotations

from typing import final

import numpy as np
import onnxruntime

from tintype.errors import BadArchive
from tintype.models.archive import Archive

INPUT = "images"
OUTPUT = "logits"
ERRORS_ONLY = 3             # ONNX Runtime's log severity


@final
class OnnxRuntime:
    """An ONNX Runtime session."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session

    def logits(self, images: np.ndarray) -> np.ndarray:
        """float32 (n, 3, size, size), normalised, to float32 (n, classes)."""
        (answer,) = self._session.run([OUTPUT], {INPUT: images})
        return np.asarray(answer)


def open_onnx(archive: Archive, threads: int) -> OnnxRuntime | None:
    """Load the archive's ONNX file; None when it has none. `threads` 0 means one per core."""
    path = archive.onnx
    if path is None:
        return None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = ERRORS_ONLY
    # Its threads wait for work by spinning. Between two requests that would take the cores from the decoders.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:      # ONNX Runtime's errors share no base class of their own
        raise BadArchive(f"{path.name} cannot be loaded: {_first_line(error)}; train or export it again") from error
    names = [one.name for one in session.get_inputs()], [one.name for one in session.get_outputs()]
    if names != ([INPUT], [OUTPUT]):
        raise BadArchive(f"{path.name} has inputs and outputs {names}; expected {INPUT!r} and {OUTPUT!r}")
    return OnnxRuntime(session)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
