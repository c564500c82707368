"""Scripts whose learning rate, optimiser, schedule or loop is wrong."""

from __future__ import annotations

import time

import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn, optim
from torch.utils.data import DataLoader, Dataset, TensorDataset
from torchvision import transforms

from benchmarks.fault_zoo.whole.data import NORMALIZE, bars, blobs, digits, photographs, tints
from benchmarks.fault_zoo.whole.script import broken
from benchmarks.fault_zoo.whole.tutorial import evaluate, fit, small_cnn

HIGH = ("LearningRateTooHigh", "ExplodingTensor")
LOW = ("LearningRateTooLow",)
DECAYED = ("WeightDecayTooStrong", "VanishingGradient", "ClassCollapse")


@broken("Adam at 0.1, CNN, forty steps", *HIGH)
def adam_high() -> None:
    torch.manual_seed(21)
    x, y = bars(800)
    model = small_cnn(1, 4)
    fit(model, x, y, optim.Adam(model.parameters(), lr=0.1), 1, 20)


@broken("SGD at 5, MLP, thirty steps", *HIGH)
def sgd_high() -> None:
    torch.manual_seed(22)
    x, y, _, _ = digits()
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 10))
    fit(model, x[:960], y[:960], optim.SGD(model.parameters(), lr=5.0), 1, 32)


@broken("SGD with momentum at 3, CNN with norms, photographs", *HIGH)
def sgd_high_normed() -> None:
    torch.manual_seed(23)
    train = photographs("train", transforms.ToTensor(), NORMALIZE, classes=("airplane", "deer", "truck"))
    model = nn.Sequential(
        nn.Conv2d(3, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(24, 48, 3),
        nn.BatchNorm2d(48), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(48, 3),
    )  # fmt: skip
    optimizer = optim.SGD(model.parameters(), lr=3.0, momentum=0.9)
    for _ in range(4):
        for images, labels in DataLoader(train, 25, shuffle=True):
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            optimizer.step()


@broken("AdamW at 0.05, timm's DeiT-like", *HIGH)
def vit_high() -> None:
    torch.manual_seed(24)
    x, y = bars(640, size=16)
    model = timm.models.VisionTransformer(
        img_size=16, patch_size=4, in_chans=1, num_classes=4, embed_dim=48, depth=4, num_heads=4
    )
    fit(model, x, y, optim.AdamW(model.parameters(), lr=0.05), 2, 32)


@broken("RMSprop at 0.3, GRU", *HIGH)
def rnn_high() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru, self.out = nn.GRU(8, 32, batch_first=True), nn.Linear(32, 10)

        def forward(self, x: Tensor) -> Tensor:
            return self.out(self.gru(x[:, 0])[1][0])

    torch.manual_seed(25)
    x, y, x_test, y_test = digits()
    model = Net()
    optimizer = optim.RMSprop(model.parameters(), lr=0.3)
    for _ in range(2):
        fit(model, x, y, optimizer, 1, 50)
        evaluate(model, x_test, y_test)


@broken("SGD at 1e-5, CNN, sixty steps", *LOW)
def sgd_low() -> None:
    torch.manual_seed(26)
    x, y = bars(960)
    model = small_cnn(1, 4)
    fit(model, x, y, optim.SGD(model.parameters(), lr=1e-5), 2, 32)


@broken("Adam at 1e-7, validated, MLP", *LOW)
def adam_low() -> None:
    torch.manual_seed(27)
    x, y, x_test, y_test = digits()
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 48), nn.GELU(), nn.Linear(48, 10))
    optimizer = optim.Adam(model.parameters(), lr=1e-7)
    for _ in range(5):
        fit(model, x, y, optimizer, 1, 64)
        evaluate(model, x_test, y_test)


@broken("SGD at 1e-6, thirty steps", *LOW)
def low_and_short() -> None:
    torch.manual_seed(28)
    x, y = tints(600)
    model = small_cnn(3, 3, width=8)
    fit(model, x, y, optim.SGD(model.parameters(), lr=1e-6, momentum=0.9), 1, 20)


@broken("ResNet fine-tuned at 1e-8", *LOW)
def low_resnet() -> None:
    torch.manual_seed(29)
    train = photographs("train", transforms.ToTensor(), NORMALIZE, classes=("cat", "dog"))
    model = timm.create_model("resnet10t", num_classes=2)
    optimizer, criterion = optim.AdamW(model.parameters(), lr=1e-8), nn.CrossEntropyLoss()
    for _ in range(3):
        model.train()
        for images, labels in DataLoader(train, 20, shuffle=True):
            optimizer.zero_grad()
            criterion(model(images), labels).backward()
            optimizer.step()


@broken("StepLR of one batch, gamma of 0.1", *LOW)
def steps_of_batches() -> None:
    torch.manual_seed(30)
    x, y, x_test, y_test = digits()
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.1)
    for _ in range(4):
        model.train()
        for images, labels in DataLoader(TensorDataset(x, y), 32, shuffle=True):
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            optimizer.step()
            scheduler.step()
        evaluate(model, x_test, y_test)


@broken("zero_grad forgotten, SGD with momentum, CNN", "GradientNotCleared", "LearningRateTooHigh")
def never_cleared() -> None:
    torch.manual_seed(31)
    x, y = bars(900)
    model, criterion = small_cnn(1, 4), nn.CrossEntropyLoss()
    optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    for _ in range(2):
        for images, labels in DataLoader(TensorDataset(x, y), 30, shuffle=True):
            criterion(model(images), labels).backward()
            optimizer.step()


@broken("zero_grad forgotten, Adam, MLP", "GradientNotCleared", "LearningRateTooHigh")
def never_cleared_adam() -> None:
    torch.manual_seed(32)
    x, y, _, _ = digits()
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    for step in range(90):
        i = torch.randint(0, len(x), (32,))
        loss = F.cross_entropy(model(x[i]), y[i])
        loss.backward()
        optimizer.step()
        if step % 30 == 0:
            print(step, loss.item())


@broken("zero_grad once an epoch, ResNet with norms", "GradientNotCleared", "LearningRateTooHigh")
def cleared_once_an_epoch() -> None:
    torch.manual_seed(33)
    x, y = tints(800)
    model = timm.create_model("resnet10t", num_classes=3)
    optimizer = optim.SGD(model.parameters(), lr=0.02)
    for _ in range(2):
        optimizer.zero_grad()
        for images, labels in DataLoader(TensorDataset(x, y), 20, shuffle=True):
            F.cross_entropy(model(images), labels).backward()
            optimizer.step()


@broken("model.eval() before the loop, dropout", "EvalModeTraining")
def never_in_training() -> None:
    torch.manual_seed(34)
    x, y = bars(800)
    model = small_cnn(1, 4, dropout=0.4)
    model.eval()
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(2):
        for images, labels in DataLoader(TensorDataset(x, y), 32, shuffle=True):
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            optimizer.step()


@broken("eval() after the first epoch and never train()", "EvalModeTraining", "BatchNormDrift")
def stays_in_evaluation() -> None:
    torch.manual_seed(35)
    train = photographs("train", transforms.ToTensor(), NORMALIZE, classes=("frog", "ship"))
    valid = photographs("valid", transforms.ToTensor(), NORMALIZE, classes=("frog", "ship"))
    model = timm.create_model("mobilenetv3_small_050", num_classes=2)
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(4):
        for images, labels in DataLoader(train, 32, shuffle=True):
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            for images, labels in DataLoader(valid, 50):
                F.cross_entropy(model(images), labels)


@broken("validated without eval(), batch norms", "BatchNormDrift")
def validated_in_training() -> None:
    torch.manual_seed(36)
    x, y = bars(800)
    x_test, y_test = bars(300, seed=5)
    model = nn.Sequential(nn.Conv2d(1, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                          nn.Linear(16 * 81, 4))  # fmt: skip
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(4):
        for images, labels in DataLoader(TensorDataset(x, y), 40, shuffle=True):
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            optimizer.step()
        with torch.no_grad():
            for images, labels in DataLoader(TensorDataset(x_test, y_test), 100):
                F.cross_entropy(model(images), labels)


@broken("weight decay of 5, SGD, MLP", *DECAYED)
def decayed() -> None:
    torch.manual_seed(37)
    x, y, x_test, y_test = digits()
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = optim.SGD(model.parameters(), lr=0.1, weight_decay=5.0)
    for _ in range(3):
        fit(model, x, y, optimizer, 1, 32)
        evaluate(model, x_test, y_test)


@broken("step() forgotten, CNN", "UnchangedTensor", "UntrainedLayers", "WeightUpdateRatio")
def never_stepped() -> None:
    torch.manual_seed(38)
    x, y = blobs(600)
    model = small_cnn(1, 4)
    optimizer = optim.Adam(model.parameters())
    for images, labels in DataLoader(TensorDataset((x - 0.15) / 0.25, y), 12, shuffle=True):
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()


class Slow(Dataset):
    """Waits for three seconds at one image."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        if index == 500:
            time.sleep(3)
        return self.x[index], self.y[index]


@broken("one image takes three seconds", "StalledTraining", parameters={"StalledTraining:threshold": "2"})
def stalled() -> None:
    torch.manual_seed(39)
    model = small_cnn(1, 4)
    optimizer = optim.Adam(model.parameters())
    for images, labels in DataLoader(Slow(*bars(640)), 16, shuffle=True):
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()


@broken("momentum of 0.99 at 0.5, CNN", *HIGH)
def heavy_ball() -> None:
    torch.manual_seed(40)
    x, y = bars(1000)
    model = small_cnn(1, 4)
    fit(model, x, y, optim.SGD(model.parameters(), lr=0.5, momentum=0.99), 2, 25)
