from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from tintype.training.mixing import Mix, apply_mix, draw_mix
from tintype.training.plan import AugmentationPlan

LABELS = torch.tensor([0, 1])


def images() -> torch.Tensor:
    return torch.stack([torch.zeros(3, 8, 8), torch.ones(3, 8, 8)])


def test_nothing_is_drawn_when_both_are_off() -> None:
    assert draw_mix(np.random.default_rng(0), AugmentationPlan()) is None
    blended, targets = apply_mix(images(), LABELS, None)
    assert torch.equal(blended, images())
    assert (targets.partners, targets.share) == (None, 1.0)


def test_mixup_blends_images_and_labels_alike() -> None:
    blended, targets = apply_mix(images(), LABELS, Mix(0.75, None))
    assert torch.allclose(blended[0], torch.full((3, 8, 8), 0.25))
    assert targets.partners is not None
    assert targets.partners.tolist() == [1, 0]
    assert targets.share == 0.75
    assert targets.likeliest.tolist() == [0, 1]


def test_the_likeliest_class_is_the_partner_when_it_has_more() -> None:
    assert apply_mix(images(), LABELS, Mix(0.2, None))[1].likeliest.tolist() == [1, 0]


@given(st.integers(0, 2**32), st.floats(0.1, 5))
def test_cutmix_counts_the_pixels_it_pastes(seed: int, alpha: float) -> None:
    mix = draw_mix(np.random.default_rng(seed), AugmentationPlan(cutmix=alpha))
    assert mix is not None
    assert mix.box is not None
    left, top, right, bottom = mix.box
    assert 0 <= left <= right <= 1 + 1e-9
    assert 0 <= top <= bottom <= 1 + 1e-9
    blended, targets = apply_mix(images(), LABELS, mix)
    assert float(1 - blended[0].mean()) == float(np.float32(targets.share))


def test_both_take_turns() -> None:
    rng = np.random.default_rng(0)
    plan = AugmentationPlan(mixup=0.2, cutmix=1.0)
    kinds = {mix.box is None for mix in (draw_mix(rng, plan) for _ in range(40)) if mix is not None}
    assert kinds == {True, False}
