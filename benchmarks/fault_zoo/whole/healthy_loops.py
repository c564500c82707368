"""Scripts with nothing wrong whose data, optimiser, schedule or loop is unusual."""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn, optim
from torch.optim.swa_utils import AveragedModel, update_bn
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler
from torchvision import transforms

from benchmarks.fault_zoo.images import cifar
from benchmarks.fault_zoo.networks import pretrained, with_new_head
from benchmarks.fault_zoo.whole.data import NORMALIZE, bars, blobs, digits, photographs, tints
from benchmarks.fault_zoo.whole.script import healthy
from benchmarks.fault_zoo.whole.tutorial import evaluate, fit, mlp, run, small_cnn


@healthy("training images evaluated too, after each epoch")
def evaluated_twice() -> None:
    torch.manual_seed(121)
    x, y, x_test, y_test = digits()
    model = mlp(64, 10)
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(5):
        fit(model, x, y, optimizer, 1, 32)
        print(epoch, evaluate(model, x, y), evaluate(model, x_test, y_test))


@healthy("digits divided by sixteen, MLP")
def plain_digits() -> None:
    torch.manual_seed(122)
    x, y, x_test, y_test = digits(standard=False)
    model = mlp(64, 10)
    run(model, (x, y, x_test, y_test), optim.Adam(model.parameters(), lr=2e-3), 6, 32)


@healthy("forty photographs, frozen pretrained backbone, ten epochs", prepares=pretrained)
def forty_photographs() -> None:
    torch.manual_seed(123)
    chosen = ("airplane", "horse")
    train = photographs("train", transforms.ToTensor(), NORMALIZE, classes=chosen)
    test = photographs("test", transforms.ToTensor(), NORMALIZE, classes=chosen)
    few = [train[i] for i in range(0, 400, 10)]
    model: Any = with_new_head(cifar(chosen), frozen=False)
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name.startswith("fc")
    optimizer = optim.Adam(model.fc.parameters(), lr=2e-3)
    for _ in range(10):
        model.train()
        for images, labels in DataLoader(few, 8, shuffle=True):
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            for images, labels in DataLoader(test, 50):
                F.cross_entropy(model(images), labels)


@healthy("stem and norms frozen, the rest fine-tuned at three rates", prepares=pretrained)
def three_rates() -> None:
    torch.manual_seed(124)
    chosen = ("airplane", "automobile", "frog")
    train = photographs("train", transforms.RandomHorizontalFlip(), transforms.ToTensor(), NORMALIZE, classes=chosen)
    test = photographs("test", transforms.ToTensor(), NORMALIZE, classes=chosen)
    model: Any = with_new_head(cifar(chosen), frozen=False)
    for name, parameter in model.named_parameters():
        parameter.requires_grad = "bn" not in name and not name.startswith("conv1")
    optimizer = optim.AdamW([
        {"params": [*model.layer1.parameters(), *model.layer2.parameters()], "lr": 1e-4},
        {"params": model.layer3.parameters(), "lr": 3e-4},
        {"params": model.fc.parameters(), "lr": 3e-3},
    ])  # fmt: skip
    for _ in range(5):
        model.train()
        for part in model.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.eval()
        for images, labels in DataLoader(train, 30, shuffle=True):
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            for images, labels in DataLoader(test, 50):
                F.cross_entropy(model(images), labels)


@healthy("dropout of 0.6 twice, twenty epochs")
def heavy_dropout() -> None:
    torch.manual_seed(125)
    x, y, x_test, y_test = digits()
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.2), nn.Linear(64, 200), nn.ReLU(), nn.Dropout(0.6),
                          nn.Linear(200, 200), nn.ReLU(), nn.Dropout(0.6), nn.Linear(200, 10))  # fmt: skip
    run(model, (x, y, x_test, y_test), optim.Adam(model.parameters(), lr=1e-3), 14, 50)


@healthy("plain SGD at 0.1, three hundred steps, no train() or eval()")
def plain_sgd() -> None:
    torch.manual_seed(126)
    x, y, x_test, y_test = digits()
    model = mlp(64, 10, 40)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    for step in range(300):
        i = torch.randint(0, len(x), (32,))
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x[i]), y[i])
        loss.backward()
        optimizer.step()
        if step % 50 == 49:
            with torch.no_grad():
                print(F.cross_entropy(model(x_test), y_test).item())


@healthy("batches of 450, LARS-like rate, fifteen epochs")
def large_batches() -> None:
    torch.manual_seed(127)
    x, y, x_test, y_test = digits()
    model = mlp(64, 10, 100)
    run(model, (x, y, x_test, y_test), optim.SGD(model.parameters(), lr=0.3, momentum=0.9), 15, 450)


@healthy("cosine restarts of forty batches, AdamW")
def restarts() -> None:
    torch.manual_seed(128)
    x, y = bars(1200)
    x_test, y_test = bars(300, seed=3)
    model = small_cnn(1, 4)
    optimizer = optim.AdamW(model.parameters(), lr=3e-3)
    schedule = optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=40)
    for _ in range(6):
        model.train()
        for images, labels in DataLoader(TensorDataset(x, y), 30, shuffle=True):
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            optimizer.step()
            schedule.step()
        evaluate(model, x_test, y_test)


@healthy("accumulated over eight batches of four")
def accumulated() -> None:
    torch.manual_seed(129)
    x, y = tints(800, spread=0.3)
    x_test, y_test = tints(200, spread=0.3, seed=2)
    model = small_cnn(3, 3)
    optimizer = optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(5):
        model.train()
        optimizer.zero_grad()
        for number, (images, labels) in enumerate(DataLoader(TensorDataset(x, y), 4, shuffle=True)):
            (F.cross_entropy(model(images), labels) / 8).backward()
            if number % 8 == 7:
                optimizer.step()
                optimizer.zero_grad()
        evaluate(model, x_test, y_test)


@healthy("mixup and smoothing, cosine, SGD")
def mixed_up() -> None:
    torch.manual_seed(130)
    x, y = bars(1200)
    x_test, y_test = bars(300, seed=8)
    model = small_cnn(1, 4, width=24)
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, 8)
    for _ in range(8):
        model.train()
        for images, labels in DataLoader(TensorDataset(x, y), 32, shuffle=True):
            share, order = float(torch.distributions.Beta(0.3, 0.3).sample()), torch.randperm(len(labels))
            targets = F.one_hot(labels, 4) * share + F.one_hot(labels[order], 4) * (1 - share)
            optimizer.zero_grad()
            output = model(share * images + (1 - share) * images[order])
            F.cross_entropy(output, targets, label_smoothing=0.1).backward()
            optimizer.step()
        schedule.step()
        evaluate(model, x_test, y_test)


@healthy("rare classes drawn more often by a sampler")
def drawn_evenly() -> None:
    torch.manual_seed(131)
    x, y = bars(3000)
    keep = (y < 2) | (torch.rand(3000) < 0.06)
    x, y = x[keep], y[keep]
    x_test, y_test = bars(300, seed=2)
    sampler = WeightedRandomSampler((1 / torch.bincount(y).float())[y].tolist(), 1500)
    model = small_cnn(1, 4)
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(4):
        model.train()
        for images, labels in DataLoader(TensorDataset(x, y), 30, sampler=sampler):
            optimizer.zero_grad()
            F.cross_entropy(model(images + 0.1 * torch.randn_like(images)), labels).backward()
            optimizer.step()
        evaluate(model, x_test, y_test)


@healthy("stochastic weight averaging, update_bn, at the end")
def averaged() -> None:
    torch.manual_seed(132)
    x, y = tints(900, spread=0.4)
    x_test, y_test = tints(300, spread=0.4, seed=2)
    model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
                          nn.Linear(64, 3))  # fmt: skip
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    average = AveragedModel(model)
    for epoch in range(6):
        fit(model, x, y, optimizer, 1, 30)
        if epoch >= 3:
            average.update_parameters(model)
        evaluate(model, x_test, y_test)
    update_bn(DataLoader(TensorDataset(x, y), 30), average)
    evaluate(average, x_test, y_test)


class SAM:
    """Two backward passes a step (Foret et al. 2021), over any optimiser."""

    def __init__(self, optimizer: optim.Optimizer, rho: float = 0.05) -> None:
        self.optimizer, self.rho = optimizer, rho
        self.parameters = [p for group in optimizer.param_groups for p in group["params"]]

    def climb(self) -> list[Tensor]:
        norm = torch.norm(torch.stack([p.grad.norm() for p in self.parameters])) + 1e-12
        moves = [self.rho * p.grad / norm for p in self.parameters]
        with torch.no_grad():
            for parameter, move in zip(self.parameters, moves, strict=True):
                parameter.add_(move)
        return moves

    def step(self, moves: list[Tensor]) -> None:
        with torch.no_grad():
            for parameter, move in zip(self.parameters, moves, strict=True):
                parameter.sub_(move)
        self.optimizer.step()


@healthy("sharpness-aware, two backward passes a step")
def sharpness_aware() -> None:
    torch.manual_seed(133)
    x, y, x_test, y_test = digits()
    model = mlp(64, 10)
    sam = SAM(optim.SGD(model.parameters(), lr=0.05, momentum=0.9))
    for _ in range(4):
        model.train()
        for images, labels in DataLoader(TensorDataset(x, y), 32, shuffle=True):
            sam.optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            moves = sam.climb()
            sam.optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            sam.step(moves)
        evaluate(model, x_test, y_test)


@healthy("layers thawed one after another", prepares=pretrained)
def thawed() -> None:
    torch.manual_seed(134)
    chosen = ("automobile", "frog", "horse")
    train = photographs("train", transforms.ToTensor(), NORMALIZE, classes=chosen)
    test = photographs("test", transforms.ToTensor(), NORMALIZE, classes=chosen)
    model: Any = with_new_head(cifar(chosen), frozen=True)
    model.fc.requires_grad_(True)
    optimizer = optim.Adam(model.fc.parameters(), lr=2e-3)
    for layer in (None, model.layer3, model.layer2):
        if layer is not None:
            layer.requires_grad_(True)
            optimizer.add_param_group({"params": layer.parameters(), "lr": 2e-4})
        for _ in range(2):
            model.train()
            for images, labels in DataLoader(train, 24, shuffle=True):
                optimizer.zero_grad()
                F.cross_entropy(model(images), labels).backward()
                optimizer.step()
            model.eval()
            with torch.no_grad():
                for images, labels in DataLoader(test, 50):
                    F.cross_entropy(model(images), labels)


@healthy("three learning rates tried in one script")
def tried() -> None:
    x, y, x_test, y_test = digits()
    for rate in (3e-4, 1e-3, 3e-3):
        torch.manual_seed(135)
        model = mlp(64, 10)
        run(model, (x, y, x_test, y_test), optim.Adam(model.parameters(), lr=rate), 4, 32)


@healthy("overlapping classes, 70 % is the best there is")
def overlapping() -> None:
    torch.manual_seed(136)
    x, y = tints(2000, spread=1.5, classes=3)
    x_test, y_test = tints(500, spread=1.5, classes=3, seed=2)
    model = small_cnn(3, 3, width=8)
    run(model, (x, y, x_test, y_test), optim.Adam(model.parameters(), lr=1e-3), 4, 50)


@healthy("fifty steps and out, RAdam")
def fifty_steps() -> None:
    torch.manual_seed(137)
    x, y = bars(800)
    model = small_cnn(1, 4)
    optimizer = optim.RAdam(model.parameters(), lr=5e-3)
    for _ in range(50):
        i = torch.randint(0, 800, (32,))
        optimizer.zero_grad()
        F.cross_entropy(model(x[i]), y[i]).backward()
        optimizer.step()


@healthy("updates by hand, no optimizer")
def by_hand() -> None:
    torch.manual_seed(138)
    x, y, x_test, y_test = digits()
    model = mlp(64, 10)
    for step in range(200):
        i = torch.randint(0, len(x), (40,))
        loss = F.cross_entropy(model(x[i]), y[i])
        model.zero_grad()
        loss.backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= 0.1 * parameter.grad
        if step % 50 == 0:
            print(evaluate(model, x_test, y_test))
            model.train()


@healthy("best weights kept, rate halved on a plateau, stopped early")
def stopped_early() -> None:
    torch.manual_seed(139)
    x, y = blobs(900)
    x_test, y_test = blobs(300, seed=2)
    x, x_test = (x - 0.16) / 0.25, (x_test - 0.16) / 0.25
    model = small_cnn(1, 4, dropout=0.2)
    optimizer = optim.Adam(model.parameters(), lr=3e-3)
    schedule = optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    best, kept, waited = float("inf"), copy.deepcopy(model.state_dict()), 0
    for _ in range(20):
        fit(model, x, y, optimizer, 1, 30)
        model.eval()
        with torch.no_grad():
            loss = F.cross_entropy(model(x_test), y_test).item()
        schedule.step(loss)
        waited = 0 if loss < best else waited + 1
        if loss < best:
            best, kept = loss, copy.deepcopy(model.state_dict())
        if waited == 3:
            break
    model.load_state_dict(kept)


@healthy("photographs, strong augmentation, eight epochs")
def augmented() -> None:
    torch.manual_seed(140)
    chosen = ("airplane", "cat", "truck")
    strong = (
        transforms.RandomResizedCrop(32, (0.4, 1.0)), transforms.RandomHorizontalFlip(),
        transforms.ColorJitter(0.4, 0.4, 0.4), transforms.ToTensor(), NORMALIZE, transforms.RandomErasing(0.3),
    )  # fmt: skip
    train = photographs("train", *strong, classes=chosen)
    test = photographs("valid", transforms.ToTensor(), NORMALIZE, classes=chosen)
    model = small_cnn(3, 3, dropout=0.3)
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(8):
        model.train()
        for images, labels in DataLoader(train, 32, shuffle=True, num_workers=0):
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            for images, labels in DataLoader(test, 75):
                F.cross_entropy(model(images), labels)
