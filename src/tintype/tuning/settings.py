"""What a tuning job is asked to do. Frozen and checked; every error names the setting, the rule and what arrived."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, TypeAlias, final

from pydantic import BaseModel, ConfigDict, Field, InstanceOf, ValidationError, field_validator, model_validator

from tintype.errors import InvalidRequest
from tintype.jobs.names import TUNING_LENGTH, checked
from tintype.tuning.earlier import WarmStart
from tintype.tuning.objective import Counted, Direction
from tintype.tuning.ranges import Categorical, Continuous, Integer, Range
from tintype.tuning.space import Space

Setting: TypeAlias = str | int | float | bool

# Hyperparameters that say how long a trial trains, in the steps of its reports; SageMaker infers from these as well.
RESOURCE_NAMES = ("epochs", "epoch", "numepochs", "num-epochs", "num_epochs", "n-epochs", "n_epochs")


class StrategyName(Enum):
    """How the next trial is chosen. The values are SageMaker's words."""

    BAYESIAN = "Bayesian"
    RANDOM = "Random"
    GRID = "Grid"
    HYPERBAND = "Hyperband"


class EarlyStopping(Enum):
    """Whether trials that do badly are stopped: never, or by the median rule. The values are SageMaker's words."""

    OFF = "Off"
    AUTO = "Auto"


@dataclass(frozen=True)
class Resource:
    """What Hyperband shares out: the steps (epochs) that a trial is trained for."""

    minimum: int                # steps that every trial gets
    maximum: int                # steps of a trial that is never stopped
    range_name: str | None      # the tuned hyperparameter that is held at `maximum`; None when none is


@final
class TuningSettings(BaseModel):
    """A tuning job. `InvalidRequest` when something is missing, unknown or contradicts something else."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    space: InstanceOf[Space]
    objective: str                                          # a metric as trials report it, such as "valid:accuracy"
    direction: Direction
    strategy: StrategyName = StrategyName.BAYESIAN
    max_jobs: int | None = Field(default=4, ge=1)           # None: the whole grid, with the strategy Grid
    max_parallel_jobs: int = Field(default=1, ge=1)         # clipped to what the machine has room for
    early_stopping: EarlyStopping = EarlyStopping.OFF
    counted: Counted = Counted.LAST                         # which of a trial's values is its value
    seed: int = Field(default=0, ge=0)
    hyperparameters: Mapping[str, Setting] = {}             # the fixed ones, given to every trial
    # completion criteria, besides max_jobs
    target_value: float | None = Field(default=None, allow_inf_nan=False)       # done when a trial is at least as good
    max_runtime_seconds: float | None = Field(default=None, gt=0)   # of the tuning job, over all its resumptions
    max_jobs_not_improving: int | None = Field(default=None, ge=1)  # done after so many trials without a new best
    stop_when_converged: bool = False                       # done when the best has settled, see completion.py
    give_up_after: int = Field(default=5, ge=1)             # failed trials before any was completed, as SageMaker
    give_up_alike: int = Field(default=5, ge=1)             # the same of those that all failed in the same way
    warm_start: WarmStart | None = None                     # made by `warm_start.warm_started`
    # of one strategy
    grid_points: int | None = Field(default=None, ge=1)     # Grid: values tried of each continuous range
    min_resource: int | None = Field(default=None, ge=1)    # Hyperband: None is 1
    max_resource: int | None = Field(default=None, ge=1)    # Hyperband: None is the hyperparameter that means epochs

    words: ClassVar[dict[str, type[Enum]]] = {
        "direction": Direction, "strategy": StrategyName, "early_stopping": EarlyStopping, "counted": Counted,
    }  # fmt: skip

    @field_validator(*words, mode="before")
    @classmethod
    def _any_case(cls, value: object, info: Any) -> object:
        """SageMaker writes "Minimize" and the command line "minimize"."""
        spellings = {one.value.lower(): one for one in cls.words[info.field_name]}
        return spellings.get(value.lower(), value) if isinstance(value, str) else value

    @model_validator(mode="wrap")
    @classmethod
    def _readable(cls, values: Any, validate: Callable[[Any], TuningSettings]) -> TuningSettings:
        try:
            settings = validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "settings"
            raise InvalidRequest(f"tuning job: {where}: {first['msg'].lower()}, got {first['input']!r}") from error
        for check in (_check_names, _check_grid, _check_hyperband):
            check(settings)
        return settings

    @property
    def most_at_once(self) -> int:
        """How many trials can ever run at the same time: no more than there are."""
        most = self.max_jobs if self.max_jobs is not None else self.space.size
        return self.max_parallel_jobs if most is None else min(self.max_parallel_jobs, most)

    @property
    def resource(self) -> Resource:
        """What Hyperband shares out. `InvalidRequest` when nothing says how long a trial trains."""
        minimum = self.min_resource or 1
        if self.max_resource is not None:
            return Resource(minimum, self.max_resource, None)
        for one in self.space.ranges:
            if one.name.lower() in RESOURCE_NAMES and (longest := _longest(one)):
                return Resource(minimum, longest, one.name)
        for name, value in self.hyperparameters.items():
            if name.lower() in RESOURCE_NAMES and str(value).isdecimal():
                return Resource(minimum, int(value), None)
        raise InvalidRequest(
            f"tuning job {self.name!r}: Hyperband needs to know how many epochs a trial may have; "
            "give max_resource, or a hyperparameter named epochs"
        )

    def to_json(self) -> dict[str, Any]:
        """As JSON; `from_json` reads it back."""
        return {**self.model_dump(mode="json", exclude={"space"}), "space": self.space.to_json()}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> TuningSettings:
        """The settings that `to_json` wrote. `InvalidRequest` for anything else."""
        return cls.model_validate({**document, "space": Space.from_json(document["space"])})


def _check_names(settings: TuningSettings) -> None:
    name = checked("tuning job", settings.name, TUNING_LENGTH)
    if not settings.objective:
        raise InvalidRequest(f"tuning job {name!r}: objective must name a metric such as valid:accuracy, got ''")
    for both in settings.hyperparameters.keys() & set(settings.space.names):
        raise InvalidRequest(f"tuning job {name!r}: hyperparameter {both!r} has a range and a fixed value; give it one")


def _check_grid(settings: TuningSettings) -> None:
    if settings.strategy is not StrategyName.GRID:
        if settings.max_jobs is None:
            raise InvalidRequest(f"tuning job {settings.name!r}: max_jobs is open for Grid only; give a number")
        if settings.grid_points is not None:
            raise InvalidRequest(f"tuning job {settings.name!r}: grid_points is for the strategy Grid only")
        return
    for one in settings.space.ranges:
        if settings.grid_points is None and isinstance(one, Continuous) and one.size is None:
            raise InvalidRequest(
                f"tuning job {settings.name!r}: a grid has no end over the continuous range {str(one)!r}; list its "
                f"values ({one.name}=a,b,c), or say how many to try (grid_points), or use Random or Bayesian"
            )


def _check_hyperband(settings: TuningSettings) -> None:
    if settings.strategy is not StrategyName.HYPERBAND:
        if settings.min_resource or settings.max_resource:
            raise InvalidRequest(f"tuning job {settings.name!r}: min_resource and max_resource are for Hyperband only")
        return
    if settings.early_stopping is not EarlyStopping.OFF:
        raise InvalidRequest(f"tuning job {settings.name!r}: Hyperband stops trials itself; early_stopping must be Off")
    resource = settings.resource
    if resource.minimum >= resource.maximum:
        raise InvalidRequest(
            f"tuning job {settings.name!r}: Hyperband needs min_resource below max_resource, "
            f"got {resource.minimum} and {resource.maximum}"
        )
    if settings.space.names == (resource.range_name,):
        raise InvalidRequest(
            f"tuning job {settings.name!r}: Hyperband shares out {resource.range_name} itself, "
            "and nothing else has a range; add one"
        )


def _longest(one: Range) -> int | None:
    """The largest integer in a range of integers; None for any other."""
    if isinstance(one, Integer):
        return one.high
    if isinstance(one, Categorical) and all(isinstance(value, int) for value in one.values):
        return max(int(value) for value in one.values)
    return None
