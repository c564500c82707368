"""Ways to run a frozen network over images; the first in `EXTRACTORS` that suits the machine and the network is used.

Images per CPU second and core, ResNet-18 at 224 px, on a 2-core Xeon with AVX-512 and VNNI but no bf16 (medians of
interleaved rounds), and the error as a share of what tells one image's features from another's:

    torch as it comes, NCHW             18.9    what a plain script does
    torch, channels last                24      "module"; with bf16 autocast (0.9 % error) where the hardware has it
    torch, batch norms merged           28.4    "merged"
    ONNX Runtime, float32               30      not worth an export
    OpenVINO, float32                   32.4    not worth an export and a dependency; importing a module takes it 3 s
    ncnn with Winograd kernels          21
    ONNX Runtime, 8-bit integers        88      "integers"; 3 % error, checked on images before it is used
    OpenVINO, 8-bit integers            113     28 % more in the pass, and a dependency

The same on an EPYC with AVX-512, VNNI and bf16: 19.9 as it comes, 23.5 channels last, 27.5 merged; in bf16 47.6 with
autocast, 50.8 merged; 102 in 8-bit integers, 111 since those take pixels. So they are preferred to bf16 too; their exam
times both.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Protocol, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.fx.experimental import optimization

from tintype.datasets.transforms import Preprocessing
from tintype.errors import Unsupported
from tintype.models import networks
from tintype.models.export import EXPORTERS
from tintype.models.network_input import network_input
from tintype.models.networks import Network
from tintype.training.augmentation import normalise
from tintype.training.device import Place, cpu_flags
from tintype.training.plan import ComputePlan

if TYPE_CHECKING:
    from tintype.training.quantisation import Integers

Pictures = NDArray[np.uint8]
Precision = Literal["fp32", "bf16", "fp16", "int8"]

PRECISIONS: dict[torch.dtype | None, Precision] = {None: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}
INTEGER_FLAGS = frozenset({"avx512_vnni", "avx_vnni"})      # instructions that multiply 8-bit integers, on x86
SMALLEST_INTEGER_PASS = 256     # images; making the integer network takes about as long as 60 of them in floats
LARGEST_ERROR = 0.1             # of integer features, as a share of what tells one image from another
LARGEST_TIME = 0.7              # of integers, as a share of the network's otherwise: in bf16 where there is that
EXAM_SHARE = 4                  # one in so many samples is not shown to the quantiser, but used to judge it
CALIBRATION_BATCH = 4           # images; all tensors of a batch are in memory at once
CPU_BATCH_PIXELS = 8 * 224 * 224    # per forward pass: little enough for the caches of the processor
GPU_BATCH_PIXELS = 256 * 224 * 224
GPU_LANES = 2                   # one thread gathers images while the other waits for the GPU
LARGEST_BATCH = 1024            # images


class FeatureExtractor(Protocol):
    """A frozen network: pictures uint8 (n, s, s, 3), contiguous, in, its pooled features (n, dim) float32 out."""

    @property
    def precision(self) -> Precision:
        """In which numbers it computes."""
        ...

    @property
    def lanes(self) -> int:
        """How many threads of one core each should call it at once."""
        ...

    def __call__(self, pictures: Pictures) -> Tensor:
        """Features on the CPU. Called by several threads at once."""
        ...


@final
@dataclass(frozen=True)
class Circumstances:
    """What the choice of an extractor depends on, beside the network."""

    place: Place
    preprocessing: Preprocessing
    compute: ComputePlan
    images: int                     # forward passes to come
    flags: frozenset[str]           # of the processor, as `device.cpu_flags` gives them

    @property
    def batch_pixels(self) -> int:
        """How many pixels a forward pass should have."""
        return CPU_BATCH_PIXELS if self.place.device.type == "cpu" else GPU_BATCH_PIXELS


@final
@dataclass(frozen=True)
class Choice:
    """A way to run a network. `make` raises `Unsupported` when the network cannot be run so."""

    precision: Callable[[Place], Precision]
    suits: Callable[[Circumstances], bool]
    make: Callable[[Network, Circumstances, Pictures], FeatureExtractor]    # the pictures: a sample


@final
class ModuleExtractor:
    """A module in torch: in half precision throughout when it `is_half`, else as autocast thinks best."""

    def __init__(
        self, module: nn.Module, place: Place, preprocessing: Preprocessing, *, is_half: bool = False
    ) -> None:
        self._place, self._preprocessing = place, preprocessing
        self._dtype = place.half if is_half and place.half is not None else torch.float32
        self._module = module.to(place.device, self._dtype, memory_format=place.memory_format).eval()  # pyright: ignore[reportCallIssue]
        self.precision: Precision = precision_of(place)
        self.lanes = place.threads if place.device.type == "cpu" else GPU_LANES

    @torch.inference_mode()
    def __call__(self, pictures: Pictures) -> Tensor:
        pixels = torch.from_numpy(pictures).to(self._place.device).permute(0, 3, 1, 2)
        images = normalise(pixels.to(torch.float32), self._preprocessing)
        batch = images.to(dtype=self._dtype, memory_format=self._place.memory_format)
        if self._dtype is not torch.float32:
            return self._module(batch).float().cpu()
        with self._place.autocast():
            return self._module(batch).float().cpu()


@final
class IntegerExtractor:
    """The network in 8-bit integers, in ONNX Runtime."""

    precision: Precision = "int8"

    def __init__(self, integers: Integers, there: Circumstances) -> None:
        from tintype.training.quantisation import open_session  # here: ONNX Runtime starts a thread when imported,
                                                                    # and processes are forked that have us imported
        self._session = open_session(integers.content, threads=1)
        self._layout = network_input(there.preprocessing, integers.blocks)
        self.lanes = there.place.threads

    def __call__(self, pictures: Pictures) -> Tensor:
        batch = self._layout.empty(len(pictures))
        for row, rgb in zip(batch, pictures, strict=True):
            self._layout.put_pixels(row, rgb)
        return torch.from_numpy(self._session.run(None, {self._layout.name: batch})[0])


@final
class Backbone(nn.Module):
    """A network without its head: images to pooled features."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, s, s) to (n, dim)."""
        return networks.features(self.module, images)


def precision_of(place: Place) -> Precision:
    """In which numbers torch computes at `place`."""
    return PRECISIONS[place.half]


def circumstances(place: Place, preprocessing: Preprocessing, compute: ComputePlan, images: int) -> Circumstances:
    """Those of this machine."""
    return Circumstances(place, preprocessing, compute, images, cpu_flags())


def choices(there: Circumstances) -> list[Choice]:
    """The ways that suit, the fastest first. The last of them can run every network."""
    return [choice for choice in EXTRACTORS.values() if choice.suits(there)]


def error(found: Tensor, exact: Tensor) -> float:
    """How far features (n, dim) are from the exact ones, as a share of what tells one image from another (RMS)."""
    variation = (exact - exact.mean(dim=0)).square().sum()
    return float(((found - exact).square().sum() / variation.clamp(min=1e-30)).sqrt())


def _may_use_integers(there: Circumstances) -> bool:
    fast = there.place.device.type == "cpu" and bool(there.flags & INTEGER_FLAGS)
    return fast and there.compute.precision == "auto" and there.images >= SMALLEST_INTEGER_PASS


def _make_integers(network: Network, there: Circumstances, samples: Pictures) -> FeatureExtractor:
    """Most of the samples set the ranges of the integers, the others are the exam."""
    if len(samples) <= EXAM_SHARE:
        raise Unsupported("there are too few images to see what range its numbers have")
    from tintype.training.quantisation import quantise  # as above

    place, preprocessing = there.place, there.preprocessing
    backbone = Backbone(network.module).eval()
    content = _traced(backbone, torch.from_numpy(preprocessing.normalise(samples[:1])))
    held_back = np.arange(len(samples)) % EXAM_SHARE == 0
    exam, shown = samples[held_back], preprocessing.normalise(samples[~held_back])
    batches = np.split(shown, range(CALIBRATION_BATCH, len(shown), CALIBRATION_BATCH))
    extractor = IntegerExtractor(quantise(content, batches, place.threads, preprocessing), there)
    in_floats = ModuleExtractor(backbone, replace(place, half=None), preprocessing)
    in_halves = None if place.half is None else ModuleExtractor(backbone, place, preprocessing)
    _examine(extractor, in_floats, in_halves, exam)
    return extractor


def _traced(backbone: nn.Module, images: Tensor) -> bytes:
    """The network as ONNX, by the quick exporter; whether it answers as it should is for the exam to find out."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return EXPORTERS["tracing"](backbone, images)
    except Exception as problem:    # the exporter raises what it likes
        raise Unsupported(f"it has no ONNX form: {problem}") from problem


def _examine(
    integers: FeatureExtractor, in_floats: FeatureExtractor, in_halves: FeatureExtractor | None, exam: Pictures
) -> None:
    """Raise `Unsupported` when integers are too far from floats, or not much faster than otherwise, on one core."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    integers(exam[:1])                                          # the first run allocates
    found, seconds = _timed(integers, exam)
    exact, otherwise = _timed(in_floats, exam)
    if in_halves is not None:
        in_halves(exam)                                         # ... and makes its kernels
        _, otherwise = _timed(in_halves, exam)
    torch.set_num_threads(threads)
    off = error(found, exact)
    if not off <= LARGEST_ERROR:
        raise Unsupported(f"in 8-bit integers its features would be {off:.0%} off")
    if not seconds <= LARGEST_TIME * otherwise:
        raise Unsupported("in 8-bit integers it is not much faster")


def _timed(extract: FeatureExtractor, pictures: Pictures) -> tuple[Tensor, float]:
    """Features, and the seconds of this thread."""
    began = time.thread_time()
    found = extract(pictures)
    return found, time.thread_time() - began


def _make_merged(network: Network, there: Circumstances, samples: Pictures) -> FeatureExtractor:
    try:
        merged = optimization.fuse(Backbone(network.module).eval())
    except Exception as problem:    # torch.fx cannot trace every network, and says so in many ways
        raise Unsupported(f"its batch norms cannot be merged: {problem}") from problem
    return ModuleExtractor(merged, there.place, there.preprocessing, is_half=True)


def _make_module(network: Network, there: Circumstances, samples: Pictures) -> FeatureExtractor:
    return ModuleExtractor(Backbone(network.module), there.place, there.preprocessing)


# name -> how; in order of preference
EXTRACTORS: dict[str, Choice] = {
    "integers": Choice(lambda _: "int8", _may_use_integers, _make_integers),
    "merged": Choice(precision_of, lambda there: there.place.device.type == "cpu", _make_merged),
    "module": Choice(precision_of, lambda _: True, _make_module),
}
