"""docs/training.md names every hyperparameter, and docs/data.md every kind of problem."""

from __future__ import annotations

from pathlib import Path

import pytest

from tintype.datasets.problems import KINDS
from tintype.training.hyperparameters import HYPERPARAMETERS

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("row", HYPERPARAMETERS, ids=lambda row: row.name)
def test_every_hyperparameter_is_documented(row) -> None:      # pyright: ignore[reportMissingParameterType]
    assert f"| `{row.name}` | {row.help} |" in (DOCS / "training.md").read_text()


@pytest.mark.parametrize("kind", KINDS)
def test_every_problem_is_documented(kind: str) -> None:
    assert f"| `{kind}` | {KINDS[kind].severity} | {KINDS[kind].title} |" in (DOCS / "data.md").read_text()
