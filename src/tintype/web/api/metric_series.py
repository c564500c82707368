"""Where the values of CloudWatch's metrics are: those of jobs in our measurements, those that somebody put beside them.

    /aws/sagemaker/TrainingJobs, TrainingJobName    what was read from the job's log
    any other namespace                             what PutMetricData was given
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, final

from tintype.errors import Conflict
from tintype.jobs.store import KIND
from tintype.records import Measurement, Record, Records
from tintype.web.api.statistics import Point

TRAINING_JOBS = "/aws/sagemaker/TrainingJobs"
JOB = "TrainingJobName"
SERIES = "metric-series"                # records of what PutMetricData was given


@final
@dataclass(frozen=True)
class Series:
    """A metric by its full name."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]

    @property
    def is_of_job(self) -> bool:
        """It was read from the log of a training job."""
        return self.namespace == TRAINING_JOBS and self.dimensions.keys() == {JOB}

    @property
    def key(self) -> str:
        """Under which measurements of metrics with these dimensions are kept."""
        if self.is_of_job:
            return self.dimensions[JOB]
        text = json.dumps([self.namespace, dict(sorted(self.dimensions.items()))])
        return f"cloudwatch/{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def points_of(records: Records, series: Series) -> list[Point]:
    """All values of a metric, in the order in which they came."""
    return [Point(one.at, one.value) for one in records.measurements(series.key, series.name)]


def put(records: Records, series: Series, points: Iterable[Point]) -> None:
    """Add values; those of training jobs are told from their logs, and others may be added to them."""
    records.measure(series.key, [Measurement(series.name, 0, one.value, one.at) for one in points])
    if not series.is_of_job:
        _note(records, series)


def all_series(records: Records, namespace: str | None, dimensions: Mapping[str, str | None]) -> Iterator[Series]:
    """The metrics there are, in a namespace, with such dimensions; a value of None is any."""
    if namespace in (None, TRAINING_JOBS):
        yield from _of_jobs(records, dimensions)
    for record in records.list(SERIES):
        kept = record.document
        for name in kept["names"]:
            one = Series(kept["namespace"], name, kept["dimensions"])
            if namespace in (None, one.namespace) and _fits(one.dimensions, dimensions):
                yield one


def _of_jobs(records: Records, dimensions: Mapping[str, str | None]) -> Iterator[Series]:
    if dimensions.keys() - {JOB}:
        return
    wanted = dimensions.get(JOB)
    for job in records.names(KIND) if wanted is None else [wanted]:
        for one in records.latest(job):
            yield Series(TRAINING_JOBS, one.name, {JOB: job})


def _fits(dimensions: Mapping[str, str], wanted: Mapping[str, str | None]) -> bool:
    return all(name in dimensions and value in (None, dimensions[name]) for name, value in wanted.items())


def _note(records: Records, series: Series) -> None:
    def add(record: Record) -> tuple[dict[str, Any], str]:
        return {**record.document, "names": sorted({*record.document["names"], series.name})}, ""

    document = {"namespace": series.namespace, "dimensions": dict(series.dimensions), "names": [series.name]}
    try:
        records.create(SERIES, series.key, document)
    except Conflict:
        if series.name not in records.get(SERIES, series.key).document["names"]:
            with contextlib.suppress(Conflict):
                records.update(SERIES, series.key, add)
