"""What a tuning job needs to be run by any process: its settings and what its trials share. Kept as a record.

It is written once, before the coordinator starts, and never changes; so `tintype tuning resume` finds everything even
when the coordinator was killed before its first word.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from tintype.jobs.job import JobSpec
from tintype.records import Records
from tintype.training.hyperparameters import find
from tintype.training.plan import TrainingPlan
from tintype.tuning.ranges import Categorical, Value
from tintype.tuning.settings import TuningSettings
from tintype.tuning.store import RecordTuningStore

PLAN_KIND = "tuning-plan"
DECIDING = ("network.", "augmentation.", "data.")           # fields of a plan that say how images are decoded
OBJECTIVE_HYPERPARAMETER = "_tuning_objective_metric"       # SageMaker gives it to every trial


@final
@dataclass(frozen=True)
class ScriptTrials:
    """Trials of a person's own script: all are this job, with other hyperparameters.

    With `quoted` the values of categorical ranges are given in JSON's quotes, as SageMaker's own client does; without,
    they are the strings that the request gave, to the letter.
    """

    spec: JobSpec
    quoted: bool = True

    def hyperparameters(self, settings: TuningSettings, values: Mapping[str, Value]) -> dict[str, str]:
        """What a trial is given, as wire strings: the fixed ones, then the tuned ones, then the objective's name."""
        tuned = {name: self._wire(settings, name, values[name]) for name in settings.space.names}
        return {**self.spec.hyperparameters, **tuned, OBJECTIVE_HYPERPARAMETER: json.dumps(settings.objective)}

    def _wire(self, settings: TuningSettings, name: str, value: Value) -> str:
        text = value if isinstance(value, str) else json.dumps(value)
        return json.dumps(text) if self.quoted and isinstance(settings.space[name], Categorical) else text


@final
@dataclass(frozen=True)
class BuiltInTrials:
    """Trials of the built-in trainer: all are this plan, with other hyperparameters.

    Where several are to run at once and share the features of a frozen backbone, the first computes them for all, with
    `first_threads` (0: all cores) in place of the plan's; the others wait for room, and so for it.
    """

    base: TrainingPlan
    first_threads: int | None = None

    def plan_of(self, number: int) -> TrainingPlan:
        """The plan that trial `number`, from 1, begins with."""
        if number > 1 or self.first_threads is None:
            return self.base
        return self.base.model_copy(
            update={"compute": self.base.compute.model_copy(update={"threads": self.first_threads})}
        )


@final
@dataclass(frozen=True)
class TuningPlan:
    """A tuning job as it was asked for."""

    settings: TuningSettings
    trials: ScriptTrials | BuiltInTrials
    watch: JobSpec | None = None        # with what each trial is watched: as a job in `watched_anew.ANY_JOB` would be

    @property
    def name(self) -> str:
        """The tuning job's name."""
        return self.settings.name

    @property
    def share_images(self) -> bool:
        """Whether all trials see the same decoded images, and through the same network: nothing of both is tuned."""
        if isinstance(self.trials, ScriptTrials):
            return False
        return not any(find(name).path.startswith(DECIDING) for name in self.settings.space.names)

    def to_json(self) -> dict[str, Any]:
        """The document of it."""
        document: dict[str, Any] = {"settings": self.settings.to_json()}
        document |= {"watch": self.watch.to_json()} if self.watch else {}
        match self.trials:
            case ScriptTrials(spec, quoted):
                document |= {"spec": spec.to_json(), "quoted": quoted}
            case BuiltInTrials(base, first_threads):
                document |= {"base": base.model_dump(mode="json"), "first_threads": first_threads}
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> TuningPlan:
        """The inverse of `to_json`."""
        settings = TuningSettings.from_json(document["settings"])
        watch = JobSpec.from_json(document["watch"]) if "watch" in document else None
        if "spec" in document:
            return cls(settings, ScriptTrials(JobSpec.from_json(document["spec"]), document["quoted"]), watch)
        base = TrainingPlan.model_validate(document["base"])
        return cls(settings, BuiltInTrials(base, document.get("first_threads")), watch)


def save_plan(records: Records, plan: TuningPlan) -> None:
    """Keep a plan under its tuning job's name. `Conflict` when the name is taken."""
    records.create(PLAN_KIND, plan.name, plan.to_json())


def load_plan(records: Records, name: str) -> TuningPlan:
    """The plan of a tuning job. `NotFound` lists near names."""
    document = records.get(PLAN_KIND, name).document
    if "spec" in document or "base" in document:
        return TuningPlan.from_json(document)
    # As the first release wrote it: the built-in trainer's plan alone.
    settings = RecordTuningStore(records).load(name).settings
    return TuningPlan(settings, BuiltInTrials(TrainingPlan.model_validate(document)))
