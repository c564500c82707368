"""What SageMaker's PyTorch container does for a script that lacks a function. Imports torch; a script's process does.

    model_fn    the only .pt or .pth file of the archive (or model.pt), by torch.jit.load; a state_dict is an error
    input_fn    JSON, CSV, NPY, NPZ -> NumPy -> a tensor on the device
    predict_fn  the model in eval mode, without gradients
    output_fn   tensor -> list -> JSON, CSV or NPY, by the first type in Accept that is one of them
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from tintype.serving.scripts.toolkit.content_types import UTF8_TYPES
from tintype.serving.scripts.toolkit.decoder import decode
from tintype.serving.scripts.toolkit.encoder import encode

MODEL_FILE = "model.pt"
MODEL_SUFFIXES = (".pt", ".pth")


class ModelLoadError(Exception):
    """The model file is no TorchScript."""


def device() -> torch.device:
    """The GPU when there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def default_model_fn(model_dir: str) -> Any:
    """The TorchScript model of the folder."""
    path = Path(model_dir, MODEL_FILE)
    if not path.exists():
        found = [one for one in sorted(Path(model_dir).iterdir()) if _is_model(one)]
        if len(found) != 1:
            names = [one.name for one in found]
            deeper = sorted({one.parent.name for one in Path(model_dir).glob("*/*") if _is_model(one)})
            hint = f", but in the folder {deeper[0]!r}: pack the archive from inside it" if deeper and not found else ""
            raise ValueError(
                f"Exactly one .pth or .pt file is required for PyTorch models: {names}{hint}; "
                "or give the script a model_fn"
            )
        path = found[0]
    try:
        return torch.jit.load(str(path), map_location=device()).to(device())
    except RuntimeError as error:
        raise ModelLoadError(
            f"Failed to load {path.name}. Please ensure model is saved using torchscript, or write a model_fn."
        ) from error


def _is_model(path: Path) -> bool:
    """A file of weights, and none of those that macOS puts beside each file of an archive."""
    return path.is_file() and path.suffix in MODEL_SUFFIXES and not path.name.startswith(".")


def default_input_fn(body: str | bytes, content_type: str | None) -> torch.Tensor:
    """The tensor that a body holds."""
    array = decode(body, content_type)
    return (torch.FloatTensor(array) if content_type in UTF8_TYPES else torch.from_numpy(array)).to(device())


def default_predict_fn(data: torch.Tensor, model: Any) -> Any:
    """What the model says of it."""
    with torch.no_grad():
        model = model.to(device())
        model.eval()
        return model(data.to(device()))


def default_output_fn(prediction: Any, accept: str) -> str | bytes:
    """The prediction in the first format of `accept` that can be written."""
    if type(prediction) is torch.Tensor:
        prediction = prediction.detach().cpu().numpy().tolist()
    return encode(prediction, accept)
