"""A training job as JSON: what `train`, `jobs show` and `jobs list` answer, and the pages show."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tintype.jobs.directory import JobDirectory
from tintype.jobs.hyperparameters import script_values
from tintype.jobs.job import Job
from tintype.jobs.store import JobStore
from tintype.records import Measurement
from tintype.rules.rule_output import read_states
from tintype.rules.status import RuleState, RuleStatus


def described(store: JobStore, job: Job) -> dict[str, Any]:
    """The JSON of `jobs show`, with the keys that docs/commands.md promises."""
    archive = JobDirectory(Path(job.directory)).archive
    return {
        "name": job.name,
        "status": job.status,
        "secondary_status": job.phase,
        "failure_reason": job.failure_reason,
        "hyperparameters": settings_of(job),
        "metrics": figures(store.measurements(job.name)),
        "directory": job.directory,
        "archive": str(archive) if archive.exists() else None,
        "rules": [described_rule(one) for one in read_states(JobDirectory(Path(job.directory)).rule_output)],
        "tuning_job": job.parent or None,
        "created": moment(job.created_at),
        "seconds": duration(job),
        "result": job.result,
    }


def judged(metrics: Mapping[str, float | None]) -> str:
    """The figures of a split in words. What is not a number is None in JSON, as after a training that diverged."""
    accuracy, loss = metrics["accuracy"], metrics["loss"]
    said = "not a number" if accuracy is None else f"{accuracy:.1%}"
    return f"accuracy {said}, loss {'not a number' if loss is None else f'{loss:.4f}'}"


def described_rule(state: RuleState) -> dict[str, Any]:
    """One rule in `jobs show`: its status in SageMaker's words, and how many findings it has."""
    return {
        "name": state.name,
        "rule": state.rule,
        "status": state.status.value,
        "details": state.details,
        "evaluated": state.evaluated,
        "findings": state.findings,
        "first_step": state.first_step,
        "actions": list(state.actions),
    }


def verdict(rule: Mapping[str, Any]) -> str:
    """What a person reads of a rule in `jobs show`: "no data" where the wire says NoIssuesFound of nothing judged."""
    silent = rule["status"] == RuleStatus.NO_ISSUES_FOUND.value and not rule["evaluated"]
    return ": ".join(filter(None, ("no data" if silent else rule["status"], rule["details"])))


def settings_of(job: Job) -> dict[str, Any]:
    """The hyperparameters as the program sees them, without what the platform adds."""
    return script_values(job.hyperparameters) if job.spec is not None else job.hyperparameters


def summary(job: Job) -> dict[str, Any]:
    """A row of `jobs list --json`."""
    return {
        "name": job.name,
        "status": job.status,
        "secondary_status": job.phase,
        "failure_reason": job.failure_reason,
        "created_at": job.created_at,
        "ended_at": job.ended_at or None,
        "tuning_job": job.parent or None,
        "hyperparameters": settings_of(job),
    }


def figures(measurements: Sequence[Measurement]) -> dict[str, dict[str, float]]:
    """{metric: {last, min, max, count}}; values that are not numbers do not count for min and max."""
    values: dict[str, list[float]] = {}
    for one in measurements:
        values.setdefault(one.name, []).append(one.value)
    found = {}
    for name, series in values.items():
        numbers = [value for value in series if value == value] or [float("nan")]
        found[name] = {"last": series[-1], "min": min(numbers), "max": max(numbers), "count": len(series)}
    return found


def moment(at: float) -> str:
    """A time in the local zone, to the second; "" for one that has not come."""
    return datetime.fromtimestamp(at, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S") if at else ""


def duration(job: Job) -> str:
    """Seconds from start to end, or to now."""
    return f"{(job.ended_at or time.time()) - job.started_at:.1f}" if job.started_at else ""
