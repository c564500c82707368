"""A search whose trials are watched: by the debugger, by the profiler, and by the rules of both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tintype.jobs.job import JobSpec, Source
from tintype.pipeline.debugging import DebuggingRequest, debugged
from tintype.pipeline.profiling import MODULE, ProfilingRequest, profiled
from tintype.pipeline.tuning_plan import BuiltInTrials, ScriptTrials, TuningPlan
from tintype.pipeline.watched_anew import ANY_JOB


def with_watched_trials(
    plan: TuningPlan, debugging: DebuggingRequest, profiling: ProfilingRequest | None, home: Path
) -> TuningPlan:
    """`plan`, each of whose trials is watched as asked for; None: not profiled. Raises as both requests do."""
    if debugging.is_empty and profiling is None:
        return plan
    match plan.trials:
        case ScriptTrials(spec):
            spec = replace(spec, companions=())
        case BuiltInTrials():
            spec = JobSpec(Source(MODULE, "tintype.training"))
    spec = debugged(spec, debugging, "", Path(ANY_JOB), home)
    return replace(plan, watch=spec if profiling is None else profiled(spec, profiling, "", Path(ANY_JOB)))
