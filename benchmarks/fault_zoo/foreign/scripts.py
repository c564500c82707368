"""Loops that are not the zoo's: each is a training script as somebody wrote it, and knows nothing of a debugger."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.fault_zoo.images import Images
from benchmarks.fault_zoo.training import Loop

Loss = Callable[[Tensor, Tensor], Tensor]


def tensors(images: Images) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Training images and labels, validation images and labels."""
    parts = (images.train, images.train_labels, images.valid, images.valid_labels)
    return tuple(torch.from_numpy(one) for one in parts)  # type: ignore[return-value]


def optimiser_of(network: nn.Module, loop: Loop) -> torch.optim.Optimizer:
    """The one that the loop names."""
    return getattr(torch.optim, loop.optimiser)(loop.trained(network), lr=loop.learning_rate, **loop.options)


def batches(x: Tensor, y: Tensor, size: int, steps: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Drawn with replacement, for ever or nearly."""
    for _ in range(steps):
        drawn = torch.randint(len(y), (size,))
        yield x[drawn], y[drawn]


def without_loader(
    network: nn.Module, images: Images, loop: Loop, *, steps: int = 150, every: int = 0, loss: Loss | None = None
) -> None:
    """No loader, no epochs, a functional loss; validated each `every` steps, or never."""
    loss = loss or F.cross_entropy          # looked up now: this module was imported before anybody watched
    x, y, x_test, y_test = tensors(images)
    optimiser = optimiser_of(network, loop)
    for step, (pictures, labels) in enumerate(batches(x, y, loop.batch_size, steps)):
        optimiser.zero_grad()
        loss(network(pictures), labels).backward()
        if loop.clip_norm:
            nn.utils.clip_grad_norm_(network.parameters(), loop.clip_norm)
        optimiser.step()
        if every and (step + 1) % every == 0:
            network.eval()
            with torch.no_grad():
                loss(network(x_test), y_test)
            network.train()


def one_batch(network: nn.Module, images: Images, loop: Loop, *, steps: int = 60) -> None:
    """The check that everybody makes first: can it learn one batch by heart?"""
    x, y, _, _ = tensors(images)
    optimiser = optimiser_of(network, loop)
    for _ in range(steps):
        optimiser.zero_grad()
        F.cross_entropy(network(x[: loop.batch_size]), y[: loop.batch_size]).backward()
        optimiser.step()


def with_schedule(
    network: nn.Module,
    images: Images,
    loop: Loop,
    *,
    schedule: Callable[[torch.optim.Optimizer], Any],
    per_batch: bool = False,
) -> None:
    """Epochs over a loader with a scheduler of PyTorch's, validated after each."""
    x, y, x_test, y_test = tensors(images)
    loader = DataLoader(TensorDataset(x, y), loop.batch_size, shuffle=True)
    test_loader = DataLoader(TensorDataset(x_test, y_test), 100)
    optimiser, criterion = optimiser_of(network, loop), nn.CrossEntropyLoss()
    scheduler: Any = schedule(optimiser)
    for _ in range(loop.epochs):
        network.train()
        for pictures, labels in loader:
            optimiser.zero_grad()
            criterion(network(pictures), labels).backward()
            optimiser.step()
            if per_batch:
                scheduler.step()
        network.eval()
        with torch.no_grad():
            total = sum(float(criterion(network(pictures), labels)) for pictures, labels in test_loader)
        if hasattr(scheduler, "num_bad_epochs"):        # it waits for a plateau
            scheduler.step(total)
        elif not per_batch:
            scheduler.step()


def train_called_once(network: nn.Module, images: Images, loop: Loop) -> None:
    """`model.train()` stands before the loop, `model.eval()` in it: from the second epoch on nothing is dropped."""
    x, y, x_test, y_test = tensors(images)
    loader = DataLoader(TensorDataset(x, y), loop.batch_size, shuffle=True)
    optimiser, criterion = optimiser_of(network, loop), nn.CrossEntropyLoss()
    network.train()
    for _ in range(loop.epochs):
        for pictures, labels in loader:
            optimiser.zero_grad()
            criterion(network(pictures), labels).backward()
            optimiser.step()
        network.eval()
        with torch.no_grad():
            criterion(network(x_test), y_test)


def adversarial(
    network: nn.Module, images: Images, loop: Loop, *, steps: int = 200, judge: float = 1.0, saturating: bool = False
) -> None:
    """A GAN with one optimiser for each half; the judge's rate is `judge` times that of the other."""
    x, _, _, _ = tensors(images)
    generator, discriminator = network["generator"], network["discriminator"]  # type: ignore[index]
    forger = torch.optim.Adam(generator.parameters(), loop.learning_rate, betas=(0.5, 0.999))
    judging = torch.optim.Adam(discriminator.parameters(), judge * loop.learning_rate, betas=(0.5, 0.999))
    criterion = nn.BCEWithLogitsLoss()
    for _ in range(steps):
        real = x[torch.randint(len(x), (loop.batch_size,))]
        fake = generator(len(real))
        ones, zeros = torch.ones(len(real)), torch.zeros(len(real))
        judging.zero_grad()
        (criterion(discriminator(real), ones) + criterion(discriminator(fake.detach()), zeros)).backward()
        judging.step()
        forger.zero_grad()
        if saturating:
            (-criterion(discriminator(fake), zeros)).backward()
        else:
            criterion(discriminator(fake), ones).backward()
        forger.step()


def drawing_again(network: nn.Module, images: Images, loop: Loop) -> None:
    """An autoencoder: the target is the image."""
    x, _, x_test, _ = tensors(images)
    optimiser, criterion = optimiser_of(network, loop), nn.MSELoss()
    for _ in range(loop.epochs):
        network.train()
        for pictures in x[torch.randperm(len(x))].split(loop.batch_size):
            optimiser.zero_grad()
            criterion(network(pictures), pictures).backward()
            optimiser.step()
        network.eval()
        with torch.no_grad():
            criterion(network(x_test), x_test)


def measuring(network: nn.Module, images: Images, loop: Loop, *, scale: float = 1.0) -> None:
    """Regression: how bright the middle of the image is."""
    x, _, x_test, _ = tensors(images)
    middle = slice(x.shape[2] // 4, 3 * x.shape[2] // 4)
    targets, targets_test = (scale * one[:, :, middle, middle].mean((1, 2, 3)) for one in (x, x_test))
    optimiser, criterion = optimiser_of(network, loop), nn.SmoothL1Loss()
    for _ in range(loop.epochs):
        for drawn in torch.randperm(len(x)).split(loop.batch_size):
            optimiser.zero_grad()
            criterion(network(x[drawn]).mean(1), targets[drawn]).backward()
            optimiser.step()
        with torch.no_grad():
            criterion(network(x_test).mean(1), targets_test)


def segmenting(network: nn.Module, images: Images, loop: Loop) -> None:
    """A loss of each pixel, and of the auxiliary output; the network returns a dictionary."""
    x, _, x_test, _ = tensors(images)
    masks, masks_test = ((one.mean(1) > 0.5).long() for one in (x, x_test))
    optimiser = optimiser_of(network, loop)
    for _ in range(loop.epochs):
        network.train()
        for drawn in torch.randperm(len(x)).split(loop.batch_size):
            found = network(x[drawn] + 0.5 * torch.randn_like(x[drawn]))
            loss = F.cross_entropy(found["out"], masks[drawn]) + 0.4 * F.cross_entropy(found["aux"], masks[drawn])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        network.eval()
        with torch.no_grad():
            F.cross_entropy(network(x_test)["out"], masks_test)


def answering(network: nn.Module, images: Images, loop: Loop) -> None:
    """Three questions about each image at once: is its label even, is it large, is it the first class?"""
    x, y, x_test, y_test = tensors(images)
    half = images.classes / 2
    answers, answers_test = (
        torch.stack([one % 2 == 0, one >= half, one == 0], 1).float() for one in (y, y_test)
    )  # fmt: skip
    optimiser, criterion = optimiser_of(network, loop), nn.BCEWithLogitsLoss()
    for _ in range(loop.epochs):
        network.train()
        for drawn in torch.randperm(len(x)).split(loop.batch_size):
            optimiser.zero_grad()
            criterion(network(x[drawn]), answers[drawn]).backward()
            optimiser.step()
        network.eval()
        with torch.no_grad():
            criterion(network(x_test), answers_test)


def two_optimisers(network: nn.Module, images: Images, loop: Loop, *, clears: bool = True) -> None:
    """The last layer has an optimiser of its own; `zero_grad` may be forgotten for the others."""
    x, y, x_test, y_test = tensors(images)
    parameters = list(network.parameters())
    body, head = optimiser_of(nn.ParameterList(parameters[:-2]), loop), torch.optim.Adam(parameters[-2:], 1e-3)
    criterion = nn.CrossEntropyLoss()
    for _ in range(loop.epochs):
        for drawn in torch.randperm(len(x)).split(loop.batch_size):
            head.zero_grad()
            if clears:
                body.zero_grad()
            criterion(network(x[drawn]), y[drawn]).backward()
            body.step()
            head.step()
        network.eval()
        with torch.no_grad():
            criterion(network(x_test), y_test)
        network.train()


def head_first(network: nn.Module, images: Images, loop: Loop) -> None:
    """Two phases: the head alone, then all of it at a tenth of the rate, with a new optimiser."""
    x, y, x_test, y_test = tensors(images)
    criterion = nn.CrossEntropyLoss()
    for phase in range(2):
        rate = loop.learning_rate * (1.0 if phase == 0 else 0.1)
        for parameter in network.parameters():
            parameter.requires_grad_(phase == 1)
        for parameter in list(network.parameters())[-2:]:
            parameter.requires_grad_(True)
        optimiser = torch.optim.AdamW([one for one in network.parameters() if one.requires_grad], rate)
        for _ in range(loop.epochs):
            network.train()
            for drawn in torch.randperm(len(x)).split(loop.batch_size):
                optimiser.zero_grad()
                criterion(network(x[drawn]), y[drawn]).backward()
                optimiser.step()
            network.eval()
            with torch.no_grad():
                criterion(network(x_test), y_test)


def distilling(network: nn.Module, images: Images, loop: Loop, *, teacher: nn.Module) -> None:
    """The answers of a larger network are learned, softened, beside the labels."""
    x, y, x_test, y_test = tensors(images)
    optimiser = optimiser_of(network, loop)
    teacher.eval()
    for _ in range(loop.epochs):
        network.train()
        for drawn in torch.randperm(len(x)).split(loop.batch_size):
            with torch.no_grad():
                soft = F.softmax(teacher(x[drawn]) / 3, 1)
            scores = network(x[drawn])
            loss = F.kl_div(F.log_softmax(scores / 3, 1), soft, reduction="batchmean") * 9
            loss = 0.5 * loss + 0.5 * F.cross_entropy(scores, y[drawn])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        network.eval()
        with torch.no_grad():
            F.cross_entropy(network(x_test), y_test)


def averaged(network: nn.Module, images: Images, loop: Loop) -> None:
    """Validated is a slow average of the weights, another module."""
    x, y, x_test, y_test = tensors(images)
    optimiser, criterion = optimiser_of(network, loop), nn.CrossEntropyLoss()
    average = copy.deepcopy(network).eval()
    for _ in range(loop.epochs):
        for drawn in torch.randperm(len(x)).split(loop.batch_size):
            optimiser.zero_grad()
            criterion(network(x[drawn]), y[drawn]).backward()
            optimiser.step()
            with torch.no_grad():
                for slow, fast in zip(average.parameters(), network.parameters(), strict=True):
                    slow.lerp_(fast, 0.05)
                for slow, fast in zip(average.buffers(), network.buffers(), strict=True):
                    slow.copy_(fast)
        with torch.no_grad():
            criterion(average(x_test), y_test)


def in_closures(network: nn.Module, images: Images, loop: Loop, *, steps: int = 12) -> None:
    """L-BFGS over all images, which calls the loss as often as it likes."""
    x, y, x_test, y_test = tensors(images)
    optimiser, criterion = torch.optim.LBFGS(network.parameters(), lr=0.5, max_iter=6), nn.CrossEntropyLoss()

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = criterion(network(x), y)
        loss.backward()
        return loss

    for _ in range(steps):
        optimiser.step(closure)
        with torch.no_grad():
            criterion(network(x_test), y_test)


def early_stopped(network: nn.Module, images: Images, loop: Loop, *, patience: int = 3) -> None:
    """Ends when validation has not got better for some epochs."""
    x, y, x_test, y_test = tensors(images)
    optimiser, criterion = optimiser_of(network, loop), nn.CrossEntropyLoss()
    best, waited = float("inf"), 0
    while waited < patience:
        network.train()
        for drawn in torch.randperm(len(x)).split(loop.batch_size):
            optimiser.zero_grad()
            criterion(network(x[drawn]), y[drawn]).backward()
            optimiser.step()
        network.eval()
        with torch.no_grad():
            loss = float(criterion(network(x_test), y_test))
        best, waited = (loss, 0) if loss < best - 1e-3 else (best, waited + 1)


def in_folds(network: nn.Module, images: Images, loop: Loop, *, folds: int = 3) -> None:
    """Cross-validation: a new copy and a new optimiser for each fold."""
    x, y, _, _ = tensors(images)
    criterion = nn.CrossEntropyLoss()
    for fold in range(folds):
        model = copy.deepcopy(network)
        optimiser = optimiser_of(model, loop)
        held = torch.arange(len(x)) % folds == fold
        for _ in range(loop.epochs):
            model.train()
            for drawn in torch.nonzero(~held).flatten()[torch.randperm(int((~held).sum()))].split(loop.batch_size):
                optimiser.zero_grad()
                criterion(model(x[drawn]), y[drawn]).backward()
                optimiser.step()
            model.eval()
            with torch.no_grad():
                criterion(model(x[held]), y[held])


# --- what goes wrong in scripts ---------------------------------------------------------------------------------------


def begun_anew(network: nn.Module, images: Images, loop: Loop) -> None:
    """The weights are drawn again at the beginning of every epoch."""
    x, y, x_test, y_test = tensors(images)
    optimiser, criterion = optimiser_of(network, loop), nn.CrossEntropyLoss()
    for _ in range(loop.epochs):
        network.train()
        for part in network.modules():
            if isinstance(part, nn.Linear | nn.Conv2d):
                part.reset_parameters()
        for drawn in torch.randperm(len(x)).split(loop.batch_size):
            optimiser.zero_grad()
            criterion(network(x[drawn]), y[drawn]).backward()
            optimiser.step()
        network.eval()
        with torch.no_grad():
            criterion(network(x_test), y_test)


def spiked(network: nn.Module, images: Images, loop: Loop, *, step: int = 60, factor: float = 1000.0) -> None:
    """One step with an enormous rate: a restart of the schedule from the wrong number."""
    x, y, x_test, y_test = tensors(images)
    optimiser, criterion = optimiser_of(network, loop), nn.CrossEntropyLoss()
    done = 0
    for _ in range(loop.epochs):
        network.train()
        for drawn in torch.randperm(len(x)).split(loop.batch_size):
            optimiser.param_groups[0]["lr"] = loop.learning_rate * (factor if done == step else 1)
            optimiser.zero_grad()
            criterion(network(x[drawn]), y[drawn]).backward()
            optimiser.step()
            done += 1
        network.eval()
        with torch.no_grad():
            criterion(network(x_test), y_test)


def head_replaced_late(network: nn.Module, images: Images, loop: Loop) -> None:
    """The optimiser is made, and then the head is replaced: nobody trains the new one."""
    x, y, x_test, y_test = tensors(images)
    optimiser, criterion = optimiser_of(network, loop), nn.CrossEntropyLoss()
    network.head = nn.Linear(network.head.in_features, images.classes)  # type: ignore[union-attr]
    for _ in range(loop.epochs):
        network.train()
        for drawn in torch.randperm(len(x)).split(loop.batch_size):
            optimiser.zero_grad()
            criterion(network(x[drawn]), y[drawn]).backward()
            optimiser.step()
        network.eval()
        with torch.no_grad():
            criterion(network(x_test), y_test)


def labels_elsewhere(network: nn.Module, images: Images, loop: Loop, *, steps: int = 150) -> None:
    """Images and labels are shuffled each by itself, anew in every epoch."""
    x, y, _, _ = tensors(images)
    optimiser = optimiser_of(network, loop)
    for pictures, _ in batches(x, y, loop.batch_size, steps):
        optimiser.zero_grad()
        F.cross_entropy(network(pictures), y[torch.randint(len(y), (len(pictures),))]).backward()
        optimiser.step()


def same_sample(network: nn.Module, images: Images, loop: Loop, *, steps: int = 150) -> None:
    """Each batch is one sample, many times."""
    x, y, x_test, y_test = tensors(images)
    optimiser = optimiser_of(network, loop)
    for step in range(steps):
        drawn = torch.randint(len(y), (1,)).expand(loop.batch_size)
        optimiser.zero_grad()
        F.cross_entropy(network(x[drawn]), y[drawn]).backward()
        optimiser.step()
        if step % 25 == 24:
            with torch.no_grad():
                F.cross_entropy(network(x_test), y_test)


def log_of_zero(scores: Tensor, labels: Tensor) -> Tensor:
    """A cross entropy by hand: right until a probability is too small for a float."""
    return -torch.log(torch.softmax(scores, 1).gather(1, labels[:, None])).mean()


def by_hand(scores: Tensor, labels: Tensor) -> Tensor:
    """A focal loss (Lin et al. 2017), of no module and no function of PyTorch's."""
    logs = torch.log_softmax(scores, 1).gather(1, labels[:, None]).squeeze(1)
    return -((1 - logs.exp()) ** 2 * logs).mean()


def upwards(scores: Tensor, labels: Tensor) -> Tensor:
    """A sign is wrong, and the loss is maximised."""
    return -F.cross_entropy(scores, labels)


def summed(scores: Tensor, labels: Tensor) -> Tensor:
    """The sum over the batch, where the rate was meant for a mean."""
    return F.cross_entropy(scores, labels, reduction="sum")


def of_probabilities(scores: Tensor, labels: Tensor) -> Tensor:
    """The logarithm is missing: this loss takes log-probabilities."""
    return F.nll_loss(torch.softmax(scores, 1), labels)


def log_softmax_twice(scores: Tensor, labels: Tensor) -> Tensor:
    """Superfluous, and harmless: the logarithm of a softmax is its own."""
    return F.cross_entropy(torch.log_softmax(scores, 1), labels)
