"""Preprocessing, the two runtimes, and archives that cannot be served."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.serving.tiny_archive import CLASSES, PREPROCESSING, SIZE, write_tiny_archive
from tintype.errors import BadArchive, BadImage, InvalidRequest, NotFound, TooLarge
from tintype.models.archive import Description, write
from tintype.serving.content.inputs import EncodedImage, Pixels, Tensors
from tintype.serving.runtimes.predictor import Predictor

HYMENOPTERA = Path(__file__).parents[4] / "shared" / "data" / "hymenoptera"


def test_a_picture_is_classified(predictor: Predictor, picture) -> None:
    predictions = predictor.predict([picture(colour=(250, 0, 0)), picture("JPEG", (0, 0, 250))])
    assert [ranked[0].label for ranked in predictions.top(1)] == ["red", "blue"]
    assert predictor.runtime_name == "onnxruntime"
    assert predictor.classes == CLASSES


def test_the_preprocessing_is_that_of_evaluation_exactly(predictor: Predictor, picture) -> None:
    content = picture("JPEG", (10, 200, 90), (61, 33))
    pixels = PREPROCESSING.decode(content)
    expected = PREPROCESSING.normalise(pixels[None])
    np.testing.assert_array_equal(predictor.prepare([EncodedImage(content)]), expected)
    np.testing.assert_array_equal(predictor.prepare([Pixels(pixels[None])]), expected)
    np.testing.assert_array_equal(predictor.prepare([Tensors(expected)]), expected)
    means = expected.mean(axis=(2, 3))
    np.testing.assert_allclose(predictor.infer(expected).logits, 2 * means, atol=1e-5)


def test_the_answer_does_not_depend_on_the_company(predictor: Predictor) -> None:
    images = np.random.default_rng(0).normal(size=(70, 3, SIZE, SIZE)).astype(np.float32)
    together = predictor.infer(images).logits
    assert together.shape == (70, 3)
    alone = np.concatenate([predictor.infer(images[row : row + 1]).logits for row in (0, 31, 32, 69)])
    np.testing.assert_allclose(together[[0, 31, 32, 69]], alone, atol=1e-5)


def test_what_cannot_be_answered_is_named(predictor: Predictor, archive: Path, tmp_path: Path, picture) -> None:
    with pytest.raises(BadImage):
        predictor.predict([b"not a picture"])
    with pytest.raises(InvalidRequest, match=r"\(3, 16, 16\), got \(3, 16, 15\)"):
        predictor.prepare([Tensors(np.zeros((1, 3, 16, 15), np.float32))])
    with pytest.raises(InvalidRequest, match="picture 1 is not finite"):
        predictor.infer(np.stack([np.zeros((3, SIZE, SIZE)), np.full((3, SIZE, SIZE), 3e38)]).astype(np.float32))
    with pytest.raises(TooLarge):
        Predictor.open(archive, tmp_path / "model", max_pixels=100).predict([picture()])


def test_a_folder_that_was_unpacked_is_read_in_place(predictor: Predictor, tmp_path: Path, picture) -> None:
    again = Predictor.open(predictor.archive.directory, tmp_path / "never")
    assert not (tmp_path / "never").exists()
    assert again.predict([picture()]).top(1) == predictor.predict([picture()]).top(1)


def test_archives_that_cannot_be_served(archive: Path, tmp_path: Path) -> None:
    two = write_tiny_archive(tmp_path / "two.tar.gz", classes=("red", "green"))
    with pytest.raises(BadArchive, match="not with 2 finite numbers"):
        Predictor.open(two, tmp_path / "two")
    with pytest.raises(BadArchive, match="finite"):
        Predictor.open(write_tiny_archive(tmp_path / "nan.tar.gz", gain=float("nan")), tmp_path / "nan")
    with pytest.raises(NotFound, match="no runtime named 'triton'"):
        Predictor.open(archive, tmp_path / "unknown", runtime="triton")
    with pytest.raises(NotFound):
        Predictor.open(tmp_path / "missing.tar.gz", tmp_path / "missing")


def test_a_broken_onnx_file_is_an_error_not_a_crash(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"\x08\x08\x12\x04oops")
    (tmp_path / "model.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    description = Description(network="small_cnn", classes=("a",), image_size=16, preprocessing=PREPROCESSING.to_json())
    path = tmp_path / "model.tar.gz"
    write(path, description, {name: tmp_path / name for name in ("model.onnx", "model.safetensors")})
    with pytest.raises(BadArchive, match=r"model\.onnx cannot be loaded"):
        Predictor.open(path, tmp_path / "model")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_size": 32}, "16 px and its network takes 32 px"),
        ({"preprocessing": {"size": 16}}, "description is wrong"),
    ],
)
def test_a_description_that_contradicts_itself(tmp_path: Path, change: dict[str, object], message: str) -> None:
    write_tiny_archive(tmp_path / "model.tar.gz")
    files = tmp_path / "model.tar.gz.files"
    fields = {"network": "x", "classes": CLASSES, "image_size": SIZE, "preprocessing": PREPROCESSING.to_json()} | change
    write(tmp_path / "odd.tar.gz", Description.model_validate(fields), {path.name: path for path in files.iterdir()})
    with pytest.raises(BadArchive, match=message):
        Predictor.open(tmp_path / "odd.tar.gz", tmp_path / "model")


def torch_archive(directory: Path, classes: tuple[str, ...] = CLASSES) -> tuple[Path, Any]:
    """An archive of a small network without ONNX, and the network."""
    import torch
    from safetensors.torch import save_file

    from tintype.models.networks import create

    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = create("small_cnn", len(CLASSES), image_size=SIZE)
    save_file(network.module.state_dict(), directory / "model.safetensors")
    description = Description(
        network="small_cnn", classes=classes, image_size=SIZE, preprocessing=PREPROCESSING.to_json()
    )
    path = directory / "model.tar.gz"
    write(path, description, {"model.safetensors": directory / "model.safetensors"})
    return path, network.module.eval()


def test_torch_runs_what_has_no_onnx_file(tmp_path: Path) -> None:
    import torch

    path, module = torch_archive(tmp_path)
    served = Predictor.open(path, tmp_path / "model", threads=1)
    assert served.runtime_name == "torch"
    images = np.random.default_rng(1).normal(size=(5, 3, SIZE, SIZE)).astype(np.float32)
    with torch.inference_mode():
        expected = torch.softmax(module(torch.from_numpy(images)), 1).numpy()
    np.testing.assert_allclose(served.infer(images).probabilities, expected, atol=1e-5)
    with pytest.raises(BadArchive, match="nothing that onnxruntime can run"):
        Predictor.open(path, tmp_path / "again", runtime="onnxruntime")


def test_onnx_and_torch_say_the_same_of_the_same_files(tmp_path: Path, picture) -> None:
    import torch

    from tintype.models.export import export_onnx

    path, module = torch_archive(tmp_path)
    exported = export_onnx(module, SIZE, tmp_path / "model.onnx", len(CLASSES))
    assert exported.path, exported.reason
    files = {name: tmp_path / name for name in ("model.safetensors", "model.onnx")}
    both = tmp_path / "both.tar.gz"
    write(both, Predictor.open(path, tmp_path / "first", threads=1).archive.description, files)
    by_onnx = Predictor.open(both, tmp_path / "onnx", threads=1)
    by_torch = Predictor.open(both, tmp_path / "torch", threads=1, runtime="torch")
    assert (by_onnx.runtime_name, by_torch.runtime_name) == ("onnxruntime", "torch")
    contents = [picture(form, (200, 90, 30), (75, 44)) for form in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")]
    contents += [one.read_bytes() for one in sorted(HYMENOPTERA.glob("val/*/*.jpg"))[:20]]
    with torch.inference_mode():
        # As training evaluates: the shared preprocessing, then the module that was trained.
        batch = PREPROCESSING.normalise(np.stack([PREPROCESSING.decode(one) for one in contents]))
        expected = torch.softmax(module(torch.from_numpy(batch)), 1).numpy()
    np.testing.assert_allclose(by_onnx.predict(contents).probabilities, expected, atol=1e-4)
    np.testing.assert_allclose(by_torch.predict(contents).probabilities, expected, atol=1e-4)


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path, _ = torch_archive(tmp_path, classes=("a", "b"))
    with pytest.raises(BadArchive, match=r"model\.safetensors does not fit small_cnn"):
        Predictor.open(path, tmp_path / "model")
