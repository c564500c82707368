"""What SageMaker's PyTorch container does for a script that lacks a function. Imports torch; a script's process does.

    model_fn    the only .pt or .pth file of the archive (or model.pt), by torch.jit.load; a state_dict is an error
    input_fn    JSON, CSV, NPY, NPZ -> NumPy -> a tensor on the device
    predict_fn  the model in eval mode, without gradients
    output_fn   tensor -> list -> JSON, CSV or NPY, by the first type in Accept that is one of them
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

JSON, CSV, NPY, NPZ = "application/json", "text/csv", "application/x-npy", "application/x-npz"
TEXT_TYPES = (JSON, CSV)
MODEL_FILE = "model.pt"
MODEL_SUFFIXES = (".pt", ".pth")


class ModelLoadError(Exception):
    """The model file is no TorchScript."""


class UnsupportedFormatError(Exception):
    """A content type that the defaults do not know."""

    def __init__(self, content_type: object) -> None:
        super().__init__(
            f"Content type {content_type} is not supported by this framework. Please implement input_fn to "
            "deserialize the request data or an output_fn to serialize the response."
        )


def device() -> torch.device:
    """The GPU when there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def default_model_fn(model_dir: str) -> Any:
    """The TorchScript model of the folder."""
    path = Path(model_dir, MODEL_FILE)
    if not path.exists():
        found = [one for one in sorted(Path(model_dir).iterdir()) if one.is_file() and one.suffix in MODEL_SUFFIXES]
        if len(found) != 1:
            names = [one.name for one in found]
            raise ValueError(
                f"Exactly one .pth or .pt file is required for PyTorch models: {names}; or give the script a model_fn"
            )
        path = found[0]
    try:
        return torch.jit.load(str(path), map_location=device()).to(device())
    except RuntimeError as error:
        raise ModelLoadError(
            f"Failed to load {path.name}. Please ensure model is saved using torchscript, or write a model_fn."
        ) from error


def default_input_fn(body: str | bytes, content_type: str | None) -> torch.Tensor:
    """The tensor that a body holds."""
    decode = DECODERS.get(content_type or "")
    if decode is None:
        raise UnsupportedFormatError(content_type)
    array = decode(body)
    return (torch.FloatTensor(array) if content_type in TEXT_TYPES else torch.from_numpy(array)).to(device())


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
    for content_type in accept.replace(" ", "").split(","):
        if content_type in ENCODERS:
            return ENCODERS[content_type](prediction)
    raise UnsupportedFormatError(accept)


def _from_json(body: Any) -> np.ndarray:
    return np.array(json.loads(body))


def _from_csv(body: Any) -> np.ndarray:
    text = body.decode() if isinstance(body, bytes) else body
    return np.genfromtxt(io.StringIO(text), delimiter=",")


def _from_npy(body: Any) -> np.ndarray:
    return np.load(io.BytesIO(body), allow_pickle=True)         # as the toolkit does; this process is the script's own


def _from_npz(body: Any) -> np.ndarray:
    """The toolkit reads SciPy's sparse matrices; a plain file gives its first array."""
    with np.load(io.BytesIO(body), allow_pickle=False) as bundle:
        return bundle[bundle.files[0]]


def _to_json(value: Any) -> str:
    def plain(other: Any) -> Any:
        if hasattr(other, "tolist"):
            return other.tolist()
        raise TypeError(f"Object of type {type(other).__name__} is not JSON serializable")

    return json.dumps(value, default=plain)


def _to_csv(value: Any) -> bytes:
    stream = io.StringIO()
    np.savetxt(stream, value, delimiter=",", fmt="%s")
    return stream.getvalue().encode()


def _to_npy(value: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, value)
    return stream.getvalue()


DECODERS = {JSON: _from_json, CSV: _from_csv, NPY: _from_npy, NPZ: _from_npz}
ENCODERS = {JSON: _to_json, CSV: _to_csv, NPY: _to_npy}
