"""Loops that do the wrong thing in the right order, or the right thing at the wrong time."""

from __future__ import annotations

from functools import partial

from benchmarks.fault_zoo.networks import NormedCNN, PlainCNN, SmallResNet, mlp
from benchmarks.fault_zoo.spoilt_networks import with_norm_momentum
from benchmarks.fault_zoo.training import Loop, Training

STALE = ("GradientNotCleared", "LearningRateTooHigh", "ExplodingTensor")
MODE = ("BatchNormDrift", "EvalModeTraining")
NORM = ("BatchNormDrift",)
STALLED = ("StalledTraining",)
IDLE = ("UnchangedTensor", "UntrainedLayers", "WeightUpdateRatio")

FAULTS = (
    Training(
        "gradients never cleared, MLP",
        "digits",
        mlp,
        Loop(zero_grad=False, optimiser="SGD", learning_rate=0.05),
        rules=STALE,
    ),
    Training("gradients never cleared, CNN", "shapes", PlainCNN, Loop(zero_grad=False), rules=STALE),
    Training("trained in evaluation mode, norms", "shapes", NormedCNN, Loop(training_mode=False), rules=MODE),
    Training(
        "trained in evaluation mode, dropout",
        "digits",
        partial(PlainCNN, dropout=0.3),
        Loop(training_mode=False),
        rules=MODE,
    ),
    Training("validated in training mode, ResNet", "shapes", SmallResNet, Loop(evaluation_mode=False), rules=MODE),
    Training(
        "batch norm with batches of 2",
        "hymenoptera",
        SmallResNet,
        Loop(batch_size=2, epochs=1, learning_rate=1e-3),
        rules=(*NORM, "GradientNoise"),
    ),
    Training(
        "batch norm with batches of 2, shapes",
        "shapes",
        NormedCNN,
        Loop(batch_size=2, epochs=1),
        rules=(*NORM, "GradientNoise"),
    ),
    Training("batch norm with momentum of 0.001", "shapes", with_norm_momentum(NormedCNN, 1e-3), Loop(), rules=NORM),
    Training(
        "loader stalls",
        "digits",
        mlp,
        Loop(stall_seconds=3.0),
        rules=STALLED,
        parameters={"StalledTraining:threshold": "2"},
    ),
    Training("backward forgotten", "digits", mlp, Loop(backward=False), rules=IDLE),
    Training("optimiser's step forgotten", "shapes", PlainCNN, Loop(step=False), rules=IDLE),
    Training("schedule stepped per batch", "digits", mlp, Loop(decay=0.5), rules=("LearningRateTooLow",)),
    Training(
        "schedule stepped per batch, ResNet", "shapes", SmallResNet, Loop(decay=0.6), rules=("LearningRateTooLow",)
    ),
)
