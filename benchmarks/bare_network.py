"""Photographs, a network of random weights in every form, and what it costs without a server: decode, classify."""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from safetensors.torch import save_file
from torchvision import models

from benchmarks.measuring import SHARED
from benchmarks.servers import Model
from tintype.datasets.transforms import Preprocessing
from tintype.models import archive
from tintype.models.archive import Description, PrecisionRecord
from tintype.models.export import export_onnx
from tintype.models.network_input import NetworkInput, network_input
from tintype.training.quantisation import quantise

PREPROCESSING = Preprocessing(224)
CLASSES = 1000
PHOTOGRAPHS, CALIBRATION, CALIBRATION_BATCH = 64, 32, 4


@dataclass(frozen=True)
class Rate:
    """One measured run."""

    per_second: float
    cpu_milliseconds: float     # per answer


def photographs() -> list[bytes]:
    """JPEG files, as cameras and the web make them."""
    files = sorted((SHARED / "hymenoptera").glob("*/*/*.jpg"))
    return [one.read_bytes() for one in files[:: len(files) // PHOTOGRAPHS][:PHOTOGRAPHS]]


def make_model(network: str, folder: Path, pictures: Sequence[bytes]) -> Model:
    """The network with random weights, as an archive of ours with its integers and as a plain ONNX file."""
    torch.manual_seed(0)
    module = models.get_model(network).eval()
    files = {archive.WEIGHTS: folder / archive.WEIGHTS, archive.ONNX: folder / archive.ONNX}
    folder.mkdir(parents=True)
    save_file(module.state_dict(), files[archive.WEIGHTS])
    exported = export_onnx(module, PREPROCESSING.size, files[archive.ONNX], CLASSES)
    if exported.path is None:
        raise RuntimeError(exported.reason)
    images = [PREPROCESSING.normalise(PREPROCESSING.decode(one)[None]) for one in pictures[:CALIBRATION]]
    batches = [np.concatenate(images[at : at + CALIBRATION_BATCH]) for at in range(0, len(images), CALIBRATION_BATCH)]
    files[archive.INTEGERS] = folder / archive.INTEGERS
    integers = quantise(exported.path.read_bytes(), batches, cores(), PREPROCESSING)
    files[archive.INTEGERS].write_bytes(integers.content)
    plain = folder.with_name(f"{folder.name}.onnx")
    plain.write_bytes(quantise(exported.path.read_bytes(), batches, cores()).content)
    description = Description(
        network=network,
        classes=tuple(f"class {number}" for number in range(CLASSES)),
        image_size=PREPROCESSING.size,
        preprocessing=PREPROCESSING.to_json(),
        precision=PrecisionRecord(reason="its weights are random", blocks=integers.blocks),
    )
    archive.write_description(folder, archive.seal(description, files))
    return Model(network, folder, folder / archive.ONNX, plain, integers.blocks)


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0))


def session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    """ONNX Runtime without spinning, as we serve with it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


@dataclass(frozen=True)
class Bare:
    """A network without a server: the file that ONNX Runtime runs, and what it is fed."""

    path: Path
    layout: NetworkInput

    def answering(self, threads: int) -> Callable[[bytes], int]:
        """What decodes a photograph and classifies it, and nothing else."""
        network, layout = session(self.path, threads), self.layout
        local = threading.local()

        def answer(picture: bytes) -> int:
            if not hasattr(local, "batch"):
                local.batch = layout.empty(1)
            layout.put_pixels(local.batch[0], PREPROCESSING.decode(picture))
            return int(np.asarray(network.run(None, {layout.name: local.batch})[0]).argmax())

        return answer


def bare(model: Model) -> dict[str, Bare]:
    """The network in all forms: integers as our archive has them, integers as usual, floats."""
    normalised = network_input(PREPROCESSING, None)
    return {
        "int8 as archived": Bare(
            model.archive / archive.INTEGERS, network_input(PREPROCESSING, model.blocks)
        ),
        "int8": Bare(model.integers, normalised),
        "fp32": Bare(model.onnx, normalised),
    }


def bare_rate(network: Bare, pictures: Sequence[bytes], seconds: float) -> Rate:
    """Decoding and the network, and nothing else, on all cores of one process."""
    answer = network.answering(threads=1)
    deadline = time.perf_counter() + seconds

    def work(first: int) -> int:
        done = 0
        while time.perf_counter() < deadline:
            answer(pictures[(first + done) % len(pictures)])
            done += 1
        return done

    began, spent = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(cores()) as pool:
        count = sum(pool.map(work, range(cores())))
    return Rate(count / (time.perf_counter() - began), 1e3 * (time.process_time() - spent) / count)


def bare_latency(network: Bare, pictures: Sequence[bytes], seconds: float) -> float:
    """Milliseconds for one photograph, the median of many after another, the network with all cores."""
    answer = network.answering(threads=cores())
    found: list[float] = []
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        began = time.perf_counter()
        answer(pictures[len(found) % len(pictures)])
        found.append(1e3 * (time.perf_counter() - began))
    return statistics.median(found)


def bare_at(network: Bare, pictures: Sequence[bytes], due: Sequence[float]) -> list[float]:
    """Milliseconds from each of these moments to its answer, sorted; one after another, the network with all cores."""
    answer = network.answering(threads=cores())
    answer(pictures[0])
    found: list[float] = []
    began = time.perf_counter()
    for number, at in enumerate(due):
        time.sleep(max(0.0, began + at - time.perf_counter()))
        answer(pictures[number % len(pictures)])
        found.append(1e3 * (time.perf_counter() - began - at))
    return sorted(found)
