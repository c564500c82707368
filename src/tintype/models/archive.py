"""The model archive: the one thing that training hands to serving. Reading it needs no torch.

    model.tar.gz                  a gzip-compressed POSIX tar
      description.json            the `Description` below as UTF-8 JSON: what the other files are, and their hashes
      model.safetensors           the weights, by torch's parameter names
      model.onnx                  optional: the same network, images (n, 3, s, s) float32 -> logits (n, classes)
      model.int8.onnx             optional: the same in 8-bit integers; format 2. It has the same input, or, since
                                  format 3, blocks (n, rows, columns, 3 b b) uint8, see `models.pixel_blocks`
      code/...                    optional: a user's own inference script and what it needs

Rules of the format:
- Every file is listed in the description with its SHA-256; files that are not listed are refused, except below code/,
  where SageMaker's SDK puts things when it packs an archive again. Nothing below code/ is run by reading it.
- description.json comes first and holds no path, no code and no number that JSON cannot say (NaN becomes null).
- ONNX files carry their tensors inside; one that points to another file is refused.
- The same description and files give the same bytes: sorted members, no times, no owners, mode 0644. Weights hardly
  compress (7 %), so the gzip stream stores them as they are, 17 times faster.
- A reader refuses a `format` it does not know. A new field is a new format. Format 2 added `precision` and
  model.int8.onnx, format 3 `precision.blocks`; an archive of an older format cannot have them. This reader reads all
  three and writes 3.

Archives come from anywhere: they are unpacked by `tintype.extraction`, below tight limits, and weights are safetensors,
which cannot hold code.
"""

from __future__ import annotations

import gzip
import io
import json
import math
import re
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    field_validator,
    model_validator,
)

from tintype.errors import BadArchive, InvalidRequest, NotFound
from tintype.extraction import Limits, extract
from tintype.models.onnx_file import refuse_external_data
from tintype.models.pixel_blocks import PixelBlocks
from tintype.storage import atomic_file, file_sha256, write_bytes

FORMAT = 3              # that is written
FORMATS = (1, 2, 3)     # that are read
DESCRIPTION, WEIGHTS, ONNX, INTEGERS = "description.json", "model.safetensors", "model.onnx", "model.int8.onnx"
NETWORKS = (ONNX, INTEGERS)             # what ONNX Runtime runs
PLACES = (WEIGHTS, *NETWORKS)
CODE = "code/"

DESCRIPTION_LIMIT_BYTES = 16 * 1024**2
LIMITS = Limits(members=10_000, total_bytes=16 * 1024**3, ratio=50.0, ratio_floor_bytes=256 * 1024**2)

STORED = 0      # gzip's level without compression


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Metric = Annotated[float | None, BeforeValidator(_finite)]
Hyperparameter = str | int | float | bool
LATER: Mapping[int, Any] = {            # format -> the fields that came after it
    1: {"precision"},
    2: {"precision": {"blocks"}},
}
_FROZEN = ConfigDict(frozen=True, extra="forbid", strict=True)


class TrainingRecord(BaseModel):
    """How the weights came to be."""

    model_config = _FROZEN

    job: str = ""
    hyperparameters: dict[str, Hyperparameter] = {}
    seed: int | None = None
    weights: str = "none"           # what training started from, in the words of `tintype.models.weights`


class PrecisionRecord(BaseModel):
    """What 8-bit integers do to the network, measured when the archive was written. Format 2.

    Accuracies and drops are shares, 0 to 1, of the same `images` of the validation split. When there is no
    model.int8.onnx, `reason` says why, and the numbers are missing.
    """

    model_config = _FROZEN

    images: int = Field(default=0, ge=0)                    # of the validation split, that both were judged on
    calibrated_on: int = Field(default=0, ge=0)             # training images that set the ranges of the integers
    fp32_accuracy: float | None = Field(default=None, ge=0, le=1)
    int8_accuracy: float | None = Field(default=None, ge=0, le=1)
    expected_drop: float | None = None                      # worked out from the logits; steadier on few images
    fp32_milliseconds: float | None = Field(default=None, ge=0)     # of a core where it was measured, for one image
    int8_milliseconds: float | None = Field(default=None, ge=0)
    reason: str = ""
    blocks: PixelBlocks | None = None                       # how model.int8.onnx takes pixels; None: floats. Format 3

    @property
    def drop(self) -> float | None:
        """By how much the accuracy is lower in integers, 0 to 1; below zero when it is higher."""
        if self.fp32_accuracy is None or self.int8_accuracy is None:
            return None
        return round(self.fp32_accuracy - self.int8_accuracy, 9)       # 0.932 - 0.927 is 0.005


class Description(BaseModel):
    """What an archive holds; description.json is this, field by field."""

    model_config = _FROZEN

    format: int = FORMAT
    network: str = Field(min_length=1)                      # a name for `tintype.models.networks.create`
    classes: tuple[str, ...] = Field(min_length=1)          # in the order of the logits
    image_size: int = Field(ge=1, le=16_384)                # pixels a side of the network's input
    preprocessing: dict[str, JsonValue]                     # `tintype.datasets.transforms.Preprocessing` as JSON
    metrics: dict[str, dict[str, Metric]] = {}              # {"valid": {"loss": ..., "accuracy": ...}, "test": ...}
    versions: dict[str, str] = {}                           # of tintype, torch, timm, python
    training: TrainingRecord = TrainingRecord()
    precision: PrecisionRecord | None = None                # since format 2; None: integers were not tried
    files: dict[str, str] = {}                              # name in the archive -> hex SHA-256

    @field_validator("classes", mode="before")
    @classmethod
    def _classes_as_tuple(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value

    @field_validator("classes")
    @classmethod
    def _classes_differ(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        twice = sorted({name for name in value if value.count(name) > 1}) if len(set(value)) < len(value) else []
        if twice:
            raise ValueError(f"classes are there twice: {', '.join(twice[:5])}")
        return value

    @field_validator("files")
    @classmethod
    def _hashes(cls, value: dict[str, str]) -> dict[str, str]:
        for name, digest in value.items():
            if not re.fullmatch("[0-9a-f]{64}", digest):
                raise ValueError(f"{name} has no SHA-256 but {digest[:80]!r}")
        return value

    @model_validator(mode="after")
    def _fits_its_format(self) -> Self:
        if self.format < 2 and ("precision" in self.model_fields_set or INTEGERS in self.files):
            raise ValueError(f"precision and {INTEGERS} belong to format 2")
        record = self.precision
        if self.format < 3 and record is not None and "blocks" in record.model_fields_set:
            raise ValueError("blocks belong to format 3")
        if record is not None and record.blocks is not None and not record.blocks.fits(self.image_size):
            raise ValueError(f"these blocks are not for pictures of {self.image_size} px: {record.blocks}")
        return self

    def to_json(self) -> bytes:
        """The bytes of description.json."""
        return self.model_dump_json(indent=1, exclude=LATER.get(self.format)).encode() + b"\n"

    @classmethod
    def from_json(cls, content: bytes) -> Description:
        """Read what `to_json` wrote. Raises `BadArchive` saying which field is wrong, or that the format is newer."""
        _check_format(content)
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where, what = ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")
            said = f"{where}: {what}" if where else what
            raise BadArchive(f"{DESCRIPTION} is not a model description: {said}") from error


def _check_format(content: bytes) -> None:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BadArchive(f"{DESCRIPTION} is not JSON: {error}") from error
    if not isinstance(document, dict) or type(document.get("format")) is not int:
        raise BadArchive(f"{DESCRIPTION} is not a model description: it has no format number")
    if document["format"] not in FORMATS:
        raise BadArchive(
            f"the archive has format {document['format']}, this Tintype reads formats {_listed(FORMATS)}; "
            "upgrade Tintype, or export the model again"
        )


def _listed(formats: Sequence[int]) -> str:
    return f"{', '.join(map(str, formats[:-1]))} and {formats[-1]}"


@dataclass(frozen=True)
class Archive:
    """An unpacked archive whose files have been checked against their hashes."""

    directory: Path
    description: Description

    @property
    def weights(self) -> Path:
        """The safetensors file."""
        return self.directory / WEIGHTS

    @property
    def onnx(self) -> Path | None:
        """The ONNX file, when there is one."""
        return self.directory / ONNX if ONNX in self.description.files else None

    @property
    def integers(self) -> Path | None:
        """The ONNX file in 8-bit integers, when there is one."""
        return self.directory / INTEGERS if INTEGERS in self.description.files else None

    @property
    def blocks(self) -> PixelBlocks | None:
        """In which the network in integers takes pixels; None: it takes normalised floats."""
        return self.description.precision.blocks if self.description.precision else None


def seal(description: Description, files: Mapping[str, Path]) -> Description:
    """The description with the hashes of `files` (name in the archive -> file) in it.

    Raises `InvalidRequest` when the weights are missing or a name is not one of the format's.
    """
    if WEIGHTS not in files:
        raise InvalidRequest(f"a model archive needs {WEIGHTS}, got {', '.join(sorted(files)) or 'no files'}")
    for name in files:
        if name not in PLACES and not _is_code(name):
            raise InvalidRequest(f"a model archive has no place for {name!r}; only {', '.join(PLACES)} and {CODE}...")
    if INTEGERS in files and description.format < 2:
        raise InvalidRequest(f"{INTEGERS} belongs to format 2, and the description says {description.format}")
    for name in NETWORKS:
        if name in files:
            refuse_external_data(files[name])
    return description.model_copy(update={"files": {name: file_sha256(files[name]) for name in sorted(files)}})


def write(path: Path, description: Description, files: Mapping[str, Path]) -> Description:
    """Write the archive at `path` in one step, and return the description that went in, hashes included.

    The same input gives the same bytes. Raises as `seal` does, and `StorageFailed` when the disk is full.
    """
    sealed = seal(description, files)
    with atomic_file(path) as stream, gzip.GzipFile("", "wb", STORED, stream, mtime=0) as packed:
        _write_tar(packed, sealed, files)
    return sealed


def write_description(directory: Path, sealed: Description) -> None:
    """Write description.json beside the files it lists, so that `open_unpacked` can read the directory."""
    write_bytes(directory / DESCRIPTION, sealed.to_json())


def open_archive(path: Path, directory: Path) -> Archive:
    """Unpack the archive at `path` to the new `directory` and check everything in it.

    Raises `NotFound` when there is no such file, `BadArchive` naming what is wrong, `Conflict` when `directory` exists.
    """
    if not path.is_file():
        raise NotFound(f"there is no model archive {path}")
    return open_unpacked(extract(path, directory, LIMITS))


def open_unpacked(directory: Path) -> Archive:
    """Check a directory that holds an archive's files, as SageMaker's /opt/ml/model does. Raises as `open_archive`."""
    path = directory / DESCRIPTION
    if not path.is_file():
        raise BadArchive(f"{directory} holds no {DESCRIPTION}; it is not a Tintype model archive")
    if path.stat().st_size > DESCRIPTION_LIMIT_BYTES:
        raise BadArchive(f"{path} is larger than {DESCRIPTION_LIMIT_BYTES:,} bytes; refused")
    description = Description.from_json(path.read_bytes())
    _check_files(directory, description)
    for name in NETWORKS:
        if name in description.files:
            refuse_external_data(directory / name)
    return Archive(directory, description)


def _write_tar(stream: gzip.GzipFile, sealed: Description, files: Mapping[str, Path]) -> None:
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as bundle:
        content = sealed.to_json()
        bundle.addfile(_member(DESCRIPTION, len(content)), io.BytesIO(content))
        for name in sorted(files):
            with files[name].open("rb") as source:
                bundle.addfile(_member(name, files[name].stat().st_size), source)


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)      # its defaults are no owner, no time and mode 0644
    member.size = size
    return member


def _check_files(directory: Path, description: Description) -> None:
    if WEIGHTS not in description.files:
        raise BadArchive(f"{DESCRIPTION} lists no {WEIGHTS}")
    for name, digest in description.files.items():
        if name not in PLACES and not _is_code(name):
            raise BadArchive(f"{DESCRIPTION} lists {name!r}, which has no place in a model archive")
        path = directory / name
        if path.is_symlink() or not path.is_file():
            raise BadArchive(f"{name} is missing; the archive is incomplete")
        if file_sha256(path) != digest:
            raise BadArchive(f"{name} is not the file that {DESCRIPTION} was written for: the SHA-256 differs")
    listed = {DESCRIPTION, *description.files}
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        if not path.is_dir() and name not in listed and not _is_code(name):
            raise BadArchive(f"{name} is not listed in {DESCRIPTION}; refused")


def _is_code(name: str) -> bool:
    """True for a clean relative name below code/."""
    parts = name.split("/")
    clean = not any(part in ("", ".", "..") or "\\" in part for part in parts)
    return clean and len(parts) > 1 and parts[0] == CODE.rstrip("/")
