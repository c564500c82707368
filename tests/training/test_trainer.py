from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.training.small_jobs import PlanMaker, are_equal, best_weights, run
from tintype.errors import BadData, InvalidRequest, JobFailed
from tintype.models.archive import open_archive, open_unpacked
from tintype.models.weights import restore
from tintype.training import device, feed
from tintype.training.events import Epoch, Event, Note, Phase
from tintype.training.session import Host
from tintype.training.stop import Patience, Stop
from tintype.training.trainer import train


def test_an_easy_job_from_plan_to_result(make_plan: PlanMaker) -> None:
    ran = run(make_plan({"epochs": 3}))
    assert [event.epoch for event in ran.epochs] == [1, 2, 3]
    assert set(ran.epochs[0].metrics) == {
        "train:loss", "train:accuracy", "train:top5", "valid:loss", "valid:accuracy", "valid:top5", "lr",
    }  # fmt: skip
    result = ran.ended
    valid, test = result.metrics["valid"], result.metrics["test"]
    assert valid is not None
    assert test is not None
    assert valid["accuracy"] > 0.9
    assert test["accuracy"] > 0.9
    assert valid == {name: ran.epochs[result.best_epoch - 1].metrics[f"valid:{name}"] for name in valid}
    assert (result.epochs, result.stopped, result.archive) == (3, False, None)
    assert result.hyperparameters["image-size"] == 16
    assert {"read the folder", "train", "evaluate"} <= set(result.phases)


def test_evaluations_may_be_rarer_and_the_last_epoch_has_one(make_plan: PlanMaker) -> None:
    ran = run(make_plan({"epochs": 5, "evaluate-every": 2}))
    assert ["valid:loss" in event.metrics for event in ran.epochs] == [False, True, False, True, True]
    assert all("train:loss" in event.metrics for event in ran.epochs)
    assert ran.ended.best_epoch in (2, 4, 5)
    assert ran.ended.metrics["valid"] is not None
    impatient = run(make_plan({"epochs": 12, "evaluate-every": 3, "patience": 1, "lr": 1e-12}))
    assert impatient.ended.epochs in (6, 9, 12)                 # it gives up after a look, not before the next one


def test_what_it_writes(make_plan: PlanMaker) -> None:
    ran = run(make_plan({"epochs": 2}))
    history, evaluation = ran.output("history.json"), ran.output("evaluation.json")
    assert [entry["epoch"] for entry in history] == [1, 2]
    assert {row["class"] for row in history[0]["train"]["per_class"]} == {"amber", "blue", "green"}
    assert np.array(history[0]["valid"]["confusion"]).shape == (3, 3)
    assert set(evaluation) == {"valid", "test"}
    assert set(evaluation["test"]) == {"loss", "accuracy", "top5", "per_class", "confusion"}
    predictions = np.load(ran.plan.directory / "output" / "data" / "predictions-test.npz")
    assert predictions["probabilities"].dtype == np.float32
    assert predictions["probabilities"].sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    accuracy = (predictions["probabilities"].argmax(axis=1) == predictions["labels"]).mean()
    assert accuracy == pytest.approx(evaluation["test"]["accuracy"])
    assert len(predictions["indices"]) == np.array(evaluation["test"]["confusion"]).sum()


def test_the_archive_answers_as_the_evaluation_did(make_plan: PlanMaker, tmp_path: Path, colours: Path) -> None:
    ran = run(make_plan({"epochs": 2}, save="archive"))
    assert ran.ended.archive is not None
    archive = open_archive(Path(ran.ended.archive), tmp_path / "unpacked")
    description = archive.description
    assert (description.network, description.classes) == ("small_cnn", ("amber", "blue", "green"))
    assert description.metrics["valid"] == ran.ended.metrics["valid"]
    assert description.training.hyperparameters["epochs"] == 2
    assert archive.onnx is not None
    assert open_unpacked(ran.plan.directory / "model").description == description
    module = restore(archive).module
    assert are_equal(module.state_dict(), best_weights(ran.plan))


def test_the_same_seed_gives_the_same_weights_and_another_others(make_plan: PlanMaker) -> None:
    hyperparameters = {"epochs": 1, "augmentation": "randaugment", "drop-rate": 0.2, "mixup": 0.2}
    one, same, other = (run(make_plan(hyperparameters, seed=seed)).plan for seed in (0, 0, 1))
    assert are_equal(best_weights(one), best_weights(same))
    assert not are_equal(best_weights(one), best_weights(other))


def test_accumulating_is_a_larger_batch(make_plan: PlanMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (torch.nn.BatchNorm2d,):      # its statistics are those of a forward pass
        monkeypatch.setattr(module, "forward", lambda self, images: images * self.weight[:, None, None])
    common = {"epochs": 1, "augmentation": "none", "optimizer": "sgd", "lr": 0.01}
    whole = best_weights(run(make_plan(common | {"batch-size": 14})).plan)
    pieces = best_weights(run(make_plan(common | {"batch-size": 7, "accumulate": 2})).plan)
    for name, tensor in whole.items():
        assert torch.allclose(tensor.float(), pieces[name].float(), atol=1e-5), name


@pytest.mark.parametrize(
    "hyperparameters",
    [
        {"optimizer": "sgd", "schedule": "cosine", "warmup-epochs": 0.5, "lr": 0.02},
        {"optimizer": "adam", "schedule": "step", "eps": 1e-6, "clip-norm": 1.0},
        {"schedule": "constant", "label-smoothing": 0.1, "ema": 0.9, "class-weights": "weights"},
        {"augmentation": "randaugment", "mixup": 0.2, "cutmix": 1.0, "class-weights": "sampling"},
        {"augmentation": "none", "drop-rate": 0.3, "accumulate": 2, "resize": "stretch"},
    ],
    ids=lambda hyperparameters: ",".join(hyperparameters),
)
def test_every_ingredient_trains(make_plan: PlanMaker, hyperparameters: dict[str, str | float]) -> None:
    ran = run(make_plan(hyperparameters | {"epochs": 3}))
    first, last = ran.epochs[0].metrics, ran.epochs[-1].metrics
    assert np.isfinite(list(last.values())).all()
    assert last["valid:loss"] < max(first["valid:loss"], 0.7)


def test_a_zoo_network_with_some_stages_frozen(make_plan: PlanMaker) -> None:
    ran = run(make_plan({"model": "resnet18", "freeze": 1, "image-size": 32, "epochs": 1}))
    assert ran.ended.metrics["valid"] is not None
    assert ran.ended.hyperparameters["freeze"] == 1


def test_a_loss_that_is_no_number_fails_with_its_place(make_plan: PlanMaker) -> None:
    plan = make_plan({"optimizer": "sgd", "lr": 100, "weight-decay": 10, "schedule": "constant", "epochs": 30})
    with pytest.raises(JobFailed, match=r"the loss became (nan|inf) in epoch \d+, step \d+; try a lower learning rate"):
        run(plan)
    assert not (plan.directory / "checkpoints" / "last.pt").exists()


def test_patience_ends_it_early(make_plan: PlanMaker) -> None:
    ran = run(make_plan({"epochs": 40, "patience": 2, "optimizer": "sgd", "lr": 1e-7}, objective="valid:loss"))
    assert ran.ended.epochs < 40
    assert ran.ended.epochs - ran.ended.best_epoch == 2
    assert not ran.ended.stopped


def stop_at(event_type: type[Event], when: Patience) -> tuple[list[Event], Host]:
    """Events that ask for a stop at the first one of a type."""
    stop = Stop()

    class Asking(list[Event]):
        def append(self, event: Event) -> None:
            super().append(event)
            if isinstance(event, event_type):
                stop.ask(when)

    return Asking(), Host(stop=stop)


def test_a_tuner_may_stop_it_after_an_epoch(make_plan: PlanMaker) -> None:
    events, host = stop_at(Epoch, Patience.AFTER_EPOCH)
    result = train(make_plan({"epochs": 5}), events.append, host=host)
    assert (result.epochs, result.stopped) == (1, True)
    assert result.metrics["test"] is not None


def test_a_machine_may_stop_it_after_a_step(make_plan: PlanMaker) -> None:
    plan = make_plan({"epochs": 5})
    events, host = stop_at(Phase, Patience.AFTER_STEP)
    result = train(plan, events.append, host=host)
    assert (result.epochs, result.stopped, result.archive) == (0, True, None)
    state = torch.load(plan.directory / "checkpoints" / "last.pt", weights_only=True)
    assert (state["progress"]["epoch"], state["progress"]["step"]) == (0, 1)
    finished = run(plan, resume=True)
    assert are_equal(best_weights(plan), best_weights(run(make_plan({"epochs": 5})).plan))
    assert any("going on with epoch 1, step 2" in event.text for event in finished.events if isinstance(event, Note))


def test_the_archive_of_a_trial_can_follow_later(make_plan: PlanMaker) -> None:
    plan = make_plan({"epochs": 5}, save="best")
    events, host = stop_at(Epoch, Patience.AFTER_EPOCH)
    trial = train(plan, events.append, host=host)
    packed = run(plan.model_copy(update={"save": "archive"}), resume=True)
    assert packed.ended.archive is not None
    assert packed.ended.metrics == trial.metrics
    assert [event.epoch for event in packed.epochs] == [1]                          # told again, not trained again
    assert len(packed.output("history.json")) == 1


def test_bad_files_are_named_in_the_result(make_plan: PlanMaker, colours: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(colours, tmp_path / "spoilt"))
    (root / "blue" / "000.png").write_bytes(b"\x89PNG\r\n\x1a\n but no more")
    result = run(make_plan({"epochs": 1}, data=root)).ended
    assert [one.path for one in result.quarantined] == ["blue/000.png"]
    with pytest.raises(BadData, match="--strict"):
        run(make_plan({"epochs": 1}, data=root, strict=True))


def test_two_jobs_in_one_process_do_not_touch_each_other(make_plan: PlanMaker) -> None:
    alone = best_weights(run(make_plan({"epochs": 1})).plan)
    run(make_plan({"epochs": 1, "lr": 0.05, "drop-rate": 0.5}, seed=5))
    torch.manual_seed(99)
    second = run(make_plan({"epochs": 1}))
    assert are_equal(alone, best_weights(second.plan))


def test_what_cannot_be_asked_for_is_said_before_the_first_step(make_plan: PlanMaker) -> None:
    with pytest.raises(InvalidRequest, match="fp16 needs a GPU"):
        run(make_plan({"precision": "fp16"}))
    with pytest.raises(InvalidRequest, match="small_cnn"):
        run(make_plan({"image-size": 512}))


def test_the_history_is_there_while_it_trains(make_plan: PlanMaker) -> None:
    plan = make_plan({"epochs": 3})
    found: list[int] = []

    def emit(event: Event) -> None:
        if isinstance(event, Epoch) and event.epoch > 1:
            found.append(len(json.loads((plan.directory / "output" / "data" / "history.json").read_text())))

    train(plan, emit)
    assert found == [1, 2]


def test_images_of_all_shapes(make_plan: PlanMaker, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for split in ("train", "valid"):
        for name, colour in (("red", 0), ("green", 1)):
            folder = tmp_path / "shapes" / split / name
            folder.mkdir(parents=True)
            for number, shape in enumerate([(9, 60), (60, 9), (33, 33), (1, 1), (50, 40), (20, 21)]):
                pixels = random.integers(0, 80, (*shape, 3), dtype=np.uint8)
                pixels[..., colour] += 150
                Image.fromarray(pixels).save(folder / f"{number}.png")
    ran = run(make_plan({"epochs": 4, "batch-size": 4, "augmentation": "crop-flip"}, data=tmp_path / "shapes"))
    assert ran.ended.metrics["test"] is None
    assert ran.epochs[-1].metrics["train:loss"] < 1.0


def test_the_feed_ends_when_training_fails(make_plan: PlanMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    def broken(*_: object) -> None:
        raise RuntimeError("broken augmentation")

    monkeypatch.setattr(feed, "apply_mix", broken)
    with pytest.raises(RuntimeError, match="broken augmentation"):
        run(make_plan({"epochs": 1}))
    assert not [thread for thread in threading.enumerate() if thread.name == "prefetch"]


def test_in_halves_where_the_processor_has_them_it_learns_as_well(
    make_plan: PlanMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "cpu_flags", lambda: frozenset({"avx512_bf16"}))     # emulated where it is not true
    halves, floats = (run(make_plan({"precision": precision, "epochs": 3})) for precision in ("auto", "fp32"))
    assert any("bf16" in event.text for event in halves.events if isinstance(event, Note))
    assert halves.epochs[-1].metrics["train:loss"] == pytest.approx(floats.epochs[-1].metrics["train:loss"], rel=0.05)
    assert halves.epochs[-1].metrics != floats.epochs[-1].metrics
