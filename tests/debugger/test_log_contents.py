"""What a log says of a step without opening its tensors: the order in which it was written, and when."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tintype.debugger.log_writer import TensorLogWriter
from tintype.debugger.modes import Mode
from tintype.debugger.tensor_log import open_log


def test_contents_and_time_of_a_step(tmp_path: Path) -> None:
    writer = TensorLogWriter(tmp_path, clock=lambda: 1234.5)
    with writer.step(3, Mode.TRAIN, 3) as record:
        record.add("z", np.ones(2, np.float32))
        record.add_reduction("a", "mean", 1.0, absolute=True)
        record.add_shape("b", (2, 3))
    log = open_log(tmp_path)
    assert log.contents(3) == [("z", "", False), ("a", "mean", True), ("b", "shape", False)]
    assert log.contents(4) == []
    assert log.time_of(3) == 1234.5
    assert log.time_of(4) is None
