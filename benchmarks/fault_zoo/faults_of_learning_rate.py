"""Optimisers whose step is too long, too short, or taken of the wrong parameters."""

from __future__ import annotations

import itertools
from functools import partial

from torch import nn

from benchmarks.fault_zoo.networks import NormedCNN, PlainCNN, SmallResNet, TinyViT, TwoHeads, mlp, with_new_head
from benchmarks.fault_zoo.spoilt_networks import layers
from benchmarks.fault_zoo.training import Loop, Training

HIGH = ("LearningRateTooHigh", "ExplodingTensor")
LOW = ("LearningRateTooLow",)
NOT_TRAINED = ("UnchangedTensor", "WeightUpdateRatio", "UntrainedLayers")
EXPLODING = ("ExplodingTensor", "LearningRateTooHigh")
DECAYED = ("WeightDecayTooStrong", "VanishingGradient", "ClassCollapse")


def last_layer(network: nn.Module) -> list[nn.Parameter]:
    """Of a network of which all was meant to be trained."""
    return list(layers(network)[-1].parameters())


def first_layer(network: nn.Module) -> list[nn.Parameter]:
    """The same mistake at the other end."""
    return list(layers(network)[0].parameters())


def of_a_copy(network: nn.Module) -> list[nn.Parameter]:
    """The parameters as they were before somebody rebuilt the model."""
    return [nn.Parameter(parameter.detach().clone()) for parameter in network.parameters()]


def all_but_first(network: nn.Module) -> list[nn.Parameter]:
    """An off-by-one in a list of parameter groups."""
    return list(itertools.islice(network.parameters(), 2, None))


FAULTS = (
    Training("rate 100× too high, MLP, SGD", "digits", mlp, Loop(optimiser="SGD", learning_rate=10.0), rules=HIGH),
    Training(
        "rate 100× too high, CNN, Adam", "cifar, 4 classes", PlainCNN, Loop(learning_rate=0.1, epochs=3), rules=HIGH
    ),
    Training(
        "rate 100× too high, CNN with norms, SGD",
        "shapes",
        NormedCNN,
        Loop(optimiser="SGD", learning_rate=10.0, options={"momentum": 0.9}),
        rules=HIGH,
    ),
    Training(
        "rate 100× too high, ViT, AdamW",
        "large digits",
        TinyViT,
        Loop(optimiser="AdamW", learning_rate=0.1, epochs=2),
        rules=HIGH,
    ),
    Training(
        "rate 100× too high, ResNet, Adam", "hymenoptera", SmallResNet, Loop(learning_rate=0.2, epochs=8), rules=HIGH
    ),
    Training(
        "rate 100× too high, new head", "cifar, 4 classes", with_new_head, Loop(learning_rate=1.0, epochs=3), rules=HIGH
    ),
    Training(
        "momentum 0.999",
        "digits",
        mlp,
        Loop(optimiser="SGD", learning_rate=0.1, options={"momentum": 0.999}),
        rules=HIGH,
    ),
    Training(
        "exploding without clipping",
        "shapes",
        partial(mlp, layers=6, width=128, activation=partial(nn.LeakyReLU, 0.3)),
        Loop(optimiser="SGD", learning_rate=1.0),
        rules=EXPLODING,
    ),
    Training(
        "accumulated 16 batches without scaling",
        "digits",
        PlainCNN,
        Loop(
            optimiser="SGD",
            learning_rate=0.3,
            batch_size=16,
            accumulate=16,
            scale_accumulated=False,
            epochs=8,
            options={"momentum": 0.9},
        ),
        rules=HIGH,
    ),
    Training("rate 100× too low, MLP, SGD", "digits", mlp, Loop(optimiser="SGD", learning_rate=5e-4), rules=LOW),
    Training(
        "rate 100× too low, CNN, Adam", "cifar, 4 classes", PlainCNN, Loop(learning_rate=1e-5, epochs=3), rules=LOW
    ),
    Training(
        "rate 100× too low, ResNet, SGD",
        "hymenoptera",
        SmallResNet,
        Loop(optimiser="SGD", learning_rate=1e-4, epochs=8),
        rules=LOW,
    ),
    Training("rate 100× too low, ViT", "large digits", TinyViT, Loop(learning_rate=1e-5, epochs=3), rules=LOW),
    Training(
        "rate 1000× too low, new head",
        "cifar, 4 classes",
        with_new_head,
        Loop(learning_rate=1e-6, epochs=3),
        rules=(*LOW, "WeightUpdateRatio"),
    ),
    Training(
        "clipped to nothing",
        "shapes",
        PlainCNN,
        Loop(optimiser="SGD", learning_rate=0.05, clip_norm=1e-5),
        rules=(*LOW, "WeightUpdateRatio"),
    ),
    Training(
        "enormous weight decay, AdamW",
        "digits",
        mlp,
        Loop(optimiser="AdamW", options={"weight_decay": 200.0}),
        rules=DECAYED,
    ),
    Training(
        "enormous weight decay, SGD",
        "shapes",
        PlainCNN,
        Loop(optimiser="SGD", learning_rate=0.05, options={"weight_decay": 5.0}),
        rules=DECAYED,
    ),
    Training(
        "optimiser has the last layer only",
        "digits",
        partial(mlp, layers=3),
        Loop(trained=last_layer),
        rules=NOT_TRAINED,
    ),
    Training("optimiser has the first layer only", "shapes", PlainCNN, Loop(trained=first_layer), rules=NOT_TRAINED),
    Training(
        "optimiser has another model's parameters", "shapes", PlainCNN, Loop(trained=of_a_copy), rules=NOT_TRAINED
    ),
    Training(
        "optimiser lacks the first layer",
        "digits",
        partial(mlp, layers=3),
        Loop(trained=all_but_first),
        rules=NOT_TRAINED,
    ),
    Training(
        "loss on the wrong output",
        "shapes",
        TwoHeads,
        Loop(loss_output=1),
        rules=(*NOT_TRAINED, "VanishingGradient", "AllZero"),
    ),
)
