"""The options by which a training is watched: rules, what the hook saves for them, what the profiler measures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from tintype.errors import InvalidRequest

PANEL = "Watched by"

RuleOption = Annotated[
    list[str] | None,
    typer.Option("--rule", metavar="NAME[:PARAMETER=VALUE,...]", help="A rule; repeatable.", rich_help_panel=PANEL),
]
HookOption = Annotated[
    list[str] | None,
    typer.Option(
        "--hook", metavar="KEY=VALUE", help="A hook parameter as SageMaker names it.", rich_help_panel=PANEL
    ),
]
ProfilerIntervalOption = Annotated[
    int | None,
    typer.Option(
        "--profiler-interval",
        metavar="MS",
        help="Milliseconds between two samples of the machine, 100 to 60000; 500 if not given, 0 for none. "
        "When given, the steps of your script are measured too.",
        rich_help_panel=PANEL,
    ),
]
ProfileStepsOption = Annotated[
    str,
    typer.Option(
        "--profile-steps",
        metavar="FIRST:COUNT",
        help="Training steps whose operators, layers and Python lines are recorded.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]


def refuse_watching(rules: Sequence[str] | None, hook: Sequence[str] | None, interval: int | None, steps: str) -> None:
    """On SageMaker nobody of ours looks on. Raises `InvalidRequest` when somebody was asked to."""
    if rules or hook or interval or steps:
        raise InvalidRequest("--rule, --hook, --profiler-interval and --profile-steps are for jobs on this machine")
