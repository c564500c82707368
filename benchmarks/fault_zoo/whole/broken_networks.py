"""Scripts whose network is built, initialised, frozen or joined to its loss wrongly."""

from __future__ import annotations

import copy
import itertools

import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn, optim
from torch.utils.data import DataLoader, TensorDataset
from torchvision import transforms

from benchmarks.fault_zoo.whole.data import NORMALIZE, bars, bees_and_ants, blobs, digits, photographs, tints
from benchmarks.fault_zoo.whole.script import broken

POOR = ("PoorWeightInitialization", "ExplodingTensor")
ZERO = ("PoorWeightInitialization", "AllZero", "VanishingGradient")
IDLE = ("UntrainedLayers", "UnchangedTensor", "WeightUpdateRatio")


@broken("nine sigmoid layers of 40, Adam, 60 steps", "VanishingGradient")
def nine_sigmoids() -> None:
    torch.manual_seed(1)
    x, y, _, _ = digits()
    layers: list[nn.Module] = [nn.Flatten(), nn.Linear(64, 40), nn.Sigmoid()]
    for _ in range(8):
        layers += [nn.Linear(40, 40), nn.Sigmoid()]
    model = nn.Sequential(*layers, nn.Linear(40, 10))
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    for step in range(60):
        i = torch.randperm(len(x))[:64]
        loss = F.cross_entropy(model(x[i]), y[i])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 20 == 0:
            print(step, loss.item())


@broken("convolutions with torch.sigmoid, SGD, photographs", "VanishingGradient")
def sigmoid_convolutions() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            sizes = [3, 16, 16, 32, 32, 32, 32, 32, 32]
            self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in itertools.pairwise(sizes))
            self.fc = nn.Linear(32, 10)

        def forward(self, x: Tensor) -> Tensor:
            for number, conv in enumerate(self.convs):
                x = torch.sigmoid(conv(x))
                if number in (1, 3, 5):
                    x = F.max_pool2d(x, 2)
            return self.fc(x.mean((2, 3)))

    torch.manual_seed(0)
    train = photographs("train", transforms.ToTensor(), NORMALIZE)
    loader = DataLoader(train, batch_size=50, shuffle=True)
    model, criterion = Net(), nn.CrossEntropyLoss()
    optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    model.train()
    for _ in range(2):
        for images, labels in loader:
            optimizer.zero_grad()
            criterion(model(images), labels).backward()
            optimizer.step()


@broken("thirty tanh layers with weights of 0.05, RMSprop", "VanishingGradient", "PoorWeightInitialization")
def thirty_tanhs() -> None:
    torch.manual_seed(2)
    x, y = bars(1200)
    net = nn.Sequential(nn.Flatten(), nn.Linear(400, 50), nn.Tanh())
    for _ in range(29):
        net.extend([nn.Linear(50, 50), nn.Tanh()])
    net.append(nn.Linear(50, 4))
    for module in net:
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0, 0.05)
            nn.init.zeros_(module.bias)
    optimizer = optim.RMSprop(net.parameters(), lr=1e-4)
    for epoch in range(3):
        for a in range(0, 1200, 40):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x[a : a + 40]), y[a : a + 40])
            loss.backward()
            optimizer.step()
        print(epoch, float(loss))


@broken("LeNet with normal weights of deviation 5, Adam", *POOR)
def enormous_lenet() -> None:
    torch.manual_seed(3)
    x, y = bars(800, size=28)
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 4),
    )  # fmt: skip
    model.apply(lambda m: nn.init.normal_(m.weight, std=5.0) if isinstance(m, nn.Conv2d | nn.Linear) else None)
    optimizer, criterion = optim.Adam(model.parameters()), nn.CrossEntropyLoss()
    for images, labels in DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True):
        optimizer.zero_grad()
        criterion(model(images), labels).backward()
        optimizer.step()


@broken("all weights times ten, MLP, SGD", *POOR)
def ten_times() -> None:
    torch.manual_seed(4)
    x, y, x_test, y_test = digits()
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(),
                          nn.Linear(128, 10))  # fmt: skip
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(10)
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    for _epoch in range(4):
        model.train()
        for a in range(0, len(x), 32):
            optimizer.zero_grad()
            F.cross_entropy(model(x[a : a + 32]), y[a : a + 32]).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            print(F.cross_entropy(model(x_test), y_test).item())


@broken("uniform weights from 0 to 1, MLP", *POOR)
def uniform_weights() -> None:
    torch.manual_seed(5)
    x, y = bars(1000)
    model = nn.Sequential(nn.Flatten(), nn.Linear(400, 200), nn.ReLU(), nn.Linear(200, 100), nn.ReLU(),
                          nn.Linear(100, 4))  # fmt: skip
    for module in model:
        if isinstance(module, nn.Linear):
            nn.init.uniform_(module.weight)
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(70):
        i = torch.randint(0, 1000, (50,))
        optimizer.zero_grad()
        F.cross_entropy(model(x[i]), y[i]).backward()
        optimizer.step()


@broken("every parameter zero, LSTM", *ZERO)
def zero_lstm() -> None:
    class Rows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.LSTM(20, 48, batch_first=True)
            self.out = nn.Linear(48, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.out(self.rnn(x.squeeze(1))[0][:, -1])

    torch.manual_seed(6)
    x, y = bars(900)
    model = Rows()
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    optimizer = optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(2):
        for images, labels in DataLoader(TensorDataset(x, y), 30, shuffle=True):
            loss = F.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()


@broken("weights of 0.1 throughout, CNN with norms", *ZERO)
def constant_convolutions() -> None:
    torch.manual_seed(7)
    x, y = tints(900)
    model = nn.Sequential(
        nn.Conv2d(3, 12, 3), nn.BatchNorm2d(12), nn.ReLU(), nn.Conv2d(12, 24, 3, stride=2), nn.BatchNorm2d(24),
        nn.ReLU(), nn.Flatten(), nn.LazyLinear(3),
    )  # fmt: skip
    model(x[:2])
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.constant_(module.weight, 0.1)
    optimizer = optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    for images, labels in DataLoader(TensorDataset(x, y), 20, shuffle=True):
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()


@broken("biases of -10, CNN, forty steps", "DeadRelu")
def low_biases() -> None:
    torch.manual_seed(8)
    x, y = bars(600)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(512, 64), nn.ReLU(), nn.Linear(64, 4),
    )  # fmt: skip
    for module in model:
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.constant_(module.bias, -10.0)
    optimizer = optim.SGD(model.parameters(), lr=0.05)
    for _ in range(40):
        i = torch.randint(0, 600, (32,))
        optimizer.zero_grad()
        F.cross_entropy(model(x[i]), y[i]).backward()
        optimizer.step()


@broken("one hidden layer of ReLUs pushed down, F.relu", "DeadRelu", "VanishingGradient", "UntrainedLayers")
def one_dead_layer() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Linear(64, 100), nn.Linear(100, 50), nn.Linear(50, 10)
            nn.init.constant_(self.b.bias, -30.0)

        def forward(self, x: Tensor) -> Tensor:
            return self.c(F.relu(self.b(F.relu(self.a(x.flatten(1))))))

    torch.manual_seed(9)
    x, y, x_test, y_test = digits()
    model, criterion = Net(), nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), lr=0.002)
    for _ in range(3):
        model.train()
        for images, labels in DataLoader(TensorDataset(x, y), 25, shuffle=True):
            optimizer.zero_grad()
            criterion(model(images), labels).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            criterion(model(x_test), y_test)


@broken("tanh fed with pixels of 0 to 255", "SaturatedActivation", "CheckInputImages")
def tanh_of_bytes() -> None:
    torch.manual_seed(10)
    train = photographs("train", transforms.PILToTensor(), classes=("cat", "ship", "truck"))
    model = nn.Sequential(nn.Flatten(), nn.Linear(3072, 100), nn.Tanh(), nn.Linear(100, 3))
    optimizer = optim.SGD(model.parameters(), lr=1e-2)
    for _ in range(3):
        for images, labels in DataLoader(train, 30, shuffle=True):
            optimizer.zero_grad()
            F.cross_entropy(model(images.float()), labels).backward()
            optimizer.step()


@broken("tanh layers with weights of deviation 3", "SaturatedActivation", "PoorWeightInitialization")
def wide_tanh() -> None:
    torch.manual_seed(11)
    x, y, _, _ = digits()
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 80), nn.Tanh(), nn.Linear(80, 80), nn.Tanh(), nn.Linear(80, 10))
    for part in model.children():
        if isinstance(part, nn.Linear):
            part.weight.data.normal_(0, 3)
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(80):
        i = torch.randint(0, len(x), (40,))
        optimizer.zero_grad()
        F.cross_entropy(model(x[i]), y[i]).backward()
        optimizer.step()


@broken("ResNet-18 without weights, all but fc frozen", *IDLE)
def frozen_resnet() -> None:
    torch.manual_seed(12)
    steps = (transforms.Resize((64, 64)), transforms.ToTensor(), NORMALIZE)
    model = torchvision.models.resnet18(weights=None)
    for parameter in model.parameters():
        parameter.requires_grad = False
    model.fc = nn.Linear(model.fc.in_features, 2)
    optimizer, criterion = optim.Adam(model.fc.parameters(), lr=1e-3), nn.CrossEntropyLoss()
    for _ in range(2):
        for images, labels in DataLoader(bees_and_ants("train", *steps), 16, shuffle=True):
            optimizer.zero_grad()
            criterion(model(images), labels).backward()
            optimizer.step()


@broken("VGG-like features of He's normal weights frozen", *IDLE)
def frozen_vgg() -> None:
    torch.manual_seed(13)
    train = photographs("train", transforms.ToTensor(), NORMALIZE, classes=("bird", "frog", "horse", "ship"))
    features = nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(2), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
    )  # fmt: skip
    for module in features:
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(module.bias)
    features.requires_grad_(False)
    model = nn.Sequential(features, nn.Linear(256, 4))
    optimizer = optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    for _ in range(3):
        for images, labels in DataLoader(train, 32, shuffle=True):
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            optimizer.step()


@broken("optimizer of a deep copy, CNN", *IDLE)
def copied_model() -> None:
    torch.manual_seed(14)
    x, y = blobs(700)
    model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 14 * 14, 4))
    optimizer = optim.Adam(copy.deepcopy(model).parameters(), lr=1e-3)
    for _ in range(2):
        for images, labels in DataLoader(TensorDataset((x - 0.15) / 0.25, y), 20, shuffle=True):
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            optimizer.step()


@broken("optimizer has the biases only", *IDLE)
def biases_only() -> None:
    torch.manual_seed(15)
    x, y, x_test, y_test = digits()
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 60), nn.ReLU(), nn.Linear(60, 10))
    optimizer = optim.SGD([p for name, p in model.named_parameters() if "bias" in name], lr=0.1)
    for _ in range(3):
        model.train()
        for images, labels in DataLoader(TensorDataset(x, y), 32, shuffle=True):
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            F.cross_entropy(model(x_test), y_test)


class TwoOutputs(nn.Module):
    """A main head and one for help."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 10, 5, stride=2), nn.ReLU(), nn.Flatten())
        self.aux = nn.Linear(640, 4)
        self.tail = nn.Sequential(nn.Linear(640, 50), nn.ReLU(), nn.Linear(50, 4))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.stem(x)
        return self.tail(features), self.aux(features)


@broken("loss of the auxiliary head alone", *IDLE)
def wrong_output() -> None:
    torch.manual_seed(16)
    x, y = bars(900)
    model = TwoOutputs()
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    for images, labels in DataLoader(TensorDataset(x, y), 15, shuffle=True):
        _, logits = model(images)
        loss = F.cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@broken("branch under no_grad by mistake", *IDLE)
def without_gradients() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(1, 12, 3, stride=2), nn.ReLU(), nn.Conv2d(12, 12, 3, stride=2),
                                      nn.ReLU(), nn.Flatten())  # fmt: skip
            self.head = nn.Linear(192, 4)

        def forward(self, x: Tensor) -> Tensor:
            with torch.no_grad():
                features = self.body(x)
            return self.head(features)

    torch.manual_seed(17)
    x, y = bars(800)
    model = Net()
    optimizer = optim.Adam(model.parameters(), lr=2e-3)
    for epoch in range(2):
        for images, labels in DataLoader(TensorDataset(x, y), 16, shuffle=True):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
        print(epoch, float(loss))


@broken("softmax at the end, CrossEntropyLoss, forty steps", "LossInputs")
def softmax_twice() -> None:
    torch.manual_seed(18)
    x, y, _, _ = digits()
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10), nn.Softmax(dim=-1))
    optimizer, criterion = optim.SGD(model.parameters(), lr=0.1, momentum=0.9), nn.CrossEntropyLoss()
    for _ in range(40):
        i = torch.randint(0, len(x), (32,))
        optimizer.zero_grad()
        criterion(model(x[i]), y[i]).backward()
        optimizer.step()


@broken("batches of one image with batch norms", "BatchNormDrift", "GradientNoise")
def batches_of_one() -> None:
    torch.manual_seed(19)
    x, y = tints(220)
    x_test, y_test = tints(120, seed=1)
    model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                          nn.Linear(16, 3))  # fmt: skip
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(2):
        model.train()
        for images, labels in DataLoader(TensorDataset(x, y), 1, shuffle=True):
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            for images, labels in DataLoader(TensorDataset(x_test, y_test), 40):
                F.cross_entropy(model(images), labels)


@broken("dropout of 0.97 before the last layer", "AugmentationTooStrong", "GradientNoise", "LossNotDecreasing")
def nearly_all_dropped() -> None:
    torch.manual_seed(20)
    x, y, x_test, y_test = digits()
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 100), nn.ReLU(), nn.Dropout(0.97), nn.Linear(100, 10))
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(8):
        model.train()
        for images, labels in DataLoader(TensorDataset(x, y), 32, shuffle=True):
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            F.cross_entropy(model(x_test), y_test)
