"""What an endpoint is to be: its variants and their traffic, shadows, capture, and how it is updated. Frozen.

SageMaker's words: an endpoint configuration. It says what is wanted and nothing of what is; `desired` keeps it on the
disk, `reconciler` makes it so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tintype.errors import InvalidRequest
from tintype.jobs.names import checked
from tintype.serving.updates.rollout import DeploymentPolicy
from tintype.serving.variants.scaling import Scaling
from tintype.serving.watching.capture import CaptureConfig

ONLY_VARIANT = "AllTraffic"             # SageMaker's name for it
MOST_VARIANTS = 10                      # as SageMaker

_FROZEN = ConfigDict(frozen=True, extra="forbid")


class ModelSource(BaseModel):
    """Where a variant's model comes from. Two that are equal are the same model, and an update leaves it running."""

    model_config = _FROZEN

    archive: str                                        # a model.tar.gz, or the folder that one was unpacked to
    code: str = ""                                      # the script's folder or archive when it comes apart from it
    environment: dict[str, str] = {}                    # for a script of one's own, e.g. SAGEMAKER_PROGRAM


class ProductionVariant(BaseModel):
    """One model that answers, with its share of the traffic."""

    model_config = _FROZEN

    name: str = ONLY_VARIANT
    model: ModelSource
    weight: float = Field(default=1.0, ge=0, allow_inf_nan=False)      # to those of the others
    workers: int = Field(default=1, ge=1, le=256)                       # SageMaker's instances
    scaling: Scaling | None = None                                      # None: the number of workers stays

    @property
    def first_workers(self) -> int:
        """How many workers it starts with."""
        return min(max(self.workers, self.scaling.fewest), self.scaling.most) if self.scaling else self.workers


class ShadowVariant(BaseModel):
    """One model that is asked as well, and whose answers nobody gets: only compared."""

    model_config = _FROZEN

    name: str
    model: ModelSource
    percent: float = Field(default=100.0, gt=0, le=100)                 # of the requests
    workers: int = Field(default=1, ge=1, le=256)


class EndpointConfig(BaseModel):
    """All of it. `from_json` reads it back."""

    model_config = _FROZEN

    variants: tuple[ProductionVariant, ...] = Field(min_length=1, max_length=MOST_VARIANTS)
    shadows: tuple[ShadowVariant, ...] = Field(default=(), max_length=MOST_VARIANTS)
    capture: CaptureConfig | None = None
    policy: DeploymentPolicy = DeploymentPolicy()

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        names = [one.name for one in (*self.variants, *self.shadows)]
        for name in names:
            try:
                checked("variant", name)
            except InvalidRequest as error:
                raise ValueError(str(error)) from error
            if names.count(name) > 1:
                raise ValueError(f"there are two variants named {name!r}")
        if not any(one.weight for one in self.variants):
            raise ValueError("all variants have weight 0, so nobody would answer; give one of them a weight")
        return self

    @classmethod
    def from_json(cls, document: Mapping[str, object]) -> EndpointConfig:
        """What `model_dump(mode="json")` gave. `InvalidRequest` names the field that is wrong."""
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            raise InvalidRequest(told(error)) from error

    def with_weights(self, weights: Mapping[str, float]) -> EndpointConfig:
        """The same with other weights for the variants named. `InvalidRequest` for an unknown one."""
        return self._changed({name: {"weight": weight} for name, weight in weights.items()})

    def with_workers(self, workers: Mapping[str, int]) -> EndpointConfig:
        """The same with other numbers of workers for the variants named. `InvalidRequest` for an unknown one."""
        return self._changed({name: {"workers": count} for name, count in workers.items()})

    def runs_the_same_models(self, other: EndpointConfig) -> bool:
        """Getting from one to the other takes no new replicas: only weights, numbers, shadows or capture differ."""
        ours, theirs = ({one.name: one.model for one in config.variants} for config in (self, other))
        return ours == theirs

    def _changed(self, changes: Mapping[str, Mapping[str, object]]) -> EndpointConfig:
        known = [one.name for one in self.variants]
        for name in changes:
            if name not in known:
                raise InvalidRequest(f"there is no variant {name!r}; there are: {', '.join(known)}")
        document = self.model_dump(mode="json")
        for variant in document["variants"]:
            variant.update(changes.get(variant["name"], {}))
        return EndpointConfig.from_json(document)


def told(error: ValidationError) -> str:
    """The first thing that is wrong with a configuration, in one line."""
    where = ".".join(map(str, error.errors()[0]["loc"]))
    return f"the endpoint's configuration is wrong: {where + ': ' if where else ''}{wrong_with(error)}"


def wrong_with(error: ValidationError) -> str:
    """The first thing that is wrong, without where."""
    return error.errors()[0]["msg"].removeprefix("Value error, ")
