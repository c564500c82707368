"""Questions to a log, and how it follows a training that writes."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from tests.debugger.test_log_writer import write_losses
from tintype.debugger.collection import BUILT_IN, Collection
from tintype.debugger.log_writer import TensorLogWriter
from tintype.debugger.modes import Mode
from tintype.debugger.tensor_log import TensorLog, open_log
from tintype.errors import InvalidRequest, NotFound

TRAIN, EVAL = Mode.TRAIN, Mode.EVAL
WEIGHT = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.fixture
def log(tmp_path: Path) -> TensorLog:
    """Three steps of training, two of evaluation, one more of training; weights whole or reduced."""
    writer = TensorLogWriter(tmp_path, clock=lambda: 0.0)
    moments = [(TRAIN, 0), (TRAIN, 1), (TRAIN, 2), (EVAL, 0), (EVAL, 1), (TRAIN, 3)]
    for step, (mode, mode_step) in enumerate(moments):
        with writer.step(step, mode, mode_step) as record:
            record.add("CrossEntropyLoss_output_0", np.float32(10 - step))
            if mode is TRAIN and mode_step % 2 == 0:
                record.add("Net_fc.weight", WEIGHT * step)
            if mode is TRAIN:
                record.add_reduction("gradient/Net_fc.weight", "l2", step / 2)
                record.add_reduction("gradient/Net_fc.weight", "mean", -step, absolute=True)
                record.add_reduction("gradient/Net_fc.weight", "quantiles", np.arange(9.0))
    writer.write_collections([*BUILT_IN.values(), Collection("mine", tensor_names=frozenset({"Net_fc.weight"}))])
    writer.end()
    return open_log(tmp_path)


def test_steps_and_modes(log: TensorLog) -> None:
    assert log.modes() == [TRAIN, EVAL]
    assert log.steps() == [0, 1, 2, 3, 4, 5]
    assert log.steps(TRAIN) == [0, 1, 2, 3]
    assert log.steps(EVAL) == [0, 1]
    assert log.steps(Mode.PREDICT) == []
    assert log.mode_step(5) == (TRAIN, 3)
    assert log.global_step(EVAL, 1) == 4
    assert log.global_step(EVAL, 2) is None
    assert log.steps_of("Net_fc.weight", TRAIN) == [0, 2]
    assert log.steps_of("gradient/Net_fc.weight") == [0, 1, 2, 5]
    with pytest.raises(NotFound, match=r"no step 9 .* there are steps 0, 1"):
        log.mode_step(9)


def test_names(log: TensorLog) -> None:
    assert log.names() == ["CrossEntropyLoss_output_0", "Net_fc.weight", "gradient/Net_fc.weight"]
    assert log.names("weight$") == ["Net_fc.weight", "gradient/Net_fc.weight"]
    assert log.names(["^Net", "Loss"]) == ["CrossEntropyLoss_output_0", "Net_fc.weight"]
    assert log.names(collection="gradients") == ["gradient/Net_fc.weight"]
    assert log.names("x", collection="mine") == []
    assert log.names(mode=EVAL) == ["CrossEntropyLoss_output_0"]
    assert log.names(mode=TRAIN, step=1) == ["CrossEntropyLoss_output_0", "gradient/Net_fc.weight"]
    assert log.names(step=77) == []
    with pytest.raises(NotFound, match="did you mean 'losses'"):
        log.names(collection="loss")
    with pytest.raises(InvalidRequest, match="not a regular expression"):
        log.names("(")


def test_values(log: TensorLog) -> None:
    np.testing.assert_array_equal(log.value("Net_fc.weight", 2), WEIGHT * 2)
    assert log.value("CrossEntropyLoss_output_0", 1, EVAL) == 6
    assert log.value("CrossEntropyLoss_output_0", 1, EVAL).dtype == np.float32
    assert {step: value.item() for step, value in log.values("CrossEntropyLoss_output_0", EVAL).items()} == {0: 7, 1: 6}
    steps, values = log.series("CrossEntropyLoss_output_0", TRAIN)
    assert (steps.tolist(), values.tolist()) == ([0, 1, 2, 3], [10, 9, 8, 5])
    assert list(log.values("Net_fc.weight")) == [0, 2]


def test_what_is_not_there_is_said(log: TensorLog) -> None:
    with pytest.raises(NotFound, match=r"did you mean 'Net_fc.weight'"):
        log.value("Net_fc.weigth", 0)
    with pytest.raises(NotFound, match=r"not saved at step 1; there are steps 0, 2"):
        log.value("Net_fc.weight", 1)
    with pytest.raises(NotFound, match=r"not saved at step 7 of EVAL; there are steps 0, 1"):
        log.value("CrossEntropyLoss_output_0", 7, EVAL)
    with pytest.raises(NotFound, match=r"not saved whole at step 0; there is l2, quantiles, abs_mean"):
        log.value("gradient/Net_fc.weight", 0)
    with pytest.raises(NotFound, match="no worker named 'worker_7'"):
        log.value("Net_fc.weight", 0, worker="worker_7")


def test_reductions(log: TensorLog) -> None:
    name = "gradient/Net_fc.weight"
    assert log.reduction(name, 5, "l2") == 2.5
    assert log.reduction(name, 1, "mean", absolute=True, mode=TRAIN) == -1
    assert log.reductions(name, TRAIN) == {
        ("l2", False): {0: 0.0, 1: 0.5, 2: 1.0, 3: 2.5},
        ("mean", True): {0: 0.0, 1: -1.0, 2: -2.0, 3: -5.0},
    }
    assert log.distribution(name, 1, "quantiles").tolist() == list(range(9))
    assert list(log.distributions(name, "quantiles", TRAIN)) == [0, 1, 2, 3]
    with pytest.raises(NotFound):
        log.reduction(name, 0, "max")
    with pytest.raises(InvalidRequest, match="not a single number"):
        log.reduction(name, 0, "quantiles")
    with pytest.raises(NotFound, match="no reduction named 'avg'"):
        log.reduction(name, 0, "avg")


def test_a_reduction_that_was_not_stored_is_computed(log: TensorLog) -> None:
    assert log.reduction("Net_fc.weight", 2, "std") == pytest.approx(np.std(WEIGHT * 2, ddof=1))


def test_pandas(log: TensorLog) -> None:
    pytest.importorskip("pandas")
    frame = log.to_frame("Loss")
    assert list(frame.columns) == ["name", "mode", "step", "mode_step", "value"]
    assert frame["value"].tolist() == [10, 9, 8, 7, 6, 5]
    assert log.to_frame("Loss", EVAL)["step"].tolist() == [3, 4]


def test_an_empty_place_is_an_empty_log(tmp_path: Path) -> None:
    log = open_log(tmp_path / "nothing yet")
    assert (log.names(), log.steps(), log.modes(), log.ended, log.workers) == ([], [], [], False, ())
    assert not log.refresh()
    with pytest.raises(NotFound, match="there are none yet"):
        log.values("x")
    write_losses(tmp_path / "nothing yet", range(2))
    assert log.refresh()
    assert log.steps(TRAIN) == [0, 1]
    assert log.workers == ("worker_0",)


def test_following_a_training(tmp_path: Path) -> None:
    writer = write_losses(tmp_path, range(1500))
    log = open_log(tmp_path)
    for step in range(1500, 1510):
        with writer.step(step, TRAIN, step) as record:
            record.add("loss_output_0", np.float32(step))
        assert log.refresh()
        assert log.steps()[-1] == step
    assert not log.refresh()
    assert not log.ended
    writer.end()
    assert log.refresh()
    assert log.ended


def test_steps_are_complete_when_all_workers_wrote_them(tmp_path: Path) -> None:
    first = write_losses(tmp_path, range(4), "worker_0", 2)
    log = open_log(tmp_path)
    assert log.steps() == []
    assert log.steps(complete=False) == [0, 1, 2, 3]
    assert log.values("loss_output_0") == {}
    second = write_losses(tmp_path, range(0, 4, 2), "worker_1", 2)
    log.refresh()
    assert log.last_complete_step == 2
    assert log.steps() == [0, 1, 2]
    assert log.steps_of("loss_output_0", TRAIN) == [0, 1, 2]
    assert log.workers_of("loss_output_0", 2) == ["worker_0", "worker_1"]
    assert log.workers_of("loss_output_0", 1) == ["worker_0"]
    first.end()
    log.refresh()
    assert not log.ended            # the other one may still write
    second.end()
    log.refresh()
    assert log.ended
    assert log.steps() == [0, 1, 2, 3]


def test_the_first_worker_answers_unless_one_is_named(tmp_path: Path) -> None:
    for worker in ("worker_1", "worker_0"):
        writer = TensorLogWriter(tmp_path, worker, 2)
        with writer.step(0) as record:
            record.add("x", worker == "worker_1")
        writer.end()
    log = open_log(tmp_path)
    assert not log.value("x", 0)
    assert log.value("x", 0, worker="worker_1")
    assert log.values("x", worker="worker_1")[0]
    assert not log.values("x")[0]


def test_waiting_for_a_step(tmp_path: Path) -> None:
    writer = write_losses(tmp_path, range(2))
    log = open_log(tmp_path)
    assert log.wait(1, timeout_seconds=0)
    assert not log.wait(5, timeout_seconds=0)
    thread = threading.Timer(0.05, lambda: write_losses(tmp_path, range(2, 6, 2)))
    thread.start()
    assert log.wait(4, TRAIN, timeout_seconds=20)
    thread.join()
    assert not log.wait(3, timeout_seconds=20)      # it went past
    writer.end()
    assert not log.wait(99, timeout_seconds=20)     # it has ended


def test_a_large_tensor_is_read_into_its_place(tmp_path: Path) -> None:
    value = np.random.default_rng(0).random((512, 700))
    writer = TensorLogWriter(tmp_path)
    with writer.step(0) as record:
        record.add("before", 1)
        record.add("x", value)
        record.add("texts", np.array(["a" * 100] * 20_000))
        record.add("after", 2)
    log = open_log(tmp_path)
    back = log.value("x", 0)
    np.testing.assert_array_equal(back, value)
    assert back.flags.writeable
    assert back.flags.aligned
    assert log.value("texts", 0).shape == (20_000,)
    assert log.value("after", 0) == 2
