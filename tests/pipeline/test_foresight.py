"""What would stop a run after it has trained is said before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tintype.errors import Conflict, NotFound
from tintype.pipeline.foresight import foresee
from tintype.serving.endpoints.store import KIND as ENDPOINT_KIND
from tintype.settings import Settings
from tintype.tuning.store import TUNING_KIND
from tintype.workspace import RUN_KIND, Workspace, open_workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with open_workspace(Settings(home=tmp_path / "home")) as found:
        yield found


@pytest.mark.parametrize(
    ("kind", "name", "says"),
    [
        (RUN_KIND, "ants", "a run named 'ants'"),
        (TUNING_KIND, "ants", r"what a run named 'ants' would make .* first \(tintype tuning delete ants\)"),
        ("training-job", "ants-train", r"what a run named 'ants' .* first \(tintype jobs delete ants-train\)"),
        (ENDPOINT_KIND, "ants", "endpoints delete ants"),
    ],
)
def test_names_that_are_taken(workspace: Workspace, kind: str, name: str, says: str) -> None:
    foresee(workspace, "ants", predict=(), deploy=True)
    workspace.records.create(kind, name, {})
    with pytest.raises(Conflict, match=says):
        foresee(workspace, "ants", predict=(), deploy=True)
    if kind == ENDPOINT_KIND:
        foresee(workspace, "ants", predict=(), deploy=False)


def test_images_to_ask_about_that_are_not_there(workspace: Workspace, colours: Path) -> None:
    foresee(workspace, "ants", predict=(str(colours / "blue"),), deploy=True)
    with pytest.raises(NotFound, match=r"no file or folder .*nothing.jpg"):
        foresee(workspace, "ants", predict=(str(colours / "nothing.jpg"),), deploy=True)
