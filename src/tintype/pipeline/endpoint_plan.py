"""From the words of the command line to an endpoint's configuration."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

from pydantic import ValidationError

from tintype.errors import InvalidRequest
from tintype.pipeline.deployment import archive_of
from tintype.serving.endpoints.config import (
    MOST_VARIANTS,
    EndpointConfig,
    ModelSource,
    ProductionVariant,
    ShadowVariant,
    told,
    wrong_with,
)
from tintype.serving.updates.rollout import DeploymentPolicy, Shift
from tintype.serving.variants.scaling import Scaling
from tintype.serving.watching.capture import CaptureConfig
from tintype.storage import local_path
from tintype.workspace import Workspace


@final
@dataclass(frozen=True)
class Wanted:
    """What was asked for, in words. Models are runs, jobs, trials or archives."""

    model: str                              # of the first variant
    variants: Sequence[str] = ()            # further ones: NAME=MODEL or NAME=MODEL:WEIGHT
    shadows: Sequence[str] = ()             # NAME=MODEL or NAME=MODEL:PERCENT
    instances: int = 1                      # workers of each variant
    most_instances: int | None = None       # scale by load up to so many
    capture_percent: float | None = None    # None: nothing is captured
    capture_to: str = ""                    # a folder or a URL; "": with the endpoint


def config_of(workspace: Workspace, wanted: Wanted, policy: DeploymentPolicy | None = None) -> EndpointConfig:
    """The configuration. Raises `NotFound` listing near names, `InvalidRequest` for what cannot be."""
    _check_counts(wanted)
    common = {"workers": wanted.instances, "scaling": _scaling(wanted)}
    first = ProductionVariant(model=_source(workspace, wanted.model), **common)

    def variant(text: str) -> ProductionVariant:
        name, model, weight = _parsed("--variant", text, "WEIGHT", 1.0)
        with _said_of(f"--variant {text!r}"):
            return ProductionVariant(name=name, model=_source(workspace, model), weight=weight, **common)

    def shadow(text: str) -> ShadowVariant:
        name, model, percent = _parsed("--shadow", text, "PERCENT", 100.0)
        with _said_of(f"--shadow {text!r}"):
            return ShadowVariant(
                name=name, model=_source(workspace, model), percent=percent, workers=wanted.instances
            )

    variants = (first, *(variant(one) for one in wanted.variants))
    shadows = tuple(shadow(one) for one in wanted.shadows)
    try:
        return EndpointConfig(
            variants=variants, shadows=shadows, capture=_capture(wanted), policy=policy or DeploymentPolicy()
        )
    except ValidationError as error:
        raise InvalidRequest(told(error)) from error


def _check_counts(wanted: Wanted) -> None:
    most = {"--variant": (wanted.variants, MOST_VARIANTS - 1), "--shadow": (wanted.shadows, MOST_VARIANTS)}
    for option, (given, room) in most.items():
        if len(given) > room:
            raise InvalidRequest(f"{option} is given {len(given)} times; an endpoint has room for {room}")


def _capture(wanted: Wanted) -> CaptureConfig | None:
    if wanted.capture_percent is None:
        if wanted.capture_to:
            raise InvalidRequest("where captured requests go is said, and not how many are captured; add --capture 100")
        return None
    folder = local_path(wanted.capture_to) if wanted.capture_to else None
    where = str(folder.resolve()) if folder else wanted.capture_to
    with _said_of("--capture-to" if wanted.capture_to else "--capture"):
        return CaptureConfig(percent=wanted.capture_percent, directory=where)


def updated(
    now: EndpointConfig, workspace: Workspace, model: str, variant: str, policy: DeploymentPolicy
) -> EndpointConfig:
    """The configuration `now` with another model for one of its variants."""
    known = [one.name for one in now.variants]
    if variant not in known:
        raise InvalidRequest(f"there is no variant {variant!r}; there are: {', '.join(known)}")
    source = _source(workspace, model)
    variants = tuple(one.model_copy(update={"model": source}) if one.name == variant else one for one in now.variants)
    return now.model_copy(update={"variants": variants, "policy": policy})


def policy_of(canary: float | None, linear: float | None, step_seconds: float, bake_seconds: float) -> DeploymentPolicy:
    """All at once, unless one of the two percentages is given. `InvalidRequest` when both are, or one is too large."""
    if canary is not None and linear is not None:
        raise InvalidRequest("an update is either a canary or linear; give one of --canary and --linear")
    shift = Shift.CANARY if canary is not None else Shift.LINEAR if linear is not None else Shift.ALL_AT_ONCE
    policy = DeploymentPolicy(shift=shift)
    for option, field, value in (
        ("--canary", "step_percent", canary),
        ("--linear", "step_percent", linear),
        ("--step-seconds", "step_seconds", step_seconds),
        ("--bake-seconds", "bake_seconds", bake_seconds),
    ):
        if value is not None:
            with _said_of(f"{option} {value:g}"):
                policy = DeploymentPolicy.model_validate({**policy.model_dump(), field: value})
    return policy


def _source(workspace: Workspace, model: str) -> ModelSource:
    return ModelSource(archive=str(archive_of(workspace, model).absolute()))


def _scaling(wanted: Wanted) -> Scaling | None:
    if wanted.most_instances is None:
        return None
    if wanted.most_instances < wanted.instances:
        raise InvalidRequest(f"--max-instances {wanted.most_instances} is less than --instances {wanted.instances}")
    return Scaling(fewest=wanted.instances, most=wanted.most_instances)


@contextlib.contextmanager
def _said_of(option: str) -> Iterator[None]:
    """What is wrong in here is wrong with that option, as it was typed."""
    try:
        yield
    except ValidationError as error:
        raise InvalidRequest(f"{option}: {wrong_with(error)}") from error


def _parsed(option: str, text: str, word: str, number: float) -> tuple[str, str, float]:
    """("name", "model", 0.2) of "name=model:0.2"; the number, a `word` for the caller, may be left out."""
    name, equals, model = text.partition("=")
    front, colon, tail = model.rpartition(":")
    if colon:
        with contextlib.suppress(ValueError):       # a colon of the model's own
            number = float(tail)
            model = front
    if not name or not equals or not model:
        raise InvalidRequest(f"{option} is NAME=MODEL or NAME=MODEL:{word}, got {text!r}")
    return name, model, number
