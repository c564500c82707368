"""A script's requirements.txt: nothing where it is met already, else an environment of its own on top of ours.

The environment has what was missing, and sees everything of the base one besides; so a script that asks for `tqdm`
costs seconds and not a second torch. It is made once for the same requirements, under a lock, in a folder of its own
that is named in the file `current` when it is whole: a build that was cut off is never used.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from tintype.errors import InvalidRequest
from tintype.jobs.processes import die_with
from tintype.jobs.provided import is_provided, provided_constraints, provided_version
from tintype.jobs.requirement_lines import is_met, is_option, is_portable, requirement_lines
from tintype.storage import exclusive_lock, file_sha256, storage_errors, write_bytes

CURRENT = "current"
PTH = "tintype-base.pth"

Report = Callable[[str], None]


def python_for(
    code: Path, environments: Path, report: Report, inherited: Mapping[str, str], *, is_package: bool = False
) -> Path:
    """The interpreter that has what the code in the folder `code` requires: this one, or one of an environment.

    `environments` is where those are kept; `report` hears what is done; pip is given the `inherited` environment, and
    what its PYTHONPATH names counts as there. A package (with setup.py) is itself installed.
    Raises `InvalidRequest` with pip's last word when something cannot be had, `NotFound` for an included file.
    """
    asked = list(requirement_lines(code / "requirements.txt")) if (code / "requirements.txt").is_file() else []
    search = [*sys.path, *inherited.get("PYTHONPATH", "").split(os.pathsep)]
    lines = [line for line in asked if not _is_provided(line, search, report)]
    missing = [line for line in lines if not is_option(line) and not is_met(line)]
    if not is_package and not missing:
        if asked:
            report(f"requirements.txt: all that it asks for is installed ({len(asked)} lines)")
        return Path(sys.executable)
    wanted = [*lines, "."] if is_package else lines
    place = environments / _key(wanted, code)
    with exclusive_lock(environments / f"{place.name}.lock"):
        ready = _current(place)
        if ready is None:
            report(f"requirements.txt: installing {', '.join(missing) or 'the package'}")
            ready = _build(place, wanted, code, report, inherited)
        else:
            report("requirements.txt: installed by an earlier job")
    return ready / "bin" / "python"


def _is_provided(line: str, search: Sequence[str], report: Report) -> bool:
    try:
        requirement = Requirement(line)
    except InvalidRequirement:
        return False
    name = canonicalize_name(requirement.name)
    if not is_provided(name, search):
        return False
    if not is_met(line):
        ours = f"{name} {provided_version(name)}".strip()
        report(f"requirements.txt: {line} is asked for; the platform's own {ours} is used")
    return True


def _key(lines: Sequence[str], code: Path) -> str:
    """The same for the same requirements on the same base; local paths count with what is in them."""
    parts = [sys.version, sys.prefix, *lines]
    if any(not is_portable(line) for line in lines):
        files = sorted(path for path in code.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        parts += [f"{path.relative_to(code)} {file_sha256(path)}" for path in files]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def _current(place: Path) -> Path | None:
    try:
        ready = place / (place / CURRENT).read_text().strip()
    except FileNotFoundError:
        return None
    return ready if (ready / "bin" / "python").exists() else None


def _build(place: Path, lines: Sequence[str], code: Path, report: Report, inherited: Mapping[str, str]) -> Path:
    with storage_errors(place):
        place.mkdir(parents=True, exist_ok=True)
        for leftover in place.iterdir():        # of a build that was cut off; the lock is ours
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        target = Path(tempfile.mkdtemp(dir=place, prefix="env-"))
        venv.EnvBuilder(symlinks=True, with_pip=False).create(target)
        _see_base(target)
        (target / "requirements.txt").write_text("\n".join(lines) + "\n")
        (target / "constraints.txt").write_text("".join(provided_constraints()))
    _install(target, code, report, inherited)
    write_bytes(place / CURRENT, target.name.encode())
    return target


def _see_base(target: Path) -> None:
    """Everything that this interpreter finds, after what the environment has itself."""
    paths = dict.fromkeys(sysconfig.get_paths()[name] for name in ("purelib", "platlib"))
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    lines = [f"import site; site.addsitedir({path!r})\n" for path in paths]
    (target / "lib" / version / "site-packages" / PTH).write_text("".join(lines))


def _install(target: Path, code: Path, report: Report, inherited: Mapping[str, str]) -> None:
    command = [
        sys.executable, "-I", "-m", "pip", "--python", str(target / "bin" / "python"), "--disable-pip-version-check",
        "--no-input", "install", "--progress-bar", "off", "--no-warn-script-location",
        "-r", str(target / "requirements.txt"), "-c", str(target / "constraints.txt"),
    ]  # fmt: skip
    if find_spec("setuptools") is not None:
        command.append("--no-build-isolation")      # else each build of a setup.py fetches setuptools
    parent = os.getpid()
    said: list[str] = []
    with subprocess.Popen(
        command,
        cwd=code,
        env={name: value for name, value in inherited.items() if not name.startswith("PYTHON")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        errors="replace",
        preexec_fn=lambda: die_with(parent),
    ) as pip:
        try:
            for line in pip.stdout or ():
                said.append(line.rstrip())
                if not line.startswith("Requirement already satisfied"):
                    report(f"pip: {line.rstrip()}")
        except BaseException:
            pip.kill()
            raise
    if pip.returncode != 0:
        raise InvalidRequest(f"requirements.txt cannot be installed: {_last_word(said)}")


def _last_word(said: Sequence[str]) -> str:
    errors = [line.removeprefix("ERROR: ") for line in said if line.startswith("ERROR: ")]
    return (errors or [line for line in said if line] or ["pip said nothing"])[-1]
