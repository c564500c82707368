"""A script's requirements.txt: nothing where it is met already, else an environment of its own on top of ours.

The environment has what was missing, and sees everything of the base one besides; so a script that asks for `tqdm`
costs seconds and not a second torch. It is made once for the same requirements, under a lock, in a folder of its own
that is named in the file `current` when it is whole: a build that was cut off is never used.

Packages that the platform itself brings (torch, smdebug, ...) are taken as they are, whatever version is asked for: the
versions that scripts for SageMaker's containers name run on no Python of today.
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
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import metadata
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from tintype.errors import InvalidRequest, NotFound
from tintype.jobs.processes import die_with
from tintype.storage import exclusive_lock, file_sha256, storage_errors, write_bytes

# distribution -> the module that shows whether it is there (a stand-in for smdebug has no distribution of that name)
PROVIDED: Mapping[str, str] = {
    "torch": "torch", "torchvision": "torchvision", "timm": "timm", "numpy": "numpy", "smdebug": "smdebug",
}  # fmt: skip
INCLUDES = ("-r ", "--requirement ", "--requirement=")
DEEPEST_INCLUDE = 8
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
    missing = [line for line in lines if not _is_option(line) and not is_met(line)]
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


def base_constraints(environments: Path) -> Path:
    """A file that holds pip to what is installed here, for scripts that call it themselves (`PIP_CONSTRAINT`).

    They may add packages to the environment that all jobs share, but not put other versions in place of its own.
    """
    site = Path(sysconfig.get_paths()["purelib"])
    with storage_errors(site):
        changed = f"{sys.prefix} {site.stat().st_mtime_ns}"
    path = environments / f"base-{hashlib.sha256(changed.encode()).hexdigest()[:24]}.txt"
    if not path.exists():
        found = {one.name: one.version for one in metadata.distributions() if _is_pinned(one)}
        write_bytes(path, "".join(f"{name}=={found[name]}\n" for name in sorted(found)).encode(), durable=False)
    return path


def requirement_lines(path: Path, depth: int = 0) -> Iterator[str]:
    """The lines that say something, those of included files (`-r`) among them."""
    if not path.is_file() or depth > DEEPEST_INCLUDE:
        raise NotFound(f"the requirements file {path.name} is not there, or includes itself")
    for line in path.read_text(encoding="utf-8-sig", errors="replace").replace("\\\n", " ").splitlines():
        line = line.split(" #")[0].strip()
        if line.startswith(INCLUDES):
            included = line.replace("=", " ").split(None, 1)[1]
            yield from requirement_lines(path.parent / included, depth + 1)
        elif line and not line.startswith("#"):
            yield line


def is_met(line: str) -> bool:
    """The environment that we run in has it, extras and all. Options, paths and URLs are never taken to be met."""
    try:
        requirement = Requirement(line)
    except InvalidRequirement:
        return False
    return requirement.url is None and _has(requirement)


def _has(requirement: Requirement, extra: str = "") -> bool:
    if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
        return True
    try:
        found = metadata.distribution(requirement.name)
    except metadata.PackageNotFoundError:
        return False
    if not requirement.specifier.contains(found.version, prereleases=True):
        return False
    needs = [Requirement(one) for one in found.requires or ()] if requirement.extras else []
    return all(
        _has(need, one)
        for one in requirement.extras
        for need in needs
        if need.marker is not None and "extra" in str(need.marker) and need.marker.evaluate({"extra": one})
    )


def _is_provided(line: str, search: Sequence[str], report: Report) -> bool:
    try:
        requirement = Requirement(line)
    except InvalidRequirement:
        return False
    name = canonicalize_name(requirement.name)
    if name not in PROVIDED or PathFinder.find_spec(PROVIDED[name], search) is None:
        return False
    if not is_met(line):
        report(f"requirements.txt: {line} is asked for; the platform's own {name}{_version(name)} is used")
    return True


def _version(name: str) -> str:
    try:
        return f" {metadata.version(name)}"
    except metadata.PackageNotFoundError:
        return ""


def _is_pinned(one: metadata.Distribution) -> bool:
    try:
        Requirement(f"{one.name}=={one.version}")
    except (InvalidRequirement, KeyError):          # a folder that a broken installation left
        return False
    return True


def _key(lines: Sequence[str], code: Path) -> str:
    """The same for the same requirements on the same base; local paths count with what is in them."""
    parts = [sys.version, sys.prefix, *lines]
    if any(not _is_plain(line) for line in lines):
        files = sorted(path for path in code.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        parts += [f"{path.relative_to(code)} {file_sha256(path)}" for path in files]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def _is_plain(line: str) -> bool:
    if _is_option(line):
        return True
    try:
        Requirement(line)
    except InvalidRequirement:
        return False
    return True


def _is_option(line: str) -> bool:
    """It says where and how, not what: an index, a constraint."""
    return line.startswith("-") and not line.startswith(("-e", "--editable"))


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
        (target / "constraints.txt").write_text("".join(_constraints()))
    _install(target, code, report, inherited)
    write_bytes(place / CURRENT, target.name.encode())
    return target


def _see_base(target: Path) -> None:
    """Everything that this interpreter finds, after what the environment has itself."""
    paths = dict.fromkeys(sysconfig.get_paths()[name] for name in ("purelib", "platlib"))
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    lines = [f"import site; site.addsitedir({path!r})\n" for path in paths]
    (target / "lib" / version / "site-packages" / PTH).write_text("".join(lines))


def _constraints() -> Iterator[str]:
    for name in PROVIDED:
        if version := _version(name).strip():
            yield f"{name}=={version}\n"


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
