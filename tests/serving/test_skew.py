"""Train/serve skew: what a served model says of a picture is what evaluation in training said of it.

The training side is the trainer's own: its image cache, its evaluation, its network in torch. The serving side is a
server's: bytes over HTTP, its decoder, its preprocessing, ONNX Runtime. Real photographs, in every format there is.
"""

from __future__ import annotations

import io
import json
import shutil
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.serving.running_server import RunningServer, launch
from tintype.models.networks import create
from tintype.serving.runtimes.predictor import Predictor
from tintype.settings import Settings
from tintype.storage import read_json, write_json
from tintype.training.evaluation import Evaluation, Evaluator
from tintype.training.plan import ComputePlan, DataPlan, TrainingPlan, parse_plan
from tintype.training.session import Host, open_session
from tintype.training.trainer import train

SHARED = Path(__file__).parents[3] / "shared" / "data"
LARGEST_DIFFERENCE = 5e-5       # of a probability: five times what rounding was seen to do
PHOTOGRAPHS = 2                 # of each class, in every form
SIDES = (420, 300)              # they are made no larger than that first: what is tested does not depend on it
ORIENTATION = 0x0112            # EXIF's tag

pytestmark = [pytest.mark.data, pytest.mark.skipif(not SHARED.exists(), reason="the shared images are not here")]


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def turned(image: Image.Image) -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    return saved(image, "JPEG", quality=92, exif=exif)


def sixteen_bits(image: Image.Image) -> bytes:
    grey = np.asarray(image.convert("L")).astype(np.uint16) * 257
    return saved(Image.fromarray(grey), "PNG")


def with_alpha(image: Image.Image) -> bytes:
    see_through = image.convert("RGBA")
    see_through.putalpha(Image.linear_gradient("L").resize(image.size))
    return saved(see_through, "PNG")


# what a file may be -> (its ending, how a photograph becomes one)
FORMS: dict[str, tuple[str, Callable[[Image.Image], bytes]]] = {
    "jpeg": ("jpg", lambda image: saved(image, "JPEG", quality=90)),
    "jpeg-444": ("jpg", lambda image: saved(image, "JPEG", quality=95, subsampling=0)),
    "jpeg-progressive": ("jpg", lambda image: saved(image, "JPEG", quality=85, progressive=True)),
    "jpeg-cmyk": ("jpg", lambda image: saved(image.convert("CMYK"), "JPEG", quality=90)),
    "jpeg-grey": ("jpg", lambda image: saved(image.convert("L"), "JPEG", quality=90)),
    "jpeg-turned": ("jpg", turned),
    "png": ("png", lambda image: saved(image, "PNG")),
    "png-16-bit": ("png", sixteen_bits),
    "png-alpha": ("png", with_alpha),
    "png-palette": ("png", lambda image: saved(image.quantize(64), "PNG")),
    "webp": ("webp", lambda image: saved(image, "WEBP", quality=80)),
    "webp-lossless": ("webp", lambda image: saved(image, "WEBP", lossless=True)),
    "gif": ("gif", lambda image: saved(image.quantize(128), "GIF")),
    "bmp": ("bmp", lambda image: saved(image, "BMP")),
    "tiff": ("tif", lambda image: saved(image, "TIFF")),
    "tiff-lzw": ("tif", lambda image: saved(image, "TIFF", compression="tiff_lzw")),
}


@dataclass(frozen=True, eq=False)
class Trained:
    """A job that was run, and what its evaluation says of the files of its test split."""

    directory: Path
    files: list[Path]
    evaluation: Evaluation

    @property
    def probabilities(self) -> np.ndarray:
        return self.evaluation.probabilities.numpy()


def write_data(folder: Path, classes: tuple[Path, Path]) -> None:
    """Photographs of two classes, and in the test split each of some in every form."""
    for name, source in zip(("one", "other"), classes, strict=True):
        *photographs, last, first = sorted(source.glob("*.jpg"))[: 24 + PHOTOGRAPHS]
        for split, part in (("train", photographs[:12]), ("valid", photographs[12:])):
            (folder / split / name).mkdir(parents=True)
            for photograph in part:
                shutil.copy(photograph, folder / split / name / photograph.name)
        (folder / "test" / name).mkdir(parents=True)
        for number, photograph in enumerate((first, last)):
            with Image.open(photograph) as opened:
                image = opened.convert("RGB")
            image.thumbnail(SIDES)
            for form, (ending, make) in FORMS.items():
                (folder / "test" / name / f"{number}-{form}.{ending}").write_bytes(make(image))


def evaluated(plan: TrainingPlan) -> tuple[list[Path], Evaluation]:
    """What training's own evaluation says of the test split, with the weights that the job kept."""
    session = open_session(plan, lambda event: None, Host())
    split = session.material.test
    assert split is not None
    network = create(plan.network.name, len(session.classes), image_size=session.material.preprocessing.size)
    network.module.load_state_dict(torch.load(plan.directory / "checkpoints" / "best.pt", weights_only=True)["weights"])
    module = network.module.to(memory_format=torch.channels_last)       # pyright: ignore[reportCallIssue]
    files = [session.material.dataset.file(int(index)) for index in split.indices]
    return files, Evaluator(session, split)(module)


# the classes' folders, and how their pictures are made square: larger than the network's, and smaller
SOURCES = {
    "crop": ("hymenoptera/train/ants", "hymenoptera/train/bees", "crop"),
    "stretch": ("hymenoptera/train/ants", "hymenoptera/train/bees", "stretch"),
    "small": ("cifar10-small/train/airplane", "cifar10-small/train/frog", "crop"),
}


@pytest.fixture(scope="module", params=SOURCES)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("skew")
    one, other, resize = SOURCES[request.param]
    write_data(folder / "data", (SHARED / one, SHARED / other))
    plan = parse_plan(
        TrainingPlan(
            name="skew",
            directory=folder / "job",
            data=DataPlan(location=str(folder / "data")),
            settings=Settings(home=folder / "home", offline=True),
            compute=ComputePlan(device="cpu", threads=1, precision="fp32"),
            epochs=2,
            batch_size=8,
        ).model_dump()
        | {"network": {"name": "small_cnn", "weights": "none", "image_size": 64, "resize": resize}}
    )
    train(plan, lambda event: None)
    return Trained(folder / "job", *evaluated(plan))


@pytest.fixture(scope="module")
def served(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    archive = trained.directory / "model.tar.gz"
    running = launch(archive, tmp_path_factory.mktemp("served"), "--runtime=fp32", "--max-pixels=100000000")
    yield running
    running.close()


def ask(server: RunningServer, path: Path) -> np.ndarray:
    """Probabilities (classes,) float64, by HTTP."""
    headers = {"Content-Type": "application/octet-stream", "Accept": "application/json;format=list"}
    request = urllib.request.Request(f"{server.url}/invocations", path.read_bytes(), headers)
    with urllib.request.urlopen(request, timeout=120) as answer:
        return np.asarray(json.load(answer)[0])


def test_the_evaluation_is_the_one_that_training_reported(trained: Trained) -> None:
    reported = read_json(trained.directory / "output" / "data" / "evaluation.json")["test"]
    assert trained.evaluation.score.figures["loss"] == pytest.approx(reported["loss"], abs=1e-5)
    assert len(trained.files) == 2 * PHOTOGRAPHS * len(FORMS)


def test_the_pictures_are_told_apart(trained: Trained) -> None:
    """Else a server that says the same of everything would pass."""
    assert np.ptp(trained.probabilities[:, 0]) > 20 * LARGEST_DIFFERENCE


@pytest.mark.parametrize(
    ("field", "changed"),
    [
        ("mean", lambda value: [one + 1 / 255 for one in value]),
        ("std", lambda value: [one * 1.02 for one in value]),
        ("mean", lambda value: value[::-1]),
    ],
    ids=["mean-by-one-level", "std-by-2-percent", "channels-swapped"],
)
def test_a_small_skew_would_be_seen(
    trained: Trained, tmp_path: Path, field: str, changed: Callable[[Any], Any]
) -> None:
    shutil.copytree(trained.directory / "model", tmp_path / "model")
    document = read_json(tmp_path / "model" / "description.json")
    document["preprocessing"][field] = changed(document["preprocessing"][field])
    write_json(tmp_path / "model" / "description.json", document)
    skewed = Predictor.open(tmp_path / "model", tmp_path / "none", runtime="fp32", threads=1)
    found = skewed.predict([file.read_bytes() for file in trained.files]).probabilities
    assert np.abs(found - trained.probabilities).max() > LARGEST_DIFFERENCE


@pytest.mark.parametrize("form", FORMS)
def test_served_probabilities_are_those_of_training(trained: Trained, served: RunningServer, form: str) -> None:
    rows = [row for row, file in enumerate(trained.files) if file.stem.partition("-")[2] == form]
    assert len(rows) == 2 * PHOTOGRAPHS
    for row in rows:
        found = ask(served, trained.files[row])
        np.testing.assert_allclose(found, trained.probabilities[row], atol=LARGEST_DIFFERENCE, rtol=0, err_msg=form)
