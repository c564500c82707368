"""Scripts that never mention a hook: what is captured of them is what a registered hook would have captured."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as functional
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset

from tests.debugger.networks import EVERYTHING, Net, batch, configuration, hook_of, train
from tintype.debugger.hook import MOST_IDLE
from tintype.debugger.injection import Injection, install, uninstall
from tintype.debugger.modes import Mode
from tintype.debugger.naming import LEFT_GRADIENTS
from tintype.debugger.samples import announce
from tintype.debugger.tensor_log import TensorLog, open_log

Watch = Callable[..., Injection]


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    with warnings.catch_warnings():
        yield lambda *collections, **parameters: install(
            configuration(tmp_path, collections or EVERYTHING, **parameters)
        )
        uninstall()


def log_of(folder: Path) -> TensorLog:
    uninstall()
    return open_log(folder)


def test_a_training_is_captured_with_smdebugs_names(tmp_path: Path, watch: Watch) -> None:
    injection = watch()
    net = Net()
    losses = train(net, 2)
    net.eval()
    with torch.no_grad():
        functional.cross_entropy(net(batch()[0]), batch()[1])
    net.train()
    losses += train(net, 1)
    assert not injection.hook.failures
    log = log_of(tmp_path)
    assert log.steps(Mode.TRAIN) == [0, 1, 2]
    assert log.steps(Mode.EVAL) == [0]
    assert {"Net_fc.weight", "Net_features.0.bias", "gradient/Net_fc.weight"} <= set(log.names())
    assert list(log.values("CrossEntropyLoss_output_0", Mode.TRAIN).values()) == pytest.approx(losses)


def test_the_search_for_the_network_ends(watch: Watch) -> None:
    watch()
    train(Net(), 1)
    module = torch.nn.modules.module
    assert not module._global_forward_pre_hooks
    assert not module._global_forward_hooks
    torch.optim.SGD(Net().parameters(), lr=1)                       # a second training may begin
    assert module._global_forward_pre_hooks


def test_a_teacher_is_left_alone_and_what_one_optimiser_trains_belongs_together(tmp_path: Path, watch: Watch) -> None:
    watch()
    teacher = nn.Sequential(nn.Flatten(), nn.Linear(192, 50)).eval()
    small = nn.Linear(192, 4)
    net = Net()
    net.fc = nn.Linear(4, 400)
    optimiser = torch.optim.SGD([*net.parameters(), *small.parameters()], lr=0.1)
    for step in range(2):
        images, _ = batch(seed=step)
        with torch.no_grad():
            teacher(images)
        near = small(images.flatten(1))                             # is called first, and is the smaller
        loss = functional.mse_loss(net(images)[:, :4], near)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    log = log_of(tmp_path)
    assert log.names("weight$") == [
        "Linear_weight", "Net_fc.weight", "Net_features.0.weight",
        "gradient/Linear_weight", "gradient/Net_fc.weight", "gradient/Net_features.0.weight",
    ]  # fmt: skip
    assert log.steps() == [0, 1]
    for name in ("Linear_weight", "gradient/Linear_weight", "gradient/Net_fc.weight"):
        assert log.steps_of(name) == [0, 1]                         # also in the step in which it was found
    assert log.names(collection="losses") == ["MSELoss_output_0"]


def test_both_networks_of_a_gan(tmp_path: Path, watch: Watch) -> None:
    watch()
    maker = nn.Sequential(nn.Linear(2, 8))

    class Judge(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(8, 100), nn.Linear(100, 1)])

        def forward(self, values: Tensor) -> Tensor:
            return self.layers[1](self.layers[0](values).relu())

    judging = Judge()
    of_maker, of_judge = (torch.optim.Adam(one.parameters()) for one in (maker, judging))
    loss_of = nn.BCEWithLogitsLoss()
    for _ in range(3):
        made, truth = maker(torch.randn(4, 2)), torch.ones(4, 1)
        of_judge.zero_grad()
        (loss_of(judging(made.detach()), 0 * truth) + loss_of(judging(torch.randn(4, 8)), truth)).backward()
        of_judge.step()
        of_maker.zero_grad()
        loss_of(judging(made), truth).backward()
        of_maker.step()
    log = log_of(tmp_path)
    assert log.steps(Mode.TRAIN) == [0, 1, 2, 3, 4, 5]              # a step ends with either's optimiser
    weights = ["Judge_layers.0.weight", "Judge_layers.1.weight", "Sequential_0.weight"]
    assert log.names("^[A-Z].*weight$") == weights
    assert all(log.steps_of(one) == log.steps(Mode.TRAIN) for one in weights)
    assert log.steps_of("gradient/Sequential_0.weight")[0] == 1     # the first step taught the judge only
    assert not torch.nn.modules.module._global_forward_pre_hooks    # the search is over


def test_two_that_are_taught_in_turn(tmp_path: Path, watch: Watch) -> None:
    watch()
    pupils = [nn.Linear(4, 3), nn.Sequential(nn.Linear(4, 9), nn.ReLU(), nn.Linear(9, 3))]
    optimisers = [torch.optim.SGD(one.parameters(), lr=0.1) for one in pupils]
    for _ in range(2):
        for pupil, optimiser in zip(pupils, optimisers, strict=True):   # the second runs after the first has stepped
            optimiser.zero_grad()
            pupil(torch.randn(5, 4)).square().mean().backward()
            optimiser.step()
    log = log_of(tmp_path)
    assert log.steps(Mode.TRAIN) == [0, 1, 2, 3]
    assert log.names("^[A-Z].*weight$") == ["Linear_weight", "Sequential_0.weight", "Sequential_2.weight"]
    assert log.steps_of("gradient/Sequential_2.weight")[0] == 1
    assert not torch.nn.modules.module._global_forward_pre_hooks


def test_accumulation_makes_one_step(tmp_path: Path, watch: Watch) -> None:
    watch()
    net, criterion = Net(), nn.CrossEntropyLoss()
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
    for number in range(6):
        images, labels = batch(seed=number)
        (criterion(net(images), labels) / 2).backward()
        if number % 2:
            optimiser.step()
            optimiser.zero_grad()
    assert log_of(tmp_path).steps(Mode.TRAIN) == [0, 1, 2]


def test_a_criterion_and_a_loss_of_ones_own(tmp_path: Path, watch: Watch) -> None:
    class Criterion(nn.Module):
        def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
            return functional.nll_loss(logits.log_softmax(1), labels) * 2

    watch()
    losses = train(Net(), 2, criterion=Criterion())
    log = log_of(tmp_path)
    assert log.names(collection="losses") == ["Criterion_output_0"]
    assert list(log.values("Criterion_output_0").values()) == pytest.approx(losses)


def test_a_loss_that_is_no_module_and_no_function_of_pytorch(tmp_path: Path, watch: Watch) -> None:
    watch()
    losses = train(Net(), 2, criterion=lambda logits, labels: -logits.log_softmax(1).gather(1, labels[:, None]).mean())
    log = log_of(tmp_path)
    assert log.names(collection="losses") == ["Loss_output_0"]
    assert list(log.values("Loss_output_0").values()) == pytest.approx(losses)


class Paths(Dataset[Any]):
    """Knows the paths of its images, as `ImageFolder` does."""

    def __init__(self) -> None:
        self.samples = [(f"images/{number}.png", number % 4) for number in range(12)]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return torch.full((3, 8, 8), float(index)), self.samples[index][1]


@pytest.mark.parametrize("workers", [0, 2])
def test_the_samples_of_a_step(tmp_path: Path, watch: Watch, workers: int) -> None:
    watch(*EVERYTHING, ("images", {"include_regex": "^Net_(in|out)put"}), ("labels", {"include_regex": "Loss_input_1"}))
    net = Net()
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
    loader = DataLoader(Subset(Paths(), range(1, 12)), 4, shuffle=True, num_workers=workers)
    for _ in range(2):
        for images, labels in loader:
            loss = functional.cross_entropy(net(images), labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    log = log_of(tmp_path)
    assert log.steps() == [0, 1, 2, 3, 4, 5]
    for step in log.steps():
        numbers = log.value("Net_input_0", step)[:, 0, 0, 0].astype(int)
        assert list(log.value("samples/ids", step)) == [f"images/{number}.png" for number in numbers]
        assert list(log.value("samples/labels", step)) == list(log.value("CrossEntropyLoss_input_1", step))
        logits = torch.from_numpy(log.value("Net_output_0", step).copy())
        assert np.allclose(
            log.value("samples/losses", step),
            functional.cross_entropy(logits, torch.from_numpy(log.value("samples/labels", step).copy()),
                                     reduction="none"), atol=1e-6)  # fmt: skip
        assert list(log.value("samples/predictions", step)) == logits.argmax(1).tolist()


@pytest.mark.parametrize("named", [True, False])
def test_of_two_questions_the_one_that_is_asked_of_each_image_counts(
    tmp_path: Path, watch: Watch, named: bool
) -> None:
    watch()
    net = Net()
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
    images, labels = batch()
    other = torch.ones(2 * len(images), dtype=torch.int64)
    for _ in range(2):
        if named:
            announce(lambda: [f"{n}.png" for n in range(len(images))])
        logits = net(images)
        first = functional.cross_entropy(logits[:, :2].repeat(2, 1), other)
        (first + functional.cross_entropy(logits, labels)).backward()
        optimiser.step()
    assert log_of(tmp_path).value("samples/labels", 1).tolist() == (labels if named else other).tolist()


def test_a_batch_that_no_loader_made_has_no_ids(tmp_path: Path, watch: Watch) -> None:
    watch()
    next(iter(DataLoader(TensorDataset(torch.zeros(4, 1)), 4)))
    train(Net(), 1)
    log = log_of(tmp_path)
    assert "samples/ids" not in log.names()
    assert len(log.value("samples/losses", 0)) == 6


def test_a_training_without_loaders_can_name_its_samples(tmp_path: Path, watch: Watch) -> None:
    watch()
    net = Net()
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
    images, labels = batch()
    for step in range(3):
        announce(lambda step=step: [f"{step}/{n}.png" for n in range(len(images) - (step == 1))])   # one short at 1
        functional.cross_entropy(net(images), labels).backward()
        optimiser.step()
    log = log_of(tmp_path)
    assert log.steps_of("samples/ids") == [0, 2]
    assert log.value("samples/ids", 2).tolist() == [f"2/{n}.png" for n in range(len(images))]


def test_a_hook_of_the_script_takes_over(tmp_path: Path, watch: Watch) -> None:
    injection = watch()
    net, own = Net(), hook_of(tmp_path / "own")
    own.register_module(net)
    original = functional.cross_entropy
    train(net, 2)
    own.close()
    assert injection.hook.step == -1
    assert functional.cross_entropy is not original
    assert open_log(tmp_path / "own").steps() == [0, 1]
    assert not (tmp_path / "index").exists()


def test_a_second_training_in_one_process(tmp_path: Path, watch: Watch) -> None:
    watch()
    for _ in range(2):
        net = Net()
        train(net, 2)
        average = copy.deepcopy(net)                                # an average of weights, say, is not watched
        average(batch()[0])
        del net, average
    log = log_of(tmp_path)
    assert log.steps(Mode.TRAIN)[-1] >= 3
    assert log.names("Net_fc") == ["Net_fc.bias", "Net_fc.weight", "gradient/Net_fc.bias", "gradient/Net_fc.weight"]


def test_a_job_that_is_started_again_goes_on_counting(tmp_path: Path, watch: Watch) -> None:
    for _ in range(2):
        watch()
        net = Net()
        train(net, 2)
        with torch.no_grad():
            net.eval()(batch()[0])
        uninstall()
    log = log_of(tmp_path)
    assert log.steps(Mode.TRAIN) == [0, 1, 2, 3]
    assert log.steps(Mode.EVAL) == [0, 1]
    assert log.steps() == [0, 1, 2, 3, 4, 5]


def test_everything_is_as_before_afterwards(tmp_path: Path, watch: Watch) -> None:
    def replaced() -> list[Any]:
        return [
            functional.cross_entropy, torch.autograd.backward, torch.autograd.grad,
            torch.optim.Optimizer.__init__, torch.amp.GradScaler.step,
            torch.utils.data.dataloader._BaseDataLoaderIter.__next__,
        ]  # fmt: skip

    before = replaced()
    watch()
    assert not any(now is then for now, then in zip(replaced(), before, strict=True))
    uninstall()
    assert replaced() == before
    train(Net(), 1)
    assert list(tmp_path.iterdir()) == []


def test_a_log_that_cannot_be_written_costs_only_itself(
    tmp_path: Path, watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    injection = install(configuration(tmp_path / "file"))
    losses = train(Net(), 3)
    assert all(np.isfinite(losses))
    assert sum(injection.hook.failures.values()) >= 1
    assert len([one for one in caplog.records if one.levelname == "ERROR"]) == 1


def test_a_compiled_network_in_a_script(tmp_path: Path, watch: Watch) -> None:
    watch()
    losses = train(torch.compile(Net(), backend="aot_eager"), 2)                            # type: ignore[arg-type]
    log = log_of(tmp_path)
    assert log.steps(Mode.TRAIN) == [0, 1]
    assert "gradient/OptimizedModule__orig_mod.fc.weight" in log.names()
    assert list(log.values("CrossEntropyLoss_output_0").values()) == pytest.approx(losses)


class Jitter(nn.Module):
    """As torchvision's transforms: a module without parameters, called for each image."""

    def forward(self, x: Tensor) -> Tensor:
        return x + 0.01


def test_transforms_do_not_use_up_the_search(tmp_path: Path, watch: Watch) -> None:
    watch()
    net, jitter, (images, labels) = Net(), Jitter(), batch()
    optimiser = torch.optim.SGD(net.parameters(), 0.1)
    for _ in range(2):
        inputs = torch.stack([jitter(image) for image in images for _ in range(100)][::100])
        optimiser.zero_grad()
        functional.cross_entropy(net(inputs), labels).backward()
        optimiser.step()
    assert log_of(tmp_path).steps(Mode.TRAIN) == [0, 1]


@pytest.mark.parametrize("clears", [True, False])
def test_gradients_that_nobody_clears_are_noted(tmp_path: Path, watch: Watch, clears: bool) -> None:
    watch()
    net, (images, labels) = Net(), batch()
    optimiser = torch.optim.SGD(net.parameters(), 0.01)
    for _ in range(4):
        for half in (slice(None, None, 2), slice(1, None, 2)):      # two micro-batches for each step
            functional.cross_entropy(net(images[half]), labels[half]).backward()
        optimiser.step()
        if clears:
            optimiser.zero_grad()
    log = log_of(tmp_path)
    assert log.steps(Mode.TRAIN) == [0, 1, 2, 3]
    assert (log.steps_of(LEFT_GRADIENTS) if log.has(LEFT_GRADIENTS) else []) == ([] if clears else [1, 2, 3])


def test_a_training_whose_optimiser_never_steps_has_steps_all_the_same(tmp_path: Path, watch: Watch) -> None:
    watch()
    net, (images, labels) = Net(), batch()
    optimiser = torch.optim.SGD(net.parameters(), 0.1)
    for _ in range(MOST_IDLE + 10):
        optimiser.zero_grad()
        functional.cross_entropy(net(images), labels).backward()
    assert len(log_of(tmp_path).steps(Mode.TRAIN)) > 5


def test_a_layer_that_has_no_weights_yet(tmp_path: Path, watch: Watch) -> None:
    injection = watch()
    net, (images, labels) = nn.Sequential(nn.Flatten(), nn.LazyLinear(4)), batch()
    optimiser = torch.optim.SGD(net.parameters(), 0.1)
    for _ in range(3):
        optimiser.zero_grad()
        functional.cross_entropy(net(images), labels).backward()
        optimiser.step()
    assert not injection.hook.failures
    assert "Sequential_1.weight" in log_of(tmp_path).names()
