"""Images and labels that are wrong, too few, leaked or out of order."""

from __future__ import annotations

import math
from functools import partial

from benchmarks.fault_zoo import spoilt_images as spoilt
from benchmarks.fault_zoo.augmentations import blurred_away, drowned_in_noise, nearly_erased, pixels_shuffled
from benchmarks.fault_zoo.networks import NormedCNN, PlainCNN, SmallResNet, TinyViT, mlp, with_new_head
from benchmarks.fault_zoo.training import Loop, Training

NOISE = ("LabelNoise",)
SHUFFLED = ("LabelNoise", "Overfit", "Overtraining")
IMBALANCE = ("ClassImbalance",)
INPUTS = ("CheckInputImages",)
SAME = ("CheckInputImages", "TensorVariance", "UnchangedTensor", "AllZero")
NAN = ("ExplodingTensor",)
LEAK = ("TrainValidLeak",)
DESTROYED = ("AugmentationTooStrong", "LossNotDecreasing")       # nothing is left that could be learned
OVERFIT = ("Overfit", "Overtraining")
STRONG = ("AugmentationTooStrong",)
ORDER = ("UnshuffledBatches",)
LONG = Loop(epochs=12)

FAULTS = (
    Training("shuffled labels, MLP", "digits", mlp, LONG, partial(spoilt.shuffled_labels, share=0.9), SHUFFLED),
    Training(
        "shuffled labels, ResNet",
        "cifar, 4 classes",
        SmallResNet,
        Loop(epochs=4),
        partial(spoilt.shuffled_labels, share=0.75),
        SHUFFLED,
    ),
    Training("labels rolled by one", "digits", PlainCNN, Loop(epochs=6), spoilt.rolled_labels, SHUFFLED),
    Training(
        "30% of labels wrong, MLP", "digits", mlp, Loop(epochs=8), partial(spoilt.shuffled_labels, share=0.3), NOISE
    ),
    Training(
        "30% of labels wrong, CNN with norms",
        "shapes",
        NormedCNN,
        Loop(epochs=6),
        partial(spoilt.shuffled_labels, share=0.3),
        NOISE,
    ),
    Training(
        "15% of labels wrong, CNN",
        "large digits",
        PlainCNN,
        Loop(epochs=5),
        partial(spoilt.shuffled_labels, share=0.15),
        NOISE,
    ),
    Training(
        "half of a class labelled as another",
        "digits",
        NormedCNN,
        Loop(epochs=6),
        partial(spoilt.swapped_labels, first=3, second=8, share=0.4),
        (*NOISE, "Confusion"),
    ),
    Training(
        "validation labels off by one",
        "digits",
        mlp,
        Loop(),
        spoilt.shifted_valid_labels,
        ("Confusion", "LabelNoise", "Overfit"),
    ),
    Training("one class at 95%, MLP", "digits", mlp, LONG, spoilt.mostly_one_class, IMBALANCE),
    Training("one class at 95%, CNN", "cifar, 4 classes", PlainCNN, Loop(epochs=8), spoilt.mostly_one_class, IMBALANCE),
    Training(
        "one class is missing",
        "digits",
        mlp,
        Loop(epochs=6),
        partial(spoilt.without_class, missing=4),
        (*IMBALANCE, "DeadClass"),
    ),
    Training(
        "one class is missing, CNN",
        "shapes",
        PlainCNN,
        Loop(epochs=5),
        partial(spoilt.without_class, missing=2),
        (*IMBALANCE, "DeadClass"),
    ),
    Training(
        "one class has three images",
        "digits",
        NormedCNN,
        Loop(),
        partial(spoilt.rare_class, rare=7, count=3),
        (*IMBALANCE, "DeadClass"),
    ),
    Training("pixels of 0 to 255, MLP", "digits", mlp, Loop(), spoilt.bytes_not_normalised, INPUTS),
    Training(
        "pixels of 0 to 255, CNN", "cifar, 4 classes", PlainCNN, Loop(epochs=2), spoilt.bytes_not_normalised, INPUTS
    ),
    Training("normalised twice", "shapes", NormedCNN, Loop(), spoilt.normalised_twice, INPUTS),
    Training(
        "validation not normalised", "shapes", PlainCNN, Loop(), spoilt.valid_not_normalised, (*INPUTS, "Overfit")
    ),
    Training("all images black", "digits", mlp, Loop(), spoilt.constant, SAME),
    Training("always the first image", "shapes", PlainCNN, Loop(), spoilt.first_image_everywhere, SAME),
    Training("NaN in one image, CNN", "shapes", PlainCNN, Loop(), partial(spoilt.one_bad_pixel, value=math.nan), NAN),
    Training(
        "infinite pixel, CNN with norms",
        "large digits",
        NormedCNN,
        Loop(epochs=2),
        partial(spoilt.one_bad_pixel, value=math.inf),
        NAN,
    ),
    Training(
        "training images in validation, few", "cifar, 4 classes, few", SmallResNet, Loop(epochs=20), spoilt.leaked, LEAK
    ),
    Training("training images in validation", "digits", mlp, Loop(epochs=6), spoilt.leaked, LEAK),
    Training(
        "half of validation leaked",
        "hymenoptera",
        SmallResNet,
        Loop(epochs=12),
        partial(spoilt.leaked, share=0.5),
        LEAK,
    ),
    Training(
        "overfit on 60 digits",
        "digits",
        partial(mlp, width=256),
        Loop(epochs=40, batch_size=16),
        partial(spoilt.few, count=60),
        OVERFIT,
    ),
    Training(
        "overfit on few photographs, CNN",
        "hymenoptera",
        PlainCNN,
        Loop(epochs=40, batch_size=16, learning_rate=3e-3),
        partial(spoilt.few, count=80),
        OVERFIT,
    ),
    Training("overtrained, ResNet", "hymenoptera", SmallResNet, Loop(epochs=15, learning_rate=2e-3), rules=OVERFIT),
    Training(
        "overtrained, all of it fine-tuned",
        "cifar, 4 classes, few",
        partial(with_new_head, frozen=False),
        Loop(epochs=20),
        rules=OVERFIT,
    ),
    Training("drowned in noise", "digits", mlp, Loop(epochs=8, augment=drowned_in_noise), rules=STRONG),
    Training("nearly erased", "shapes", PlainCNN, Loop(epochs=8, augment=nearly_erased), rules=STRONG),
    Training("crops of a few pixels", "large digits", NormedCNN, Loop(augment=blurred_away), rules=DESTROYED),
    Training("pixels in random order", "large digits", PlainCNN, Loop(augment=pixels_shuffled), rules=DESTROYED),
    Training("dropout of 95%", "digits", partial(PlainCNN, dropout=0.95), Loop(epochs=6), rules=STRONG),
    Training("sorted by class, MLP", "digits", mlp, Loop(shuffle=False), spoilt.sorted_by_class, ORDER),
    Training(
        "sorted by class, ViT", "large digits", TinyViT, Loop(shuffle=False, epochs=2), spoilt.sorted_by_class, ORDER
    ),
)
