from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.training.integer_machine import pretend
from tests.training.small_jobs import PlanMaker, Ran, are_equal, best_weights, run
from tintype.models import networks
from tintype.models.archive import open_archive
from tintype.models.weights import restore
from tintype.settings import Settings
from tintype.training.events import Epoch, Event, Note, Phase, TrainingResult
from tintype.training.features import PHASE
from tintype.training.plan import TrainingPlan
from tintype.training.session import Host, open_session
from tintype.training.stop import Patience, Stop
from tintype.training.trainer import train, train_network

FROZEN: dict[str, Any] = {"freeze": "backbone", "augmentation": "flip", "epochs": 3, "lr": 0.01}


def run_whole(plan: TrainingPlan) -> Ran:
    """The same job with images through the whole network in every epoch."""
    ran = Ran(plan)
    ran.result = train_network(open_session(plan, ran.events.append, Host()), resume=False)
    return ran


def phases(ran: Ran) -> list[str]:
    return [event.name for event in ran.events if isinstance(event, Phase)]


@pytest.mark.parametrize(
    "hyperparameters",
    [
        {},
        {"augmentation": "none"},
        {"optimizer": "sgd", "schedule": "cosine", "warmup-epochs": 1, "lr": 0.1},
        {"optimizer": "adam", "eps": 1e-4, "schedule": "step", "label-smoothing": 0.1},
        {"class-weights": "weights", "clip-norm": 0.01},
        {"class-weights": "sampling", "ema": 0.9},
        {"drop-rate": 0.5},
        {"accumulate": 2, "batch-size": 3},
    ],
    ids=lambda changed: " ".join(map(str, changed)) or "as it is",
)
def test_the_head_ends_as_it_would_in_the_whole_network(make_plan: PlanMaker, hyperparameters: dict[str, Any]) -> None:
    quick = run(make_plan(FROZEN | hyperparameters))
    whole = run_whole(make_plan(FROZEN | hyperparameters))
    assert PHASE not in phases(whole)
    assert len(quick.epochs) == len(whole.epochs) == 3
    for one, other in zip(quick.epochs, whole.epochs, strict=True):
        assert one.metrics == pytest.approx(other.metrics, rel=1e-3, abs=1e-5)
    assert quick.ended.best_epoch == whole.ended.best_epoch
    for split in ("valid", "test"):
        assert quick.ended.metrics[split] == pytest.approx(whole.ended.metrics[split], rel=1e-3, abs=1e-5)
    expected = best_weights(whole.plan)
    for name, tensor in best_weights(quick.plan).items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-3, atol=1e-5)


def test_a_network_of_the_zoo(make_plan: PlanMaker) -> None:
    chosen = FROZEN | {"model": "resnet10t", "image-size": 64, "epochs": 1}
    quick, whole = run(make_plan(chosen)), run_whole(make_plan(chosen))
    assert quick.epochs[0].metrics == pytest.approx(whole.epochs[0].metrics, rel=1e-3, abs=1e-5)
    assert set(best_weights(quick.plan)) == {"fc.weight", "fc.bias"}


def test_it_writes_what_every_job_writes_but_no_backbone(make_plan: PlanMaker) -> None:
    quick, whole = run(make_plan(FROZEN)), run_whole(make_plan(FROZEN))
    for name in ("history.json", "evaluation.json"):
        assert shape(quick.output(name)) == shape(whole.output(name))
    assert files(quick.plan.directory) == files(whole.plan.directory)
    assert set(best_weights(quick.plan)) == {"head.weight", "head.bias"}
    assert sum(file.stat().st_size for file in quick.plan.directory.rglob("*") if file.is_file()) < 50_000


def shape(document: Any) -> Any:
    """The keys, without the values."""
    if isinstance(document, dict):
        return {key: shape(one) for key, one in document.items()}
    return [shape(one) for one in document[:1]] if isinstance(document, list) else None


def files(directory: Path) -> list[str]:
    return sorted(str(file.relative_to(directory)) for file in directory.rglob("*") if file.is_file())


def test_trials_share_the_features_and_differ_in_what_they_learn(make_plan: PlanMaker) -> None:
    host = Host()
    first = run(make_plan(FROZEN), host=host)
    second = run(make_plan(FROZEN | {"lr": 0.1, "batch-size": 5}), host=host)
    third = run(make_plan(FROZEN), host=Host())                         # another process would do the same
    assert PHASE not in phases(second) + phases(third)
    assert not are_equal(best_weights(first.plan), best_weights(second.plan))
    assert are_equal(best_weights(first.plan), best_weights(third.plan))


def test_a_trial_takes_milliseconds(make_plan: PlanMaker) -> None:
    host = Host()
    run(make_plan(FROZEN), host=host)
    seconds = []
    for _ in range(3):
        plan = make_plan(FROZEN | {"epochs": 4})
        began = time.process_time()
        run(plan, host=host)
        seconds.append(time.process_time() - began)
    assert min(seconds) < 1.0               # 0.03 on a quiet machine; starting a process alone takes seconds


@pytest.mark.parametrize("integers", [False, True], ids=["floats", "integers"])
def test_the_archive_holds_the_whole_network(
    make_plan: PlanMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, integers: bool
) -> None:
    if integers:
        pretend(monkeypatch)
    plan = make_plan(FROZEN, save="archive")
    plan = plan.model_copy(update={"settings": Settings(home=tmp_path / "home", offline=True)})
    ran = run(plan)
    assert ran.ended.archive is not None
    archive = open_archive(Path(ran.ended.archive), tmp_path / "unpacked")
    module = restore(archive).module
    assert module.state_dict().keys() == networks.create("small_cnn", 3, image_size=16).module.state_dict().keys()
    valid = open_session(plan, lambda _: None, Host()).material.valid
    images = torch.from_numpy(
        open_session(plan, lambda _: None, Host()).material.preprocessing.normalise(valid.cache.gather(valid.rows))
    )
    with torch.inference_mode():
        probabilities = module(images).softmax(dim=1).numpy()
    predictions = np.load(plan.directory / "output" / "data" / "predictions-valid.npz")
    np.testing.assert_allclose(predictions["probabilities"], probabilities, rtol=1e-3, atol=1e-5)
    assert archive.description.metrics["valid"] == pytest.approx(ran.ended.metrics["valid"])


def test_the_archive_of_an_ended_trial_needs_no_training(make_plan: PlanMaker, tmp_path: Path) -> None:
    trial = run(make_plan(FROZEN))
    packed = run(trial.plan.model_copy(update={"save": "archive"}), resume=True)
    assert packed.ended.archive is not None
    assert packed.ended.metrics == trial.ended.metrics
    weights = restore(open_archive(Path(packed.ended.archive), tmp_path / "unpacked")).module.state_dict()
    for name, tensor in best_weights(trial.plan).items():
        assert torch.equal(weights[name], tensor)
    assert "train" not in packed.ended.phases


def test_a_stopped_job_goes_on_as_if_it_had_not_been(make_plan: PlanMaker) -> None:
    whole = run(make_plan(FROZEN | {"epochs": 4}, save="archive"))
    cut = make_plan(FROZEN | {"epochs": 4}, save="archive")
    stop = Stop()

    def emit(event: Event) -> None:
        if isinstance(event, Epoch) and event.epoch == 2:
            stop.ask(Patience.AFTER_STEP)

    stopped = train(cut, emit, host=Host(stop=stop))
    assert (stopped.stopped, stopped.epochs, stopped.archive) == (True, 2, None)
    rest = run(cut, resume=True)
    assert [event.epoch for event in rest.epochs] == [1, 2, 3, 4]
    assert are_equal(best_weights(cut), best_weights(whole.plan))
    assert rest.ended.metrics == whole.ended.metrics


def test_a_trial_that_is_ended_early_keeps_its_best(make_plan: PlanMaker) -> None:
    stop = Stop()
    plan = make_plan(FROZEN)

    def emit(event: Event) -> None:
        if isinstance(event, Epoch):
            stop.ask(Patience.AFTER_EPOCH)

    ended = train(plan, emit, host=Host(stop=stop))
    assert (ended.stopped, ended.epochs, ended.best_epoch) == (True, 1, 1)
    assert set(best_weights(plan)) == {"head.weight", "head.bias"}
    assert ended.metrics["test"] is not None


def test_a_job_that_is_stopped_before_its_features_are_there(make_plan: PlanMaker, tmp_path: Path) -> None:
    stop = Stop()
    stop.ask(Patience.AFTER_EPOCH)
    plan = make_plan(FROZEN).model_copy(update={"settings": Settings(home=tmp_path / "home", offline=True)})
    stopped: TrainingResult = train(plan, lambda _: None, host=Host(stop=stop))
    assert (stopped.stopped, stopped.epochs, stopped.metrics["valid"]) == (True, 0, None)
    assert run(plan).ended.epochs == 3


def test_patience(make_plan: PlanMaker) -> None:
    diverging = FROZEN | {"epochs": 50, "patience": 2, "lr": 5.0, "optimizer": "sgd"}
    ran = run(make_plan(diverging, objective="valid:loss"))
    assert ran.ended.epochs == min(ran.ended.best_epoch + 2, 50)
    assert ran.ended.epochs < 50


@pytest.mark.parametrize("change", [{"augmentation": "crop-flip"}, {"mixup": 0.2}, {"freeze": "none"}, {"freeze": 1}])
def test_views_that_are_not_known_beforehand_go_through_the_network(
    make_plan: PlanMaker, change: dict[str, Any]
) -> None:
    assert PHASE not in phases(run(make_plan(FROZEN | change | {"epochs": 1})))


def test_the_notes_say_what_was_computed(make_plan: PlanMaker, tmp_path: Path) -> None:
    plan = make_plan(FROZEN).model_copy(update={"settings": Settings(home=tmp_path, offline=True)})
    ran = run(plan)
    views = 2 * 42 + 9 + 9
    assert any(isinstance(event, Note) and f"{views} views" in event.text for event in ran.events), ran.events
