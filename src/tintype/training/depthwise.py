"""Depthwise convolutions whose gradients keep pace in bf16 on a CPU.

torch takes a convolution's gradients from oneDNN, which has fast bf16 kernels for the forward pass of a depthwise one,
but for its gradients only where the stride is 1 and the kernel is small: over EfficientNet-B0 at 224 px they took three
fifths of a step. The same gradients come from kernels that are fast:

    of the images   a depthwise convolution again: of the gradient, spread out by the stride, with the kernel turned
    of the kernel   oneDNN's fp32 kernel, for kernels of more than 3 pixels; its bf16 one for the others

Seconds for a step of 32 images with Adam on two cores of an EPYC with AVX-512 bf16 (medians of six, in turn):

    EfficientNet-B0    plain fp32 3.94    fp32 channels last 2.36    bf16 1.91    bf16 with these gradients 1.26
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast, final

import torch
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.padding import pad_same
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from torch.autograd.function import FunctionCtx

LARGEST_HALF_KERNEL = 3         # pixels; oneDNN's bf16 gradient of larger kernels is slower than its fp32 one

Pair = tuple[int, int]


def quicken(module: nn.Module) -> int:
    """Give the depthwise convolutions in `module` these gradients, in place; how many there are.

    Weights, names and results stay. Nothing changes outside of bf16 autocast on a CPU.
    """
    found = [part for part in module.modules() if type(part) in QUICK and _is_simple_depthwise(part)]
    for part in found:
        part.__class__ = QUICK[type(part)]
    return len(found)


class DepthwiseConv2d(nn.Conv2d):
    """A depthwise `nn.Conv2d` with quick gradients."""

    def forward(self, input: Tensor) -> Tensor:
        """(n, c, h, w) in, (n, c, h', w') out."""
        if not _in_half(input):
            return super().forward(input)
        padding = (int(self.padding[0]), int(self.padding[1]))
        return _convolved(self, input, padding)


class DepthwiseConv2dSame(DepthwiseConv2d):
    """The same for the networks that came from TensorFlow, which pad by the size of what comes in (and not besides)."""

    def forward(self, input: Tensor) -> Tensor:
        """(n, c, h, w) in, (n, c, ceil(h / stride), ceil(w / stride)) out."""
        return super().forward(pad_same(input, list(self.kernel_size), list(self.stride), list(self.dilation)))


QUICK: dict[type[nn.Module], type[nn.Module]] = {nn.Conv2d: DepthwiseConv2d, Conv2dSame: DepthwiseConv2dSame}


def _is_simple_depthwise(part: nn.Module) -> bool:
    if not isinstance(part, nn.Conv2d):
        return False
    is_depthwise = part.groups == part.in_channels == part.out_channels > 1
    if not is_depthwise or part.dilation != (1, 1) or part.padding_mode != "zeros" or isinstance(part.padding, str):
        return False
    return all(pad < side for pad, side in zip(part.padding, part.kernel_size, strict=True))


def _in_half(images: Tensor) -> bool:
    """True where gradients will be asked for, and in bf16 on a CPU."""
    return (
        torch.is_grad_enabled()
        and images.device.type == "cpu"
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") is torch.bfloat16
    )


def _convolved(layer: nn.Conv2d, images: Tensor, padding: Pair) -> Tensor:
    stride = (layer.stride[0], layer.stride[1])
    convolved = cast("Tensor", _Convolution.apply(images.to(torch.bfloat16), layer.weight, stride, padding))
    return convolved if layer.bias is None else convolved + layer.bias.to(torch.bfloat16).view(-1, 1, 1)


@final
class _Convolution(torch.autograd.Function):
    """images (n, c, h, w) bf16, kernel (c, 1, kh, kw) fp32 -> (n, c, h', w') bf16; the kernel's gradient is fp32."""

    @staticmethod
    def forward(ctx: FunctionCtx, images: Tensor, kernel: Tensor, stride: Pair, padding: Pair) -> Tensor:
        half = kernel.to(torch.bfloat16)
        ctx.save_for_backward(images, half)
        ctx.geometry = stride, padding                                          # pyright: ignore[reportAttributeAccessIssue]
        return functional.conv2d(images, half, stride=stride, padding=padding, groups=len(half))

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        images, kernel = ctx.saved_tensors
        stride, padding = ctx.geometry
        wants_images, wants_kernel = ctx.needs_input_grad[:2]
        gradient = grad_outputs[0].contiguous(memory_format=torch.channels_last)
        of_images = _gradient_of_images(gradient, images.shape, kernel, stride, padding) if wants_images else None
        of_kernel = _gradient_of_kernel(gradient, images, kernel, stride, padding) if wants_kernel else None
        return of_images, of_kernel, None, None


def _gradient_of_images(gradient: Tensor, shape: Sequence[int], kernel: Tensor, stride: Pair, padding: Pair) -> Tensor:
    sides = (kernel.shape[2], kernel.shape[3])
    spread = gradient
    if stride != (1, 1):
        # Of the height of a convolution with stride 1; what the stride left out had no influence: zeros.
        height, width = (shape[2 + axis] + 2 * padding[axis] - sides[axis] + 1 for axis in (0, 1))
        size = (*gradient.shape[:2], height, width)
        spread = torch.empty(size, dtype=gradient.dtype, memory_format=torch.channels_last).zero_()
        spread[:, :, :: stride[0], :: stride[1]] = gradient
    rest = (sides[0] - 1 - padding[0], sides[1] - 1 - padding[1])
    return functional.conv2d(spread, kernel.flip(2, 3), padding=rest, groups=len(kernel))


def _gradient_of_kernel(gradient: Tensor, images: Tensor, kernel: Tensor, stride: Pair, padding: Pair) -> Tensor:
    if max(kernel.shape[2:]) > LARGEST_HALF_KERNEL:
        gradient, images, kernel = gradient.float(), images.float(), kernel.float()
    mask = [False, True, False]
    _, found, _ = torch.ops.aten.convolution_backward(
        gradient, images, kernel, None, stride, padding, (1, 1), False, (0, 0), len(kernel), mask
    )
    return found.float()
