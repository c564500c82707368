"""`tintype data check`, as a person reads it."""

from __future__ import annotations

from pathlib import Path

from tests.cli.shell import Shell
from tests.conftest import write_colours


def test_problems_of_classes_name_them(tmp_path: Path) -> None:
    photos = write_colours(tmp_path / "Fotos von mir", per_class=4)
    said = Shell(tmp_path / "home")("data", "check", photos).stdout
    assert "few-images (3)" in said
    assert "the class 'blue' has 2 images to train on" in said
