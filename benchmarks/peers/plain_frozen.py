"""The plain way to tune a frozen ResNet-18, as the notebooks for SageMaker write it: one process per trial.

Nothing is slowed down on purpose and nothing is tuned: `ImageFolder`, `Resize`, a random flip, `ToTensor`, a frozen
backbone that runs in every epoch, `Adam` on the new head, fp32, torch's own number of threads, no loader workers
(the default). Like its models, it calls `model.train()`, so that batch normalisation sees batch statistics while
training. The only change is that the pretrained weights come from a file rather than from the network.

    python plain_frozen.py --data hymenoptera --weights resnet18.pth --lr 0.001 --batch-size 32 --epochs 2
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from torch import Tensor, nn, optim
from torch.utils.data import DataLoader
from torchvision import datasets, models, transforms

Loader = DataLoader[tuple[Tensor, Tensor]]


def net(weights: Path, classes: int) -> nn.Module:
    model = models.resnet18()
    model.load_state_dict(torch.load(weights, weights_only=True))
    for parameter in model.parameters():
        parameter.requires_grad = False
    model.fc = nn.Linear(model.fc.in_features, classes)
    return model


def create_data_loaders(data: Path, batch_size: int) -> tuple[Loader, Loader, int]:
    train_transform = transforms.Compose(
        [transforms.Resize((224, 224)), transforms.RandomHorizontalFlip(), transforms.ToTensor()]
    )
    test_transform = transforms.Compose([transforms.Resize((224, 224)), transforms.ToTensor()])
    train = datasets.ImageFolder(str(data / "train"), train_transform, is_valid_file=opens)
    test = datasets.ImageFolder(str(data / "val"), test_transform, is_valid_file=opens)
    return (
        DataLoader(train, batch_size=batch_size, shuffle=True),
        DataLoader(test, batch_size=batch_size),
        len(train.classes),
    )


def opens(path: str) -> bool:
    """The set has one file that is no picture; whoever ran such a script had to find and skip it."""
    return path.lower().endswith((".jpg", ".jpeg"))


def train(model: nn.Module, loader: Loader, criterion: nn.Module, optimizer: optim.Optimizer) -> None:
    model.train()
    for images, labels in loader:
        optimizer.zero_grad()
        loss = criterion(model(images), labels)
        loss.backward()
        optimizer.step()


def test(model: nn.Module, loader: Loader, criterion: nn.Module) -> None:
    model.eval()
    total_loss, correct, count = 0.0, 0, 0
    with torch.no_grad():
        for images, labels in loader:
            outputs = model(images)
            total_loss += criterion(outputs, labels).item() * len(labels)
            correct += int((outputs.argmax(1) == labels).sum())
            count += len(labels)
    print(f"Testing Loss: {total_loss / count:.4f}, Testing Accuracy: {correct / count:.4f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--lr", type=float, default=0.001)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--model-dir", type=Path, required=True)
    args = parser.parse_args()

    train_loader, test_loader, classes = create_data_loaders(args.data, args.batch_size)
    model = net(args.weights, classes)
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.fc.parameters(), lr=args.lr)
    for epoch in range(1, args.epochs + 1):
        began = time.perf_counter()
        train(model, train_loader, criterion, optimizer)
        test(model, test_loader, criterion)
        print(f"Epoch {epoch}: {time.perf_counter() - began:.3f} seconds", flush=True)
    torch.save(model.state_dict(), args.model_dir / "model.pth")


if __name__ == "__main__":
    main()
