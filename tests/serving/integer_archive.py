"""A small network as an archive that has it in floats and in integers, which may take pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.torch import save_file

from tests.serving.tiny_archive import PREPROCESSING, SIZE
from tintype.datasets.transforms import Preprocessing
from tintype.models import archive
from tintype.models.archive import Archive, Description, PrecisionRecord, open_unpacked

CLASSES = ("a", "b", "c")
GOOD = PrecisionRecord(
    images=500, fp32_accuracy=0.9, int8_accuracy=0.9, expected_drop=0.0, fp32_milliseconds=9.0, int8_milliseconds=1.0
)


def images(seed: int = 1, count: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 3, SIZE, SIZE)).astype(np.float32)


def written(directory: Path, preprocessing: Preprocessing | None) -> Archive:
    """The archive, unpacked in `directory`; with `preprocessing`, the network in integers takes pixels."""
    import torch

    from tintype.models.export import export_onnx
    from tintype.models.networks import create
    from tintype.training.quantisation import quantise

    torch.set_num_threads(1)
    torch.manual_seed(0)
    module = create("small_cnn", len(CLASSES), image_size=SIZE).module.eval()
    names = (archive.WEIGHTS, archive.ONNX, archive.INTEGERS)
    files = {name: directory / name for name in names}
    save_file(module.state_dict(), files[archive.WEIGHTS])
    assert export_onnx(module, SIZE, files[archive.ONNX], len(CLASSES)).path
    integers = quantise(files[archive.ONNX].read_bytes(), [images(0, 16)], 1, preprocessing)
    files[archive.INTEGERS].write_bytes(integers.content)
    record = GOOD.model_copy(update={"blocks": integers.blocks})
    fields = {"network": "small_cnn", "classes": CLASSES, "image_size": SIZE, "precision": record}
    described = Description.model_validate({**fields, "preprocessing": PREPROCESSING.to_json()})
    archive.write_description(directory, archive.seal(described, files))
    return open_unpacked(directory)
