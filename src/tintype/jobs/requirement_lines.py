"""The lines of a requirements.txt: which say what is needed, and which of that is there."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from tintype.errors import NotFound

INCLUDES = ("-r ", "--requirement ", "--requirement=")
DEEPEST_INCLUDE = 8


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


def is_option(line: str) -> bool:
    """It says where and how, not what: an index, a constraint."""
    return line.startswith("-") and not line.startswith(("-e", "--editable"))


def is_portable(line: str) -> bool:
    """It means the same wherever it stands: no path, nothing that may change behind its name."""
    if is_option(line):
        return True
    try:
        Requirement(line)
    except InvalidRequirement:
        return False
    return True


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
