"""The one training loop of the zoo, as a person writes it: no debugger in sight."""

from __future__ import annotations

import math
import time

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.fault_zoo.images import Images
from benchmarks.fault_zoo.training import Loop


def train(network: nn.Module, images: Images, loop: Loop) -> None:
    """Train and validate for some epochs, on one core."""
    torch.manual_seed(loop.seed)
    train_set = TensorDataset(torch.from_numpy(images.train), torch.from_numpy(images.train_labels))
    valid_set = TensorDataset(torch.from_numpy(images.valid), torch.from_numpy(images.valid_labels))
    train_loader = DataLoader(train_set, batch_size=loop.batch_size, shuffle=loop.shuffle)
    valid_loader = DataLoader(valid_set, batch_size=64)
    optimiser = getattr(torch.optim, loop.optimiser)(loop.trained(network), lr=loop.learning_rate, **loop.options)
    steps = loop.epochs * math.ceil(len(train_loader) / loop.accumulate)
    criterion = loop.criterion()
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: rate(step, steps, loop))

    for epoch in range(loop.epochs):
        network.train(loop.training_mode)
        for index, (pictures, labels) in enumerate(train_loader):
            if loop.stall_seconds and epoch == loop.epochs // 2 and index == 0:
                time.sleep(loop.stall_seconds)
            if loop.augment:
                pictures = loop.augment(pictures)
            with torch.autocast("cpu", torch.bfloat16, enabled=loop.autocast):
                loss = loss_of(network, criterion, pictures, labels, loop)
            if loop.scale_accumulated:
                loss = loss / loop.accumulate
            if loop.backward:
                loss.backward()
            if (index + 1) % loop.accumulate and index + 1 < len(train_loader):
                continue
            if loop.clip_norm:
                nn.utils.clip_grad_norm_(network.parameters(), loop.clip_norm)
            if loop.step:
                optimiser.step()
            schedule.step()
            if loop.zero_grad:
                optimiser.zero_grad()
        if loop.validates:
            validate(network, criterion, valid_loader, loop)


def loss_of(network: nn.Module, criterion: nn.Module, pictures: Tensor, labels: Tensor, loop: Loop) -> Tensor:
    """The loss of a batch of training."""
    if loop.mixup:
        share, order = float(torch.distributions.Beta(0.4, 0.4).sample()), torch.randperm(len(labels))
        outputs = network(share * pictures + (1 - share) * pictures[order])
        return share * criterion(outputs, labels) + (1 - share) * criterion(outputs, labels[order])
    outputs = network(pictures)
    if isinstance(outputs, tuple):
        outputs = outputs[loop.loss_output]
    return criterion(outputs, labels)


def validate(network: nn.Module, criterion: nn.Module, loader: DataLoader, loop: Loop) -> tuple[float, float]:
    """(loss, accuracy) over the validation split; of several outputs the first is what the model will be used for."""
    network.train(not loop.evaluation_mode)
    total = right = count = 0.0
    with torch.no_grad():
        for pictures, labels in loader:
            outputs = network(pictures)
            if isinstance(outputs, tuple):
                outputs = outputs[0]
            total += float(criterion(outputs, labels)) * len(labels)
            right += float((outputs.argmax(1) == labels).sum())
            count += len(labels)
    return total / count, right / count


def rate(step: int, steps: int, loop: Loop) -> float:
    """The learning rate's factor at a step: a linear warm-up, then a cosine or a decay where asked."""
    if step < loop.warmup_steps:
        return (step + 1) / loop.warmup_steps
    if not loop.cosine:
        return loop.decay**step
    return 0.5 * (1 + math.cos(math.pi * (step - loop.warmup_steps) / max(1, steps - loop.warmup_steps)))
