from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from tintype.errors import InvalidRequest
from tintype.jobs.requirements import python_for


def wheel(folder: Path, name: str = "tinything", version: str = "1.0", requires: str = "") -> Path:
    """A wheel of one module, made by hand."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as bundle:
        bundle.writestr(f"{name}.py", f"VERSION = {version!r}\n")
        needs = f"Requires-Dist: {requires}\n" if requires else ""
        bundle.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}")
        wheel_text = "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        bundle.writestr(f"{info}/WHEEL", wheel_text)
        bundle.writestr(f"{info}/RECORD", "")
    return path


def code(tmp_path: Path, requirements: str) -> Path:
    (tmp_path / "code").mkdir(exist_ok=True)
    (tmp_path / "code" / "requirements.txt").write_text(requirements)
    return tmp_path / "code"


def offline(tmp_path: Path) -> str:
    return f"--no-index\n--find-links {tmp_path / 'wheels'}\n"


def test_nothing_is_made_when_all_is_there(tmp_path: Path) -> None:
    said: list[str] = []
    folder = code(tmp_path, "numpy\ntorch==1.8.1\ntorchvision==0.9\n--extra-index-url https://example.invalid/simple\n")
    assert python_for(folder, tmp_path / "environments", said.append, os.environ) == Path(sys.executable)
    assert not (tmp_path / "environments").exists()
    assert "torch==1.8.1 is asked for; the platform's own torch" in said[0]
    assert "all that it asks for is installed" in said[-1]
    (folder / "requirements.txt").unlink()
    assert python_for(folder, tmp_path / "environments", said.append, os.environ) == Path(sys.executable)


def test_a_stand_in_on_the_path_is_provided(tmp_path: Path) -> None:
    (tmp_path / "compat" / "smdebug").mkdir(parents=True)
    (tmp_path / "compat" / "smdebug" / "__init__.py").write_text("")
    folder = code(tmp_path, "--no-index\nsmdebug==1.0.5\n")
    inherited = {**os.environ, "PYTHONPATH": str(tmp_path / "compat")}
    assert python_for(folder, tmp_path / "environments", lambda _: None, inherited) == Path(sys.executable)


def test_what_is_missing_comes_on_top_of_the_base_once(tmp_path: Path) -> None:
    wheel(tmp_path / "wheels", requires="numpy>=1.0")
    folder = code(tmp_path, offline(tmp_path) + "tinything\nnumpy\n")
    said: list[str] = []
    python = python_for(folder, tmp_path / "environments", said.append, os.environ)
    assert python != Path(sys.executable)
    ran = subprocess.run(
        [python, "-c", "import tinything, numpy, tintype; print(tinything.VERSION, numpy.__file__)"],
        capture_output=True, text=True, check=True, cwd="/",
    )  # fmt: skip
    import numpy

    assert ran.stdout.split() == ["1.0", numpy.__file__]
    assert not list(python.parents[1].glob("lib/*/site-packages/numpy"))
    before = python.stat().st_ctime_ns
    assert python_for(folder, tmp_path / "environments", said.append, os.environ) == python
    assert python.stat().st_ctime_ns == before
    assert said[-1] == "requirements.txt: installed by an earlier job"


def test_what_cannot_be_had_is_pips_last_word(tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    folder = code(tmp_path, offline(tmp_path) + "nosuchthing==3\n")
    for _ in range(2):          # the second time it is tried again, not found half made
        with pytest.raises(InvalidRequest, match="installed: No matching distribution found for nosuchthing==3"):
            python_for(folder, tmp_path / "environments", lambda _: None, os.environ)
    assert not list((tmp_path / "environments").glob("*/current"))


def test_a_line_that_is_nonsense(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"requirements\.txt cannot be installed"):
        python_for(code(tmp_path, "==what is this==\n"), tmp_path / "environments", lambda _: None, os.environ)


SLOW = """
import os, sys
from pathlib import Path
from tintype.jobs import requirements
print(requirements.python_for(Path(sys.argv[1]), Path(sys.argv[2]), lambda line: print(line, flush=True), os.environ))
"""


def test_a_build_that_is_killed_leaves_nothing_in_use(tmp_path: Path) -> None:
    wheel(tmp_path / "wheels")
    folder = code(tmp_path, offline(tmp_path) + "tinything\n")
    command = [sys.executable, "-c", SLOW, str(folder), str(tmp_path / "environments")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as builder:
        while not list((tmp_path / "environments").glob("*/env-*")):
            time.sleep(0.005)
        os.killpg(builder.pid, signal.SIGKILL)
    assert not list((tmp_path / "environments").glob("*/current"))
    python = python_for(folder, tmp_path / "environments", lambda _: None, os.environ)
    subprocess.run([python, "-c", "import tinything"], check=True, cwd="/")
    assert len(list((tmp_path / "environments").glob("*/env-*"))) == 1


def test_two_at_once_build_one(tmp_path: Path) -> None:
    wheel(tmp_path / "wheels")
    folder = code(tmp_path, offline(tmp_path) + "tinything\n")
    command = [sys.executable, "-c", SLOW, str(folder), str(tmp_path / "environments")]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [one.communicate()[0].splitlines() for one in both]
    assert said[0][-1] == said[1][-1]
    assert sum("installing" in line for lines in said for line in lines) == 1


def test_a_package_is_installed_with_what_it_needs(tmp_path: Path) -> None:
    pytest.importorskip("setuptools")
    wheel(tmp_path / "wheels")
    folder = code(tmp_path, offline(tmp_path))
    (folder / "setup.py").write_text(
        "from setuptools import setup\n"
        "setup(name='ourtrainer', version='1', py_modules=['ourtrainer'], install_requires=['tinything'])\n"
    )
    (folder / "ourtrainer.py").write_text("import tinything\nprint('trained')\n")
    python = python_for(folder, tmp_path / "environments", lambda _: None, os.environ, is_package=True)
    ran = subprocess.run([python, "-m", "ourtrainer"], capture_output=True, text=True, check=True, cwd="/")
    assert ran.stdout == "trained\n"
