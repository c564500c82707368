"""The plain loop that people write: torchvision's ImageFolder and network, every layer trained, fp32.

    python plain_finetune.py --train DIR --valid DIR [--model resnet18] [--budget SECONDS | --epochs N]

Prints one JSON line per epoch: training seconds, images per second, validation accuracy, seconds since the first
step. The clock of --budget runs from the first step, so imports are not held against it.
"""

from __future__ import annotations

import argparse
import json
import time

import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets, models, transforms


def loader(folder: str, size: int, batch_size: int, workers: int, *, train: bool) -> DataLoader:
    flips = [transforms.RandomHorizontalFlip()] if train else []
    steps = [transforms.Resize((size, size)), *flips, transforms.ToTensor(),
             transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]  # fmt: skip
    # The hymenoptera set holds one file that is no image; ImageFolder dies on it, so it is left out by its name.
    images = datasets.ImageFolder(
        folder, transforms.Compose(steps), is_valid_file=lambda path: path.endswith((".jpg", ".jpeg", ".png"))
    )
    return DataLoader(images, batch_size, shuffle=train, num_workers=workers)


def accuracy(network: nn.Module, batches: DataLoader) -> float:
    network.eval()
    right = total = 0
    with torch.no_grad():
        for images, labels in batches:
            right += (network(images).argmax(1) == labels).sum().item()
            total += len(labels)
    return right / total


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--train", required=True)
    parser.add_argument("--valid", required=True)
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--weights", default=None)
    parser.add_argument("--epochs", type=int, default=1000)
    parser.add_argument("--budget", type=float, default=1e9)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    train = loader(args.train, args.size, args.batch_size, args.workers, train=True)
    valid = loader(args.valid, args.size, args.batch_size, args.workers, train=False)
    network = getattr(models, args.model)(weights=None)
    if args.weights:
        network.load_state_dict(torch.load(args.weights, weights_only=True))
    if args.model.startswith("resnet"):
        network.fc = nn.Linear(network.fc.in_features, len(train.dataset.classes))
    else:
        network.classifier[1] = nn.Linear(network.classifier[1].in_features, len(train.dataset.classes))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(network.parameters(), lr=args.lr)

    started = time.perf_counter()
    for epoch in range(1, args.epochs + 1):
        epoch_started = time.perf_counter()
        network.train()
        seen = 0
        for images, labels in train:
            optimizer.zero_grad()
            loss = criterion(network(images), labels)
            loss.backward()
            optimizer.step()
            seen += len(labels)
            if time.perf_counter() - started > args.budget:
                break
        seconds = time.perf_counter() - epoch_started
        elapsed = time.perf_counter() - started
        valid_accuracy = accuracy(network, valid)
        print(json.dumps({"epoch": epoch, "train_seconds": seconds, "images_per_second": seen / seconds,
                          "valid_accuracy": valid_accuracy, "elapsed": elapsed}), flush=True)  # fmt: skip
        if elapsed > args.budget:
            break


if __name__ == "__main__":
    main()
