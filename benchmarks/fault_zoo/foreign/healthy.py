"""Foreign trainings with nothing wrong."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from benchmarks.fault_zoo.augmentations import flipped_and_shifted, shifted
from benchmarks.fault_zoo.foreign import scripts
from benchmarks.fault_zoo.foreign.networks import (
    Attributes,
    Autoencoder,
    GroupResNet,
    Mixer,
    RowsLSTM,
    RowsRNN,
    Segmenter,
    SmallNext,
    adversaries,
    timm_network,
    torchvision_resnet18,
)
from benchmarks.fault_zoo.images import Images
from benchmarks.fault_zoo.networks import NormedCNN, PlainCNN, SmallResNet, TinyViT, mlp, with_new_head
from benchmarks.fault_zoo.training import Loop, Training

Schedules = torch.optim.lr_scheduler
WEIGHTED = partial(nn.CrossEntropyLoss, label_smoothing=0.2)


def distilled(network: nn.Module, images: Images, loop: Loop) -> None:
    """From a network that was trained for a moment."""
    teacher = mlp(images, width=128)
    optimiser = torch.optim.Adam(teacher.parameters(), 2e-3)
    x, y, _, _ = scripts.tensors(images)
    for pictures, labels in scripts.batches(x, y, 64, 150):
        optimiser.zero_grad()
        nn.CrossEntropyLoss()(teacher(pictures), labels).backward()
        optimiser.step()
    scripts.distilling(network, images, loop, teacher=teacher)


HEALTHY = (
    Training("LSTM on rows", "digits", RowsLSTM, Loop(learning_rate=5e-3, epochs=5)),
    Training("LSTM, two layers, dropout, no loader", "gratings",
             partial(RowsLSTM, layers=2, dropout=0.3), Loop(learning_rate=5e-3),
             script=partial(scripts.without_loader, steps=200, every=50)),
    Training("RNN on rows, clipped", "digits", RowsRNN, Loop(learning_rate=2e-3, clip_norm=1.0, epochs=5)),
    Training("Mixer", "large digits", Mixer, Loop(optimiser="AdamW", learning_rate=3e-3, epochs=6)),
    Training("Mixer, patterns, no loader", "patterns", Mixer, Loop(learning_rate=3e-3),
             script=partial(scripts.without_loader, steps=120)),
    Training("ConvNeXt-like, scales of 1e-6", "shapes", SmallNext,
             Loop(optimiser="AdamW", learning_rate=4e-3, epochs=8, warmup_steps=10)),
    Training("ConvNeXt-like, gratings", "gratings", SmallNext,
             Loop(optimiser="AdamW", learning_rate=4e-3, epochs=6, cosine=True)),
    Training("ResNet with group norms, zero head", "shapes", GroupResNet, Loop(learning_rate=3e-3, epochs=8)),
    Training("ResNet with group norms, SGD, gratings", "gratings", GroupResNet,
             Loop(optimiser="SGD", learning_rate=0.1, options={"momentum": 0.9, "weight_decay": 1e-4}, epochs=6)),
    Training("torchvision's ResNet-18", "shapes", torchvision_resnet18, Loop(learning_rate=1e-3, epochs=2)),
    Training("timm's MobileNetV3", "patterns", partial(timm_network, name="mobilenetv3_small_050"),
             Loop(learning_rate=3e-3, epochs=5)),
    Training("GAN", "digits", adversaries, Loop(learning_rate=1e-3), script=partial(scripts.adversarial, steps=300)),
    Training("GAN, shapes", "shapes", adversaries, Loop(learning_rate=5e-4),
             script=partial(scripts.adversarial, steps=300, judge=0.5)),
    Training("autoencoder", "digits", Autoencoder, Loop(learning_rate=3e-3, epochs=8), script=scripts.drawing_again),
    Training("regression", "shapes", PlainCNN, Loop(learning_rate=2e-3, epochs=6), script=scripts.measuring),
    Training("segmentation, dictionaries", "shapes", Segmenter, Loop(learning_rate=5e-3, epochs=5),
             script=scripts.segmenting),
    Training("several answers", "digits", Attributes, Loop(learning_rate=3e-3, epochs=6), script=scripts.answering),
    Training("two optimisers", "digits", mlp,
             Loop(optimiser="SGD", learning_rate=0.05, options={"momentum": 0.9}), script=scripts.two_optimisers),
    Training("head first, then all", "cifar, 4 classes", with_new_head, Loop(learning_rate=3e-3, epochs=2),
             script=scripts.head_first),
    Training("distilled", "digits", mlp, Loop(learning_rate=2e-3, epochs=5), script=distilled),
    Training("averaged weights", "large digits", NormedCNN, Loop(learning_rate=2e-3, epochs=4),
             script=scripts.averaged),
    Training("L-BFGS", "digits", partial(mlp, width=32), script=partial(scripts.in_closures, steps=6)),
    Training("early stopped", "digits", mlp, Loop(learning_rate=2e-3), script=scripts.early_stopped),
    Training("early stopped, ResNet", "shapes", SmallResNet, Loop(learning_rate=2e-3),
             script=partial(scripts.early_stopped, patience=2)),
    Training("three folds", "digits", mlp, Loop(learning_rate=2e-3, epochs=3), script=scripts.in_folds),
    Training("one batch by heart", "cifar, 4 classes", PlainCNN, Loop(learning_rate=2e-3), script=scripts.one_batch),
    Training("one batch by heart, ResNet, SGD", "shapes", SmallResNet,
             Loop(optimiser="SGD", learning_rate=0.05, options={"momentum": 0.9}), script=scripts.one_batch),
    Training("forty steps, CNN, no loader", "patterns", NormedCNN, Loop(learning_rate=3e-3),
             script=partial(scripts.without_loader, steps=40)),
    Training("sixty steps, MLP, SGD, no loader", "patterns", mlp, Loop(optimiser="SGD", learning_rate=0.05),
             script=partial(scripts.without_loader, steps=60)),
    Training("thousand steps, MLP, no loader", "digits", mlp, Loop(learning_rate=1e-3),
             script=partial(scripts.without_loader, steps=1000, every=200)),
    Training("focal loss by hand", "digits", PlainCNN, Loop(learning_rate=2e-3),
             script=partial(scripts.without_loader, steps=200, loss=scripts.by_hand)),
    Training("log-softmax before the loss", "digits", mlp, Loop(learning_rate=2e-3),
             script=partial(scripts.without_loader, steps=200, every=50, loss=scripts.log_softmax_twice)),
    Training("OneCycle", "shapes", NormedCNN, Loop(optimiser="SGD", options={"momentum": 0.9}, epochs=6),
             script=partial(scripts.with_schedule, per_batch=True,
                            schedule=lambda one: Schedules.OneCycleLR(one, 0.2, total_steps=6 * 20))),
    Training("warm restarts", "digits", mlp,
             Loop(optimiser="SGD", learning_rate=0.1, options={"momentum": 0.9}, epochs=9),
             script=partial(scripts.with_schedule, schedule=lambda one: Schedules.CosineAnnealingWarmRestarts(one, 3))),
    Training("milestones", "large digits", PlainCNN,
             Loop(optimiser="SGD", learning_rate=0.05, options={"momentum": 0.9}, epochs=9),
             script=partial(scripts.with_schedule, schedule=lambda one: Schedules.MultiStepLR(one, [4, 7]))),
    Training("reduced on plateau", "shapes", NormedCNN, Loop(learning_rate=3e-3, epochs=12),
             script=partial(scripts.with_schedule, schedule=lambda one: Schedules.ReduceLROnPlateau(one, patience=1))),
    Training("Adagrad", "digits", mlp, Loop(optimiser="Adagrad", learning_rate=0.03, epochs=5)),
    Training("Adadelta, rate of 1", "digits", PlainCNN, Loop(optimiser="Adadelta", learning_rate=1.0, epochs=4)),
    Training("NAdam, ViT, heavy dropout", "large digits", partial(TinyViT, width=48),
             Loop(optimiser="NAdam", learning_rate=1e-3, epochs=6, warmup_steps=20)),
    Training("CNN, half dropped out, augmented", "large digits", partial(PlainCNN, dropout=0.5),
             Loop(epochs=8, learning_rate=2e-3, augment=shifted)),
    Training("smoothed by 0.2, augmented", "shapes", SmallResNet,
             Loop(epochs=6, criterion=WEIGHTED, augment=flipped_and_shifted)),
    Training("bfloat16, accumulated, clipped, warmed up", "large digits", SmallResNet,
             Loop(optimiser="AdamW", learning_rate=3e-3, epochs=5, batch_size=16, accumulate=4, clip_norm=1.0,
                  autocast=True, warmup_steps=5)),
    Training("AdamW, decay of 0.3", "digits", partial(mlp, width=96),
             Loop(optimiser="AdamW", learning_rate=2e-3, options={"weight_decay": 0.3}, epochs=6)),
)  # fmt: skip
