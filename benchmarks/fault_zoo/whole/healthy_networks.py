"""Scripts with nothing wrong whose networks, losses or tasks are unusual."""

from __future__ import annotations

import math

import timm
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn, optim
from torch.utils.data import DataLoader, TensorDataset
from torchvision import transforms

from benchmarks.fault_zoo.whole.data import NORMALIZE, bars, blobs, digits, photographs, tints
from benchmarks.fault_zoo.whole.script import healthy
from benchmarks.fault_zoo.whole.tutorial import evaluate, fit, small_cnn


@healthy("sigmoid at the end and BCELoss, validated")
def sigmoid_and_bce() -> None:
    torch.manual_seed(101)
    x, y = bars(1600)
    x_test, y_test = bars(400, seed=2)
    model, criterion = nn.Sequential(small_cnn(1, 1), nn.Sigmoid()), nn.BCELoss()
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(5):
        model.train()
        for images, labels in DataLoader(TensorDataset(x, y), 32, shuffle=True):
            optimizer.zero_grad()
            criterion(model(images), (labels[:, None] < 2).float()).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            for images, labels in DataLoader(TensorDataset(x_test, y_test), 50):
                criterion(model(images), (labels[:, None] < 2).float())


@healthy("BCEWithLogits with pos_weight, 85 to 15")
def weighted_bce() -> None:
    torch.manual_seed(102)
    x, y = tints(1400, classes=7, spread=0.3)
    x_test, y_test = tints(420, classes=7, spread=0.3, seed=3)
    model = small_cnn(3, 1)
    criterion = nn.BCEWithLogitsLoss(pos_weight=torch.tensor(6.0))
    optimizer = optim.AdamW(model.parameters(), lr=1e-3)
    for _ in range(5):
        model.train()
        for images, labels in DataLoader(TensorDataset(x, y), 40, shuffle=True):
            optimizer.zero_grad()
            criterion(model(images).squeeze(1), (labels == 0).float()).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            for images, labels in DataLoader(TensorDataset(x_test, y_test), 70):
                criterion(model(images).squeeze(1), (labels == 0).float())


@healthy("log_softmax and NLLLoss, class weights of 6 to 1")
def weighted_nll() -> None:
    torch.manual_seed(103)
    x, y = bars(1500)
    keep = (y != 2) | (torch.rand(1500) < 0.17)
    x_test, y_test = bars(400, seed=7)
    criterion = nn.NLLLoss(weight=torch.tensor([1.0, 1.0, 6.0, 1.0]))
    model = nn.Sequential(small_cnn(1, 4), nn.LogSoftmax(dim=1))
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(5):
        model.train()
        for images, labels in DataLoader(TensorDataset(x[keep], y[keep]), 25, shuffle=True):
            optimizer.zero_grad()
            criterion(model(images), labels).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            criterion(model(x_test), y_test)


class TokenViT(nn.Module):
    """A class token, learned positions, post-norm layers."""

    def __init__(self, width: int = 40) -> None:
        super().__init__()
        self.embed = nn.Linear(16, width)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(0.02 * torch.randn(1, 26, width))
        layer = nn.TransformerEncoderLayer(width, 4, 80, dropout=0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 3)
        self.head = nn.Linear(width, 4)

    def forward(self, x: Tensor) -> Tensor:
        tokens = F.unfold(x, 4, stride=4).transpose(1, 2)
        tokens = torch.cat([self.token.expand(len(x), -1, -1), self.embed(tokens)], 1) + self.positions
        return self.head(self.encoder(tokens)[:, 0])


@healthy("ViT with a class token, warmed up for half of the training")
def token_vit() -> None:
    torch.manual_seed(104)
    x, y = bars(1200)
    x_test, y_test = bars(300, seed=5)
    model = TokenViT()
    optimizer = optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.05)
    total = 8 * math.ceil(1200 / 40)
    schedule = optim.lr_scheduler.LambdaLR(optimizer, lambda n: min(1.0, (n + 1) / (total / 2)))
    for _ in range(8):
        model.train()
        for images, labels in DataLoader(TensorDataset(x, y), 40, shuffle=True):
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            optimizer.step()
            schedule.step()
        evaluate(model, x_test, y_test)


@healthy("bidirectional GRU on columns")
def columns_gru() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru = nn.GRU(20, 40, num_layers=2, bidirectional=True, dropout=0.2, batch_first=True)
            self.out = nn.Linear(80, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.out(self.gru(x[:, 0].transpose(1, 2))[0].mean(1))

    torch.manual_seed(105)
    x, y = bars(1000)
    x_test, y_test = bars(300, seed=6)
    model = Net()
    optimizer = optim.Adam(model.parameters(), lr=4e-3)
    for _ in range(6):
        fit(model, x, y, optimizer, 1, 25)
        evaluate(model, x_test, y_test)


@healthy("SELU network, eight layers, lecun's normal, alpha dropout")
def selu() -> None:
    torch.manual_seed(106)
    x, y, x_test, y_test = digits()
    layers: list[nn.Module] = [nn.Flatten()]
    for a, b in zip([64] + 7 * [48], 8 * [48], strict=False):
        layers += [nn.Linear(a, b), nn.SELU()]
    model = nn.Sequential(*layers, nn.AlphaDropout(0.05), nn.Linear(48, 10))
    for module in model:
        if isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="linear")
            nn.init.zeros_(module.bias)
    optimizer = optim.SGD(model.parameters(), lr=0.02, momentum=0.9, nesterov=True)
    for _ in range(5):
        fit(model, x, y, optimizer, 1, 32)
        evaluate(model, x_test, y_test)


@healthy("five sigmoid layers with batch norms, Xavier")
def normed_sigmoids() -> None:
    torch.manual_seed(107)
    x, y, x_test, y_test = digits()
    layers: list[nn.Module] = [nn.Flatten()]
    for a in (64, 64, 64):
        layers += [nn.Linear(a, 64), nn.BatchNorm1d(64), nn.Sigmoid()]
    model = nn.Sequential(*layers, nn.Linear(64, 10))
    model.apply(lambda m: nn.init.xavier_uniform_(m.weight) if isinstance(m, nn.Linear) else None)
    optimizer = optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(8):
        fit(model, x, y, optimizer, 1, 64)
        evaluate(model, x_test, y_test)


@healthy("instance norms, ELU, strided, dilated")
def instance_norms() -> None:
    torch.manual_seed(108)
    x, y = bars(1000)
    x_test, y_test = bars(300, seed=9)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=2, dilation=2), nn.InstanceNorm2d(16, affine=True), nn.ELU(),
        nn.Conv2d(16, 32, 3, stride=2), nn.InstanceNorm2d(32, affine=True), nn.ELU(), nn.AdaptiveAvgPool2d(3),
        nn.Flatten(), nn.Linear(288, 4),
    )  # fmt: skip
    optimizer = optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(6):
        fit(model, x, y, optimizer, 1, 32)
        evaluate(model, x_test, y_test)


@healthy("separable convolutions, squeeze and excitation, hard swish")
def separable() -> None:
    torch.manual_seed(109)
    chosen = ("airplane", "automobile", "deer")
    train = photographs("train", transforms.RandomHorizontalFlip(), transforms.ToTensor(), NORMALIZE, classes=chosen)
    valid = photographs("valid", transforms.ToTensor(), NORMALIZE, classes=chosen)
    model = timm.create_model("mobilenetv3_small_050", num_classes=3)
    optimizer = optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(6):
        model.train()
        for images, labels in DataLoader(train, 32, shuffle=True, drop_last=True):
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels, label_smoothing=0.1).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            for images, labels in DataLoader(valid, 75):
                F.cross_entropy(model(images), labels)


@healthy("torchvision's SqueezeNet-like fire modules, no norms")
def fire() -> None:
    class Fire(nn.Module):
        def __init__(self, before: int, squeezed: int, after: int) -> None:
            super().__init__()
            self.squeeze = nn.Conv2d(before, squeezed, 1)
            self.one, self.three = nn.Conv2d(squeezed, after, 1), nn.Conv2d(squeezed, after, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            x = F.relu(self.squeeze(x))
            return torch.cat([F.relu(self.one(x)), F.relu(self.three(x))], 1)

    torch.manual_seed(110)
    x, y = tints(1200, spread=0.3, classes=4)
    x_test, y_test = tints(300, spread=0.3, classes=4, seed=5)
    model = nn.Sequential(nn.Conv2d(3, 24, 3), nn.ReLU(), Fire(24, 8, 16), nn.MaxPool2d(2), Fire(32, 8, 24),
                          nn.Dropout(0.5), nn.Conv2d(48, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())  # fmt: skip
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(6):
        fit(model, x, y, optimizer, 1, 30)
        evaluate(model, x_test, y_test)


@healthy("regression of an angle, MSE, tanh at the end")
def angle() -> None:
    torch.manual_seed(111)
    turned = torch.rand(1200) * math.pi
    grid = torch.stack(torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij"))
    x = torch.sin(0.8 * (grid[0] * turned.cos()[:, None, None] + grid[1] * turned.sin()[:, None, None]))[:, None]
    x, target = x * 1.4 + 0.1 * torch.randn_like(x), torch.stack([(2 * turned).cos(), (2 * turned).sin()], 1)
    model = nn.Sequential(small_cnn(1, 2), nn.Tanh())
    optimizer, criterion = optim.Adam(model.parameters(), lr=2e-3), nn.MSELoss()
    for _ in range(8):
        model.train()
        for images, wanted in DataLoader(TensorDataset(x[:1000], target[:1000]), 32, shuffle=True):
            optimizer.zero_grad()
            criterion(model(images), wanted).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            criterion(model(x[1000:]), target[1000:])


@healthy("counting spots, SmoothL1, GroupNorm")
def counting() -> None:
    torch.manual_seed(112)
    x, y = blobs(1400)
    x = (x - x.mean()) / x.std()
    model = nn.Sequential(
        nn.Conv2d(1, 16, 5, padding=2), nn.GroupNorm(4, 16), nn.SiLU(), nn.AvgPool2d(2), nn.Conv2d(16, 32, 3),
        nn.GroupNorm(8, 32), nn.SiLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(128, 1),
    )  # fmt: skip
    optimizer = optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(7):
        model.train()
        for i in torch.randperm(1100).split(40):
            optimizer.zero_grad()
            F.smooth_l1_loss(model(x[i])[:, 0], y[i] + 1.0).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            F.smooth_l1_loss(model(x[1100:])[:, 0], y[1100:] + 1.0)


@healthy("denoising U-Net, L1")
def denoising() -> None:
    class UNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down1, self.down2 = nn.Conv2d(1, 12, 3, padding=1), nn.Conv2d(12, 24, 3, stride=2, padding=1)
            self.middle = nn.Conv2d(24, 24, 3, padding=1)
            self.up = nn.ConvTranspose2d(24, 12, 2, stride=2)
            self.out = nn.Conv2d(24, 1, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            first = F.leaky_relu(self.down1(x))
            deep = F.leaky_relu(self.middle(F.leaky_relu(self.down2(first))))
            return self.out(torch.cat([first, F.leaky_relu(self.up(deep))], 1))

    torch.manual_seed(113)
    x, _ = blobs(700)
    x = (x - x.mean()) / x.std()
    model = UNet()
    optimizer = optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(4):
        model.train()
        for i in torch.randperm(600).split(20):
            optimizer.zero_grad()
            F.l1_loss(model(x[i] + 0.7 * torch.randn_like(x[i])), x[i]).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            F.l1_loss(model(x[600:] + 0.7 * torch.randn_like(x[600:])), x[600:])


@healthy("triplets of digits, normalised embeddings")
def triplets() -> None:
    torch.manual_seed(114)
    x, y, _, _ = digits()
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 16))
    optimizer, criterion = optim.Adam(model.parameters(), lr=1e-3), nn.TripletMarginLoss(margin=0.5)
    members = [torch.nonzero(y == one)[:, 0] for one in range(10)]
    for _ in range(250):
        anchor = torch.randint(0, len(y), (32,))
        alike = torch.stack([one[torch.randint(0, len(one), ())] for one in (members[y[a]] for a in anchor)])
        other = torch.randint(0, len(y), (32,))
        optimizer.zero_grad()
        a, b, c = (F.normalize(model(x[i]), dim=1) for i in (anchor, alike, other))
        criterion(a, b, c).backward()
        optimizer.step()


@healthy("contrastive, two views of each image, InfoNCE")
def contrastive() -> None:
    torch.manual_seed(115)
    x, _ = tints(900, spread=0.8)
    encoder = nn.Sequential(small_cnn(3, 32), nn.ReLU(), nn.Linear(32, 16))
    optimizer = optim.Adam(encoder.parameters(), lr=1e-3)
    for _ in range(6):
        for i in torch.randperm(900).split(45):
            one, two = x[i] + 0.3 * torch.randn_like(x[i]), x[i].flip(3) + 0.3 * torch.randn_like(x[i])
            a, b = F.normalize(encoder(one), dim=1), F.normalize(encoder(two), dim=1)
            loss = F.cross_entropy(a @ b.T / 0.2, torch.arange(len(i)))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


@healthy("class and brightness at once, two losses")
def two_tasks() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = small_cnn(1, 48)
            self.kind, self.level = nn.Linear(48, 4), nn.Linear(48, 1)

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            h = F.relu(self.body(x))
            return {"kind": self.kind(h), "level": self.level(h).squeeze(1)}

    torch.manual_seed(116)
    x, y = bars(1200)
    level = x.abs().mean((1, 2, 3))
    level = (level - level.mean()) / level.std()
    model = Net()
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(6):
        model.train()
        for i in torch.randperm(1000).split(32):
            out = model(x[i])
            loss = F.cross_entropy(out["kind"], y[i]) + 0.5 * F.mse_loss(out["level"], level[i])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            out = model(x[1000:])
            F.cross_entropy(out["kind"], y[1000:]), F.mse_loss(out["level"], level[1000:])


@healthy("spectral and weight norms, multi-margin loss")
def other_norms() -> None:
    torch.manual_seed(117)
    x, y, x_test, y_test = digits()
    model = nn.Sequential(
        nn.Flatten(), nn.utils.parametrizations.spectral_norm(nn.Linear(64, 64)), nn.LeakyReLU(0.1),
        nn.utils.parametrizations.weight_norm(nn.Linear(64, 10)),
    )  # fmt: skip
    optimizer, criterion = optim.Adam(model.parameters(), lr=3e-3), nn.MultiMarginLoss()
    for _ in range(6):
        model.train()
        for images, labels in DataLoader(TensorDataset(x, y), 32, shuffle=True):
            optimizer.zero_grad()
            criterion(model(images), labels).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            criterion(model(x_test), y_test)


@healthy("GoogLeNet-like auxiliary head at 0.3")
def auxiliary() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Sequential(nn.Conv2d(1, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU(), nn.MaxPool2d(2))
            self.b = nn.Sequential(nn.Conv2d(12, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU())
            self.aux, self.fc = nn.Linear(12, 4), nn.Linear(24, 4)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor] | Tensor:
            a = self.a(x)
            out = self.fc(self.b(a).amax((2, 3)))
            return (out, self.aux(a.amax((2, 3)))) if self.training else out

    torch.manual_seed(118)
    x, y = bars(1200, noise=0.3)
    x_test, y_test = bars(300, noise=0.3, seed=4)
    model = Net()
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for _ in range(8):
        model.train()
        for images, labels in DataLoader(TensorDataset(x, y), 30, shuffle=True):
            out, aux = model(images)
            optimizer.zero_grad()
            (F.cross_entropy(out, labels) + 0.3 * F.cross_entropy(aux, labels)).backward()
            optimizer.step()
        evaluate(model, x_test, y_test)


@healthy("torchvision's ShuffleNet, batches of 100, bfloat16")
def shufflenet() -> None:
    torch.manual_seed(119)
    x, y = tints(1000, size=32, spread=0.3)
    x_test, y_test = tints(300, size=32, spread=0.3, seed=9)
    model = torchvision.models.shufflenet_v2_x0_5(weights=None, num_classes=3)
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=4e-5)
    for _ in range(6):
        model.train()
        for images, labels in DataLoader(TensorDataset(x, y), 100, shuffle=True):
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16):
                loss = F.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
        evaluate(model, x_test, y_test)
