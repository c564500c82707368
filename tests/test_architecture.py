"""The layers of docs/whats_here.md, the budget of style, and the promises about imports."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "tintype"

LAYERS: dict[str, int] = {
    "errors": 0, "settings": 0,
    "storage": 1, "extraction": 1, "records": 1, "after_import": 1, "hidden_hooks": 1, "site_folder": 1, "old_names": 1,
    "freed_memory": 1, "process_birth": 1, "cgroup": 1, "cores": 1,
    "datasets": 2, "models": 2, "jobs": 2, "debugger": 2, "profiler": 2,
    "training": 3, "rules": 3, "site": 3,
    "tuning": 4, "serving": 4, "reports": 4,
    "workspace": 5,
    "pipeline": 6,
    "web": 7,
    "cli": 8,
}  # fmt: skip
ROOT = {"__init__", "__main__"}                              # the face of the package may see everything
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "handlers"}


def modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def part_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported_parts(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module] if node.module != "tintype" else [f"tintype.{one.name}" for one in node.names]
        elif isinstance(node, ast.Import):
            names = [one.name for one in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("tintype.")}
    return found - {"__version__"}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_down(path: Path) -> None:
    part = part_of(path)
    if part in ROOT:
        return
    for other in imported_parts(path) - {part}:
        assert LAYERS[other] < LAYERS[part] or LAYERS[part] <= 1, f"{part} must not import {other}"


def test_every_part_has_a_layer() -> None:
    assert {part_of(path) for path in modules()} - ROOT <= set(LAYERS)


def test_the_document_has_these_layers() -> None:
    document = (SOURCE.parents[1] / "docs" / "whats_here.md").read_text()
    rows = re.findall(r"^(\d) ((?:\w+(?: \| )?)+)", document, re.MULTILINE)
    assert {name: int(layer) for layer, names in rows for name in names.split(" | ")} == LAYERS
    assert [name for name in LAYERS if not re.search(rf"\*\*.*\b{name}\b.*\*\*|`{name}[/.`]", document)] == []


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_names_and_docstrings(path: Path) -> None:
    assert path.stem not in VAGUE
    tree = ast.parse(path.read_text())
    if tree.body:
        assert ast.get_docstring(tree), f"{path} says nothing of what it is"


def test_only_records_knows_sql() -> None:
    users = {part_of(path) for path in modules() if "sqlalchemy" in path.read_text()}
    assert users == {"records"}


LIGHT = (
    "tintype", "tintype.cli.main; tintype.cli.main.app", "tintype.jobs", "tintype.serving.front.server",
    "tintype.datasets", "tintype.debugger", "tintype.rules.catalogue",
    "tintype.profiler", "tintype.profiler.sampler",
)  # fmt: skip


@pytest.mark.parametrize("module", LIGHT)
def test_importing_loads_no_torch_and_configures_no_logging(module: str) -> None:
    code = (
        f"import sys, logging, {module}; "
        "assert 'torch' not in sys.modules and 'timm' not in sys.modules; "
        "assert not logging.getLogger().handlers and not logging.getLogger('tintype').handlers"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
