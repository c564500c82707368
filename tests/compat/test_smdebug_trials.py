"""smdebug's questions to a log, its answers, and its exceptions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from smdebug import exceptions, modes
from smdebug.analysis.utils import no_refresh
from smdebug.core.tensor import StepState
from smdebug.core.writer import FileWriter
from smdebug.trials import LocalTrial, Trial, create_trial
from smdebug.trials import trial as trial_module

from tintype.debugger.collection import BUILT_IN
from tintype.debugger.log_writer import TensorLogWriter
from tintype.debugger.tensor_log import open_log


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial_module, "POLL_SECONDS", 0.01)


@pytest.fixture
def writer(tmp_path: Path) -> TensorLogWriter:
    """Training steps 0, 2, 4 as global 0, 2, 4; evaluation steps 0, 1 as global 5, 6; not ended."""
    writer = TensorLogWriter(tmp_path)
    for step in (0, 2, 4):
        with writer.step(step, modes.TRAIN, step) as record:
            record.add("loss_output_0", np.float32(step))
            record.add("weight", np.full((2, 3), step, np.float32))
            record.add_reduction("gradient/weight", "l2", step)
    for step in (0, 1):
        with writer.step(5 + step, modes.EVAL, step) as record:
            record.add("loss_output_0", np.float32(-step))
    writer.write_collections(BUILT_IN.values())
    return writer


@pytest.fixture
def trial(writer: TensorLogWriter) -> Trial:
    return create_trial(f"  {writer.files.location} ")


def test_steps_and_names(trial: Trial) -> None:
    assert trial.steps() == [0, 2, 4, 5, 6]
    assert trial.steps(mode=modes.TRAIN) == [0, 2, 4]
    assert set(trial.modes()) == {modes.TRAIN, modes.EVAL}
    assert trial.tensor_names() == ["gradient/weight", "loss_output_0", "weight"]
    assert trial.tensor_names(mode=modes.EVAL) == ["loss_output_0"]
    assert trial.tensor_names(step=1, mode=modes.EVAL) == ["loss_output_0"]
    assert trial.tensor_names(regex=["^w", "loss"]) == ["loss_output_0", "weight"]
    assert trial.tensor_names(collection="losses") == ["loss_output_0"]
    assert trial.tensor_names(regex="nothing") == []
    with pytest.raises(ValueError, match="Only one"):
        trial.tensor_names(regex="a", collection="losses")
    assert (trial.mode(5), trial.mode_step(5), trial.mode_modestep(99)) == (modes.EVAL, 0, (None, None))
    assert (trial.global_step(modes.EVAL, 1), trial.global_step(modes.EVAL, 9)) == (6, None)
    assert trial.workers() == ["worker_0"]
    assert "losses" in trial.collections()
    assert "path=" in repr(trial)


def test_tensors(trial: Trial) -> None:
    loss = trial.tensor("loss_output_0")
    assert loss.steps(mode=modes.EVAL) == [0, 1]
    assert loss.value(1, mode=modes.EVAL) == -1
    assert {step: value.item() for step, value in loss.values(mode=modes.TRAIN).items()} == {0: 0, 2: 2, 4: 4}
    assert trial.tensor("weight").shape(2) == (2, 3)
    assert trial.tensor("weight").prev_steps(4, 2) == [2, 4]
    assert trial.tensor("weight").prev_steps(3) == [0, 2]
    assert trial.tensor("weight").reduction_value(4, "mean", abs=True) == 4
    assert trial.tensor("gradient/weight").reduction_values(4) == {("l2", False): 4}
    assert trial.tensor("weight").workers(0) == ["worker_0"]
    assert trial.has_tensor("weight")
    assert not trial.has_tensor("other")


def test_exceptions(trial: Trial, writer: TensorLogWriter) -> None:
    with pytest.raises(exceptions.TensorUnavailable, match="Tensor other was not saved"):
        trial.tensor("other")
    weight = trial.tensor("weight")
    with pytest.raises(exceptions.StepUnavailable, match="Step 3 of mode GLOBAL is not available"):
        weight.value(3)
    with pytest.raises(exceptions.StepNotYetAvailable, match="Step 99 of mode GLOBAL not yet"):
        weight.value(99)
    with pytest.raises(exceptions.TensorUnavailableForStep, match="not available for step 5"):
        weight.value(5)
    with pytest.raises(exceptions.TensorUnavailableForStep, match="has reductions saved"):
        trial.tensor("gradient/weight").value(2)
    with pytest.raises(exceptions.ShapeUnavailableForStep):
        trial.tensor("gradient/weight").shape(2)
    with pytest.raises(exceptions.InvalidWorker):
        weight.value(0, worker="worker_9")
    with pytest.raises(exceptions.SMDebugValueError, match="Invalid reduction type median"):
        weight.reduction_value(0, "median")
    writer.end()
    with pytest.raises(exceptions.StepUnavailable):
        weight.value(99)
    assert trial.loaded_all_steps


def test_states_of_steps(trial: Trial, writer: TensorLogWriter) -> None:
    assert trial.has_passed_step(2) is StepState.AVAILABLE
    assert trial.has_passed_step(3) is StepState.UNAVAILABLE
    assert trial.has_passed_step(7) is StepState.NOT_YET_AVAILABLE
    assert trial.has_passed_step(2, modes.EVAL) is StepState.NOT_YET_AVAILABLE
    trial.wait_for_steps([0, 2])
    with pytest.raises(exceptions.StepUnavailable):
        trial.wait_for_steps([1])
    writer.end()
    assert trial.has_passed_step(7) is StepState.UNAVAILABLE
    with pytest.raises(exceptions.NoMoreData, match="Max step available is 6"):
        trial.wait_for_steps([7])


def test_new_steps_are_seen_unless_nobody_wants_them(trial: Trial, writer: TensorLogWriter) -> None:
    with writer.step(7, modes.EVAL, 2) as record:
        record.add("loss_output_0", np.float32(7))
    with no_refresh([trial]):
        assert trial.steps()[-1] == 6
    assert trial.steps()[-1] == 7
    assert trial.tensor("loss_output_0").value(7) == 7


def test_a_range_of_steps(writer: TensorLogWriter) -> None:
    trial = LocalTrial("part", writer.files.location, range_steps=(2, 6), cache=True)
    assert trial.steps() == [2, 4, 5]
    assert trial.tensor("loss_output_0").steps(mode=modes.EVAL) == [0]
    assert list(trial.tensor("loss_output_0").values()) == [2, 4, 5]
    assert trial.tensor("weight").value(2) is trial.tensor("weight").value(2)
    with pytest.raises(exceptions.SMDebugValueError):
        LocalTrial("wrong", writer.files.location, range_steps=(5, 5))


def test_a_log_that_is_open_already(writer: TensorLogWriter) -> None:
    assert Trial("open", open_log(writer.files.location)).steps() == [0, 2, 4, 5, 6]


def test_without_collections_it_waits_and_then_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial_module, "MOST_POLLS", 12)
    with pytest.raises(exceptions.MissingCollectionFiles, match="No collections file appeared"):
        create_trial(str(tmp_path / "nothing"))
    (tmp_path / "training_job_end.ts").touch()
    with pytest.raises(exceptions.MissingCollectionFiles, match="Training job has ended"):
        create_trial(str(tmp_path))


def test_writing_by_hand(tmp_path: Path) -> None:
    with FileWriter(str(tmp_path), worker="algo-1", step=3) as hand:
        hand.write_tensor(tdata=[1.0, 2.0], tname="x", mode=modes.TRAIN, mode_step=1)
    log = open_log(tmp_path)
    assert log.value("x", 1, modes.TRAIN).tolist() == [1, 2]
    assert log.workers == ("algo-1",)
