"""What was recorded of a few steps more closely, as files of a profile; written by `closer_look`, read for reports.

    <profile>/framework/pytorch/operators/<worker>.json         Operators
    <profile>/framework/pytorch/operators/<worker>.trace.json.gz    the same as a Chrome trace, for Perfetto
    <profile>/framework/pytorch/hot_spots/<worker>.json         HotSpots
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar, final

from tintype.errors import NotFound, StorageFailed
from tintype.profiler.span_files import FRAMEWORK
from tintype.storage import read_json, write_json

FOLDER = f"{FRAMEWORK}/pytorch"
OPERATORS, HOT_SPOTS = "operators", "hot_spots"
T = TypeVar("T")


@final
@dataclass(frozen=True)
class Operator:
    """One kind of operator on one kind of device, all of its calls. Times are microseconds, memory is bytes."""

    name: str                           # "aten::convolution"
    device: str                         # "CPU" or "GPU"
    self_us: float                      # without the operators that it calls
    total_us: float
    calls: int


@final
@dataclass(frozen=True)
class Layer:
    """One layer of the network: the time of its operators on their device, forward and backward."""

    name: str                           # as the network names it: "layer1.0.conv1"
    kind: str                           # its class
    forward_us: float
    backward_us: float
    calls: int


@final
@dataclass(frozen=True)
class Operators:
    """A window of torch.profiler."""

    worker: str
    first_step: int
    steps: int
    seconds: float
    operators: tuple[Operator, ...]     # the largest first
    layers: tuple[Layer, ...]
    memory: Mapping[str, int]           # phase -> the most bytes that were in use in it
    memory_of: str                      # whose: "GPU memory of the tensors", "memory of the process"


@final
@dataclass(frozen=True)
class Function:
    """A Python function in the samples of the stack."""

    name: str
    file: str
    line: int                           # where it was most often
    own: int                            # samples with it on top
    all: int                            # samples with it anywhere


@final
@dataclass(frozen=True)
class HotSpots:
    """A window in which the Python stack of the training's thread was sampled."""

    worker: str
    first_step: int
    steps: int
    seconds: float
    samples: int
    functions: tuple[Function, ...]     # the largest own first


def write_operators(root: Path, found: Operators) -> None:
    """Raises `StorageFailed`."""
    write_json(detail_path(root, OPERATORS, found.worker), asdict(found), durable=False)


def write_hot_spots(root: Path, found: HotSpots) -> None:
    """Raises `StorageFailed`."""
    write_json(detail_path(root, HOT_SPOTS, found.worker), asdict(found), durable=False)


def read_operators(root: Path) -> tuple[Operators, ...]:
    """Of all workers; a file that is damaged is left out."""
    return tuple(one for path in _files(root, OPERATORS) if (one := _read(path, _operators)) is not None)


def read_hot_spots(root: Path) -> tuple[HotSpots, ...]:
    """Of all workers; a file that is damaged is left out."""
    return tuple(one for path in _files(root, HOT_SPOTS) if (one := _read(path, _hot_spots)) is not None)


def detail_path(root: Path, kind: str, worker: str, suffix: str = ".json") -> Path:
    """The file of a worker."""
    return root / FOLDER / kind / f"{worker}{suffix}"


def _files(root: Path, kind: str) -> list[Path]:
    folder = root / FOLDER / kind
    return sorted(folder.glob("*.json")) if folder.is_dir() else []


def _read(path: Path, make: Any) -> Any:
    try:
        return make(read_json(path))
    except (NotFound, StorageFailed, TypeError, KeyError, AttributeError, json.JSONDecodeError):
        return None


def _operators(document: dict[str, Any]) -> Operators:
    parts = {
        "operators": tuple(Operator(**one) for one in document["operators"]),
        "layers": tuple(Layer(**one) for one in document["layers"]),
        "memory": {str(phase): int(most) for phase, most in document["memory"].items()},
    }
    return Operators(**{**document, **parts})


def _hot_spots(document: dict[str, Any]) -> HotSpots:
    return HotSpots(**{**document, "functions": tuple(Function(**one) for one in document["functions"])})
