"""The options by which a training is watched: rules, what the hook saves for them, what the profiler measures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, final

import typer

from tintype.pipeline.debugging import DebuggingRequest
from tintype.pipeline.profiling import ProfilingRequest, profiling_asked, split_rules

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


@final
@dataclass(frozen=True)
class WatchOptions:
    """Who looks at a training, and at what."""

    rule: RuleOption = None
    hook: HookOption = None
    profiler_interval: ProfilerIntervalOption = None
    profile_steps: ProfileStepsOption = ""

    def debugging(self) -> DebuggingRequest:
        """What the debugger is asked for. Raises `NotFound` for a rule that there is not."""
        of_debugger, _ = split_rules(self.rule or ())
        return DebuggingRequest(of_debugger, self.hook or ())

    def profiling(self) -> ProfilingRequest:
        """What the profiler is asked for. Raises as `profiling_asked` does."""
        _, of_profiler = split_rules(self.rule or ())
        return profiling_asked(self.profiler_interval, of_profiler, self.profile_steps)

    def profiling_of_trials(self) -> ProfilingRequest | None:
        """The same of the trials of a search, which are not profiled unless somebody asks for it."""
        _, of_profiler = split_rules(self.rule or ())
        return self.profiling() if self.profiler_interval or of_profiler or self.profile_steps else None
