"""Trainings that do not look like one: each is captured all the same, or it is said why not."""

from __future__ import annotations

import copy
import logging
import multiprocessing
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from tests.debugger.networks import EVERYTHING, Net, batch, configuration
from tintype.debugger.injection import install, uninstall
from tintype.debugger.tensor_log import TensorLog, open_log

STEPS = 4


@pytest.fixture(autouse=True)
def watched(tmp_path: Path) -> Iterator[None]:
    install(configuration(tmp_path, EVERYTHING))
    yield
    uninstall()
    torch.compiler.reset()


def log_of(folder: Path) -> TensorLog:
    uninstall()
    return open_log(folder)


def by_hand(model: nn.Module) -> Tensor:
    images, labels = batch()
    return -model(images).log_softmax(1).gather(1, labels[:, None])[:, 0]


def sum_differentiated(model: nn.Module) -> float:
    losses = by_hand(model)
    losses.backward(torch.full_like(losses, 0.25))
    return float(losses.detach().sum() / 4)


def two_at_once(model: nn.Module) -> float:
    losses = by_hand(model)
    torch.autograd.backward([losses.mean(), 0.1 * losses.max()])
    return float(losses.detach().mean() + 0.1 * losses.detach().max())


def gradients_asked_for(model: nn.Module) -> float:
    loss = by_hand(model).mean()
    parameters = list(model.parameters())
    for one, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        one.grad = gradient
    return float(loss.detach())


@pytest.mark.parametrize("differentiate", [sum_differentiated, two_at_once, gradients_asked_for])
def test_what_is_differentiated_is_the_loss(tmp_path: Path, differentiate: Callable[[nn.Module], float]) -> None:
    model = Net()
    optimiser = torch.optim.SGD(model.parameters(), 0.1)
    losses = []
    for _ in range(STEPS):
        optimiser.zero_grad()
        losses.append(differentiate(model))
        optimiser.step()
    values = log_of(tmp_path).values("Loss_output_0")
    assert list(values.values()) == pytest.approx(losses)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_scripted_loss(tmp_path: Path) -> None:
    criterion = torch.jit.script(cross_entropy)
    model, (images, labels) = Net(), batch()
    optimiser = torch.optim.SGD(model.parameters(), 0.1)
    for _ in range(STEPS):
        optimiser.zero_grad()
        criterion(model(images), labels).backward()
        optimiser.step()
    assert log_of(tmp_path).steps_of("Loss_output_0") == list(range(STEPS))


def cross_entropy(scores: Tensor, labels: Tensor) -> Tensor:
    return functional.cross_entropy(scores, labels)


def test_parameters_that_are_put_into_the_network_for_the_call(tmp_path: Path) -> None:
    model, (images, labels) = Net(), batch()
    parameters = {name: one.detach().clone().requires_grad_() for name, one in model.named_parameters()}
    optimiser = torch.optim.SGD(parameters.values(), 0.1)
    for _ in range(STEPS):
        optimiser.zero_grad()
        functional.cross_entropy(torch.func.functional_call(model, parameters, (images,)), labels).backward()
        optimiser.step()
    assert log_of(tmp_path).steps_of("CrossEntropyLoss_output_0") == list(range(STEPS))


def test_a_step_that_looks_ahead_with_other_parameters(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    model, (images, labels) = Net(), batch()
    optimiser = torch.optim.SGD(model.parameters(), 0.1)
    for _ in range(STEPS):
        optimiser.zero_grad()
        own = dict(model.named_parameters())
        inner = functional.cross_entropy(torch.func.functional_call(model, own, (images,)), labels)
        gradients = torch.autograd.grad(inner, list(own.values()), create_graph=True)
        ahead = {name: one - 0.1 * slope for (name, one), slope in zip(own.items(), gradients, strict=True)}
        functional.cross_entropy(torch.func.functional_call(model, ahead, (images,)), labels).backward()
        optimiser.step()
    log = log_of(tmp_path)
    assert log.steps_of("CrossEntropyLoss_output_1") == log.steps_of("gradient/Net_fc.bias") == list(range(STEPS))
    assert not [one for one in recwarn if "leaf" in str(one.message)]


def test_losses_of_a_copy_that_is_judged_are_none_of_the_training(tmp_path: Path) -> None:
    model, (images, labels) = Net(), batch()
    optimiser, average = torch.optim.SGD(model.parameters(), 0.1), copy.deepcopy(model)
    for _ in range(STEPS):
        functional.cross_entropy(model(images), labels).backward()
        optimiser.step()
        with torch.no_grad():
            for network in (average, model, average, average):
                functional.cross_entropy(network(images), labels, reduction="sum")
    log = log_of(tmp_path)
    assert [name for name in log.names("output_") if "Loss" in name] == ["CrossEntropyLoss_output_0"]
    assert all(len(log.value("samples/losses", step)) == len(images) for step in log.steps())


def test_a_network_whose_calls_are_compiled(tmp_path: Path) -> None:
    model, (images, labels) = Net(), batch()
    model.compile(backend="eager")
    optimiser = torch.optim.SGD(model.parameters(), 0.1)
    for _ in range(STEPS):
        optimiser.zero_grad()
        functional.cross_entropy(model(images), labels).backward()
        optimiser.step()
    log = log_of(tmp_path)
    assert log.steps_of("CrossEntropyLoss_output_0") == list(range(STEPS - 1))      # one was over by then
    weight = next(name for name, _ in model.named_parameters())
    assert f"Net_{weight}" in log.names()
    assert f"gradient/Net_{weight}" in log.names()


def test_a_training_without_a_module(tmp_path: Path) -> None:
    images, labels = batch()
    weight = nn.Parameter(torch.zeros(images[0].numel(), 4))
    optimiser = torch.optim.SGD([weight], 0.1)
    for _ in range(STEPS):
        optimiser.zero_grad()
        functional.cross_entropy(images.flatten(1) @ weight, labels).backward()
        optimiser.step()
    assert log_of(tmp_path).steps_of("CrossEntropyLoss_output_0") == list(range(STEPS - 1))


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")      # the compiler's own looks
def test_a_step_that_is_compiled_as_a_whole(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model, (images, labels) = Net(), batch()
    optimiser = torch.optim.SGD(model.parameters(), 0.1)

    @torch.compile(backend="eager")
    def step() -> Tensor:
        loss = functional.cross_entropy(model(images), labels)
        loss.backward()
        return loss

    for _ in range(STEPS):
        optimiser.zero_grad()
        step()
        optimiser.step()
    with caplog.at_level(logging.WARNING):
        log = log_of(tmp_path)
    assert len(log.steps()) >= STEPS - 1
    assert any(name.startswith("gradient/") for name in log.names())
    assert not log.problems
    assert log.names(collection="losses") or "no loss was seen" in caplog.text


def test_what_only_exists_while_it_is_traced(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model, (images, labels) = Net(), batch()
    parameters = {name: one.detach().clone() for name, one in model.named_parameters()}
    torch.func.grad(lambda some: functional.cross_entropy(torch.func.functional_call(model, some, (images,)), labels))(
        parameters
    )
    with caplog.at_level(logging.WARNING):
        uninstall()
    assert "torch.func" in caplog.text


def forked(folder: str) -> None:
    model, (images, labels) = nn.Sequential(nn.Flatten(), nn.Linear(192, 4)), batch()
    optimiser = torch.optim.SGD(model.parameters(), 0.1)
    for _ in range(STEPS):
        optimiser.zero_grad()
        functional.cross_entropy(model(images), labels).backward()
        optimiser.step()


def test_a_training_in_a_process_that_was_forked(tmp_path: Path) -> None:
    child = multiprocessing.get_context("fork").Process(target=forked, args=(str(tmp_path),))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    log = log_of(tmp_path)
    assert log.ended
    assert log.steps_of("CrossEntropyLoss_output_0") == list(range(STEPS))


def test_collections_that_are_known_by_their_names_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    given = {"LocalPath": str(tmp_path / "named"), "HookParameters": {"save_interval": 1}}
    asked = [{"CollectionName": name} for name in ("relu_output", "outputs", "nonsense")]
    install(type(configuration(tmp_path)).from_json({**given, "CollectionConfigurations": asked}))
    model, (images, labels) = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 4)), batch()
    optimiser = torch.optim.SGD(model.parameters(), 0.1)
    functional.cross_entropy(model(images), labels).backward()
    optimiser.step()
    with caplog.at_level(logging.WARNING):
        log = log_of(tmp_path / "named")
    assert log.names(collection="relu_output") == ["1_output_0"]
    assert {"0_output_0", "1_output_0", "3_output_0"} <= set(log.names(collection="outputs"))
    assert "CrossEntropyLoss_output_0" not in log.names(collection="outputs")
    assert "'nonsense'" in caplog.text


def test_several_trainings_are_told_apart(tmp_path: Path) -> None:
    kept = []
    for _ in range(3):
        model, (images, labels) = Net(), batch()
        kept.append(model)
        optimiser = torch.optim.SGD(model.parameters(), 0.1)
        for _ in range(STEPS):
            optimiser.zero_grad()
            functional.cross_entropy(model(images), labels).backward()
            optimiser.step()
    log = log_of(tmp_path)
    assert len(log.steps()) == 3 * STEPS
    assert {step: int(value) for step, value in log.values("samples/training").items()} == {STEPS: 1, 2 * STEPS: 2}
