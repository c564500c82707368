"""The toolkit's own functions: TorchScript models, JSON, CSV and NPY both ways."""

from __future__ import annotations

import io
import json
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tintype.serving.scripts.defaults import (
    ModelLoadError,
    default_input_fn,
    default_model_fn,
    default_output_fn,
    default_predict_fn,
)
from tintype.serving.scripts.toolkit.errors import BaseInferenceToolkitError, UnsupportedFormatError

VALUES = [[1.0, 2.5], [3.0, -4.0]]


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def save_scripted(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")         # TorchScript is on its way out of PyTorch, and SageMaker's default
        torch.jit.save(torch.jit.trace(nn.Linear(2, 3), torch.zeros(1, 2)), str(path))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_the_only_model_file_is_loaded_and_answers(tmp_path: Path) -> None:
    save_scripted(tmp_path / "net.pth")
    (tmp_path / "code").mkdir()
    model = default_model_fn(str(tmp_path))
    answer = default_predict_fn(torch.zeros(4, 2), model)
    assert answer.shape == (4, 3)
    assert not answer.requires_grad
    torch.save(nn.Linear(2, 3).state_dict(), tmp_path / "second.pt")
    with pytest.raises(ValueError, match=r"Exactly one \.pth or \.pt"):
        default_model_fn(str(tmp_path))
    save_scripted(tmp_path / "model.pt")                            # this name wins over the others
    assert default_model_fn(str(tmp_path))(torch.zeros(1, 2)).shape == (1, 3)


def test_a_model_in_a_folder_is_pointed_at(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "model.pth").touch()
    with pytest.raises(ValueError, match=r"in the folder 'out': pack the archive from inside it"):
        default_model_fn(str(tmp_path))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_what_macos_puts_beside_a_file_is_no_model(tmp_path: Path) -> None:
    save_scripted(tmp_path / "net.pth")
    (tmp_path / "._net.pth").write_bytes(b"Mac OS X")
    assert default_model_fn(str(tmp_path))(torch.zeros(1, 2)).shape == (1, 3)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_state_dict_is_no_model(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 3).state_dict(), tmp_path / "model.pth")
    with pytest.raises(ModelLoadError, match=r"model\.pth.*torchscript"):
        default_model_fn(str(tmp_path))


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (json.dumps(VALUES), "application/json"),
        ("1.0,2.5\n3.0,-4.0\n", "text/csv"),
        (npy(np.array(VALUES, np.float32)), "application/x-npy"),
    ],
)
def test_bodies(body: str | bytes, content_type: str) -> None:
    tensor = default_input_fn(body, content_type)
    assert tensor.dtype == torch.float32
    assert tensor.tolist() == VALUES


@pytest.mark.parametrize("content_type", ["image/jpeg", None, "application/json; charset=utf-8"])
def test_bodies_that_are_not_read(content_type: str | None) -> None:
    with pytest.raises(UnsupportedFormatError, match="not supported by this framework"):
        default_input_fn(b"", content_type)


class Trap:
    """Runs something where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("kind", ["objects", "pickle", "empty", "cut"])
def test_nothing_that_callers_send_is_unpickled(tmp_path: Path, kind: str) -> None:
    trap = Trap(tmp_path / "sprung")
    bodies = {"objects": npy(np.array([trap], object)), "pickle": pickle.dumps(trap), "empty": b"",
              "cut": npy(np.zeros(9))[:-8]}  # fmt: skip
    with pytest.raises(BaseInferenceToolkitError, match="no NPY array of numbers") as refused:
        default_input_fn(bodies[kind], "application/x-npy")
    assert refused.value.status_code == 400
    assert not trap.path.exists()


def test_answers() -> None:
    tensor = torch.tensor(VALUES)
    assert json.loads(default_output_fn(tensor, "application/json")) == VALUES
    assert default_output_fn(tensor, "text/csv") == b"1.0,2.5\n3.0,-4.0\n"
    assert default_output_fn(torch.tensor([1.0, 2.0]), "text/csv") == b"1.0\n2.0\n"
    content = default_output_fn(tensor, "image/png, application/x-npy")
    assert isinstance(content, bytes)
    assert np.load(io.BytesIO(content)).tolist() == VALUES
    assert default_output_fn({"a": np.arange(2)}, "application/json") == '{"a": [0, 1]}'
    with pytest.raises(UnsupportedFormatError):
        default_output_fn(tensor, "image/png")
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        default_output_fn({"a": tensor}, "application/x-npy")
