"""Names that are junk, and folders without images. Links and permissions are in test_folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tintype.datasets.walk import has_image_name, holds_images, is_junk, list_folder
from tintype.records import Records
from tintype.settings import Settings

JUNK = [".DS_Store", "._a.jpg", "Thumbs.db", "THUMBS.DB", "Desktop.ini", "__MACOSX", "Icon\r"]


@pytest.mark.parametrize("name", JUNK)
def test_junk(name: str) -> None:
    assert is_junk(name)


@pytest.mark.parametrize("name", ["a.jpg", "thumbs.jpg", "MACOSX", "icon", "notes.txt"])
def test_not_junk(name: str) -> None:
    assert not is_junk(name)


def test_image_names() -> None:
    assert [name for name in ("a.JPG", "b.tiff", "c.txt", "d", "jpg") if has_image_name(name)] == ["a.JPG", "b.tiff"]


def test_folders_that_hold_images(tmp_path: Path) -> None:
    (tmp_path / "deep/er").mkdir(parents=True)
    (tmp_path / "notes.txt").touch()
    assert not holds_images(tmp_path)
    (tmp_path / "deep/er/1.png").touch()
    assert holds_images(tmp_path)
    assert list_folder(tmp_path) == (["deep"], ["notes.txt"])


def test_a_home_among_the_images_is_no_class(tmp_path: Path) -> None:
    (tmp_path / "ants").mkdir()
    Records.open(Settings(home=tmp_path / "kept").records_url).close()
    (tmp_path / "kept" / "thumbnail.png").touch()
    assert list_folder(tmp_path) == (["ants"], [])
    assert not holds_images(tmp_path)
