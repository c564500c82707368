"""The options of a search, whatever is searched."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from tintype.tuning.earlier import WarmStartType

PANEL = "The search"
ENDING = "When it ends"


class DirectionWord(StrEnum):
    """As the command line spells it."""

    MINIMIZE = "minimize"
    MAXIMIZE = "maximize"


class StrategyWord(StrEnum):
    """As the command line spells it."""

    BAYESIAN = "bayesian"
    RANDOM = "random"
    GRID = "grid"
    HYPERBAND = "hyperband"


class StoppingWord(StrEnum):
    """As the command line spells it."""

    OFF = "off"
    AUTO = "auto"


class WarmStartWord(StrEnum):
    """As the command line spells it."""

    IDENTICAL = "identical"
    TRANSFER = "transfer"


WARM_START_TYPES = {WarmStartWord.IDENTICAL: WarmStartType.IDENTICAL, WarmStartWord.TRANSFER: WarmStartType.TRANSFER}

RANGE_HELP = "NAME=LOW:HIGH[:log], NAME=LOW..HIGH for integers, or NAME=A,B,C; repeatable."

RangeOption = Annotated[
    list[str] | None, typer.Option("--range", metavar="RANGE", help=RANGE_HELP, rich_help_panel=PANEL)
]
ObjectiveOption = Annotated[str, typer.Option(help="The metric that counts.", rich_help_panel=PANEL)]
DirectionOption = Annotated[
    DirectionWord | None, typer.Option(help="Which way is better.", rich_help_panel=PANEL)
]
MaxJobsOption = Annotated[int | None, typer.Option(min=1, help="Trials in all.", rich_help_panel=PANEL)]
ParallelOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Trials at once; one, but with random or grid over a frozen backbone one a core.",
        show_default=False,
        rich_help_panel=PANEL,
    ),
]
StrategyOption = Annotated[StrategyWord, typer.Option(help="How the next trial is chosen.", rich_help_panel=PANEL)]
StoppingOption = Annotated[StoppingWord, typer.Option(help="The median rule, or none.", rich_help_panel=PANEL)]
GridPointsOption = Annotated[
    int | None, typer.Option(min=1, help="grid: values of each continuous range.", rich_help_panel=PANEL)
]
MinResourceOption = Annotated[
    int | None, typer.Option(min=1, help="hyperband: epochs that every trial gets.", rich_help_panel=PANEL)
]
MaxResourceOption = Annotated[
    int | None, typer.Option(min=1, help="hyperband: epochs of a whole trial.", rich_help_panel=PANEL)
]
WarmStartFromOption = Annotated[
    list[str] | None,
    typer.Option("--warm-start", metavar="NAME", help="An earlier tuning job; repeatable.", rich_help_panel=PANEL),
]
WarmStartTypeOption = Annotated[
    WarmStartWord,
    typer.Option(help="identical: its values count here; transfer: its best points come first.", rich_help_panel=PANEL),
]
TargetOption = Annotated[
    float | None, typer.Option(help="A value of the objective that is good enough.", rich_help_panel=ENDING)
]
MaxSecondsOption = Annotated[
    float | None, typer.Option(help="Seconds for the whole search.", rich_help_panel=ENDING)
]
NotImprovingOption = Annotated[
    int | None, typer.Option(min=1, help="Trials in a row without a new best.", rich_help_panel=ENDING)
]
ConvergedOption = Annotated[
    bool, typer.Option("--stop-when-converged", help="When the best hardly improves.", rich_help_panel=ENDING)
]
