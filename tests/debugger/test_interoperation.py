"""Both ways with real smdebug 1.0.34: it reads what we write, we read what it writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.debugger import real_smdebug
from tintype.debugger import compat_path
from tintype.debugger.collection import BUILT_IN, Collection
from tintype.debugger.dtypes import CODES
from tintype.debugger.log_writer import TensorLogWriter
from tintype.debugger.modes import Mode
from tintype.debugger.reductions import Reductions, reduce
from tintype.debugger.save_config import SaveConfig, SaveWindow
from tintype.debugger.tensor_log import open_log

pytestmark = [pytest.mark.slow, pytest.mark.interoperation]

UNREAD_BY_SMDEBUG = {"complex64", "int16", "uint16", "uint32", "uint64"}     # of those that it writes itself
WEIGHT = np.linspace(-1, 1, 40, dtype=np.float32).reshape(5, 8)


@pytest.fixture(scope="module")
def smdebug() -> Callable[..., str]:
    """Runs a script beside real smdebug; without it the tests are skipped, saying why."""
    try:
        real_smdebug.environment()
    except real_smdebug.Unavailable as reason:
        pytest.skip(str(reason))
    return real_smdebug.run


@pytest.fixture(scope="module")
def seen(smdebug: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What real smdebug sees in a log of ours."""
    root = tmp_path_factory.mktemp("ours") / "log"
    writer = TensorLogWriter(root)
    moments = [(Mode.TRAIN, 0), (Mode.TRAIN, 1), (Mode.EVAL, 0), (Mode.TRAIN, 2)]
    for number, (mode, mode_step) in enumerate(moments):
        with writer.step(number * 1000, mode, mode_step) as record:
            record.add("CrossEntropyLoss_output_0", np.float32(number))
            record.add("Net_fc.weight", WEIGHT * number)
            record.add_shape("Net_fc.weight", WEIGHT.shape)
            record.add_shape("alone", (3, 4))
            for op, absolute in (("mean", False), ("l2", False), ("max", True), ("zeros", False), ("quantiles", True)):
                reduced = reduce(WEIGHT, op, absolute=absolute).astype(np.float32)
                record.add_reduction("Net_fc.weight", op, reduced, absolute=absolute)
            record.add_reduction("gradient/Net_fc.weight", "std", 0.25)
            record.add("texts", np.array(["a", "bücher"]))
            record.add("large", np.arange(1 << 16, dtype=np.float64))
            record.add("strange", np.array([np.nan, np.inf, -np.inf]))
            for name in CODES:
                record.add(f"typed/{name}", np.arange(3).astype(name))
    kept = Reductions.parse("mean,abs_max,l2_norm,zeros", keep_raw=True)
    mine = Collection("mine", ("weight$",), frozenset({"texts"}), kept, SaveConfig(train=SaveWindow(7, 1, 90, (3,))))
    shapes = Collection("shapes", tensor_names=frozenset({"alone"}), include_regex=("^alone$",))
    writer.write_collections([*BUILT_IN.values(), mine, shapes])
    writer.end()
    return json.loads(smdebug("read_log.py", root))


def test_smdebug_sees_our_names_and_steps(seen: dict[str, Any]) -> None:
    assert seen["names"] == sorted(
        ["CrossEntropyLoss_output_0", "Net_fc.weight", "alone", "gradient/Net_fc.weight", "large", "strange", "texts"]
        + [f"typed/{name}" for name in CODES]
    )
    assert seen["steps"] == {"TRAIN": [0, 1, 2], "EVAL": [0], "PREDICT": [], "GLOBAL": [0, 1000, 2000, 3000]}
    assert seen["modes"] == ["EVAL", "TRAIN"]
    assert seen["workers"] == ["worker_0"]


def test_smdebug_reads_our_values(seen: dict[str, Any]) -> None:
    values = seen["values"]
    losses = {str(step): ["float32", [], value] for step, value in ((0, 0.0), (1, 1.0), (2, 3.0))}
    assert values["CrossEntropyLoss_output_0"] == losses
    assert values["Net_fc.weight"]["2"] == ["float32", [5, 8], (WEIGHT * 3).tolist()]
    assert values["texts"]["0"][2] == ["a", "bücher"]
    assert values["large"]["1"][2] == list(range(1 << 16))
    assert str(values["strange"]["0"][2]) == "[nan, inf, -inf]"
    for name in CODES:
        read = values[f"typed/{name}"]["0"]
        expected = np.arange(3).astype(name).tolist()
        spelt = [repr(one) for one in expected] if name == "complex128" else expected
        assert len(read) == 1 if name in UNREAD_BY_SMDEBUG else read[2] == spelt


def test_smdebug_reads_our_reductions_and_shapes(seen: dict[str, Any]) -> None:
    mean, spectrum, most = (float(np.float32(reduce(WEIGHT, op, absolute=op == "max"))) for op in ("mean", "l2", "max"))
    assert seen["reductions"]["Net_fc.weight"]["0"] == {"mean": mean, "l2": spectrum, "abs_max": most}
    assert seen["reductions"]["gradient/Net_fc.weight"]["1000"] == {"std": 0.25}
    assert seen["shapes"] == {"alone": [3, 4]}


def test_smdebug_reads_our_collections(seen: dict[str, Any]) -> None:
    assert set(seen["collections"]) == {*BUILT_IN, "mine", "shapes"}
    names, expressions, reduced, saved = seen["collections"]["mine"]
    assert names == ["Net_fc.weight", "gradient/Net_fc.weight", "texts"]
    assert expressions == ["weight$"]
    assert reduced == {"save_raw_tensor": True, "reductions": "mean,l2_norm,abs_max", "save_shape": False}
    assert saved["TRAIN"] == {"save_interval": 7, "save_steps": [3], "start_step": 1, "end_step": 90}
    assert seen["collections"]["losses"][0] == ["CrossEntropyLoss_output_0"]


def test_we_read_what_smdebugs_writer_writes(smdebug: Callable[..., str], tmp_path: Path) -> None:
    smdebug("write_log.py", tmp_path / "log")
    log = open_log(tmp_path / "log")
    assert log.problems == {}
    assert log.ended
    assert (log.workers, log.expected_workers) == (("worker_0", "worker_1"), 2)
    assert log.steps() == [1, 501, 1001, 1501, 2001]
    assert (log.steps(Mode.TRAIN), log.steps(Mode.EVAL)) == ([0, 2, 3, 4], [1])
    for name in CODES:
        for number, worker in enumerate(log.workers):
            value = log.value(f"typed/{name}", 3, Mode.TRAIN, worker)
            assert value.dtype == name
            np.testing.assert_array_equal(value, (np.arange(6).reshape(2, 3) % 2 + number).astype(name))
    assert log.series("loss_output_0", Mode.TRAIN)[1].tolist() == [1, 1001, 1501, 2001]
    assert log.value("texts", 1).tolist() == ["a", "bücher"]
    assert log.value("empty", 1).shape == (0, 4)
    assert log.reductions("w:0") == {("mean", True): dict.fromkeys(log.steps(), 0.5)}
    assert log.shape("shape_alone", 501) == (3, 4)
    losses, small = log.collections["losses"], log.collections["small"]
    assert losses.tensor_names == {"loss_output_0"}
    assert losses.save_config == SaveConfig.same(SaveWindow(7, end=100))
    assert small.reductions == Reductions.parse("min,l1_norm,abs_max,abs_l2_norm", keep_shape=True)


def test_we_read_what_smdebugs_hook_writes(smdebug: Callable[..., str], tmp_path: Path) -> None:
    smdebug("train.py", tmp_path / "log")
    log = open_log(tmp_path / "log")
    assert log.problems == {}
    assert log.names("^(0|Sequential|gradient|Cross|scalar)") == [
        "0_input_0", "0_output_0", "CrossEntropyLoss_input_0", "CrossEntropyLoss_input_1", "CrossEntropyLoss_output_0",
        "Sequential_0.bias", "Sequential_0.weight", "Sequential_2.bias", "Sequential_2.weight", "Sequential_input_0",
        "Sequential_output_0", "gradient/Sequential_0.bias", "gradient/Sequential_0.weight",
        "gradient/Sequential_2.bias", "gradient/Sequential_2.weight", "scalar/rate",
    ]  # fmt: skip
    assert (log.steps(Mode.TRAIN), log.steps(Mode.EVAL)) == ([0, 2, 4], [0, 2])
    assert log.names(collection="losses") == ["CrossEntropyLoss_output_0"]
    name = "Sequential_0.weight"
    for (op, absolute), history in log.reductions(name).items():
        for step, stored in history.items():        # our definitions are those that its hook computes with torch
            ours = reduce(log.value(name, step), op, absolute=absolute).item()
            assert stored == pytest.approx(ours, rel=1e-4, abs=1e-6)
    assert len(log.reductions(name)) == 11


def test_our_hook_and_smdebugs_save_the_same(smdebug: Callable[..., str], tmp_path: Path) -> None:
    """The same script, once with each: the same names, steps, values, reductions and members of collections.

    But for scalars: smdebug keeps them until a step that is saved anyway, and then under its number.
    """
    smdebug("train.py", tmp_path / "theirs")
    command = [sys.executable, str(real_smdebug.SCRIPTS / "train.py"), str(tmp_path / "ours")]
    path = {"PYTHONPATH": str(compat_path()), "OMP_NUM_THREADS": "1"}
    subprocess.run(command, env={**os.environ, **path}, check=True, timeout=200, capture_output=True)
    ours, theirs = open_log(tmp_path / "ours"), open_log(tmp_path / "theirs")
    assert ours.names() == theirs.names()
    assert ours.steps_of("scalar/rate", Mode.TRAIN) == [0, 1, 2, 3, 4]
    for name in theirs.names("^(?!scalar/)"):
        assert ours.steps_of(name, Mode.EVAL) == theirs.steps_of(name, Mode.EVAL), name
        assert ours.steps_of(name) == theirs.steps_of(name), name
        for step, value in theirs.values(name).items():
            np.testing.assert_allclose(ours.value(name, step).reshape(value.shape), value, rtol=1e-5, atol=1e-7)
        stored = theirs.reductions(name)
        assert ours.reductions(name).keys() == stored.keys()
        for operation, history in stored.items():
            assert ours.reductions(name)[operation] == pytest.approx(history, rel=1e-4, abs=1e-6, nan_ok=True)
    for name in ("weights", "biases", "gradients", "losses"):
        assert ours.collections[name].tensor_names == theirs.collections[name].tensor_names
    seen = json.loads(smdebug("read_log.py", tmp_path / "ours"))
    assert seen["names"] == theirs.names()
