from __future__ import annotations

import torch

from tests.training.small_jobs import PlanMaker
from tintype.training.evaluation import Evaluation
from tintype.training.progress import Progress

LABELS = torch.tensor([0, 1, 1, 0])


def evaluation(hits: int, confidence: float = 1.0) -> Evaluation:
    """Four answers, `hits` of them right."""
    from types import SimpleNamespace

    right = torch.arange(4) < hits
    said = torch.where(right, LABELS, 1 - LABELS)
    split = SimpleNamespace(name="valid", labels=LABELS.numpy())
    return Evaluation(split, torch.nn.functional.one_hot(said, 2).float() * confidence)       # pyright: ignore


def judged(progress: Progress, hits: int, confidence: float = 1.0, objective: str = "valid:accuracy") -> bool:
    found = progress.judge(evaluation(hits, confidence), {"w": torch.tensor(float(hits))}, objective)
    progress.end_epoch({})
    return found


def test_the_best_epoch_is_kept_with_its_weights() -> None:
    progress = Progress()
    assert [judged(progress, hits) for hits in (2, 4, 3)] == [True, True, False]
    assert progress.best is not None
    assert (progress.best.epoch, float(progress.best.weights["w"])) == (2, 4.0)
    assert progress.best.figures["accuracy"] == 1.0


def test_equal_accuracies_are_told_apart_by_loss() -> None:
    progress = Progress()
    assert [judged(progress, 4, confidence) for confidence in (1.0, 3.0, 2.0)] == [True, True, False]


def test_the_objective_may_be_the_loss() -> None:
    progress = Progress()
    assert judged(progress, 4, 0.1, "valid:loss")
    assert judged(progress, 3, 5.0, "valid:loss") is False
    assert judged(progress, 4, 0.5, "valid:loss")


def test_kept_weights_do_not_move_with_the_network() -> None:
    progress, weights = Progress(), torch.zeros(1)
    progress.judge(evaluation(1), {"w": weights}, "valid:accuracy")
    weights.add_(1)
    assert progress.best is not None
    assert float(progress.best.weights["w"]) == 0.0


def test_patience_counts_epochs_since_the_best() -> None:
    progress = Progress()
    for hits in (2, 3, 1):
        judged(progress, hits)
    assert not progress.is_over(epochs=10, patience=2)
    judged(progress, 1)
    assert progress.is_over(epochs=10, patience=2)
    assert not progress.is_over(epochs=10, patience=0)
    assert progress.is_over(epochs=4, patience=0)


def test_counters_survive_a_checkpoint(make_plan: PlanMaker) -> None:
    progress, other = Progress(), Progress()
    judged(progress, 2)
    progress.step = 5
    other.load_state_dict(progress.state_dict())
    assert (other.epoch, other.step, other.history) == (1, 5, [{}])


def test_where_a_job_that_was_left_goes_on() -> None:
    assert Progress(epoch=2, step=3).way_on(4, 0) == "going on with epoch 3, step 4"
    assert Progress(epoch=2).way_on(4, 0) == "going on with epoch 3"
    assert Progress(epoch=4).way_on(4, 0) == "all of its 4 epochs are trained already"
