"""The notebooks of examples/seeds, executed whole, with the real SDK, against a server of ours.

They run on a few images and tune two jobs (`TINTYPE_EXAMPLE_SMALL`), with weights that are random; the notebooks
and the scripts are the files of the repository, to the letter.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SHARED
from tests.examples.conftest import Shell
from tests.examples.slices import LAYOUTS, write_slice
from tests.jobs.example_jobs import SCRIPTS

RUNNER = Path(__file__).with_name("run_notebook.py")


def executed(shell: Shell, project: str, folder: Path) -> list[dict[str, Any]]:
    """The code cells of a project's notebook after it ran in a copy of its folder."""
    work = shutil.copytree(SCRIPTS / project, folder / project)
    data, result = write_slice(project, SHARED, folder / "images"), folder / "executed.ipynb"
    shell.run(
        shell.sdk / "bin" / "python", RUNNER, work / "train_and_deploy.ipynb", result,
        folder=work, notebook=result, TINTYPE_EXAMPLE_SMALL="1", TINTYPE_EXAMPLE_DATA=str(data),
    )  # fmt: skip
    cells = json.loads(result.read_text())["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def printed(cell: dict[str, Any]) -> str:
    """What a cell printed, and its value as text."""
    parts = []
    for output in cell["outputs"]:
        text = output.get("text") or output.get("data", {}).get("text/plain", "")
        parts.append("".join(text))
    return "".join(parts)


def after(cells: list[dict[str, Any]], fragment: str) -> str:
    """What the first cell that contains `fragment` printed."""
    return printed(next(cell for cell in cells if fragment in "".join(cell["source"])))


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("project", list(LAYOUTS))
def test_a_notebook_runs_from_top_to_bottom(shell: Shell, project: str, tmp_path: Path) -> None:
    cells = executed(shell, project, tmp_path)
    said = "".join(printed(cell) for cell in cells)
    assert "Traceback" not in said
    assert "ERROR" not in said
    assert "fatal error" not in said                    # the aws command's
    if project in ("000_hurricane_damage", "001_dog_breeds_resnet18", "004_dog_breeds_finetuned"):
        assert "'_tuning_objective_metric': '\"" in after(cells, "best_estimator.hyperparameters()")
    report = tmp_path / project / "ProfilerReport" / "profiler-output" / "profiler-report.html"
    assert report.stat().st_size > 10_000
    html = next(cell for cell in cells if "HTML(filename" in "".join(cell["source"]))
    assert len("".join(html["outputs"][0]["data"]["text/html"])) > 10_000
    assert any("image/png" in output.get("data", {}) for cell in cells for output in cell["outputs"])      # the plots
    asked = {
        "000_hurricane_damage": "is taken for", "001_dog_breeds_resnet18": "is taken for",
        "002_dog_breeds_loss_hooks": "is taken for", "004_dog_breeds_finetuned": "is taken for",
        "003_intel_scenes": "",
    }  # fmt: skip
    assert asked[project] in said
    if project == "003_intel_scenes":
        assert len((tmp_path / project / "predictions.csv").read_text().splitlines()) == 7
