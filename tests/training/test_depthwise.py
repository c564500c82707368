"""Quick gradients of depthwise convolutions: the same as torch's own."""

from __future__ import annotations

import copy

import pytest
import timm
import torch
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn

from tintype.training.depthwise import DepthwiseConv2d, quicken

CHANNELS = 24


def gradients(layer: nn.Conv2d, images: Tensor, *, half: bool) -> tuple[Tensor, ...]:
    """What comes out, and the gradients of the images, the kernel and the bias, for one fixed gradient."""
    layer.zero_grad()
    wanted = images.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        out = layer(wanted)
    torch.manual_seed(1)
    out.backward(torch.randn(out.shape).to(out.dtype))
    assert wanted.grad is not None
    parts = [out, wanted.grad, *(part.grad for part in layer.parameters() if part.grad is not None)]
    return tuple(part.detach().float() for part in parts)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("kernel", "stride", "padding"), [
    (3, 1, 1), (3, 2, 1), (5, 1, 2), (5, 2, 2), (7, 1, 3), (3, 3, 0), ((3, 5), (2, 1), (1, 2)), (1, 1, 0), (2, 2, 1),
])  # fmt: skip
@pytest.mark.parametrize("size", [(14, 14), (15, 9)])
def test_gradients_are_those_of_torch(
    kernel: int | tuple[int, int], stride: int, padding: int, size: tuple[int, int], bias: bool
) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(CHANNELS, CHANNELS, kernel, stride, padding, groups=CHANNELS, bias=bias)
    assert_the_same(layer, torch.randn(4, CHANNELS, *size))


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 2)])
@pytest.mark.parametrize("size", [14, 15])
def test_gradients_with_padding_by_size_are_those_of_torch(kernel: int, stride: int, size: int) -> None:
    torch.manual_seed(0)
    layer = Conv2dSame(CHANNELS, CHANNELS, kernel, stride, groups=CHANNELS, bias=False)
    assert isinstance(layer, nn.Conv2d)
    assert_the_same(layer, torch.randn(4, CHANNELS, size, size))


def assert_the_same(layer: nn.Conv2d, images: Tensor) -> None:
    """As exact as torch's bf16 against fp32, and bit for bit torch's own outside of bf16."""
    images = images.to(memory_format=torch.channels_last)
    quick = copy.deepcopy(layer)
    assert quicken(quick) == 1
    exact = gradients(layer, images, half=False)
    for ours, theirs in zip(gradients(quick, images, half=False), exact, strict=True):
        assert torch.equal(ours, theirs)
    for ours, theirs in zip(gradients(quick, images, half=True), exact, strict=True):
        assert ours.shape == theirs.shape
        assert (ours - theirs).abs().max() <= 0.02 * theirs.abs().max()         # bf16 keeps 8 bits: 0.4 % each


@pytest.mark.parametrize(("network", "least"), [("efficientnet_b0", 16), ("tf_efficientnet_b0", 16), ("resnet18", 0)])
def test_networks_of_the_zoo(network: str, least: int) -> None:
    module = timm.create_model(network)
    weights = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    assert quicken(module) == least
    assert {name: tuple(value.shape) for name, value in module.state_dict().items()} == weights
    assert quicken(module) == 0


def test_what_is_not_plainly_depthwise_is_left_alone() -> None:
    parts = nn.Sequential(
        nn.Conv2d(4, 8, 3, groups=4),
        nn.Conv2d(4, 4, 3, groups=2),
        nn.Conv2d(4, 4, 3, groups=4, dilation=2),
        nn.Conv2d(4, 4, 3, groups=4, padding="same"),
        nn.Conv2d(4, 4, 3, groups=4, padding=1, padding_mode="reflect"),
        nn.Conv2d(4, 4, 1, groups=4, padding=1),
        nn.Conv2d(1, 1, 3),
    )
    assert quicken(parts) == 0


def test_a_copy_computes_with_its_own_weights() -> None:
    layer = nn.Conv2d(4, 4, 3, groups=4, bias=False)
    quicken(layer)
    other = copy.deepcopy(layer)
    nn.init.zeros_(other.weight)
    with torch.autocast("cpu", torch.bfloat16):
        assert other(torch.ones(1, 4, 5, 5)).abs().max() == 0
        assert layer(torch.ones(1, 4, 5, 5)).abs().max() > 0
    assert isinstance(other, DepthwiseConv2d)


def test_a_frozen_kernel_gets_no_gradient() -> None:
    layer = nn.Conv2d(4, 4, 3, groups=4, bias=False)
    quicken(layer)
    layer.requires_grad_(False)
    images = torch.ones(1, 4, 5, 5, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        layer(images).sum().backward()
    assert layer.weight.grad is None
    assert images.grad is not None
