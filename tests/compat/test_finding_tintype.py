"""smdebug in an interpreter that has neither Tintype nor torch: a notebook's."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from smdebug import finding_tintype
from smdebug.finding_tintype import is_ours

from tintype.debugger import compat_path
from tintype.debugger.collection import BUILT_IN
from tintype.debugger.log_writer import TensorLogWriter
from tintype.debugger.modes import Mode

READ = """
import sys
from importlib.metadata import version

from smdebug.core.modes import ModeKeys
from smdebug.trials import create_trial

trial = create_trial(sys.argv[1])
print(version("smdebug"), "torch" in sys.modules, trial.steps(), trial.tensor("loss_output_0").value(3, ModeKeys.TRAIN))
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with nothing installed."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, symlinks=True, with_pip=False)
    return folder / "bin" / "python"


def ran(python: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    told = {"PATH": os.environ["PATH"], "PYTHONPATH": str(compat_path()), **environment}
    return subprocess.run([python, *words], env=told, capture_output=True, text=True, check=False)


def test_a_notebook_reads_a_log_without_tintype_being_installed(python: Path, tmp_path: Path) -> None:
    writer = TensorLogWriter(tmp_path / "log")
    with writer.step(3, Mode.TRAIN, 3) as record:
        record.add("loss_output_0", np.float32(0.5))
    writer.write_collections(BUILT_IN.values())
    done = ran(python, "-c", READ, writer.files.location, TINTYPE_PACKAGES=sysconfig.get_path("purelib"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[:4] == ["1.0.34", "False", "[3]", "0.5"]


def test_a_folder_of_that_name_is_not_tintype(python: Path, tmp_path: Path) -> None:
    (tmp_path / "tintype" / "compat").mkdir(parents=True)           # what an editable installation leaves there
    path = f"{compat_path()}{os.pathsep}{tmp_path}"
    done = ran(python, "-c", "import smdebug", PYTHONPATH=path, TINTYPE_PACKAGES=sysconfig.get_path("purelib"))
    assert done.returncode == 0, done.stderr


def test_what_is_missing_is_named(python: Path) -> None:
    done = ran(python, "-c", "import smdebug.trials", TINTYPE_PACKAGES="")
    assert done.returncode
    assert "No module named" in done.stderr


def test_the_packages_of_another_python_are_left_out() -> None:
    assert is_ours(Path(f"/x/lib/python3.{sys.version_info.minor}/site-packages"))
    assert not is_ours(Path(f"/x/lib/python3.{sys.version_info.minor + 1}/site-packages"))
    assert is_ours(Path("/x/src"))


def test_where_tintype_is_installed_the_path_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINTYPE_PACKAGES", "/nowhere")
    before = list(sys.path)
    finding_tintype.find_tintype()
    assert sys.path == before


def test_pip_takes_smdebug_for_installed() -> None:
    command = ["-m", "pip", "install", "--dry-run", "--no-index", "smdebug"]
    done = ran(Path(sys.executable), *command)
    assert "Requirement already satisfied: smdebug" in done.stdout, done.stderr


def test_the_versions_agree() -> None:
    import smdebug

    assert smdebug.__version__ == version("smdebug") == "1.0.34"
