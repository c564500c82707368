"""The sections of the profiler's report about the training: where the time went, steps, the loader."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from tintype.profiler.breakdown import Activity, Breakdown, worker_fetches
from tintype.profiler.readers import JobProfile
from tintype.reports.figures.bars import bar, keyed
from tintype.reports.figures.histogram import histogram
from tintype.reports.figures.times import TimeSeries, over_time
from tintype.reports.profiler_parts import Figure, Lacking, Section, Table, lacking
from tintype.reports.wording import counted, number, percent, seconds
from tintype.rules.profiler_rule import Judgement

NO_STEPS = "No steps were recorded: the training was not profiled, or it ended before its first step."
NO_PHASES = "The steps of this profile do not tell their phases; Tintype's own spans do."
JOB = {Activity.INITIALIZATION, Activity.FINALIZATION}


def breakdown(job: JobProfile, times: Breakdown | None) -> Section:
    """The job's phases (start, train, evaluate, save, end), and the parts of a step."""
    if times is None:
        return Section("time", "Where the time went", (), (
            lacking("The whole job", NO_STEPS), lacking("The training loop", NO_STEPS)))  # fmt: skip
    loop = [(activity, time) for activity, time in times.seconds.items() if activity not in JOB and time > 0]
    rows = tuple(
        (activity.value.capitalize(), seconds(time), percent(time / times.total),
         bar(time, max(times.seconds.values()), f"a-{_class(activity)}", seconds(time)))
        for activity, time in times.seconds.items()
        if time > 0
    )  # fmt: skip
    start, end = times.seconds[Activity.INITIALIZATION], times.seconds[Activity.FINALIZATION]
    whole = [("a-initialization", start, "initialization"), ("a-forward", times.loop, "training loop"),
             ("a-finalization", end, "finalization")]  # fmt: skip
    words = f"Of {seconds(times.total)}, {seconds(start)} went into the start, {seconds(times.loop)} into the training "
    words += f"loop, and {seconds(end)} into the end."
    figures: list[Figure | Lacking] = [
        Figure("The whole job", keyed([(c, t, f"{name}: {seconds(t)}") for c, t, name in whole], times.total)),
        Figure("The training loop", _loop(loop, times.loop), "" if times.has_phases else NO_PHASES),
    ]  # fmt: skip
    table = Table("By activity", ("Activity", "Time", "Share of the job", ""), rows, frozenset({1, 2}))
    return Section("time", "Where the time went", (words,), tuple(figures), (table,))


def _loop(activities: list[tuple[Activity, float]], whole: float) -> Markup:
    parts = [
        (f"a-{_class(one)}", time, f"{one.value}: {seconds(time)}, {percent(time / whole)}") for one, time in activities
    ]
    return keyed(parts, sum(time for _, time in activities))


def _class(activity: Activity) -> str:
    return activity.value.replace(" ", "-")


def steps(job: JobProfile, times: Breakdown | None, outlier: Judgement | None) -> Section:
    """Durations of steps: their distribution, their course, and those that stand out."""
    titles = ("Durations of training steps", "Durations over time", "Data wait over time")
    if times is None or not len(times.train):
        return Section("steps", "Steps", (), tuple(lacking(title, NO_STEPS) for title in titles))
    durations, first = times.train["duration"], times.start
    p50, p99 = np.percentile(durations, (50, 99))
    limit = float(max(p50 * 1.5, p99)) if outlier and outlier.triggered else None
    at = times.train["start"] - first
    figures: list[Figure | Lacking] = [
        Figure(titles[0], histogram(durations, "seconds", "step", limit)),
        Figure(titles[1], over_time([TimeSeries("a step", at, durations)], times.total, "seconds"),
               "The line is the mean of each moment, the band reaches from its shortest step to its longest."),
    ]  # fmt: skip
    if times.has_phases:
        wait = TimeSeries("data wait", at, np.nan_to_num(times.train["data_wait"]))
        figures.append(Figure(titles[2], over_time([wait], times.total, "seconds")))
    else:
        figures.append(lacking(titles[2], NO_PHASES))
    said = [f"{counted(len(durations), 'training step')} took {seconds(float(p50))} in the median."]
    said += [f"{one.message[:1].upper()}{one.message[1:]}." for one in (outlier.findings if outlier else ())]
    heads = ("Worker", "Mode", "Steps", "Mean", "Median", "95 %", "99 %", "Longest")
    return Section("steps", "Steps", tuple(said), tuple(figures), (
        Table("Steps by worker, seconds", heads, _step_rows(job), frozenset(range(2, 8))),))  # fmt: skip


def _step_rows(job: JobProfile) -> tuple[tuple[str, ...], ...]:
    rows: list[tuple[str, ...]] = []
    frame = job.spans().steps
    for node in np.unique(frame["node"]):
        for number_of_mode, mode in enumerate(("train", "eval", "predict", "global")):
            mine = frame["duration"][(frame["node"] == node) & (frame["mode"] == number_of_mode)]
            if len(mine):
                figures = (mine.mean(), *np.percentile(mine, (50, 95, 99)), mine.max())
                worker = job.spans().nodes[node]
                rows.append((worker, mode, f"{len(mine):,}", *(number(float(one), 3) for one in figures)))
    return tuple(rows)


def loader(job: JobProfile, times: Breakdown | None) -> Section:
    """How the batches came: the settings of the loader, the wait for each, and what its workers did."""
    titles = ("Wait for a batch", "Time to fetch a batch, in workers")
    figures: list[Figure | Lacking] = []
    said: list[str] = []
    if job.spans().loaders:
        settings = job.spans().loaders[-1]
        pinned = "pinned" if settings.get("pin_memory") else "not pinned"
        said.append(f"The loader has {settings.get('num_workers', '?')} workers; its memory is {pinned}.")
    if times is None or not times.has_phases:
        figures.append(lacking(titles[0], NO_STEPS if times is None else NO_PHASES))
    else:
        wait = np.nan_to_num(times.train["data_wait"])
        figures.append(Figure(titles[0], histogram(wait, "seconds", "batch")))
        said.append(f"The training waited for data {percent(times.share(Activity.DATA_WAIT))} of the loop's time.")
        if times.waiting_cpu or times.decoding:
            whole = max(1e-9, float(wait.sum()))
            said.append(
                f"While it waited, its own thread worked {percent(min(1.0, times.waiting_cpu / whole))} of the time "
                f"and was in the image decoder for {percent(min(1.0, times.decoding / whole))}."
            )
    fetches = worker_fetches(job.spans())
    if len(fetches):
        figures.append(Figure(titles[1], histogram(fetches["duration"], "seconds", "batch")))
    else:
        figures.append(lacking(titles[1], "No worker process fetched batches (num_workers=0), or none was watched."))
    return Section("loader", "Data loading", tuple(said), tuple(figures))
