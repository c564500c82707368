"""Trainings with nothing wrong: every finding of a rule on one of them is a false alarm."""

from __future__ import annotations

from functools import partial

from torch import nn

from benchmarks.fault_zoo import spoilt_images as spoilt
from benchmarks.fault_zoo.augmentations import flipped, flipped_and_shifted, lightly_noisy, shifted
from benchmarks.fault_zoo.networks import (
    GroupedCNN,
    NormedCNN,
    OneScore,
    PlainCNN,
    SmallResNet,
    TinyViT,
    mlp,
    with_new_head,
)
from benchmarks.fault_zoo.training import Loop, Training

SGD = Loop(optimiser="SGD", learning_rate=0.05, options={"momentum": 0.9})
ADAMW = Loop(optimiser="AdamW", options={"weight_decay": 0.05})
SMOOTHED = partial(nn.CrossEntropyLoss, label_smoothing=0.1)

HEALTHY = (
    Training("MLP, Adam", "digits", mlp),
    Training("MLP, SGD", "digits", mlp, SGD),
    Training("MLP, plain SGD", "digits", mlp, Loop(optimiser="SGD", learning_rate=0.1)),
    Training("MLP, RMSprop", "digits", mlp, Loop(optimiser="RMSprop")),
    Training("MLP, tanh", "digits", partial(mlp, activation=nn.Tanh), SGD),
    Training(
        "MLP, one sigmoid layer", "digits", partial(mlp, layers=1, activation=nn.Sigmoid), Loop(learning_rate=5e-3)
    ),
    Training(
        "MLP, GELU, large batches",
        "digits",
        partial(mlp, activation=nn.GELU),
        Loop(batch_size=128, learning_rate=3e-3, epochs=8),
    ),
    Training("MLP, small batches", "digits", mlp, Loop(batch_size=8, learning_rate=5e-4, epochs=2)),
    Training(
        "MLP, four layers, cosine",
        "digits",
        partial(mlp, layers=4),
        Loop(optimiser="AdamW", cosine=True, warmup_steps=10),
    ),
    Training("MLP, drawn shapes", "shapes", partial(mlp, width=128), Loop(epochs=6)),
    Training("MLP, trained well", "digits", mlp, Loop(epochs=8)),
    Training("CNN, Adam", "digits", PlainCNN),
    Training(
        "CNN, SGD, momentum",
        "large digits",
        PlainCNN,
        Loop(optimiser="SGD", learning_rate=0.05, options={"momentum": 0.9}, epochs=3),
    ),
    Training("CNN, shapes", "shapes", PlainCNN, Loop(epochs=6, learning_rate=2e-3)),
    Training("CNN, tanh", "shapes", partial(PlainCNN, activation=nn.Tanh), Loop(epochs=6, learning_rate=2e-3)),
    Training(
        "CNN, LeakyReLU, dropout",
        "digits",
        partial(PlainCNN, activation=partial(nn.LeakyReLU, 0.1), dropout=0.25),
        Loop(epochs=5),
    ),
    Training("CNN, vehicles and animals", "vehicles and animals", PlainCNN, Loop(epochs=3)),
    Training("CNN, photographs", "cifar, 4 classes", PlainCNN, Loop(epochs=4, augment=flipped)),
    Training(
        "CNN, clipped",
        "digits",
        PlainCNN,
        Loop(optimiser="SGD", learning_rate=0.1, options={"momentum": 0.9}, clip_norm=1.0),
    ),
    Training("CNN, smoothed labels", "digits", PlainCNN, Loop(epochs=5, criterion=SMOOTHED)),
    Training("CNN with norms, Adam", "shapes", NormedCNN, Loop(epochs=5)),
    Training(
        "CNN with norms, SGD, cosine",
        "large digits",
        NormedCNN,
        Loop(optimiser="SGD", learning_rate=0.1, options={"momentum": 0.9, "nesterov": True}, cosine=True, epochs=3),
    ),
    Training("CNN with norms, augmented", "shapes", NormedCNN, Loop(epochs=6, augment=flipped_and_shifted)),
    Training("CNN with norms, digits", "digits", NormedCNN, Loop(learning_rate=3e-3)),
    Training(
        "CNN with norms, accumulated",
        "shapes",
        NormedCNN,
        Loop(epochs=6, batch_size=16, accumulate=2, learning_rate=2e-3),
    ),
    Training("CNN with norms, photographs", "vehicles and animals", NormedCNN, Loop(epochs=4, augment=flipped)),
    Training("ResNet, Adam", "shapes", SmallResNet, Loop(epochs=4)),
    Training(
        "ResNet, SGD, warm-up",
        "shapes",
        SmallResNet,
        Loop(
            optimiser="SGD",
            learning_rate=0.1,
            options={"momentum": 0.9, "weight_decay": 5e-4},
            warmup_steps=10,
            epochs=4,
        ),
    ),
    Training(
        "ResNet, photographs, OneCycle-like",
        "vehicles and animals",
        SmallResNet,
        Loop(optimiser="AdamW", learning_rate=2e-3, cosine=True, warmup_steps=15, epochs=3, augment=flipped),
    ),
    Training("ResNet, large digits", "large digits", SmallResNet, Loop(epochs=2)),
    Training("ViT, AdamW", "large digits", TinyViT, Loop(optimiser="AdamW", learning_rate=2e-3, epochs=4)),
    Training(
        "ViT, warm-up and cosine",
        "large digits",
        TinyViT,
        Loop(optimiser="AdamW", learning_rate=3e-3, warmup_steps=20, cosine=True, epochs=4, clip_norm=1.0),
    ),
    Training("ViT, shapes", "shapes", TinyViT, Loop(optimiser="AdamW", learning_rate=2e-3, epochs=6)),
    Training("frozen backbone, new head", "cifar, 4 classes", with_new_head, Loop(learning_rate=3e-3, epochs=4)),
    Training(
        "frozen backbone, two classes",
        "vehicles and animals",
        with_new_head,
        Loop(optimiser="SGD", learning_rate=0.02, options={"momentum": 0.9}, epochs=3),
    ),
    Training(
        "fine-tuned gently",
        "cifar, 4 classes",
        partial(with_new_head, frozen=False),
        Loop(learning_rate=5e-4, epochs=3, augment=flipped),
    ),
    Training("MLP, mild imbalance", "digits", mlp, Loop(epochs=5), partial(spoilt.rare_class, rare=5, count=50)),
    Training("CNN, shifted a little", "large digits", PlainCNN, Loop(epochs=4, augment=shifted)),
    Training("CNN, a little noise", "digits", PlainCNN, Loop(epochs=4, augment=lightly_noisy)),
    Training("MLP, few steps", "digits", mlp, Loop(epochs=1, learning_rate=3e-3)),
    Training("MLP, twenty epochs", "digits", partial(mlp, width=32), Loop(epochs=20, batch_size=64)),
    Training("MLP, slow but sure", "digits", mlp, Loop(optimiser="SGD", learning_rate=0.02, epochs=6)),
    Training("MLP, rate decays", "digits", mlp, Loop(learning_rate=3e-3, decay=0.98)),
    Training("MLP, no validation", "digits", mlp, Loop(validates=False)),
    Training("MLP, another seed", "large digits", mlp, Loop(seed=5, learning_rate=5e-4, epochs=5)),
    Training("CNN with group norms", "shapes", GroupedCNN, Loop(learning_rate=3e-3, epochs=8)),
    Training("CNN, mixup", "shapes", NormedCNN, Loop(learning_rate=3e-3, epochs=8, mixup=True)),
    Training("CNN, bfloat16", "digits", PlainCNN, Loop(epochs=5, autocast=True)),
    Training("CNN, one score", "vehicles and animals", NormedCNN, Loop(criterion=OneScore, augment=flipped)),
    Training("ResNet, large batches", "shapes", SmallResNet, Loop(batch_size=128, learning_rate=3e-3, epochs=10)),
    Training("ResNet, another seed, augmented", "vehicles and animals", SmallResNet, Loop(seed=9, augment=flipped)),
    Training("ViT, small batches", "shapes", TinyViT, Loop(batch_size=16, epochs=4, augment=flipped_and_shifted)),
)
