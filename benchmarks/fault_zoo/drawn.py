"""Trainings drawn at random: a check of the rules on what nobody chose. `draw(number)` always gives the same ones.

Each broken training is a healthy one, of another draw, with one thing made wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from torch import nn

from benchmarks.fault_zoo import spoilt_images as spoilt
from benchmarks.fault_zoo import spoilt_networks as networks
from benchmarks.fault_zoo.augmentations import drowned_in_noise, flipped, shifted
from benchmarks.fault_zoo.faults_of_learning_rate import last_layer, of_a_copy
from benchmarks.fault_zoo.images import Images
from benchmarks.fault_zoo.networks import Builder, GroupedCNN, NormedCNN, PlainCNN, SmallResNet, TinyViT, mlp
from benchmarks.fault_zoo.training import Loop, Training


@dataclass(frozen=True)
class Base:
    """A network on a data set, with rates that suit it."""

    images: str
    network: Builder
    adam: float
    sgd: float  # with a momentum of 0.9
    epochs: int  # with batches of 32


BASES = (
    Base("digits", mlp, 1e-3, 0.03, 5),
    Base("digits", partial(mlp, layers=3, width=96), 1e-3, 0.02, 5),
    Base("digits", partial(mlp, activation=nn.Tanh), 1e-3, 0.03, 5),
    Base("shapes", partial(mlp, width=96), 1e-3, 0.02, 7),
    Base("digits", PlainCNN, 1.5e-3, 0.05, 5),
    Base("shapes", PlainCNN, 2e-3, 0.03, 8),
    Base("large digits", partial(PlainCNN, width=8), 2e-3, 0.05, 5),
    Base("shapes", NormedCNN, 2e-3, 0.05, 7),
    Base("large digits", partial(NormedCNN, width=12), 2e-3, 0.05, 4),
    Base("shapes", GroupedCNN, 3e-3, 0.05, 8),
    Base("large digits", GroupedCNN, 3e-3, 0.05, 5),
    Base("shapes", SmallResNet, 1e-3, 0.05, 5),
    Base("large digits", partial(SmallResNet, width=8), 2e-3, 0.05, 4),
    Base("vehicles and animals", partial(SmallResNet, width=8), 1e-3, 0.03, 3),
    Base("large digits", TinyViT, 2e-3, 0.03, 6),
)

# A shift by a pixel is much for images of 8 pixels, and a digit must not be flipped.
HELPFUL = {"shapes": flipped, "vehicles and animals": flipped, "large digits": shifted}

Spoiler = Callable[[Training], Training]


def healthy(number: int) -> Training:
    """Draw `number`: a base, an optimiser, a rate within a factor of two, a batch size, an augmentation, a seed."""
    rng = np.random.default_rng([number, 1])
    base = BASES[rng.integers(len(BASES))]
    optimiser = str(rng.choice(["Adam", "AdamW", "SGD"]))
    batch = int(rng.choice([16, 32, 64]))
    factor = float(2 ** rng.uniform(-1, 1))
    loop = Loop(
        epochs=math.ceil(base.epochs * (batch / 32) ** 0.5 * (1.5 if factor < 0.8 else 1)),
        batch_size=batch,
        optimiser=optimiser,
        learning_rate=factor * (base.sgd if optimiser == "SGD" else base.adam) * (batch / 32) ** 0.5,
        options={"momentum": 0.9} if optimiser == "SGD" else {},
        cosine=bool(rng.random() < 0.3),
        warmup_steps=int(rng.choice([0, 0, 10])),
        augment=HELPFUL.get(base.images) if rng.random() < 0.25 else None,
        seed=int(rng.integers(1000)),
    )
    return Training(
        f"drawn {number}: {network_name(base.network)}, {base.images}, {optimiser}", base.images, base.network, loop
    )


def network_name(build: Builder) -> str:
    """Of a builder, or of what a partial one is of."""
    return getattr(build.func if isinstance(build, partial) else build, "__name__", "network")


def broken(number: int) -> Training:
    """Draw `number`: a healthy training of a draw of its own with the fault of that number made."""
    name, rules, spoil = SPOILERS[number % len(SPOILERS)]
    made = spoil(healthy(10_000 + number))
    return replace(made, name=f"{made.name}: {name}", rules=rules)


def with_loop(training: Training, **changes: object) -> Training:
    """With other settings of the loop."""
    return replace(training, loop=replace(training.loop, **changes))


def with_data(spoil: Callable[[Images], Images]) -> Spoiler:
    """With other data."""
    return lambda training: replace(training, spoil=spoil)


def with_network(change: Callable[[Builder], Builder]) -> Spoiler:
    """With a network that is changed after it was built."""
    return lambda training: replace(training, network=change(training.network))


def faster(training: Training, factor: float) -> Training:
    """With another learning rate."""
    return with_loop(training, learning_rate=training.loop.learning_rate * factor, warmup_steps=0)


SPOILERS: tuple[tuple[str, tuple[str, ...], Spoiler], ...] = (
    ("rate 200 times higher", ("LearningRateTooHigh", "ExplodingTensor"), lambda one: faster(one, 200)),
    ("rate 300 times lower", ("LearningRateTooLow",), lambda one: faster(one, 1 / 300)),
    (
        "zero weights",
        ("PoorWeightInitialization", "AllZero", "VanishingGradient"),
        with_network(partial(networks.with_constant_weights, value=0.0)),
    ),
    (
        "huge weights",
        ("PoorWeightInitialization", "ExplodingTensor", "SaturatedActivation"),
        with_network(partial(networks.with_weights, deviation=2.5)),
    ),
    ("double softmax", ("LossInputs",), with_network(lambda build: networks.wrapped(build, networks.Softmaxed))),
    ("all but the head frozen", ("UntrainedLayers", "UnchangedTensor"), with_network(networks.frozen_but_head)),
    (
        "sigmoid stack",
        ("VanishingGradient",),
        lambda one: replace(one, network=partial(mlp, layers=14, activation=nn.Sigmoid)),
    ),
    (
        "30% wrong labels",
        ("LabelNoise",),
        lambda one: with_loop(with_data(partial(spoilt.shuffled_labels, share=0.3))(one), epochs=one.loop.epochs + 3),
    ),
    (
        "one class at 95%",
        ("ClassImbalance",),
        lambda one: with_loop(with_data(spoilt.mostly_one_class)(one), epochs=4 * one.loop.epochs),
    ),
    ("a class is missing", ("ClassImbalance", "DeadClass"), with_data(partial(spoilt.without_class, missing=1))),
    ("pixels of 0 to 255", ("CheckInputImages",), with_data(spoilt.bytes_not_normalised)),
    ("NaN in an image", ("ExplodingTensor",), with_data(partial(spoilt.one_bad_pixel, value=math.nan))),
    ("validation leaked", ("TrainValidLeak",), lambda one: with_loop(with_data(spoilt.leaked)(one), augment=None)),
    (
        "sorted by class",
        ("UnshuffledBatches",),
        lambda one: with_loop(with_data(spoilt.sorted_by_class)(one), shuffle=False),
    ),
    (
        "drowned in noise",
        ("AugmentationTooStrong", "LossNotDecreasing"),
        lambda one: with_loop(one, augment=drowned_in_noise, epochs=one.loop.epochs + 3),
    ),
    (
        "gradients never cleared",
        ("GradientNotCleared", "LearningRateTooHigh"),
        lambda one: with_loop(one, zero_grad=False),
    ),
    (
        "trained in evaluation mode",
        ("EvalModeTraining", "BatchNormDrift"),
        lambda one: with_loop(one, training_mode=False),
    ),
    (
        "optimiser has the last layer",
        ("UnchangedTensor", "WeightUpdateRatio", "UntrainedLayers"),
        lambda one: with_loop(one, trained=last_layer),
    ),
    (
        "optimiser has a copy",
        ("UnchangedTensor", "WeightUpdateRatio", "UntrainedLayers"),
        lambda one: with_loop(one, trained=of_a_copy),
    ),
    (
        "enormous weight decay",
        ("WeightDecayTooStrong", "VanishingGradient", "ClassCollapse"),
        lambda one: with_loop(
            one, optimiser="AdamW", learning_rate=1e-3, options={"weight_decay": 150.0}, warmup_steps=0
        ),
    ),
    (
        "overfit on 40 images",
        ("Overfit", "Overtraining"),
        lambda one: with_loop(
            with_data(partial(spoilt.few, count=40))(one), epochs=50, batch_size=16, augment=None, cosine=False
        ),
    ),
)
