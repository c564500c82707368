"""Networks that the rest of the zoo has not: recurrent, mixing, normalised otherwise, with several outputs."""

from __future__ import annotations

import timm
import torch
import torchvision
from torch import Tensor, nn

from benchmarks.fault_zoo.images import Images


class RowsLSTM(nn.Module):
    """Reads an image row by row; the last state decides."""

    def __init__(self, images: Images, width: int = 64, layers: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        _, channels, _, columns = images.train.shape
        self.lstm = nn.LSTM(channels * columns, width, layers, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(width, images.classes)

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H×W to N×classes."""
        states, _ = self.lstm(x.transpose(1, 2).flatten(2))
        return self.out(self.dropout(states[:, -1]))


class RowsRNN(nn.Module):
    """The same with a plain recurrent layer, whose own weights may be made larger."""

    def __init__(self, images: Images, width: int = 64, factor: float = 1.0) -> None:
        super().__init__()
        _, channels, _, columns = images.train.shape
        self.rnn = nn.RNN(channels * columns, width, nonlinearity="relu", batch_first=True)
        self.out = nn.Linear(width, images.classes)
        with torch.no_grad():
            dict(self.rnn.named_parameters())["weight_hh_l0"].mul_(factor)

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H×W to N×classes."""
        states, _ = self.rnn(x.transpose(1, 2).flatten(2))
        return self.out(states[:, -1])


class MixerLayer(nn.Module):
    """Mixes tokens, then channels (Tolstikhin et al. 2021)."""

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.tokens = nn.Sequential(nn.Linear(tokens, 2 * tokens), nn.GELU(), nn.Linear(2 * tokens, tokens))
        self.channels = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """N×tokens×width, kept."""
        x = x + self.tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.channels(self.norm2(x))


class Mixer(nn.Module):
    """Patches of 4×4, some mixing layers, the mean of the tokens."""

    def __init__(self, images: Images, width: int = 32, layers: int = 2) -> None:
        super().__init__()
        _, channels, height, _ = images.train.shape
        self.stem = nn.Conv2d(channels, width, 4, stride=4)
        self.layers = nn.Sequential(*(MixerLayer((height // 4) ** 2, width) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, images.classes)

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H×W to N×classes."""
        return self.head(self.norm(self.layers(self.stem(x).flatten(2).transpose(1, 2))).mean(1))


class NextBlock(nn.Module):
    """A depthwise convolution, a norm and two layers, scaled by nearly nothing at first (Liu et al. 2022)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 5, padding=2, groups=width)
        self.norm = nn.GroupNorm(1, width)
        self.widen, self.narrow = nn.Conv2d(width, 4 * width, 1), nn.Conv2d(4 * width, width, 1)
        self.scale = nn.Parameter(torch.full((width, 1, 1), 1e-6))

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return x + self.scale * self.narrow(nn.functional.gelu(self.widen(self.norm(self.depthwise(x)))))


class SmallNext(nn.Module):
    """A stem of patches and some blocks."""

    def __init__(self, images: Images, width: int = 24, blocks: int = 3) -> None:
        super().__init__()
        self.stem = nn.Conv2d(images.train.shape[1], width, 2, stride=2)
        self.blocks = nn.Sequential(*(NextBlock(width) for _ in range(blocks)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, images.classes)

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H×W to N×classes."""
        return self.head(self.norm(self.blocks(self.stem(x)).mean((2, 3))))


class GroupBlock(nn.Module):
    """A residual block with group norms, the last of which begins at zero."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.GroupNorm(4, width)
        self.conv2, self.norm2 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.GroupNorm(4, width)
        nn.init.zeros_(self.norm2.weight)

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        y = torch.relu(self.norm1(self.conv1(x)))
        return torch.relu(x + self.norm2(self.conv2(y)))


class GroupResNet(nn.Module):
    """Functional ReLUs, group norms, residual branches that begin at zero, a head that begins at zero."""

    def __init__(self, images: Images, width: int = 16, blocks: int = 3) -> None:
        super().__init__()
        self.stem = nn.Conv2d(images.train.shape[1], width, 3, stride=2, padding=1)
        self.blocks = nn.ModuleList(GroupBlock(width) for _ in range(blocks))
        self.classifier = nn.Linear(width, images.classes)
        nn.init.zeros_(self.classifier.weight)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H×W to N×classes."""
        x = torch.relu(self.stem(x))
        for block in self.blocks:
            x = block(x)
        return self.classifier(x.mean((2, 3)))


class DeepPlainCNN(nn.Module):
    """Twenty convolutions without a norm or a shortcut: PyTorch's own initialisation lets the signal fade."""

    def __init__(self, images: Images, width: int = 16, depth: int = 20) -> None:
        super().__init__()
        self.first = nn.Conv2d(images.train.shape[1], width, 3, stride=2, padding=1)
        self.convs = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(depth - 1))
        self.fc = nn.Linear(width, images.classes)

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H×W to N×classes."""
        x = torch.relu(self.first(x))
        for conv in self.convs:
            x = torch.relu(conv(x))
        return self.fc(x.mean((2, 3)))


class Autoencoder(nn.Module):
    """Squeezes an image through a few numbers and draws it again."""

    def __init__(self, images: Images, width: int = 64, code: int = 16) -> None:
        super().__init__()
        size = images.train[0].size
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(size, width), nn.ReLU(), nn.Linear(width, code))
        self.decoder = nn.Sequential(nn.Linear(code, width), nn.ReLU(), nn.Linear(width, size))

    def forward(self, x: Tensor) -> Tensor:
        """The image as it was drawn again."""
        return self.decoder(self.encoder(x)).view_as(x)


class Segmenter(nn.Module):
    """Two scores for each pixel, and from halfway two more: a dictionary, as torchvision's are."""

    def __init__(self, images: Images, width: int = 16) -> None:
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(images.train.shape[1], width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=2, dilation=2), nn.BatchNorm2d(width), nn.ReLU(),
        )  # fmt: skip
        self.classifier = nn.Conv2d(width, 2, 1)
        self.aux_classifier = nn.Conv2d(width, 2, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """N×C×H×W to {"out": N×2×H×W, "aux": the same}."""
        features = self.backbone(x)
        return {"out": self.classifier(features), "aux": self.aux_classifier(features)}


class Attributes(nn.Module):
    """Independent yes-or-no answers; a sigmoid at the end is one too many for BCEWithLogits."""

    def __init__(self, images: Images, answers: int = 3, width: int = 16, *, sigmoid: bool = False) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(images.train.shape[1], width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.fc1, self.fc2 = nn.Linear(2 * width * 4, 64), nn.Linear(64, answers)
        self.sigmoid = sigmoid

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H×W to N×answers."""
        x = torch.relu(self.conv2(torch.relu(self.conv1(x))))
        x = nn.functional.adaptive_avg_pool2d(x, 2).flatten(1)
        x = self.fc2(torch.relu(self.fc1(x)))
        return x.sigmoid() if self.sigmoid else x


class Generator(nn.Module):
    """Noise to an image."""

    def __init__(self, images: Images, noise: int = 16) -> None:
        super().__init__()
        self.noise, self.shape = noise, images.train.shape[1:]
        self.net = nn.Sequential(nn.Linear(noise, 64), nn.ReLU(), nn.Linear(64, images.train[0].size), nn.Tanh())

    def forward(self, count: int) -> Tensor:
        """So many images."""
        return 2 * self.net(torch.randn(count, self.noise)).view(count, *self.shape)


class Discriminator(nn.Module):
    """An image to one score."""

    def __init__(self, images: Images) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Flatten(), nn.Linear(images.train[0].size, 64), nn.LeakyReLU(0.2), nn.Dropout(0.3), nn.Linear(64, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H×W to N scores."""
        return self.net(x).squeeze(1)


def adversaries(images: Images) -> nn.Module:
    """Both halves of a GAN; each is called by itself."""
    return nn.ModuleDict({"generator": Generator(images), "discriminator": Discriminator(images)})


class DetachedFeatures(nn.Module):
    """A backbone whose features are cut from the graph: nobody meant it to be frozen."""

    def __init__(self, images: Images, width: int = 16) -> None:
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(images.train.shape[1], width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
        )  # fmt: skip
        self.head = nn.Linear(8 * width, images.classes)

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H×W to N×classes."""
        return self.head(self.backbone(x).detach())


def torchvision_resnet18(images: Images) -> nn.Module:
    """The real one, without weights, for small images."""
    network = torchvision.models.resnet18(num_classes=images.classes)
    network.conv1 = nn.Conv2d(images.train.shape[1], 64, 3, padding=1, bias=False)
    network.maxpool = nn.MaxPool2d(4)
    return network


def timm_network(images: Images, name: str) -> nn.Module:
    """One of timm's, without weights."""
    return timm.create_model(name, num_classes=images.classes, in_chans=images.train.shape[1])
