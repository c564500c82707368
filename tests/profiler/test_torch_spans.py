from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, dataloader
from torch.utils.data._utils import fetch

from tests.profiler.recordings import START
from tintype.profiler.breakdown import worker_fetches
from tintype.profiler.phases import StepMode
from tintype.profiler.span_reader import FrameworkSpans, of_mode, read_framework_spans
from tintype.profiler.span_writer import SpanWriter
from tintype.profiler.step_spans import StepSpans
from tintype.profiler.torch_spans import TorchSpans


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


class Watched:
    """A block in which torch is watched; afterwards `found` is what was written."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __enter__(self) -> Watched:
        self.writer = SpanWriter(self.root, "0-algo-1", lambda: START, time.perf_counter_ns, threaded=False)
        self.watch = TorchSpans(StepSpans(self.writer), threading.get_ident)
        return self

    def __exit__(self, *_: object) -> None:
        self.watch.remove()
        self.writer.close()

    @property
    def found(self) -> FrameworkSpans:
        return read_framework_spans(self.root)


class Slow(Dataset[tuple[torch.Tensor, int]]):
    """Images that take their time."""

    def __init__(self, seconds: float, size: int = 24) -> None:
        self.seconds, self.size = seconds, size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        time.sleep(self.seconds)
        return torch.zeros(8), index % 2


def loader(items: int = 40, batch: int = 8) -> DataLoader[tuple[torch.Tensor, ...]]:
    return DataLoader(TensorDataset(torch.randn(items, 8), torch.randint(0, 2, (items,))), batch_size=batch)


def train(network: nn.Module, batches: object, accumulate: int = 1) -> None:
    loss_of, optimizer = nn.CrossEntropyLoss(), torch.optim.SGD(network.parameters(), 0.1)
    network.train()
    for number, (images, labels) in enumerate(batches, 1):      # type: ignore[call-overload]
        loss_of(network(images), labels).backward()
        if number % accumulate == 0:
            optimizer.step()
            optimizer.zero_grad()


def test_a_script_that_knows_nothing_of_it(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))
    with Watched(tmp_path) as watched:
        for _ in range(2):
            train(network, loader())
            network.eval()
            with torch.no_grad():
                for images, labels in loader(24):
                    nn.CrossEntropyLoss()(network(images), labels)
    found = watched.found
    training, evaluation = of_mode(found.steps, StepMode.TRAIN), of_mode(found.steps, StepMode.EVAL)
    assert training["number"].tolist() == list(range(10))
    assert evaluation["number"].tolist() == list(range(6))
    for phase in ("data_wait", "forward", "loss", "backward", "optimizer"):
        assert (training[phase] > 0).all(), phase
    assert (evaluation["backward"] == 0).all()
    assert (training["host_to_device"] == 0).all()
    parts = sum(training[phase] for phase in ("data_wait", "forward", "loss", "backward", "optimizer"))
    assert (parts <= training["duration"] * 1.001).all()
    assert [found.names[one["name"]] for one in found.spans] == ["DataLoaderIterInitialize"] * 4
    assert found.loaders[0]["num_workers"] == 0


def test_a_slow_loader_is_seen_as_waiting_without_work(tmp_path: Path) -> None:
    with Watched(tmp_path) as watched:
        train(nn.Linear(8, 2), DataLoader(Slow(0.005, 16), batch_size=8))
    steps = watched.found.steps
    assert (steps["data_wait"] >= 0.04).all()
    assert (steps["waiting_cpu"] < 0.5 * steps["data_wait"]).all()


def test_the_time_in_the_image_decoder(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    noise = np.random.default_rng(0).integers(0, 256, (600, 600, 3), np.uint8)
    Image.fromarray(noise).save(path)

    class Photographs(Dataset[tuple[torch.Tensor, int]]):
        def __len__(self) -> int:
            return 4

        def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
            with Image.open(path) as image:
                return torch.from_numpy(np.asarray(image.convert("RGB"))[:2, :2].copy()).float().ravel()[:8], 0

    with Watched(tmp_path / "profile") as watched:
        train(nn.Linear(8, 2), DataLoader(Photographs(), batch_size=2))
    steps = watched.found.steps
    assert (steps["decode"] < steps["data_wait"]).all()
    assert steps["decode"].sum() > 0.1 * steps["data_wait"].sum()


def test_accumulated_gradients_are_one_step(tmp_path: Path) -> None:
    with Watched(tmp_path) as watched:
        train(nn.Linear(8, 2), loader(64), accumulate=4)
    steps = of_mode(watched.found.steps, StepMode.TRAIN)
    assert steps["number"].tolist() == [0, 1]
    assert steps["passes"].tolist() == [4, 4]
    assert (steps["working_cpu"] > 0).all()


def test_a_loop_without_a_loader(tmp_path: Path) -> None:
    def batches() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for _ in range(5):
            yield torch.randn(4, 8), torch.randint(0, 2, (4,))

    with Watched(tmp_path) as watched:
        train(nn.Linear(8, 2), batches())
    steps = watched.found.steps
    assert steps["number"].tolist() == list(range(5))
    assert (steps["forward"] > 0).all()


def in_a_thread(network: nn.Module, batches: object) -> None:
    thread = threading.Thread(target=train, args=(network, batches))
    thread.start()
    thread.join()


def test_other_threads_are_left_alone(tmp_path: Path) -> None:
    with Watched(tmp_path) as watched:
        train(nn.Linear(8, 2), loader(16))
        in_a_thread(nn.Linear(8, 2), loader())
    assert len(watched.found.steps) == 2


def test_a_thread_that_trains_while_the_main_one_waits(tmp_path: Path) -> None:
    with Watched(tmp_path) as watched:
        in_a_thread(nn.Linear(8, 2), loader())
    steps = watched.found.steps
    assert steps["mode"].tolist() == [0] * 5
    assert (steps["backward"][1:] > 0).all()                # of the first step only its end was seen


def parts_of(steps: np.ndarray) -> np.ndarray:
    return np.sum([steps[phase] for phase in ("data_wait", "forward", "loss", "backward", "optimizer")], axis=0)


@pytest.mark.parametrize("has_eval", [True, False])
@pytest.mark.parametrize("without_gradients", [True, False])
@pytest.mark.parametrize("has_loader", [True, False])
def test_an_evaluation_is_one_however_it_is_spelt(
    tmp_path: Path, has_eval: bool, without_gradients: bool, has_loader: bool
) -> None:
    if not (has_loader or has_eval or without_gradients):
        pytest.skip("without a loader nothing tells these batches from accumulated ones")
    network, loss_of = nn.Linear(8, 2), nn.CrossEntropyLoss()
    batches: Callable[[], object] = loader if has_loader else lambda: list(loader())
    with Watched(tmp_path) as watched:
        for _ in range(2):
            train(network, batches())
            network.train(not has_eval)
            with torch.no_grad() if without_gradients else nullcontext():
                for images, labels in batches():            # type: ignore[attr-defined]
                    loss_of(network(images), labels)
    steps = watched.found.steps
    training = of_mode(steps, StepMode.TRAIN)
    assert len(training) == 10
    assert (parts_of(training) <= training["duration"] * 1.001).all()
    evaluated = of_mode(steps, StepMode.EVAL)
    assert len(evaluated) == 10
    assert (evaluated["backward"] == 0).all()


def test_a_loader_that_is_only_looked_into_is_no_part_of_a_step(tmp_path: Path) -> None:
    with Watched(tmp_path) as watched:
        torch.stack([images.mean() for images, _ in loader()]).mean()
        next(iter(loader()))
        time.sleep(1.0)
        train(nn.Linear(8, 2), loader())
    steps = watched.found.steps
    assert steps["mode"].tolist() == [0] * 5
    assert steps["duration"].max() < 1.0


def test_one_batch_of_everything_is_the_batch_of_many_steps(tmp_path: Path) -> None:
    with Watched(tmp_path) as watched:
        images, labels = next(iter(loader(40, 40)))
        time.sleep(1.0)
        train(nn.Linear(8, 2), [(images[n : n + 4], labels[n : n + 4]) for n in range(0, 40, 4)])
    steps = watched.found.steps
    assert steps["mode"].tolist() == [0] * 9                # the second tells, and is one with the first
    assert steps["duration"].max() < 1.0


def test_a_teacher_is_part_of_the_step(tmp_path: Path) -> None:
    teacher, student = nn.Linear(8, 2).eval(), nn.Linear(8, 2)
    with Watched(tmp_path) as watched:
        optimizer = torch.optim.SGD(student.parameters(), 0.1)
        for number, (images, _) in enumerate(loader(64), 1):
            with torch.no_grad():
                wanted = teacher(images)
            (student(images) - wanted).square().mean().backward()
            if number % 2 == 0:
                optimizer.step()
    assert watched.found.steps["mode"].tolist() == [0] * 4


def test_a_frozen_body_without_a_loader_is_part_of_the_step(tmp_path: Path) -> None:
    body, head = nn.Linear(8, 8).eval(), nn.Linear(8, 2)
    optimizer = torch.optim.SGD(head.parameters(), 0.1)
    with Watched(tmp_path) as watched:
        for images, labels in list(loader()):
            with torch.no_grad():
                features = body(images)
            nn.functional.cross_entropy(head(features), labels).backward()
            optimizer.step()
    assert watched.found.steps["mode"].tolist() == [0] * 5


def test_a_network_may_learn_in_evaluation_mode(tmp_path: Path) -> None:
    network = nn.Linear(8, 2).eval()
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    with Watched(tmp_path) as watched:
        for images, labels in loader():
            nn.functional.cross_entropy(network(images), labels).backward()
            optimizer.step()
    assert watched.found.steps["mode"].tolist() == [0] * 5


def test_an_optimizer_that_is_given_the_forward(tmp_path: Path) -> None:
    network, loss_of = nn.Linear(8, 2), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    with Watched(tmp_path) as watched:
        for images, labels in loader():

            def closure(images: torch.Tensor = images, labels: torch.Tensor = labels) -> torch.Tensor:
                optimizer.zero_grad()
                time.sleep(0.002)
                loss = loss_of(network(images), labels)
                loss.backward()
                return loss

            optimizer.step(closure)
    steps = watched.found.steps
    assert steps["mode"].tolist() == [0] * 5
    for phase in ("forward", "loss", "backward", "optimizer"):
        assert (steps[phase] > 0).all(), phase
    assert (parts_of(steps) <= steps["duration"] * 1.001).all()


def test_optimizers_that_move_inside_of_the_backward_pass(tmp_path: Path) -> None:
    network = nn.Linear(8, 2)
    movers = {one: torch.optim.SGD([one], 0.1) for one in network.parameters()}
    for one in network.parameters():
        one.register_post_accumulate_grad_hook(lambda moved: movers[moved].step())
    with Watched(tmp_path) as watched:
        for images, labels in loader():
            nn.functional.cross_entropy(network(images), labels).backward()
    steps = watched.found.steps
    assert steps["mode"].tolist() == [0] * 5
    assert (steps["optimizer"] > 0).all()
    assert (parts_of(steps) <= steps["duration"] * 1.001).all()


def test_weights_that_are_moved_by_hand(tmp_path: Path) -> None:
    network = nn.Linear(8, 2)
    with Watched(tmp_path) as watched:
        for images, labels in loader():
            loss = nn.functional.cross_entropy(network(images), labels)
            gradients = torch.autograd.grad(loss, list(network.parameters()))
            with torch.no_grad():
                for one, gradient in zip(network.parameters(), gradients, strict=True):
                    one -= 0.1 * gradient
    steps = watched.found.steps
    assert steps["mode"].tolist() == [0] * 5
    assert (steps["backward"] > 0).all()


def test_an_error_of_the_script_stays_its_own(tmp_path: Path) -> None:
    class Failing(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            raise ArithmeticError("no")

    with Watched(tmp_path) as watched:
        for _ in range(2):
            with pytest.raises(ArithmeticError):
                Failing()(torch.zeros(1))
        train(nn.Linear(8, 2), loader())
    assert len(watched.found.steps) == 5


def test_torch_is_left_as_it_was(tmp_path: Path) -> None:
    def watched_parts() -> tuple[object, ...]:
        return (
            dataloader._BaseDataLoaderIter.__next__, DataLoader.__iter__, torch.autograd.backward, torch.autograd.grad,
            torch.optim.Optimizer.__init__, fetch._MapDatasetFetcher.fetch, fetch._IterableDatasetFetcher.fetch,
        )  # fmt: skip

    before = watched_parts()
    with Watched(tmp_path):
        train(nn.Linear(8, 2), loader())
    assert watched_parts() == before
    assert not nn.modules.module._global_forward_pre_hooks


def test_a_process_is_profiled_to_its_end(tmp_path: Path) -> None:
    script = (
        "import sys, torch; from pathlib import Path; from tintype.profiler.capture import start_capture\n"
        "from tintype.profiler.capture_settings import CaptureSettings\n"
        "start_capture(CaptureSettings(Path(sys.argv[1])), {'CURRENT_HOST': 'algo-2', 'RANK': '3'})\n"
        "net = torch.nn.Linear(2, 2); optimizer = torch.optim.SGD(net.parameters(), 0.1)\n"
        "for _ in range(3): net(torch.zeros(1, 2)).sum().backward(); optimizer.step()\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
    found = read_framework_spans(tmp_path)
    assert found.nodes == ("3-algo-2",)
    assert len(found.steps) == 3
    assert not list(tmp_path.rglob("*.tmp"))                # everything has its final name


def test_a_loaders_workers_tell_what_they_fetch(tmp_path: Path) -> None:
    with Watched(tmp_path) as watched:
        train(nn.Linear(8, 2), DataLoader(Slow(0.002, 32), batch_size=8, num_workers=1))
    found = watched.found
    fetches = worker_fetches(found)
    assert len(fetches) == 4
    assert (fetches["duration"] >= 0.016).all()
    assert (fetches["cpu"] < fetches["duration"]).all()
    assert found.loaders[0]["num_workers"] == 1
    assert len(of_mode(found.steps, StepMode.TRAIN)) == 4
    workers = {found.nodes[one] for one in fetches["node"]}
    assert len(workers) == 1
    assert next(iter(workers)).startswith("0-algo-1-loader")


class Stream(IterableDataset[tuple[torch.Tensor, int]]):
    def __iter__(self) -> Iterator[tuple[torch.Tensor, int]]:
        for number in range(32):
            time.sleep(0.002)
            yield torch.zeros(8), number % 2


def test_workers_of_a_stream_tell_what_they_fetch(tmp_path: Path) -> None:
    with Watched(tmp_path) as watched:
        train(nn.Linear(8, 2), DataLoader(Stream(), batch_size=8, num_workers=1))
    fetches = worker_fetches(watched.found)
    assert len(fetches) == 4
    assert (fetches["duration"] >= 0.016).all()
    assert len(of_mode(watched.found.steps, StepMode.TRAIN)) == 4


def test_saving_is_no_part_of_a_step(tmp_path: Path) -> None:
    network = nn.Linear(8, 2)
    with Watched(tmp_path) as watched:
        for _ in range(2):
            train(network, loader(16))
            torch.save(network.state_dict(), tmp_path / "weights.pt")
    found = watched.found
    saving = found.spans[found.spans["name"] == found.names.index("Checkpoint")]
    assert len(saving) == 2
    ends = found.steps["start"] + found.steps["duration"]
    assert all(not ((found.steps["start"] < one["start"]) & (ends > one["start"])).any() for one in saving)


def test_a_network_is_saved_whole_and_without_hooks(tmp_path: Path) -> None:
    network = nn.Linear(8, 2)
    with Watched(tmp_path) as watched:
        train(network, loader(16))
        torch.save(network, tmp_path / "network.pt")
        train(network, loader(16))
    saved = torch.load(tmp_path / "network.pt", weights_only=False)
    assert not saved._forward_pre_hooks
    assert not saved._forward_hooks
    assert len(watched.found.steps) == 4


def test_an_evaluation_between_two_batches_is_no_part_of_a_step(tmp_path: Path) -> None:
    network, loss_of = nn.Linear(8, 2), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    with Watched(tmp_path) as watched:
        for images, labels in loader(32):
            loss_of(network(images), labels).backward()
            optimizer.step()
            network.eval()
            with torch.no_grad():
                network(torch.zeros(4, 8))
            network.train()
    steps = watched.found.steps
    assert steps["mode"].tolist() == [0, 1] * 4
    assert (of_mode(steps, StepMode.EVAL)["backward"] == 0).all()
