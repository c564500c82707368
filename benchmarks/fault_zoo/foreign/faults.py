"""Foreign trainings with something wrong."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import nn

from benchmarks.fault_zoo import spoilt_images as spoilt
from benchmarks.fault_zoo.foreign import scripts
from benchmarks.fault_zoo.foreign.networks import (
    Attributes,
    Autoencoder,
    DeepPlainCNN,
    DetachedFeatures,
    GroupResNet,
    Mixer,
    RowsLSTM,
    RowsRNN,
    Segmenter,
    SmallNext,
    adversaries,
    torchvision_resnet18,
)
from benchmarks.fault_zoo.images import Images
from benchmarks.fault_zoo.networks import NormedCNN, PlainCNN, SmallResNet, TinyViT, mlp, with_new_head
from benchmarks.fault_zoo.spoilt_networks import (
    Softmaxed,
    frozen_but_head,
    with_biases,
    with_constant_weights,
    with_norm_momentum,
    with_weights,
    wrapped,
)
from benchmarks.fault_zoo.training import Loop, Training

Schedules = torch.optim.lr_scheduler
HIGH = ("LearningRateTooHigh", "ExplodingTensor")
LOW = ("LearningRateTooLow", "WeightUpdateRatio")
IDLE = ("UntrainedLayers", "UnchangedTensor", "WeightUpdateRatio")
DECAYED = ("WeightDecayTooStrong", "VanishingGradient", "ClassCollapse")
SGD = Loop(optimiser="SGD", learning_rate=0.05, options={"momentum": 0.9})


def valid_otherwise(images: Images) -> Images:
    """Validation divides by 255 what was divided already, and then normalises."""
    return replace(images, valid=(images.valid / 255 - 0.45) / 0.225)


def bytes_and_imagenet(images: Images) -> Images:
    """ImageNet's mean and deviation taken off pixels of 0 to 255."""
    as_bytes = spoilt.bytes_not_normalised(images)
    return replace(images, train=(as_bytes.train - 0.45) / 0.225, valid=(as_bytes.valid - 0.45) / 0.225)


def half_black(images: Images) -> Images:
    """Every second training image could not be read, and is black."""
    train = images.train.copy()
    train[::2] = train.min()
    return images.with_train(train, images.train_labels)


def six_wrong(images: Images) -> Images:
    """Six images of one class have the label of another."""
    labels = images.train_labels.copy()
    labels[np.flatnonzero(labels == 3)[:6]] = 8
    return images.with_train(images.train, labels)


def all_one_label(images: Images) -> Images:
    """A mistake in reading the labels: every training label is 0."""
    return images.with_train(images.train, np.zeros_like(images.train_labels))


def middle_forgotten(network: nn.Module) -> list[nn.Parameter]:
    """All parameters but those of one block in the middle."""
    return [one for name, one in network.named_parameters() if ".1." not in name]


def without_body(network: nn.Module) -> list[nn.Parameter]:
    """Weights alone, and of them the last two."""
    return list(network.parameters())[-2:]


FAULTS = (
    Training("softmax before the loss, LSTM", "digits", wrapped(RowsLSTM, Softmaxed),
             Loop(learning_rate=5e-3, epochs=5), rules=("LossInputs",)),
    Training("softmax before the loss, no loader", "patterns", wrapped(PlainCNN, Softmaxed), Loop(learning_rate=2e-3),
             script=partial(scripts.without_loader, steps=100), rules=("LossInputs",)),
    Training("sigmoid before BCEWithLogits", "digits", partial(Attributes, sigmoid=True),
             Loop(learning_rate=3e-3, epochs=6), script=scripts.answering, rules=("LossInputs",)),
    Training("NLL of probabilities", "digits", mlp, Loop(learning_rate=2e-3),
             script=partial(scripts.without_loader, steps=200, loss=scripts.of_probabilities), rules=("LossInputs",)),
    Training("loss maximised", "digits", PlainCNN, Loop(learning_rate=1e-3),
             script=partial(scripts.without_loader, steps=150, loss=scripts.upwards),
             rules=("LossInputs", "LossNotDecreasing", "LearningRateTooHigh")),
    Training("loss summed, SGD", "digits", PlainCNN, SGD,
             script=partial(scripts.without_loader, steps=150, loss=scripts.summed), rules=HIGH),
    Training("log of zero", "digits", mlp, Loop(learning_rate=0.3),
             script=partial(scripts.without_loader, steps=150, loss=scripts.log_of_zero), rules=HIGH),
    Training("validation normalised otherwise, Mixer", "large digits", Mixer,
             Loop(learning_rate=3e-3, epochs=5), valid_otherwise, ("CheckInputImages",)),
    Training("bytes normalised as ImageNet, GroupNorm", "shapes", GroupResNet, Loop(learning_rate=1e-3),
             bytes_and_imagenet, ("CheckInputImages",)),
    Training("0 to 255, no loader, sixty steps", "patterns", NormedCNN, Loop(learning_rate=2e-3),
             spoilt.bytes_not_normalised, ("CheckInputImages",), script=partial(scripts.without_loader, steps=60)),
    Training("every second image black", "shapes", NormedCNN, Loop(learning_rate=2e-3, epochs=5), half_black,
             ("CheckInputImages",)),
    Training("each batch one sample", "digits", PlainCNN, Loop(learning_rate=1e-3),
             rules=("CheckInputImages", "UnshuffledBatches"), script=scripts.same_sample),
    Training("a block forgotten by the optimiser, Mixer", "large digits", partial(Mixer, layers=3),
             Loop(learning_rate=3e-3, trained=middle_forgotten), rules=IDLE),
    Training("head replaced after the optimiser was made", "large digits", TinyViT,
             Loop(learning_rate=2e-3), rules=IDLE, script=scripts.head_replaced_late),
    Training("features detached", "shapes", DetachedFeatures, Loop(learning_rate=2e-3), rules=IDLE),
    Training("features detached, no loader", "patterns", DetachedFeatures, Loop(learning_rate=2e-3), rules=IDLE,
             script=partial(scripts.without_loader, steps=80)),
    Training("random segmenter frozen", "shapes", frozen_but_head(Segmenter), Loop(learning_rate=5e-3),
             rules=IDLE, script=scripts.segmenting),
    Training("rate falls to nothing at once", "gratings", NormedCNN, Loop(learning_rate=2e-3), rules=LOW,
             script=partial(scripts.with_schedule, per_batch=True,
                            schedule=lambda one: Schedules.ExponentialLR(one, 0.5))),
    Training("milestones counted in batches", "shapes", SmallNext,
             Loop(optimiser="AdamW", learning_rate=2e-3, epochs=6), rules=LOW,
             script=partial(scripts.with_schedule, per_batch=True,
                            schedule=lambda one: Schedules.MultiStepLR(one, [2, 4, 6]))),
    Training("rate of 1e-6, no loader", "patterns", Mixer, Loop(learning_rate=1e-6), rules=LOW,
             script=partial(scripts.without_loader, steps=100)),
    Training("rate of 1e-6, LSTM", "digits", RowsLSTM, Loop(optimiser="SGD", learning_rate=1e-5), rules=LOW),
    Training("epsilon of 10", "digits", PlainCNN, Loop(optimiser="Adam", options={"eps": 10.0}), rules=LOW),
    Training("clipped at 1e-6", "gratings", GroupResNet, Loop(optimiser="SGD", learning_rate=0.05, clip_norm=1e-6),
             rules=(*LOW, "UnchangedTensor")),
    Training("rate of 1, LSTM", "digits", RowsLSTM, Loop(learning_rate=1.0), rules=HIGH),
    Training("rate of 0.5, Mixer, no loader", "patterns", Mixer, Loop(learning_rate=0.5), rules=HIGH,
             script=partial(scripts.without_loader, steps=100)),
    Training("rate of 0.3, autoencoder", "digits", Autoencoder, Loop(learning_rate=0.3, epochs=6), rules=HIGH,
             script=scripts.drawing_again),
    Training("targets in thousands", "shapes", PlainCNN, Loop(optimiser="SGD", learning_rate=0.05, epochs=6),
             rules=(*HIGH, "LossNotDecreasing"), script=partial(scripts.measuring, scale=10_000.0)),
    Training("rate 1000× higher at one step", "digits", mlp, Loop(learning_rate=2e-3, epochs=5), rules=HIGH,
             script=scripts.spiked),
    Training("recurrent weights three times as large", "gratings", partial(RowsRNN, factor=3.0),
             Loop(learning_rate=1e-3), rules=(*HIGH, "PoorWeightInitialization")),
    Training("weights drawn anew each epoch", "digits", PlainCNN, Loop(epochs=6),
             rules=("WeightUpdateRatio", "LossNotDecreasing", "LearningRateTooHigh", "Overtraining"),
             script=scripts.begun_anew),
    Training("weight decay of 10, SGD", "digits", PlainCNN,
             Loop(optimiser="SGD", learning_rate=0.05, options={"momentum": 0.9, "weight_decay": 10.0}), rules=DECAYED),
    Training("weight decay of 10, Adam, ViT", "large digits", TinyViT,
             Loop(optimiser="Adam", learning_rate=1e-3, options={"weight_decay": 10.0}), rules=DECAYED),
    Training("dropout of 95%, LSTM", "digits", partial(RowsLSTM, dropout=0.95), Loop(learning_rate=5e-3, epochs=6),
             rules=("AugmentationTooStrong",)),
    Training("batch norm with momentum of 1", "shapes", with_norm_momentum(NormedCNN, 1.0),
             Loop(batch_size=4, epochs=2), rules=("BatchNormDrift", "GradientNoise")),
    Training("trained in evaluation mode from the second epoch on", "shapes", partial(NormedCNN, dropout=0.2),
             Loop(learning_rate=2e-3, epochs=5), rules=("EvalModeTraining", "BatchNormDrift"),
             script=scripts.train_called_once),
    Training("sorted by class, LSTM, not validated", "digits", RowsLSTM,
             Loop(learning_rate=5e-3, shuffle=False, validates=False), spoilt.sorted_by_class, ("UnshuffledBatches",)),
    Training("training images in validation, Mixer", "large digits", Mixer, Loop(learning_rate=3e-3, epochs=8),
             spoilt.leaked, ("TrainValidLeak",)),
    Training("six wrong labels in one class", "large digits", NormedCNN, Loop(learning_rate=2e-3, epochs=6), six_wrong,
             ("LabelNoise",)),
    Training("labels drawn at random in every batch", "patterns", PlainCNN, Loop(learning_rate=1e-3),
             rules=("LossNotDecreasing", "LabelNoise"), script=scripts.labels_elsewhere),
    Training("every label is 0", "shapes", SmallResNet, Loop(epochs=4), all_one_label,
             ("ClassImbalance", "DeadClass", "ClassCollapse")),
    Training("one class at 96%, no loader", "patterns", PlainCNN, Loop(learning_rate=1e-3),
             partial(spoilt.mostly_one_class, share=0.96), ("ClassImbalance",),
             script=partial(scripts.without_loader, steps=100)),
    Training("gradients never cleared in one of two optimisers", "digits", mlp, SGD,
             rules=("GradientNotCleared", "LearningRateTooHigh"), script=partial(scripts.two_optimisers, clears=False)),
    Training("deep CNN without norms", "shapes", DeepPlainCNN, Loop(optimiser="SGD", learning_rate=0.05),
             rules=("VanishingGradient", "PoorWeightInitialization", "LossNotDecreasing")),
    Training("zero weights, Mixer", "large digits", with_constant_weights(Mixer, 0.0), Loop(learning_rate=2e-3),
             rules=("PoorWeightInitialization", "AllZero", "VanishingGradient")),
    Training("zero weights, no loader", "patterns", with_constant_weights(mlp, 0.0), Loop(learning_rate=1e-3),
             rules=("PoorWeightInitialization", "AllZero", "VanishingGradient"),
             script=partial(scripts.without_loader, steps=60)),
    Training("tanh saturated, no loader", "patterns", with_weights(partial(mlp, layers=3, activation=nn.Tanh), 2.0),
             Loop(optimiser="SGD", learning_rate=0.05), rules=("SaturatedActivation", "PoorWeightInitialization"),
             script=partial(scripts.without_loader, steps=80)),
    Training("sigmoid stack, no loader", "patterns", partial(mlp, layers=10, activation=nn.Sigmoid),
             Loop(optimiser="SGD", learning_rate=0.1), rules=("VanishingGradient",),
             script=partial(scripts.without_loader, steps=80)),
    Training("dead functional ReLUs, several answers", "digits", with_biases(Attributes, -6.0),
             Loop(learning_rate=1e-3), rules=("DeadRelu",), script=scripts.answering),
    Training("huge weights, torchvision's ResNet-18", "shapes", with_weights(torchvision_resnet18, 1.0),
             Loop(epochs=1), rules=("PoorWeightInitialization", "ExplodingTensor")),
    Training("judge far ahead, GAN, saturating", "digits", adversaries, Loop(learning_rate=1e-4),
             rules=("VanishingGradient", "SaturatedActivation", "LearningRateTooLow", "WeightUpdateRatio"),
             script=partial(scripts.adversarial, steps=250, judge=100.0, saturating=True)),
    Training("overfit on 60 images, LSTM", "digits", RowsLSTM, Loop(learning_rate=5e-3, epochs=40, batch_size=16),
             partial(spoilt.few, count=60), ("Overfit", "Overtraining")),
    Training("fine-tuned at 0.3", "cifar, 4 classes", partial(with_new_head, frozen=False),
             Loop(optimiser="AdamW", learning_rate=0.3, epochs=3), rules=HIGH),
    Training("NaN in an image, regression", "shapes", PlainCNN, Loop(learning_rate=2e-3),
             partial(spoilt.one_bad_pixel, value=float("nan")), ("ExplodingTensor",), script=scripts.measuring),
    Training("shuffled labels, Mixer", "large digits", Mixer, Loop(learning_rate=3e-3, epochs=12),
             partial(spoilt.shuffled_labels, share=0.8), ("LabelNoise", "Overfit", "Overtraining")),
)  # fmt: skip
