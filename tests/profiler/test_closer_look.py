"""Windows of operators, layers, memory and Python lines, of a real training."""

from __future__ import annotations

import gzip
import json
import threading
import time
import weakref
from pathlib import Path

import pytest
import torch
from torch import nn
from torch._dynamo.utils import counters

from tintype.profiler.breakdown import Activity, break_down
from tintype.profiler.capture_settings import CaptureSettings, Window
from tintype.profiler.closer_look import CloserLook
from tintype.profiler.detail_files import OPERATORS, detail_path
from tintype.profiler.hot_spots import StackSampler, shortened
from tintype.profiler.operators import OperatorWindow
from tintype.profiler.readers import JobProfile, open_profile
from tintype.profiler.span_writer import SpanWriter
from tintype.profiler.step_spans import StepSpans
from tintype.profiler.torch_spans import TorchSpans


class Net(nn.Module):
    """A network with an in-place activation after a layer, and a layer that is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 24, 3, padding=1), nn.ReLU(inplace=True))
        self.twice = nn.Conv2d(24, 24, 3, padding=1)
        self.head = nn.Linear(24, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        seen = self.twice(self.twice(self.body(images)))
        return self.head(seen.mean((2, 3)))


def slowly() -> None:
    until = time.perf_counter() + 0.03
    while time.perf_counter() < until:
        pass


def train(root: Path, settings: CaptureSettings, steps: int, *, script: bool) -> JobProfile:
    """A training of a script whose modules are watched, or of a loop that says its phases."""
    torch.set_num_threads(1)
    writer = SpanWriter(root, "0-algo-1", time.time, time.perf_counter_ns)
    look = CloserLook(settings, lambda: writer.node)
    spans = StepSpans(writer, look)
    watch = TorchSpans(spans, threading.get_ident) if script else None
    net, criterion = Net(), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    for _ in range(steps):
        criterion(net(torch.randn(8, 3, 32, 32)), torch.zeros(8).long()).backward()
        optimizer.step()
        optimizer.zero_grad()
        slowly()
    if watch:
        watch.remove()
    look.close(spans.train_steps)
    writer.close()
    return open_profile(root)


@pytest.fixture(scope="module", autouse=True)
def nothing_compiled() -> None:
    """As in a process of its own: other tests compile, and then there are no layers."""
    torch._dynamo.reset()
    counters.clear()


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> JobProfile:
    root = tmp_path_factory.mktemp("profile")
    return train(root, CaptureSettings(root, Window(3, 2), Window(0, 12)), 16, script=True)


def test_operators_of_the_chosen_steps(profile: JobProfile) -> None:
    (found,) = profile.operators
    assert (found.worker, found.first_step, found.steps) == ("0-algo-1", 3, 2)
    names = [one.name for one in found.operators]
    assert "aten::mkldnn_convolution" in names or "aten::thnn_conv2d" in names or any("conv" in one for one in names)
    assert not [one for one in names if one.startswith("layer: ")]
    assert all(one.device == "CPU" and 0 < one.self_us <= one.total_us + 1 for one in found.operators)
    with gzip.open(detail_path(profile.root, OPERATORS, "0-algo-1", ".trace.json.gz")) as stream:
        assert json.load(stream)["traceEvents"]


def test_layers_have_forward_and_backward_times(profile: JobProfile) -> None:
    layers = {one.name: one for one in profile.operators[0].layers}
    assert {"body.0", "body.1", "twice", "head", "CrossEntropyLoss"} <= set(layers)
    assert (layers["twice"].calls, layers["body.0"].calls) == (4, 2)
    assert layers["twice"].kind == "Conv2d"
    assert layers["twice"].backward_us > layers["head"].backward_us > 0
    assert layers["twice"].forward_us > layers["head"].forward_us > 0


def test_memory_by_phase(profile: JobProfile) -> None:
    memory = profile.operators[0].memory
    assert {"forward", "loss", "backward", "optimizer"} <= set(memory)
    assert all(peak > 50_000_000 for peak in memory.values())       # a process that has torch loaded


def test_hot_spots_name_the_line_that_takes_the_time(profile: JobProfile) -> None:
    (found,) = profile.hot_spots
    assert found.steps == 12
    assert found.samples > 10
    slow = next(one for one in found.functions if one.name == "slowly")
    assert slow.file == "profiler/test_closer_look.py"
    assert slow.own > 0.05 * found.samples          # of a machine that may be busy with other things
    assert max(found.functions, key=lambda one: one.all).all <= found.samples


def test_what_the_look_takes_is_no_time_of_the_training(profile: JobProfile) -> None:
    times = break_down(profile)
    assert times is not None
    assert len(times.train) == 16
    assert times.seconds[Activity.CLOSER_LOOK] > 0.005


def test_a_training_that_ends_inside_of_its_windows_keeps_what_there_was(tmp_path: Path) -> None:
    profile = train(tmp_path, CaptureSettings(tmp_path, Window(1, 10), Window(1, seconds=60.0)), 4, script=True)
    assert (profile.operators[0].steps, profile.hot_spots[0].steps) == (3, 3)


def test_a_full_disk_costs_the_window_and_not_the_training(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "framework").write_text("in the way")
    train(tmp_path, CaptureSettings(tmp_path, Window(0, 1), Window(0, 1)), 3, script=True)
    assert "could not keep" in caplog.text


def test_files_are_called_as_people_know_them() -> None:
    assert shortened("/a/lib/python3.11/site-packages/torch/nn/functional.py") == "torch/nn/functional.py"
    assert shortened("/home/me/project/train.py") == "project/train.py"
    assert shortened("train.py") == "train.py"


def test_a_stack_that_ends_while_it_is_looked_at(tmp_path: Path) -> None:
    sampler = StackSampler(-1, time.monotonic)          # no such thread
    sampler.start()
    time.sleep(0.03)
    assert sampler.stop("0-algo-1", 0, 1).samples == 0


class Held:
    """Something that a function has."""


def test_what_a_function_had_is_gone_with_it(tmp_path: Path) -> None:
    """Else another thread would let go of it, which tensors that are being printed do not survive."""

    def function() -> weakref.ref[Held]:
        held = Held()
        known = weakref.ref(held)
        until = time.perf_counter() + 0.1               # as long as ten looks, of which a busy machine misses some
        while time.perf_counter() < until:
            pass
        return known

    sampler = StackSampler(threading.get_ident(), time.monotonic)
    sampler.start()
    outlived = [known() for known in (function() for _ in range(10)) if known() is not None]
    assert sampler.stop("0-algo-1", 0, 1).samples > 10
    assert outlived == []


def test_tensors_are_printed_while_the_stack_is_looked_at(tmp_path: Path) -> None:
    weights, images = nn.Parameter(torch.randn(16, 3, 3, 3)), torch.randn(16, 3, 32, 32)
    sampler = StackSampler(threading.get_ident(), time.monotonic)
    sampler.start()
    for _ in range(30):                                 # it broke within a dozen
        assert str(images) + str(weights)
    sampler.stop("0-algo-1", 0, 1)


def test_transforms_of_images_are_no_layers() -> None:
    from torchvision import transforms

    window = OperatorWindow()
    window.start()
    transforms.Normalize(0.5, 0.5)(torch.zeros(3, 8, 8))
    Net()(torch.zeros(1, 3, 8, 8))
    assert {one.kind for one in window.stop("0-algo-1", 0, 1).layers} == {"Conv2d", "ReLU", "Linear"}


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.filterwarnings("error")
def test_what_is_compiled_is_compiled_once(tmp_path: Path, in_place: bool) -> None:
    torch._dynamo.reset()
    counters.clear()
    writer = SpanWriter(tmp_path, "0-algo-1", time.time, time.perf_counter_ns, threaded=False)
    look = CloserLook(CaptureSettings(tmp_path, Window(10, 3), Window(10, 3)), lambda: writer.node)
    spans = StepSpans(writer, look)
    watch = TorchSpans(spans, threading.get_ident)
    network = Net()
    if in_place:
        network.compile(backend="eager", fullgraph=True)
        compiled = network
    else:
        compiled = torch.compile(network, backend="eager", fullgraph=True)
    optimizer, loss_of = torch.optim.SGD(network.parameters(), 0.1), nn.CrossEntropyLoss()
    for _ in range(30):                                 # past the window, and past the looking for new modules
        loss_of(compiled(torch.zeros(4, 3, 8, 8)), torch.zeros(4).long()).backward()
        optimizer.step()
    watch.remove()
    look.close(spans.train_steps)
    writer.close()
    job = open_profile(tmp_path)
    assert counters["stats"]["unique_graphs"] == 1
    assert len(job.steps()) == 30
    assert job.operators[0].operators
    assert job.operators[0].layers == ()                # they are no modules any more


def test_damaged_files_are_left_out(profile: JobProfile, tmp_path: Path) -> None:
    for kind in ("operators", "hot_spots"):
        path = detail_path(tmp_path, kind, "0-algo-1")
        path.parent.mkdir(parents=True)
        path.write_text('{"worker": 3')
        detail_path(tmp_path, kind, "1-algo-1").write_text("[]")
    assert (open_profile(tmp_path).operators, open_profile(tmp_path).hot_spots) == ((), ())
