from __future__ import annotations

from pathlib import Path

from tests.serving.tiny_archive import write_tiny_archive
from tintype.models.archive import open_archive
from tintype.pipeline.reporting import numbers


def test_the_report_says_in_which_numbers_the_model_is_served(tmp_path: Path) -> None:
    opened = open_archive(write_tiny_archive(tmp_path / "model.tar.gz"), tmp_path / "model")
    assert numbers(opened.directory) == {"served in": "fp32 (not int8: the archive was written without trying)"}
    assert numbers(tmp_path / "none") == {}
