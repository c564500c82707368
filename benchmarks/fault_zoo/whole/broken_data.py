"""Scripts whose images, labels or splits are wrong."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn, optim
from torch.utils.data import ConcatDataset, DataLoader, Subset, TensorDataset
from torchvision import transforms

from benchmarks.fault_zoo.whole.data import NORMALIZE, bars, bees_and_ants, blobs, digits, photographs, tints
from benchmarks.fault_zoo.whole.script import broken
from benchmarks.fault_zoo.whole.tutorial import evaluate, fit, mlp, run, small_cnn


@broken("labels shuffled, MLP, fifteen epochs", "LabelNoise", "LossNotDecreasing")
def shuffled() -> None:
    torch.manual_seed(41)
    x, y, x_test, y_test = digits()
    model = mlp(64, 10, 128)
    run(model, (x, y[torch.randperm(len(y))], x_test, y_test), optim.Adam(model.parameters(), lr=2e-3), 15, 32)


@broken("labels shuffled, CNN, one epoch, not validated", "LabelNoise", "LossNotDecreasing")
def shuffled_short() -> None:
    torch.manual_seed(42)
    x, y = bars(1600)
    model = small_cnn(1, 4)
    fit(model, x, y[torch.randperm(len(y))], optim.Adam(model.parameters(), lr=1e-3), 1, 32)


@broken("half of the labels drawn anew, photographs", "LabelNoise")
def half_wrong() -> None:
    torch.manual_seed(43)
    x, y = tints(1600, spread=0.3, classes=5)
    x_test, y_test = tints(400, spread=0.3, classes=5, seed=1)
    wrong = torch.rand(len(y)) < 0.5
    y = torch.where(wrong, torch.randint(0, 5, y.shape), y)
    model = small_cnn(3, 5)
    run(model, (x, y, x_test, y_test), optim.Adam(model.parameters(), lr=1e-3), 6, 32)


@broken("a fifth of two classes' labels swapped", "LabelNoise", "Confusion")
def fifth_wrong_of_two() -> None:
    torch.manual_seed(44)
    x, y = bars(1800)
    x_test, y_test = bars(400, seed=8)
    x, y, x_test, y_test = x[y < 2], y[y < 2], x_test[y_test < 2], y_test[y_test < 2]
    y = torch.where(torch.rand(len(y)) < 0.2, 1 - y, y)
    model = small_cnn(1, 2)
    run(model, (x, y, x_test, y_test), optim.Adam(model.parameters(), lr=1e-3), 6, 32)


@broken("95 % of one class, two classes", "ClassImbalance")
def one_of_two() -> None:
    torch.manual_seed(45)
    x, y = bars(4000)
    keep = (y == 0) | ((y == 1) & (torch.rand(4000) < 0.05))
    model = small_cnn(1, 2)
    fit(model, x[keep], y[keep], optim.SGD(model.parameters(), lr=0.05), 2, 32)


@broken("95 % of one class, thirty steps", "ClassImbalance")
def imbalanced_short() -> None:
    torch.manual_seed(46)
    x, y, _, _ = digits()
    first, others = torch.nonzero(y == 7)[:, 0], torch.nonzero(y != 7)[:, 0]
    chosen = torch.cat([first.repeat(3)[:380], others[torch.randperm(len(others))[:20]]])
    model = mlp(64, 10)
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(30):
        i = chosen[torch.randint(0, 400, (16,))]
        optimizer.zero_grad()
        F.cross_entropy(model(x[i]), y[i]).backward()
        optimizer.step()


@broken("a class of two images among hundreds, photographs", "ClassImbalance", "DeadClass")
def rare() -> None:
    torch.manual_seed(47)
    train = photographs("train", transforms.ToTensor(), NORMALIZE, classes=("cat", "horse", "ship"))
    valid = photographs("valid", transforms.ToTensor(), NORMALIZE, classes=("cat", "horse", "ship"))
    train = Subset(train, [*range(200), *range(200, 202), *range(400, 600)])
    model = small_cnn(3, 3)
    optimizer = optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(6):
        model.train()
        for images, labels in DataLoader(train, 20, shuffle=True):
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            for images, labels in DataLoader(valid, 50):
                F.cross_entropy(model(images), labels)


@broken("raw digits, 0 to 16", "CheckInputImages")
def raw_digits() -> None:
    torch.manual_seed(48)
    x, y, x_test, y_test = digits(scale=1.0, standard=False)
    model = mlp(64, 10, 32)
    run(model, (x, y, x_test, y_test), optim.Adam(model.parameters(), lr=1e-3), 4, 64)


@broken("photographs as bytes, CNN, forty steps", "CheckInputImages")
def raw_photographs() -> None:
    torch.manual_seed(49)
    train = photographs("train", transforms.PILToTensor(), transforms.ConvertImageDtype(torch.float32),
                        transforms.Lambda(lambda x: x * 255), classes=("bird", "dog", "truck", "frog"))  # fmt: skip
    model = small_cnn(3, 4)
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    for images, labels in DataLoader(train, 20, shuffle=True):
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()


@broken("test images normalised, training images of 0 to 255", "CheckInputImages")
def normalised_in_test_only() -> None:
    torch.manual_seed(50)
    x, y, x_test, y_test = digits()
    model = mlp(64, 10)
    run(model, (x * 40 + 100, y, x_test, y_test), optim.Adam(model.parameters(), lr=1e-3), 4, 50)


@broken("a third of the test images are training images", "TrainValidLeak")
def leaked() -> None:
    torch.manual_seed(51)
    x, y, x_test, y_test = digits()
    x_test[:150], y_test[:150] = x[:150], y[:150]
    model = mlp(64, 10)
    run(model, (x, y, x_test, y_test), optim.Adam(model.parameters(), lr=1e-3), 4, 32)


@broken("the test folder is in the training set, flipped at random", "TrainValidLeak")
def leaked_folder() -> None:
    torch.manual_seed(52)
    chosen = ("airplane", "frog", "horse")
    flipped = (transforms.RandomHorizontalFlip(), transforms.ToTensor(), NORMALIZE)
    train = ConcatDataset([photographs(part, *flipped, classes=chosen) for part in ("train", "test")])
    test = photographs("test", transforms.ToTensor(), NORMALIZE, classes=chosen)
    model = small_cnn(3, 3)
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(4):
        model.train()
        for images, labels in DataLoader(train, 30, shuffle=True):
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            for images, labels in DataLoader(test, 50):
                F.cross_entropy(model(images), labels)


@broken("thirty digits, two hundred epochs", "Overfit", "Overtraining")
def overfit_digits() -> None:
    torch.manual_seed(53)
    x, y, x_test, y_test = digits()
    model = mlp(64, 10, 256)
    run(model, (x[:30], y[:30], x_test, y_test), optim.Adam(model.parameters(), lr=1e-3), 60, 10)


@broken("a large network on a hundred photographs", "Overfit", "Overtraining")
def overfit_photographs() -> None:
    torch.manual_seed(54)
    steps = (transforms.Resize((32, 32)), transforms.ToTensor(), NORMALIZE)
    train = list(Subset(bees_and_ants("train", *steps), range(0, 244, 3)))
    valid = list(bees_and_ants("val", *steps))
    model = nn.Sequential(nn.Conv2d(3, 64, 3), nn.ReLU(), nn.Conv2d(64, 64, 3, stride=2), nn.ReLU(), nn.Flatten(),
                          nn.Linear(64 * 196, 128), nn.ReLU(), nn.Linear(128, 2))  # fmt: skip
    optimizer = optim.Adam(model.parameters(), lr=5e-4)
    for _ in range(20):
        model.train()
        for images, labels in DataLoader(train, 16, shuffle=True):
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            for images, labels in DataLoader(valid, 64):
                F.cross_entropy(model(images), labels)


@broken("an easy task, sixty epochs", "Overtraining", "Overfit")
def overtrained() -> None:
    torch.manual_seed(55)
    x, y = bars(300, noise=0.2)
    x_test, y_test = bars(200, noise=0.2, seed=3)
    model = mlp(400, 4, 100)
    run(model, (x, y, x_test, y_test), optim.Adam(model.parameters(), lr=2e-3), 60, 30)


@broken("NaN in one image, BCE", "ExplodingTensor")
def nan_in_one() -> None:
    torch.manual_seed(56)
    x, y = tints(500, classes=2)
    x[333, 1, 4, 4] = float("nan")
    model = nn.Sequential(small_cnn(3, 1), nn.Sigmoid())
    optimizer, criterion = optim.Adam(model.parameters(), lr=1e-3), nn.BCELoss()
    try:
        for _ in range(2):
            for images, labels in DataLoader(TensorDataset(x, y), 20, shuffle=True):
                optimizer.zero_grad()
                criterion(model(images)[:, 0], labels.float()).backward()
                optimizer.step()
    except RuntimeError as error:       # BCELoss wants numbers from 0 to 1
        print(error)


@broken("a channel divided by its deviation of zero", "ExplodingTensor", "CheckInputImages")
def divided_by_zero() -> None:
    torch.manual_seed(57)
    x, y = tints(500)
    x[:, 2] = 0
    x = (x - x.mean((0, 2, 3), keepdim=True)) / x.std((0, 2, 3), keepdim=True)
    model = small_cnn(3, 3)
    fit(model, x, y, optim.Adam(model.parameters(), lr=1e-3), 2, 20)


@broken("read in the order of the folders", "UnshuffledBatches")
def in_order() -> None:
    torch.manual_seed(58)
    train = photographs("train", transforms.ToTensor(), NORMALIZE)
    model = small_cnn(3, 10)
    optimizer = optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    for images, labels in DataLoader(train, 40):
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()


@broken("classes numbered otherwise in the test folder", "Confusion", "LabelNoise")
def numbered_otherwise() -> None:
    torch.manual_seed(59)
    x, y, x_test, y_test = digits()
    model = mlp(64, 10)
    run(model, (x, y, x_test, 9 - y_test), optim.Adam(model.parameters(), lr=2e-3), 6, 32)


@broken("crops of two pixels, erased", "AugmentationTooStrong", "LossNotDecreasing")
def cropped_away() -> None:
    torch.manual_seed(60)
    x, y = blobs(900)
    x_test, y_test = blobs(300, seed=4)
    crop = transforms.Compose([transforms.RandomResizedCrop(16, (0.01, 0.02)), transforms.RandomErasing(0.9)])
    model = small_cnn(1, 4)
    optimizer = optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(8):
        model.train()
        for i in torch.randperm(900).split(30):
            images = torch.stack([crop(one) for one in (x[i] - 0.15) / 0.25])
            optimizer.zero_grad()
            F.cross_entropy(model(images), y[i]).backward()
            optimizer.step()
        evaluate(model, (x_test - 0.15) / 0.25, y_test)


@broken("every image is the first one", "CheckInputImages", "LossNotDecreasing")
def always_the_first() -> None:
    torch.manual_seed(61)
    x, y = bars(700)
    model = small_cnn(1, 4)
    fit(model, x[:1].expand(700, -1, -1, -1), y, optim.Adam(model.parameters(), lr=1e-3), 2, 20)
