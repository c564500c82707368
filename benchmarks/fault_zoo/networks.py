"""The networks of the zoo: small, plain PyTorch, nothing in them that knows of a debugger."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.fault_zoo.images import Images, cifar

Builder = Callable[[Images], nn.Module]
Activation = Callable[[], nn.Module]


def mlp(images: Images, *, width: int = 64, layers: int = 2, activation: Activation = nn.ReLU) -> nn.Module:
    """Fully connected, `layers` hidden layers of one width."""
    sizes = [images.train[0].size] + [width] * layers
    hidden = [part for a, b in itertools.pairwise(sizes) for part in (nn.Linear(a, b), activation())]
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(width, images.classes))


class PlainCNN(nn.Module):
    """Three convolutions, each halving the image, then a linear layer on the means."""

    def __init__(self, images: Images, width: int = 16, activation: Activation = nn.ReLU, dropout: float = 0.0) -> None:
        super().__init__()
        channels = images.train.shape[1]
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1)
        self.act1 = activation()
        self.conv2 = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.act2 = activation()
        self.conv3 = nn.Conv2d(2 * width, 2 * width, 3, stride=2, padding=1)
        self.act3 = activation()
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.dropout = nn.Dropout(dropout)
        self.fc: nn.Module = nn.Linear(8 * width, images.classes)

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H×W to N×classes."""
        x = self.act1(self.conv1(x))
        x = self.act2(self.conv2(x))
        x = self.act3(self.conv3(x))
        return self.fc(self.dropout(self.pool(x).flatten(1)))


class NormedCNN(nn.Module):
    """The same with batch norm after each convolution."""

    def __init__(self, images: Images, width: int = 16, dropout: float = 0.0) -> None:
        super().__init__()
        sizes = [images.train.shape[1], width, 2 * width, 2 * width]
        self.features = nn.Sequential()
        for index, (before, after) in enumerate(itertools.pairwise(sizes)):
            self.features.append(nn.Conv2d(before, after, 3, stride=min(index + 1, 2), padding=1, bias=False))
            self.features.append(nn.BatchNorm2d(after))
            self.features.append(nn.ReLU(inplace=True))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * width, images.classes)

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H×W to N×classes."""
        return self.head(self.dropout(self.pool(self.features(x)).flatten(1)))


class GroupedCNN(nn.Module):
    """Group norm, SiLU and dropout of whole channels, as a `Sequential`."""

    def __init__(self, images: Images, width: int = 16) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(images.train.shape[1], width, 3, padding=1), nn.GroupNorm(4, width), nn.SiLU(), nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 3, padding=1), nn.GroupNorm(4, 2 * width), nn.SiLU(), nn.Dropout2d(0.1),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2 * width, images.classes),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H×W to N×classes."""
        return self.body(x)


class OneScore(nn.Module):
    """A loss of two classes on one score: the difference of the two logits."""

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """A mean binary cross entropy."""
        scores = logits[:, 1] - logits[:, 0]
        return nn.functional.binary_cross_entropy_with_logits(scores, labels.float())


class Block(nn.Module):
    """A residual block (He et al. 2016) that may halve the image."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.downsample = nn.Conv2d(before, after, 1, stride=stride, bias=False) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """The same shape, or half as high and wide."""
        y = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(y)) + self.downsample(x))


class SmallResNet(nn.Module):
    """A stem and three residual blocks."""

    def __init__(self, images: Images, width: int = 16, classes: int | None = None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(images.train.shape[1], width, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = Block(width, width, 1)
        self.layer2 = Block(width, 2 * width, 2)
        self.layer3 = Block(2 * width, 4 * width, 2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(4 * width, classes or images.classes)

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H×W to N×classes."""
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(self.avgpool(x).flatten(1))


class TinyViT(nn.Module):
    """A vision transformer (Dosovitskiy et al. 2021): 4×4 patches, two layers of width 32, mean of the tokens."""

    def __init__(self, images: Images, width: int = 32, layers: int = 2) -> None:
        super().__init__()
        _, channels, height, _ = images.train.shape
        self.patches = nn.Conv2d(channels, width, 4, stride=4)
        self.position = nn.Parameter(torch.randn(1, (height // 4) ** 2, width) * 0.02)
        layer = nn.TransformerEncoderLayer(
            width, 4, 2 * width, dropout=0.0, batch_first=True, norm_first=True, activation="gelu"
        )
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, images.classes)

    def forward(self, x: Tensor) -> Tensor:
        """N×C×H×W to N×classes."""
        tokens = self.patches(x).flatten(2).transpose(1, 2) + self.position
        return self.head(self.norm(self.encoder(tokens)).mean(1))


class TwoHeads(nn.Module):
    """A small CNN with a main and an auxiliary head: returns both outputs, main first."""

    def __init__(self, images: Images) -> None:
        super().__init__()
        self.body = PlainCNN(images)
        self.body.fc = nn.Identity()
        self.main = nn.Linear(128, images.classes)
        self.auxiliary = nn.Linear(128, images.classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """N×C×H×W to two of N×classes."""
        features = self.body(x)
        return self.main(features), self.auxiliary(features)


def with_new_head(images: Images, *, frozen: bool = True) -> nn.Module:
    """A small ResNet that learned six classes of CIFAR-10, its head replaced: transfer learning as tutorials do it."""
    network = SmallResNet(images)
    backbone = {name: value for name, value in pretrained().items() if not name.startswith("fc.")}
    network.load_state_dict(backbone, strict=False)
    if frozen:
        network.requires_grad_(False)
    network.fc = nn.Linear(network.fc.in_features, images.classes)
    return network


@functools.cache
def pretrained() -> dict[str, Tensor]:
    """The weights of a small ResNet after a short training on six classes that no other training here uses."""
    images = cifar(("bird", "cat", "deer", "dog", "ship", "truck"))
    with torch.random.fork_rng():
        torch.manual_seed(11)
        network = SmallResNet(images)
        optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3)
        pictures, labels = torch.from_numpy(images.train), torch.from_numpy(images.train_labels)
        for _step in range(150):
            batch = torch.randint(len(labels), (32,))
            loss = nn.functional.cross_entropy(network(pictures[batch]), labels[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return network.state_dict()
