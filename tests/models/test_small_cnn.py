from __future__ import annotations

import pytest
import torch

from tintype.errors import InvalidRequest
from tintype.models.small_cnn import FEATURES, SmallCnn, halvings


@pytest.mark.parametrize(("side", "expected"), [(8, 1), (15, 1), (16, 2), (28, 2), (32, 3), (64, 4), (256, 6)])
def test_the_number_of_stages_follows_the_image_size(side: int, expected: int) -> None:
    assert halvings(side) == expected


@pytest.mark.parametrize("side", [8, 9, 28, 32, 33, 64, 65, 96, 150, 256])
def test_any_size_gives_logits_from_a_map_of_four_to_seven_pixels(side: int) -> None:
    module = SmallCnn(classes=3, image_size=side).eval()
    images = torch.randn(2, 3, side, side)
    maps = module.forward_features(images)
    assert maps.shape[1] == FEATURES
    assert 4 <= maps.shape[2] <= 7
    assert maps.shape[2] == maps.shape[3]
    assert module(images).shape == (2, 3)


@pytest.mark.parametrize("side", [0, 7, 257])
def test_sizes_out_of_range_are_refused_with_the_range(side: int) -> None:
    with pytest.raises(InvalidRequest, match=f"8 to 256 px, got {side}"):
        SmallCnn(classes=2, image_size=side)


def test_dropout_acts_in_training_only() -> None:
    module = SmallCnn(classes=2, image_size=8, drop_rate=0.5)
    maps = torch.ones(4, FEATURES, 2, 2)
    assert (module.forward_head(maps, pre_logits=True) == 0).any()
    module.eval()
    assert (module.forward_head(maps, pre_logits=True) == 1).all()


def test_it_learns_two_colours_from_scratch() -> None:
    module = SmallCnn(classes=2, image_size=8)
    labels = torch.arange(32) % 2
    images = torch.randn(32, 3, 8, 8) * 0.5 + labels.view(-1, 1, 1, 1) * 1.0
    optimiser = torch.optim.SGD(module.parameters(), lr=0.05, momentum=0.9)
    for _ in range(15):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(module(images), labels).backward()
        optimiser.step()
    assert (module.eval()(images).argmax(dim=1) == labels).float().mean() > 0.9
