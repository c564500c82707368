from __future__ import annotations

import base64
import io
from pathlib import Path

import pytest
from PIL import Image

from tintype.debugger.modes import Mode
from tintype.pipeline.sample_pictures import SIDE, sample_pictures
from tintype.reports.run_report import Picture
from tintype.rules.finding import Finding

MAX_PIXELS = 10_000_000


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    (root / "ants").mkdir(parents=True)
    Image.new("RGB", (200, 120), (250, 10, 10)).save(root / "ants" / "red.jpg")
    Image.new("RGB", (20, 20), (10, 10, 250)).save(tmp_path / "elsewhere.png")
    (root / "ants" / "note.jpg").write_text("no image")
    return root


def pictures(photos: Path, *samples: str) -> dict[str, Picture]:
    finding = Finding("LabelNoise", 5, Mode.TRAIN, 5, "loss", 0.5, 0.1, "wrong labels", "", None, samples)
    return sample_pictures([finding], [photos, photos.parent / "nowhere"], photos.parent / "job", MAX_PIXELS)


def test_a_sample_is_found_by_its_whole_path_and_by_the_one_in_its_folder(photos: Path) -> None:
    whole = str(photos / "ants" / "red.jpg")
    found = pictures(photos, whole, "ants/red.jpg", "17", "ants/gone.jpg", "ants/note.jpg")
    assert set(found) == {whole, "ants/red.jpg"}
    picture = found[whole]
    assert (picture.file, picture.width, picture.height) == ("ants/red.jpg", SIDE, SIDE)
    content = base64.b64decode(picture.uri.removeprefix("data:image/jpeg;base64,"))
    red, green, blue = Image.open(io.BytesIO(content)).getpixel((20, 20))       # type: ignore[misc]
    assert red > 200 > 60 > max(green, blue)


def test_what_a_script_saw_as_opt_ml_is_the_job_s_and_links_in_it_lead_to_its_data(photos: Path) -> None:
    channel = photos.parent / "job" / "input" / "data" / "train"
    channel.mkdir(parents=True)
    (channel / "ants").symlink_to(photos / "ants")
    name = "/opt/ml/input/data/train/ants/red.jpg"
    assert pictures(photos, name)[name].file == "ants/red.jpg"


@pytest.mark.parametrize(
    "name", ["{}/elsewhere.png", "../elsewhere.png", "/etc/passwd", "ants/out.png", "/opt/ml/../elsewhere.png"]
)
def test_nothing_outside_of_the_job_s_data_is_shown(photos: Path, name: str) -> None:
    (photos / "ants" / "out.png").symlink_to(photos.parent / "elsewhere.png")
    assert pictures(photos, name.format(photos.parent)) == {}
