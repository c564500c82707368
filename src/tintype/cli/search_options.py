"""The options of a search, whatever is searched."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, final

import typer

from tintype.pipeline.searching import Search
from tintype.tuning.earlier import WarmStartType
from tintype.tuning.objective import Direction
from tintype.tuning.settings import EarlyStopping, StrategyName

PANEL = "The search"
ENDING = "When it ends"
DEFAULT_OBJECTIVE = "valid:accuracy"


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


@final
@dataclass(frozen=True)
class SearchOptions:
    """What is searched, how, and until when."""

    ranges: RangeOption = None
    objective: ObjectiveOption = DEFAULT_OBJECTIVE
    direction: DirectionOption = None
    max_jobs: MaxJobsOption = None
    max_parallel_jobs: ParallelOption = None
    strategy: StrategyOption = StrategyWord.BAYESIAN
    early_stopping: StoppingOption = StoppingWord.OFF
    grid_points: GridPointsOption = None
    min_resource: MinResourceOption = None
    max_resource: MaxResourceOption = None
    warm_start: WarmStartFromOption = None
    warm_start_type: WarmStartTypeOption = WarmStartWord.IDENTICAL
    target: TargetOption = None
    max_seconds: MaxSecondsOption = None
    max_not_improving: NotImprovingOption = None
    stop_when_converged: ConvergedOption = False

    def search(self, name: str, seed: int) -> Search:
        """The search that they ask for."""
        return Search(
            name=name,
            ranges=tuple(self.ranges or ()),
            objective=self.objective,
            direction=Direction(self.direction.capitalize()) if self.direction else None,
            max_jobs=self.max_jobs,
            max_parallel_jobs=self.max_parallel_jobs,
            strategy=StrategyName(self.strategy.capitalize()),
            early_stopping=EarlyStopping(self.early_stopping.capitalize()),
            seed=seed,
            target_value=self.target,
            max_runtime_seconds=self.max_seconds,
            max_jobs_not_improving=self.max_not_improving,
            stop_when_converged=self.stop_when_converged,
            grid_points=self.grid_points,
            min_resource=self.min_resource,
            max_resource=self.max_resource,
            warm_start=WARM_START_TYPES[self.warm_start_type],
            parents=tuple(self.warm_start or ()),
        )
