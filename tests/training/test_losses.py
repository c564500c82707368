from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tintype.errors import JobFailed
from tintype.training.losses import CrossEntropy, LossGuard, class_weights, create_loss, sampling_weights
from tintype.training.mixing import Targets
from tintype.training.plan import LossPlan

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.1, 0.2, 0.3]])
LABELS = torch.tensor([0, 2])


def test_plain_and_smoothed() -> None:
    plain = CrossEntropy(0.0, None)(LOGITS, Targets(LABELS))
    assert float(plain) == pytest.approx(float(F.cross_entropy(LOGITS, LABELS)))
    log_probabilities = LOGITS.log_softmax(1)
    by_hand = -(0.9 * log_probabilities[[0, 1], [0, 2]] + 0.1 * log_probabilities.mean(1)).mean()
    assert float(CrossEntropy(0.1, None)(LOGITS, Targets(LABELS))) == pytest.approx(float(by_hand))


def test_blended_targets_are_what_a_soft_label_would_be() -> None:
    targets = Targets(LABELS, LABELS.flip(0), 0.7)
    soft = 0.7 * F.one_hot(LABELS, 3) + 0.3 * F.one_hot(LABELS.flip(0), 3)
    assert float(CrossEntropy(0.0, None)(LOGITS, targets)) == pytest.approx(float(F.cross_entropy(LOGITS, soft)))


def test_half_precision_logits_give_a_full_precision_loss() -> None:
    assert CrossEntropy(0.0, None)(LOGITS.bfloat16(), Targets(LABELS)).dtype is torch.float32


def test_class_weights_make_classes_equal() -> None:
    labels = np.array([0, 0, 0, 2])
    weights = class_weights(labels, 3)
    assert weights.tolist() == pytest.approx([4 / 6, 0.0, 2.0])
    assert weights[labels].mean() == pytest.approx(1.0)


def test_balancing_is_by_loss_or_by_sampling() -> None:
    labels = np.array([0, 0, 0, 1])
    cpu = torch.device("cpu")
    assert create_loss(LossPlan(), labels, 2, cpu).weights is None
    assert create_loss(LossPlan(balance="sampling"), labels, 2, cpu).weights is None
    assert create_loss(LossPlan(balance="weights"), labels, 2, cpu).weights is not None
    assert sampling_weights(LossPlan(balance="weights"), labels) is None
    drawn = sampling_weights(LossPlan(balance="sampling"), labels)
    assert drawn is not None
    assert drawn[labels == 0].sum() == pytest.approx(drawn[labels == 1].sum())


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_is_named_by_epoch_and_step(bad: float) -> None:
    guard = LossGuard()
    for step, loss in enumerate([1.0, 0.5, bad, 2.0]):
        guard.add(step, torch.tensor(loss))
    with pytest.raises(JobFailed, match=rf"became {bad} in epoch 2, step 3; try a lower learning rate"):
        guard.check(epoch=1)


def test_losses_are_looked_at_once() -> None:
    guard = LossGuard()
    guard.check(0)
    guard.add(0, torch.tensor(1.0))
    guard.check(0)
    guard.check(0)
