from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from tintype.training.metrics import Meter, confusion, score, score_logits

LOGITS = torch.tensor([[3.0, 1.0, 0.0], [0.0, 2.0, 1.0], [0.0, 2.0, 1.0], [1.0, 0.0, 5.0]])
LABELS = torch.tensor([0, 1, 2, 2])


def test_figures_by_hand() -> None:
    found = score_logits(LOGITS, LABELS)
    assert found.accuracy == 0.75
    assert found.top5 == 1.0
    assert found.loss == pytest.approx(float(F.cross_entropy(LOGITS, LABELS)))
    assert found.confusion.tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 1]]


def test_per_class_by_hand() -> None:
    ants, bees, wasps = score_logits(LOGITS, LABELS).per_class(("ants", "bees", "wasps"))
    assert ants == {"class": "ants", "precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 1}
    assert (bees["precision"], bees["recall"], bees["f1"]) == pytest.approx((0.5, 1.0, 2 / 3))
    assert (wasps["precision"], wasps["recall"], wasps["support"]) == (1.0, 0.5, 2)


def test_a_class_nobody_has_or_says_scores_nothing() -> None:
    table = score_logits(torch.tensor([[1.0, 0.0]]), torch.tensor([0])).per_class(("a", "b"))
    assert table[1] == {"class": "b", "precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}


def test_top_five_is_not_top_one() -> None:
    logits = torch.arange(10.0).repeat(10, 1)                   # class 9 is rated highest, class 0 lowest
    assert score_logits(logits, torch.arange(10)).top5 == 0.5
    assert score_logits(logits, torch.arange(10)).accuracy == 0.1


@given(st.lists(st.integers(1, 7), min_size=1, max_size=5), st.integers(0, 1000))
def test_batches_of_any_size_add_up(sizes: list[int], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(sum(sizes), 4, generator=generator)
    labels = torch.randint(0, 4, (sum(sizes),), generator=generator)
    meter = Meter()
    for some, true in zip(logits.split(sizes), labels.split(sizes), strict=True):
        meter.add(F.cross_entropy(some, true), some, true)
    whole, parts = score_logits(logits, labels), score(meter.take(), 4)
    assert parts.figures == pytest.approx(whole.figures, rel=1e-5)
    assert np.array_equal(parts.confusion, whole.confusion)


def test_a_meter_goes_on_where_another_was() -> None:
    first, second = Meter(), Meter()
    first.add(torch.tensor(1.0), LOGITS[:2], LABELS[:2])
    second.load_state_dict(first.state_dict())
    for meter in (first, second):
        meter.add(torch.tensor(2.0), LOGITS[2:], LABELS[2:])
    assert torch.equal(first.take(), second.take())
    second.load_state_dict(first.state_dict())
    second.add(torch.tensor(2.0), LOGITS, LABELS)
    assert len(second.take()) == 4


def test_confusion_counts_all() -> None:
    assert confusion(np.array([0, 1, 1]), np.array([1, 1, 0]), 2).tolist() == [[0, 1], [1, 1]]
