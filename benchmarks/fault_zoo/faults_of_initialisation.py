"""Networks that were built or initialised wrongly."""

from __future__ import annotations

from functools import partial

from torch import nn

from benchmarks.fault_zoo.networks import NormedCNN, PlainCNN, SmallResNet, TinyViT, mlp
from benchmarks.fault_zoo.spoilt_networks import (
    Rectified,
    Softmaxed,
    frozen_but_head,
    with_biases,
    with_constant_weights,
    with_last_biases,
    with_scaled_layer,
    with_weights,
    wrapped,
)
from benchmarks.fault_zoo.training import Loop, Training

SIGMOIDS = partial(mlp, layers=12, activation=nn.Sigmoid)
TANHS = partial(mlp, layers=3, activation=nn.Tanh)
SGD = Loop(optimiser="SGD", learning_rate=0.05, epochs=3)

VANISHING = ("VanishingGradient",)
SATURATED = ("SaturatedActivation", "PoorWeightInitialization")
POOR = ("PoorWeightInitialization",)
HUGE = ("PoorWeightInitialization", "ExplodingTensor")
SYMMETRIC = ("PoorWeightInitialization", "VanishingGradient", "AllZero", "TensorVariance")
DEAD = ("DeadRelu",)
PROBABILITIES = ("LossInputs",)
NEVER_TRAINED = ("UntrainedLayers", "UnchangedTensor", "WeightUpdateRatio")

FAULTS = (
    Training("sigmoid stack, MLP", "digits", SIGMOIDS, SGD, rules=VANISHING),
    Training(
        "sigmoid stack, 20 layers, Adam", "digits", partial(mlp, layers=20, activation=nn.Sigmoid), rules=VANISHING
    ),
    Training(
        "sigmoid stack on shapes",
        "shapes",
        partial(mlp, width=48, layers=15, activation=nn.Sigmoid),
        SGD,
        rules=VANISHING,
    ),
    Training("tanh saturated, MLP", "digits", with_weights(TANHS, 4.0), SGD, rules=SATURATED),
    Training(
        "tanh saturated, CNN",
        "cifar, 4 classes",
        with_weights(partial(PlainCNN, activation=nn.Tanh), 3.0),
        SGD,
        rules=SATURATED,
    ),
    Training(
        "sigmoid saturated, MLP",
        "digits",
        with_weights(partial(mlp, layers=2, activation=nn.Sigmoid), 20.0),
        SGD,
        rules=SATURATED,
    ),
    Training("huge weights, CNN", "cifar, 4 classes", with_weights(PlainCNN, 2.0), Loop(epochs=2), rules=HUGE),
    Training("huge weights, MLP", "digits", with_weights(partial(mlp, layers=4), 1.5), SGD, rules=HUGE),
    Training("one huge layer", "shapes", with_scaled_layer(PlainCNN, 2, 200.0), Loop(epochs=2), rules=HUGE),
    Training("zero weights, MLP", "digits", with_constant_weights(mlp, 0.0), SGD, rules=SYMMETRIC),
    Training("zero weights, CNN", "shapes", with_constant_weights(PlainCNN, 0.0), Loop(epochs=2), rules=SYMMETRIC),
    Training(
        "constant weights, CNN",
        "cifar, 4 classes",
        with_constant_weights(PlainCNN, 0.02),
        Loop(epochs=2),
        rules=SYMMETRIC,
    ),
    Training("constant weights, MLP", "digits", with_constant_weights(mlp, 0.05), SGD, rules=SYMMETRIC),
    Training(
        "tiny weights, CNN", "shapes", with_weights(PlainCNN, 1e-4), SGD, rules=(*SYMMETRIC, "LearningRateTooLow")
    ),
    Training("dead ReLUs by biases, MLP", "digits", with_biases(partial(mlp, layers=3), -8.0), SGD, rules=DEAD),
    Training("dead ReLUs by biases, CNN", "cifar, 4 classes", with_biases(PlainCNN, -6.0), Loop(epochs=2), rules=DEAD),
    Training(
        "dead ReLU as last layer",
        "shapes",
        wrapped(with_last_biases(mlp, -8.0), Rectified),
        SGD,
        rules=(*DEAD, "ClassCollapse", "DeadClass"),
    ),
    Training("double softmax, MLP", "digits", wrapped(mlp, Softmaxed), SGD, rules=PROBABILITIES),
    Training("double softmax, CNN with norms", "shapes", wrapped(NormedCNN, Softmaxed), Loop(), rules=PROBABILITIES),
    Training(
        "random backbone frozen, ResNet",
        "cifar, 4 classes",
        frozen_but_head(SmallResNet),
        Loop(epochs=3),
        rules=NEVER_TRAINED,
    ),
    Training(
        "random layers frozen, MLP", "digits", frozen_but_head(partial(mlp, layers=3)), Loop(), rules=NEVER_TRAINED
    ),
    Training("random ViT frozen", "large digits", frozen_but_head(TinyViT), Loop(epochs=2), rules=NEVER_TRAINED),
)
