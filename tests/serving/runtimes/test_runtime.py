from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.serving.integer_archive import images, written
from tests.serving.tiny_archive import PREPROCESSING, SIZE
from tintype.cores import whole_cores
from tintype.errors import BadArchive, NotFound
from tintype.models import archive
from tintype.models.archive import Archive, Description, PrecisionRecord
from tintype.serving.content.inputs import Pixels, Tensors
from tintype.serving.runtimes import onnx_runtime, openvino_runtime, runtime, torch_runtime
from tintype.serving.runtimes.precision import Precision
from tintype.serving.runtimes.predictor import Predictor
from tintype.serving.runtimes.runtime import open_runtime, parse
from tintype.serving.runtimes.torch_runtime import bucket

needs_openvino = pytest.mark.skipif(not importlib.util.find_spec("openvino"), reason="openvino is not installed")


@pytest.fixture(scope="module")
def expected(unpacked: Archive) -> np.ndarray:
    return open_runtime(unpacked, 1, "torch:fp32").runtime.logits(images())


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """A small network in floats and in integers."""
    return written(tmp_path_factory.mktemp("archive"), None)


@pytest.fixture(autouse=True)
def _a_processor_with_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    flags = frozenset({"avx512_vnni", "avx512_bf16"})
    for module in (runtime, onnx_runtime, openvino_runtime, torch_runtime):
        monkeypatch.setattr(module, "cpu_flags", lambda: flags)
    for module in (runtime, torch_runtime):
        monkeypatch.setattr(module, "has_gpu", lambda: False)


@pytest.mark.parametrize(
    ("wanted", "largest"),
    [
        ("onnxruntime:fp32", 1e-4),
        ("onnxruntime:int8", 0.1),
        ("torch:bf16", 0.1),
        pytest.param("openvino:fp32", 1e-4, marks=needs_openvino),
        pytest.param("openvino:int8", 0.1, marks=needs_openvino),
    ],
)
def test_each_way_gives_the_networks_answers(
    unpacked: Archive, expected: np.ndarray, wanted: str, largest: float
) -> None:
    opened = open_runtime(unpacked, 1, wanted)
    assert f"{opened.name}:{opened.choice.precision}" == wanted
    found = opened.runtime.logits(images())
    assert (found.dtype, found.shape) == (np.float32, expected.shape)
    assert np.abs(found - expected).max() <= largest * np.abs(expected - expected.mean(axis=0)).max()


TWO_CORES = pytest.mark.skipif(len(whole_cores()) < 2, reason="there are no two cores that threads may be bound to")


@TWO_CORES
def test_each_thread_has_a_core_and_the_caller_the_one_that_is_left(unpacked: Archive) -> None:
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from tintype.models.archive import open_unpacked\n"
        "from tintype.serving.runtimes.runtime import open_runtime\n"
        "before = set(os.listdir('/proc/self/task'))\n"
        "opened = open_runtime(open_unpacked(Path(sys.argv[1])), int(sys.argv[2]), 'onnxruntime:fp32').runtime\n"
        "own = set(os.listdir('/proc/self/task')) - before\n"
        "print([sorted(os.sched_getaffinity(int(one))) for one in own], sorted(opened.callers_core))"
    )

    def bound(threads: int) -> str:
        command = [sys.executable, "-c", code, str(unpacked.directory), str(threads)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    everywhere = sorted(os.sched_getaffinity(0))
    own, callers = json.loads(f"[{bound(0).replace('] [', '], [')}]")
    found = [frozenset(one) for one in [*own, callers] if one != everywhere]     # the package has one that is
    assert sorted(found, key=min) == list(whole_cores())
    assert bound(2).endswith("[]")          # who names a number binds nothing


@pytest.mark.parametrize("name", ["onnxruntime", pytest.param("openvino", marks=needs_openvino)])
def test_integers_that_take_pixels(tmp_path: Path, name: str) -> None:
    found = written(tmp_path, PREPROCESSING)
    assert found.blocks is not None
    floats, integers = (
        Predictor.of(found, runtime=wanted, threads=1) for wanted in ("onnxruntime:fp32", f"{name}:int8")
    )
    shapes = [one.input.empty(1).shape for one in (floats, integers)]
    assert shapes == [(1, 3, SIZE, SIZE), (1, SIZE + 2, SIZE + 2, 3)]
    rgb = np.random.default_rng(3).integers(0, 256, (9, SIZE, SIZE, 3), dtype=np.uint8)
    exact = floats.infer(floats.prepare([Pixels(rgb)])).logits
    for inputs in (Pixels(rgb), Tensors(PREPROCESSING.normalise(rgb))):
        answer = integers.infer(integers.prepare([inputs])).logits
        assert np.abs(answer - exact).max() <= 0.1 * np.abs(exact - exact.mean(axis=0)).max()


def renamed(graph: onnx.GraphProto) -> None:
    for node in graph.node:
        node.input[:] = ["images" if name == "blocks" else name for name in node.input]
    graph.input[0].name = "images"


def of_floats(graph: onnx.GraphProto) -> None:
    for node in graph.node:
        node.input[:] = ["pixels" if name == "blocks" else name for name in node.input]
    graph.node.insert(0, onnx.helper.make_node("Cast", ["blocks"], ["pixels"], to=onnx.TensorProto.UINT8))
    graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT


def of_two(graph: onnx.GraphProto) -> None:
    graph.input.append(onnx.helper.make_tensor_value_info("more", onnx.TensorProto.FLOAT, [1]))


@pytest.mark.parametrize("name", ["onnxruntime", pytest.param("openvino", marks=needs_openvino)])
@pytest.mark.parametrize("change", [renamed, of_floats, of_two])
def test_a_network_that_is_fed_something_else_is_refused(
    tmp_path: Path, name: str, change: Callable[[onnx.GraphProto], None]
) -> None:
    found = written(tmp_path, PREPROCESSING)
    assert found.integers is not None
    model = onnx.load_model(found.integers)
    change(model.graph)
    found.integers.write_bytes(model.SerializeToString())
    with pytest.raises(BadArchive, match=r"model.int8.onnx has inputs|on a grey picture: .*(type|precision)"):
        Predictor.of(found, runtime=f"{name}:int8", threads=1)


@pytest.mark.parametrize("name", ["onnxruntime", pytest.param("openvino", marks=needs_openvino)])
@pytest.mark.parametrize(
    ("blocks", "complaint"),
    [
        (None, "has inputs blocks and outputs logits, expected images and logits"),
        (
            {"block": 1, "top": 1, "left": 1, "rows": SIZE + 4, "columns": SIZE + 4},
            rf"on a grey picture: .*input.*({SIZE + 4}.*{SIZE + 2}|{SIZE + 2}.*{SIZE + 4})",
        ),
    ],
)
def test_a_description_whose_blocks_are_not_the_networks(
    tmp_path: Path, name: str, blocks: dict[str, int] | None, complaint: str
) -> None:
    found = written(tmp_path, PREPROCESSING)
    document = json.loads((tmp_path / archive.DESCRIPTION).read_text())
    document["precision"]["blocks"] = blocks
    lying = Archive(found.directory, Description.from_json(json.dumps(document).encode()))
    with pytest.raises(BadArchive, match=complaint):
        Predictor.of(lying, runtime=f"{name}:int8", threads=1)


@needs_openvino
def test_openvino_in_bf16_where_the_processor_really_has_it(unpacked: Archive, expected: np.ndarray) -> None:
    import openvino

    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this processor has no bf16")
    found = open_runtime(unpacked, 1, "openvino:bf16").runtime.logits(images())
    assert 0 < np.abs(found - expected).max() <= 0.1 * np.abs(expected - expected.mean(axis=0)).max()


@pytest.mark.parametrize("name", ["onnxruntime", pytest.param("openvino", marks=needs_openvino), "torch"])
def test_several_threads_may_call_at_once(unpacked: Archive, name: str) -> None:
    ready = open_runtime(unpacked, 1, f"{name}:fp32").runtime
    batches = [images(seed, count) for seed, count in enumerate((1, 2, 5, 3))]
    alone = [ready.logits(batch) for batch in batches]
    wrong: list[int] = []

    def call(number: int) -> None:
        for _ in range(20):
            if not np.array_equal(ready.logits(batches[number]), alone[number]):
                wrong.append(number)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(len(batches))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_integers_by_themselves_only_where_they_are_good(
    unpacked: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = open_runtime(unpacked, 1)
    assert (chosen.name, chosen.choice.precision) == ("onnxruntime", "int8")
    monkeypatch.setattr(runtime, "cpu_flags", lambda: frozenset({"avx2"}))
    slow = open_runtime(unpacked, 1)
    assert (slow.name, slow.choice.precision) == ("onnxruntime", "fp32")
    assert slow.choice.reason == "not int8: this processor has no instructions for them"
    assert open_runtime(unpacked, 1, "int8").choice.precision == "int8"


def test_what_is_not_there_is_said(unpacked: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadArchive, match="nothing that cuda can run on this machine"):
        open_runtime(unpacked, 1, "cuda")
    with pytest.raises(BadArchive, match="nothing that tensorrt can run in int8 on this machine"):
        open_runtime(unpacked, 1, "tensorrt:int8")
    refused = unpacked.description.model_copy(
        update={
            "precision": PrecisionRecord(reason="the network has no convolutions"),
            "files": {name: one for name, one in unpacked.description.files.items() if name != archive.INTEGERS},
        }
    )
    with pytest.raises(BadArchive, match=r"in int8 on this machine \(the network has no convolutions\)"):
        open_runtime(Archive(unpacked.directory, refused), 1, "int8")
    with pytest.raises(NotFound, match="fp16"):
        open_runtime(unpacked, 1, "onnxruntime:fp16")
    monkeypatch.setattr(openvino_runtime.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BadArchive, match="nothing that openvino can run"):
        open_runtime(unpacked, 1, "openvino")


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("", (None, None)),
        ("int8", (None, "int8")),
        ("OpenVINO", ("openvino", None)),
        ("openvino:bf16", ("openvino", "bf16")),
        ("bf16:openvino", ("openvino", "bf16")),
    ],
)
def test_words_for_runtimes(wanted: str, found: tuple[str | None, Precision | None]) -> None:
    assert parse(wanted) == found


@pytest.mark.parametrize("wanted", ["int4", "int8:fp32", "torch:cuda", "torch:int8:more"])
def test_words_that_mean_nothing(wanted: str) -> None:
    with pytest.raises(NotFound):
        parse(wanted)


def test_a_gpu_is_used_first(unpacked: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a GPU here: what would be opened, and with which options."""
    asked: list[Any] = []

    class Session:
        def __init__(self, path: Path, options: Any, providers: list[Any]) -> None:
            asked.append((path.name, providers))

        def get_inputs(self) -> list[Any]:
            return [type("Value", (), {"name": "images"})]

        def get_outputs(self) -> list[Any]:
            return [type("Value", (), {"name": "logits"})]

    monkeypatch.setattr(runtime, "has_gpu", lambda: True)
    monkeypatch.setattr(onnx_runtime.onnxruntime, "InferenceSession", Session)
    found = (onnx_runtime.TENSORRT, onnx_runtime.CUDA, onnx_runtime.PROCESSOR)
    monkeypatch.setattr(onnx_runtime.onnxruntime, "get_available_providers", lambda: found)
    opened = open_runtime(unpacked, 1)
    assert (opened.name, opened.choice.precision) == ("cuda", "fp32")
    assert asked == [("model.onnx", [onnx_runtime.CUDA, onnx_runtime.PROCESSOR])]
    open_runtime(unpacked, 1, "tensorrt:bf16")
    name, ((provider, options), *rest) = asked[1]
    assert (name, provider) == ("model.onnx", onnx_runtime.TENSORRT)
    assert rest == [onnx_runtime.CUDA, onnx_runtime.PROCESSOR]
    assert options["trt_bf16_enable"]
    with pytest.raises(BadArchive, match="nothing that tensorrt can run in int8"):      # its integers are others
        open_runtime(unpacked, 1, "tensorrt:int8")
    assert options["trt_engine_cache_enable"]


@pytest.mark.parametrize(("count", "size"), [(1, 1), (2, 2), (3, 4), (4, 4), (5, 8), (32, 32), (33, 64)])
def test_batches_of_a_compiled_network_are_powers_of_two(count: int, size: int) -> None:
    assert bucket(count) == size


def test_a_compiled_network_is_fed_few_shapes(unpacked: Archive, expected: np.ndarray, monkeypatch: Any) -> None:
    import torch

    seen: list[int] = []

    def compiled(module: Any, dynamic: bool) -> Any:        # what compilation does to a network is torch's own business
        def call(batch: Any) -> Any:
            seen.append(len(batch))
            return module(batch)

        return call

    monkeypatch.setattr(torch, "compile", compiled)
    ready = open_runtime(unpacked, 1, "compiled:fp32").runtime
    np.testing.assert_allclose(ready.logits(images()), expected, atol=1e-5)
    np.testing.assert_allclose(ready.logits(images()[:2]), expected[:2], atol=1e-5)
    assert seen == [8, 2]
