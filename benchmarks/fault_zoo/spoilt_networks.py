"""What goes wrong with networks: each function takes a builder and gives one that builds a broken network."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.fault_zoo.images import Images
from benchmarks.fault_zoo.networks import Builder


def changed(build: Builder, change: Callable[[nn.Module], None]) -> Builder:
    """A builder whose network is changed, without gradients, after it was built."""

    def built(images: Images) -> nn.Module:
        network = build(images)
        with torch.no_grad():
            change(network)
        return network

    return built


def layers(network: nn.Module) -> list[nn.Linear | nn.Conv2d]:
    """Its convolutions and linear layers, in order."""
    return [part for part in network.modules() if isinstance(part, nn.Linear | nn.Conv2d)]


def with_weights(build: Builder, deviation: float) -> Builder:
    """All weights drawn from a normal distribution of one deviation."""

    def change(network: nn.Module) -> None:
        for layer in layers(network):
            layer.weight.normal_(0, deviation)

    return changed(build, change)


def with_constant_weights(build: Builder, value: float) -> Builder:
    """All weights one number, all biases zero: every unit of a layer is, and stays, the same."""

    def change(network: nn.Module) -> None:
        for layer in layers(network):
            layer.weight.fill_(value)
            if layer.bias is not None:
                layer.bias.zero_()

    return changed(build, change)


def with_scaled_layer(build: Builder, index: int, factor: float) -> Builder:
    """One layer's weights times a factor."""

    def change(network: nn.Module) -> None:
        layers(network)[index].weight.mul_(factor)

    return changed(build, change)


def with_biases(build: Builder, value: float) -> Builder:
    """All biases but the last layer's are one number."""

    def change(network: nn.Module) -> None:
        for layer in layers(network)[:-1]:
            if layer.bias is not None:
                layer.bias.fill_(value)

    return changed(build, change)


def with_last_biases(build: Builder, value: float) -> Builder:
    """All biases of the last layer are one number."""

    def change(network: nn.Module) -> None:
        last = layers(network)[-1].bias
        assert last is not None
        last.fill_(value)

    return changed(build, change)


def with_norm_momentum(build: Builder, momentum: float) -> Builder:
    """Batch norms whose running figures follow the batches this slowly."""

    def change(network: nn.Module) -> None:
        for part in network.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.momentum = momentum

    return changed(build, change)


class Softmaxed(nn.Module):
    """Ends in a softmax, though the loss has one."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.softmax = nn.Softmax(dim=1)

    def forward(self, x: Tensor) -> Tensor:
        """Probabilities, N×classes."""
        return self.softmax(self.network(x))


class Rectified(nn.Module):
    """Ends in a ReLU, so that no logit can be negative."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.last = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Logits of 0 and more, N×classes."""
        return self.last(self.network(x))


def wrapped(build: Builder, wrapper: Callable[[nn.Module], nn.Module]) -> Builder:
    """A builder whose network sits in another module."""
    return lambda images: wrapper(build(images))


def frozen_but_head(build: Builder) -> Builder:
    """Frozen as for transfer learning, though the weights are random ones."""

    def change(network: nn.Module) -> None:
        network.requires_grad_(False)
        layers(network)[-1].requires_grad_(True)

    return changed(build, change)
