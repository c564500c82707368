from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.training.small_jobs import PlanMaker, Ran, run
from tintype.models import archive
from tintype.models.archive import Archive, open_archive
from tintype.serving.runtimes.predictor import Predictor
from tintype.training import served_precision
from tintype.training.served_precision import expected_drop

FAST = frozenset({"avx512_vnni"})


@pytest.fixture(autouse=True)
def _a_processor_with_integers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served_precision, "cpu_flags", lambda: FAST)


def packed(ran: Ran, directory: Path) -> Archive:
    return open_archive(ran.plan.directory / "model.tar.gz", directory / "model")


def logits(count: int, classes: int, spread: float = 3.0) -> Tensor:
    return torch.randn(count, classes, generator=torch.Generator().manual_seed(1)) * spread


def test_an_archive_has_integers_and_what_they_cost(
    make_plan: PlanMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served_precision, "LEAST_ANSWERABLE", 1)
    ran = run(make_plan({"epochs": 4}, save="archive"))
    found = packed(ran, tmp_path)
    record = found.description.precision
    assert record is not None
    assert record.reason == ""
    assert found.integers is not None
    valid = ran.ended.metrics["valid"]
    assert valid is not None
    assert record.fp32_accuracy == pytest.approx(valid["accuracy"])     # all validation images, in floats
    assert record.images == len(np.load(ran.plan.directory / "output/data/predictions-valid.npz")["labels"])
    assert 0 < record.calibrated_on <= served_precision.CALIBRATION_IMAGES
    assert record.int8_accuracy is not None
    assert record.expected_drop is not None
    assert record.expected_drop >= 0
    assert record.int8_milliseconds
    assert record.fp32_milliseconds
    assert record.blocks is not None                        # it takes pixels
    assert "quantise" in ran.ended.phases


def test_the_integers_are_served_as_they_were_judged(
    make_plan: PlanMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served_precision, "LEAST_ANSWERABLE", 1)
    ran = run(make_plan({"epochs": 4}, save="archive"))
    found = packed(ran, tmp_path)
    predictions = np.load(ran.plan.directory / "output/data/predictions-valid.npz")
    from tintype.datasets.folder import open_dataset

    dataset = open_dataset(ran.plan.data.location, workdir=ran.plan.data_workdir)
    contents = [dataset.file(int(index)).read_bytes() for index in predictions["indices"]]
    record = found.description.precision
    assert record is not None
    for runtime, accuracy in (("int8", record.int8_accuracy), ("fp32", record.fp32_accuracy)):
        served = Predictor.open(found.directory, tmp_path / "none", runtime=runtime, threads=1).predict(contents)
        right = served.logits.argmax(axis=1) == predictions["labels"]
        assert right.mean() == pytest.approx(accuracy)


@pytest.mark.parametrize("caution", [0.0, served_precision.CAUTION, 1e9])
def test_floats_are_judged_as_float32_even_when_training_computed_in_halves(
    make_plan: PlanMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caution: float
) -> None:
    monkeypatch.setattr(served_precision, "LEAST_ANSWERABLE", 1)
    monkeypatch.setattr(served_precision, "SAMPLED_IMAGES", 3)
    monkeypatch.setattr(served_precision, "CAUTION", caution)
    found: dict[str, list[np.ndarray]] = {"judged": []}

    def in_floats(session, content, evaluation, positions, real=served_precision.in_floats):
        answers = real(session, content, evaluation, positions)
        found["all"] = [real_run(session, content, evaluation, positions).logits.numpy()]
        found["known"] = [answers.logits.numpy()]
        return answers

    def count(session, content, evaluation, positions, blocks=None):
        found["judged"].append(positions)
        return real_run(session, content, evaluation, positions, blocks)

    real_run = served_precision.run
    monkeypatch.setattr(served_precision, "run", count)
    monkeypatch.setattr(served_precision, "in_floats", in_floats)
    from tintype.training import device

    monkeypatch.setattr(device, "cpu_flags", lambda: frozenset({"avx512_bf16"}))        # emulated where it is not true
    record = packed(run(make_plan(save="archive")), tmp_path).description.precision
    assert record is not None
    integers, sample, *rest = found["judged"]
    assert (len(integers), len(sample)) == (record.images, 3)
    (exact,), (answers,) = found["all"], found["known"]
    assert (answers.argmax(1) == exact.argmax(1)).all()
    asked = np.isin(integers, np.concatenate([sample, *rest]))
    np.testing.assert_allclose(answers[asked], exact[asked], rtol=1e-4, atol=1e-5)
    assert asked.sum() == {0.0: 3, 1e9: record.images}.get(caution, asked.sum())


def test_an_answer_is_in_doubt_when_the_disturbance_could_turn_it() -> None:
    known = torch.tensor([[3.0, 1.0, 0.0], [0.0, 1.0, 1.9], [1.0, 1.0, -5.0], [9.0, 8.5, 8.4]])
    assert served_precision.CAUTION == 2
    assert served_precision.doubtful(known, 0.2).tolist() == [2, 3]
    assert served_precision.doubtful(known, 0.0).tolist() == [2]
    assert served_precision.doubtful(known, float("nan")).tolist() == [0, 1, 2, 3]
    assert served_precision.doubtful(torch.zeros(4, 1), 1.0).tolist() == []


@pytest.mark.parametrize("case", ["few images", "no instructions", "no convolutions"])
def test_without_integers_the_archive_says_why(
    make_plan: PlanMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    if case == "few images":
        monkeypatch.setattr(served_precision, "LEAST_ANSWERABLE", 10_000)
        reason = "validation images are too few"
    elif case == "no instructions":
        monkeypatch.setattr(served_precision, "cpu_flags", lambda: frozenset({"avx2"}))
        reason = "has no instructions for 8-bit integers"
    else:
        monkeypatch.setattr(served_precision, "LEAST_ANSWERABLE", 1)
        reason = "no convolutions"

        def refuse(*_: object) -> bytes:
            raise served_precision.Unsupported("the network has no convolutions; integers would not make it faster")

        monkeypatch.setattr(served_precision, "quantise", refuse)
    found = packed(run(make_plan({"epochs": 1}, save="archive")), tmp_path)
    assert found.description.precision is not None
    assert reason in found.description.precision.reason
    assert found.integers is None
    assert archive.INTEGERS not in found.description.files
    assert Predictor.open(found.directory, tmp_path / "none", threads=1).choice is not None


def test_a_trial_that_is_not_packed_makes_none(make_plan: PlanMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("integers were made for a trial")

    monkeypatch.setattr(served_precision, "add_integers", fail)
    assert run(make_plan({"epochs": 1}, save="best")).result is not None


def test_the_expected_drop_is_that_of_many_images() -> None:
    """Against counting: labels drawn from the probabilities, and a disturbance drawn anew."""
    exact = logits(200_000, 5)
    generator = torch.Generator().manual_seed(2)
    found = exact + 0.3 * torch.randn(exact.shape, generator=generator)
    labels = torch.multinomial(exact.softmax(dim=1), 1, generator=generator).squeeze(1)
    counted = (exact.argmax(1) == labels).double().mean() - (found.argmax(1) == labels).double().mean()
    assert expected_drop(exact, found) == pytest.approx(float(counted), abs=0.001)
    assert float(counted) > 0.001
    few = slice(0, 60)                                                  # where counting sees steps of 1.7 points
    assert expected_drop(exact[few], found[few]) == pytest.approx(float(counted), abs=0.003)


def test_no_disturbance_is_no_drop() -> None:
    exact = logits(50, 3)
    assert expected_drop(exact, exact) == 0
    assert expected_drop(exact, exact + 7.0) == 0                       # all logits alike: no answer changes


def test_calibration_sees_few_images_evenly_spread() -> None:
    assert served_precision._evenly(5, 32).tolist() == [0, 1, 2, 3, 4]
    spread = served_precision._evenly(1000, 32)
    assert (len(spread), spread[0], spread[-1]) == (32, 0, 999)
    assert len(served_precision._evenly(0, 32)) == 0
