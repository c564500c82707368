"""From findings to a better job: the remedies of a job's rules as hyperparameters of a new one, and how both did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

from tintype.errors import InvalidRequest
from tintype.jobs.job import Job, JobSpec
from tintype.jobs.store import JobStore
from tintype.pipeline.debug_view import DebugView, debug_view
from tintype.pipeline.watched_anew import watched_anew
from tintype.rules.finding import Finding
from tintype.training.hyperparameters import plan_from
from tintype.training.plan import parse_plan


@final
@dataclass(frozen=True)
class Fix:
    """What is changed, and the findings that asked for it."""

    changes: Mapping[str, str]                  # hyperparameter -> its new value, as a wire string
    reasons: Mapping[str, Finding]              # hyperparameter -> the finding that it comes from


def fix_of(view: DebugView) -> Fix:
    """The changes that the findings propose; where two want the same hyperparameter, the earlier finding's counts.

    Raises `InvalidRequest` when nothing was found, or nothing that hyperparameters could change.
    """
    findings = sorted((one for found in view.findings.values() for one in found), key=lambda one: one.step)
    if not findings:
        raise InvalidRequest(f"no rule of {view.job.name!r} found anything to fix")
    changes: dict[str, str] = {}
    reasons: dict[str, Finding] = {}
    for finding in findings:
        for name, value in (finding.remedy.hyperparameters if finding.remedy else {}).items():
            if name not in changes:
                changes[name], reasons[name] = value, finding
    if not changes:
        texts = "; ".join(dict.fromkeys(one.remedy.text for one in findings if one.remedy))
        raise InvalidRequest(f"hyperparameters cannot fix what was found in {view.job.name!r}: {texts}")
    return Fix(changes, reasons)


def fixed_spec(job: Job, changes: Mapping[str, str], name: str, directory: Path, home: Path) -> JobSpec:
    """The job's specification with the changes, for a new job that is watched in the same way."""
    if job.spec is None:
        raise InvalidRequest(f"job {job.name!r} was made by an earlier version; train it again, and fix that")
    spec = replace(job.spec, hyperparameters={**job.spec.hyperparameters, **changes})
    if "plan.json" in spec.configuration:
        spec = _with_plan(spec, changes, name, directory, job.directory)
    return watched_anew(spec, job.directory, name, directory)


def comparison(store: JobStore, before: Job, after: Job) -> list[dict[str, Any]]:
    """One row a metric and one a rule: what it was before, and what it is after."""
    old, new = _lasts(store, before), _lasts(store, after)
    rows = [{"what": name, "before": old.get(name), "after": new.get(name)} for name in dict.fromkeys([*old, *new])]
    rules = [{one.name: one.status.value for one in debug_view(job).states} for job in (before, after)]
    return rows + [{"what": f"rule {name}", "before": rules[0][name], "after": rules[1].get(name)} for name in rules[0]]


def _with_plan(
    spec: JobSpec, changes: Mapping[str, str], name: str, directory: Path, old_directory: str
) -> JobSpec:
    plan = parse_plan(spec.configuration["plan.json"]).model_copy(update={"name": name, "directory": directory})
    document = plan_from(dict(changes), plan).model_dump(mode="json")
    arguments = tuple(word.replace(old_directory, str(directory)) for word in spec.source.arguments)
    source = replace(spec.source, arguments=arguments)
    return replace(spec, source=source, configuration={**spec.configuration, "plan.json": document})


def _lasts(store: JobStore, job: Job) -> dict[str, float]:
    return {one.name: one.value for one in store.measurements(job.name)}
