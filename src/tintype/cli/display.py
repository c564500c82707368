"""What a person sees while a workflow runs: a live table in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import final

from rich.ansi import AnsiDecoder
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tintype.jobs.hyperparameters import is_framework
from tintype.tuning.completion import kinds_of_failure
from tintype.tuning.ranges import Value
from tintype.tuning.state import TuningState
from tintype.tuning.trial import Trial

LINE_SECONDS = 5.0          # between two lines of progress where nothing can be drawn over
REFRESH_PER_SECOND = 8
TRIALS_SHOWN = 12


@final
class Display:
    """A `Watcher` on a rich console. Use it as a context manager, so that the terminal is left as it was."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._started_at = clock()
        self._bar: tuple[str, int, int] | None = None
        self._tuning: TuningState | None = None
        self._curve: Text | None = None
        self._told: set[str] = set()
        self._line_at = 0.0
        self._live = Live(console=console, refresh_per_second=REFRESH_PER_SECOND, transient=True, auto_refresh=True)

    def __enter__(self) -> Display:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._settle()
        if self._console.is_terminal:
            self._live.stop()

    def stage(self, name: str) -> None:
        """A headline; what the stage before left on the screen stays there."""
        self._settle()
        self._console.print(f"[bold cyan]▸[/] [bold]{escape(name)}[/] [dim]{self._elapsed()}[/]", highlight=False)

    def progress(self, what: str, done: int, total: int) -> None:
        """A bar that moves, or a line now and then."""
        self._bar = (what, done, total) if done < total else None
        if self._console.is_terminal:
            self._draw()
        elif self._clock() - self._line_at > LINE_SECONDS:
            self._line(f"{what}: {done:,} of {total:,}")

    def epoch(self, job: str, epoch: int, epochs: int, metrics: dict[str, float]) -> None:
        """The newest figures of the job that trains; a trial's are in its row of the table."""
        text = Text.assemble(f"  epoch {epoch}/{epochs}  ", (in_words(metrics), "cyan"))
        if not self._console.is_terminal:
            if self._tuning is None or epoch == epochs or self._clock() - self._line_at > LINE_SECONDS:
                self._line(f"{job} epoch {epoch}/{epochs}  {in_words(metrics)}")
            return
        self._curve = text
        self._draw()

    def trials(self, state: TuningState) -> None:
        """The table of trials."""
        self._tuning = state
        for text in state.notes:
            self.note(text)
        for kind in kinds_of_failure(state.trials):         # at once, and in full: the table has no room for a reason
            first = next((trial for trial in kind if trial.name in self._told), kind[0])
            if first.name not in self._told:
                self._told.add(first.name)
                self.warning(f"trial {first.number} ({settings_of(first)}) failed: {first.reason}")
            for trial in kind:
                self._tell_failure_like(first, trial)
        if self._console.is_terminal:
            self._draw()
            return
        for trial in state.trials:
            if trial.status.is_finished and trial.name not in self._told:
                self._told.add(trial.name)
                self._line(f"trial {trial.number} {trial.status.value}: {outcome(trial)}  {settings_of(trial)}")

    def note(self, text: str) -> None:
        """A quiet line; what every trial says again is said once."""
        if text in self._told:
            return
        self._told.add(text)
        self._console.print(f"  [dim]{escape(text)}[/]", highlight=False)

    def warning(self, text: str) -> None:
        """A line that stands out; what a job says again is said once."""
        if text in self._told:
            return
        self._told.add(text)
        self._console.print(f"  [yellow]![/] {escape(text)}", highlight=False)

    def line(self, text: str) -> None:
        """What a script printed, with its colours."""
        self._console.print(AnsiDecoder().decode_line(text), highlight=False)

    def _tell_failure_like(self, first: Trial, trial: Trial) -> None:
        if trial.name not in self._told and not self._console.is_terminal:
            self._line(f"trial {trial.number} failed like trial {first.number}  {settings_of(trial)}")
        self._told.add(trial.name)

    def _line(self, text: str) -> None:
        self._line_at = self._clock()
        self._console.print(f"  {escape(text)}", highlight=False)

    def _elapsed(self) -> str:
        return f"{self._clock() - self._started_at:.1f} s"

    def _draw(self) -> None:
        parts: list[RenderableType] = []
        if self._tuning is not None:
            parts.append(trial_table(self._tuning))
        if self._bar is not None:
            what, done, total = self._bar
            grid = Table.grid(padding=(0, 1))
            grid.add_row(f"  {what}", ProgressBar(total=total, completed=done, width=40), f"{done:,}/{total:,}")
            parts.append(grid)
        if self._curve is not None:
            parts.append(self._curve)
        self._live.update(Group(*parts))

    def _settle(self) -> None:
        """Print what should stay, and forget the rest."""
        if self._console.is_terminal:
            self._live.update(Text(""))
            if self._tuning is not None:
                self._console.print(trial_table(self._tuning))
            if self._curve is not None:
                self._console.print(self._curve)
        self._bar, self._tuning, self._curve = None, None, None


def name_column(table: Table, heading: str = "name") -> None:
    """A column of names, which are there to be copied: the others give way first."""
    table.add_column(heading, no_wrap=True, overflow="fold")


def trial_table(state: TuningState, most: int = TRIALS_SHOWN) -> Table:
    """At most so many trials: the best, marked; those that run; then the newest."""
    shown_trials = chosen(state, most)
    left_out = len(state.trials) - len(shown_trials)
    counts = ", ".join(f"{count:,} {status.value}" for status, count in state.counts.items() if count)
    caption = f"{len(state.trials):,} trials: {counts}" if left_out else None
    table = Table(box=None, padding=(0, 2), title_justify="left", caption=caption, caption_justify="left")
    names = sorted({name for trial in state.trials for name in own_settings(trial)})
    table.add_column("")
    for column in ("trial", "status", *names, state.settings.objective):
        table.add_column(column, justify="left" if column == "status" else "right")
    best = state.best.name if state.best else ""
    for trial in shown_trials:
        mark = "[green]★[/]" if trial.name == best else ""
        values = [shown(trial.hyperparameters[name]) if name in trial.hyperparameters else "" for name in names]
        table.add_row(mark, str(trial.number), trial.status.value, *values, outcome(trial))
    return table


def chosen(state: TuningState, most: int) -> list[Trial]:
    """The trials that a table of `most` rows shows, by number."""
    if len(state.trials) <= most:
        return list(state.trials)
    best = [state.best] if state.best else []
    wanted = [*best, *reversed(state.running), *reversed(state.trials)]
    numbers = list(dict.fromkeys(trial.number for trial in wanted))[:most]
    return [state.trials[number - 1] for number in sorted(numbers)]


def outcome(trial: Trial) -> str:
    """The trial's value, the newest report of one that runs, or the reason that there is none."""
    if trial.value is not None:
        return f"{trial.value:.4f}"
    if trial.history:
        return f"{trial.history[-1][1]:.4f} …"
    return trial.reason[:60]


def settings_of(trial: Trial) -> str:
    """`lr=0.01 epochs=3`."""
    return " ".join(f"{name}={shown(value)}" for name, value in own_settings(trial).items())


def own_settings(trial: Trial) -> dict[str, Value]:
    """The hyperparameters without those by which SageMaker's SDK says where the script is."""
    return {name: value for name, value in trial.hyperparameters.items() if not is_framework(name)}


def shown(value: object) -> str:
    """A hyperparameter in few characters."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def in_words(metrics: dict[str, float]) -> str:
    """`valid loss 0.41  valid accuracy 0.88`."""
    return "  ".join(f"{name.replace(':', ' ')} {value:.4g}" for name, value in metrics.items())
