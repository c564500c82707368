"""What is to be served, as other processes read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tintype.serving.endpoints.config import EndpointConfig, ModelSource, ProductionVariant
from tintype.serving.endpoints.deployment import located
from tintype.serving.watching.capture import CaptureConfig


@pytest.mark.parametrize(
    ("directory", "expected"),
    [
        ("", ""),
        ("captured", "{here}/captured"),
        ("/var/captured", "/var/captured"),
        ("file:///var/captured", "/var/captured"),
        ("s3://bucket/captured", "s3://bucket/captured"),
    ],
)
def test_paths_mean_the_same_in_every_processs_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, directory: str, expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    variant = ProductionVariant(model=ModelSource(archive="model.tar.gz"))
    found = located(EndpointConfig(variants=(variant,), capture=CaptureConfig(directory=directory)))
    assert found.variants[0].model.archive == str(tmp_path / "model.tar.gz")
    assert found.capture is not None
    assert found.capture.directory == expected.format(here=tmp_path)
    assert located(EndpointConfig(variants=(variant,))).capture is None
