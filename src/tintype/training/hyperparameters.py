"""The hyperparameters: the settings of a plan that a person or a tuner may name.

One table. Types, ranges and defaults are those of the plan's own fields, so they are written down once.
Names are forgiving (`Batch_Size`, `batch-size` and `batchsize` are one) and values may be strings, as
SageMaker sends them. No torch here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from tintype.errors import InvalidRequest, not_found
from tintype.training.plan import TrainingPlan

Value = str | float | int | bool


@dataclass(frozen=True)
class Hyperparameter:
    """A named setting. `path` is the field of the plan; `aliases` are other names for it."""

    name: str
    path: str
    help: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Domain:
    """What a hyperparameter may be. `low` and `high` include their ends unless `open_low`/`open_high`."""

    types: tuple[str, ...]              # of "integer", "number", "string", "boolean", "null" (null: found out at start)
    choices: tuple[str, ...]
    low: float | None
    high: float | None
    open_low: bool
    open_high: bool
    default: Value | None


def plan_from(hyperparameters: Mapping[str, Value], base: TrainingPlan) -> TrainingPlan:
    """`base` with `hyperparameters` put in.

    Raises `InvalidRequest` for a name that is unknown (listing near ones) or given twice, and for a value that
    is out of range.
    """
    document = base.model_dump()
    given: dict[str, str] = {}                                  # path -> the name as it arrived
    for name, value in hyperparameters.items():
        path = find(name).path
        if path in given:
            raise InvalidRequest(f"hyperparameters {given[path]!r} and {name!r} are the same one; give it once")
        given[path] = name
        _put(document, path, value)
    try:
        return TrainingPlan.model_validate(document)
    except ValidationError as error:
        raise _out_of_domain(error, given) from error


def by_first_names(hyperparameters: Mapping[str, Value]) -> dict[str, Value]:
    """The same, each under the name that its row has. Raises `InvalidRequest` as `plan_from` does for names."""
    found: dict[str, Value] = {}
    given: dict[str, str] = {}
    for name, value in hyperparameters.items():
        first = find(name).name
        if first in found:
            raise InvalidRequest(f"hyperparameters {given[first]!r} and {name!r} are the same one; give it once")
        found[first], given[first] = value, name
    return found


def parse_words(words: Sequence[str]) -> dict[str, Value]:
    """`["--lr", "0.01", "--freeze", "backbone"]`, as a script gets its hyperparameters, by their names.

    Raises `InvalidRequest` for a word that is out of place.
    """
    found: dict[str, Value] = {}
    for name, value in zip(words[::2], [*words[1::2], None][: len(words[::2])], strict=True):
        if not name.startswith("--") or value is None:
            raise InvalidRequest(f"hyperparameters come as --NAME VALUE, e.g. --lr 0.01; got {' '.join(words)!r}")
        found[name.removeprefix("--")] = value
    return found


def find(name: str) -> Hyperparameter:
    """The hyperparameter called `name`, whatever its case, hyphens and underscores."""
    known = _BY_KEY.get(_key(name))
    if known is None:
        names = [alias for row in HYPERPARAMETERS for alias in (row.name, *row.aliases)]
        raise InvalidRequest(str(not_found("hyperparameter", name, names)))
    return known


def value_of(plan: TrainingPlan, name: str) -> Value | None:
    """The value that `plan` has for the hyperparameter `name`."""
    value: Any = plan
    for part in find(name).path.split("."):
        value = getattr(value, part)
    return value


def values_of(plan: TrainingPlan) -> dict[str, Value | None]:
    """All hyperparameters of `plan` by their first names, as written into results and archives."""
    return {row.name: value_of(plan, row.name) for row in HYPERPARAMETERS}


def domain_of(name: str) -> Domain:
    """Type, range and default of the hyperparameter `name`, read off the plan's own field."""
    schema = TrainingPlan.model_json_schema()
    node: dict[str, Any] = schema
    for part in find(name).path.split("."):
        node = node["properties"][part]
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rsplit("/", 1)[-1]]
    parts: list[dict[str, Any]] = node.get("anyOf", [node])
    bounds = {key: part[key] for part in parts for key in part if "imum" in key}
    return Domain(
        types=tuple(part["type"] for part in parts),
        choices=tuple(choice for part in parts for choice in part.get("enum", ())),
        low=bounds.get("minimum", bounds.get("exclusiveMinimum")),
        high=bounds.get("maximum", bounds.get("exclusiveMaximum")),
        open_low="exclusiveMinimum" in bounds,
        open_high="exclusiveMaximum" in bounds,
        default=node.get("default"),
    )


def _key(name: str) -> str:
    return name.strip().lower().replace("-", "").replace("_", "")


def _put(document: dict[str, Any], path: str, value: Value) -> None:
    *groups, last = path.split(".")
    for group in groups:
        document = document[group]
    document[last] = value


def _out_of_domain(error: ValidationError, given: Mapping[str, str]) -> InvalidRequest:
    first = error.errors(include_url=False)[0]
    words = [str(part) for part in first["loc"]]                # a union's members add words after the field's own
    paths = [".".join(words[:count]) for count in range(len(words), 0, -1)]
    named = next((given[path] for path in paths if path in given), paths[0])
    return InvalidRequest(f"hyperparameter {named!r}: {first['msg'].lower()}, got {first['input']!r}")


HYPERPARAMETERS: tuple[Hyperparameter, ...] = (
    Hyperparameter("epochs", "epochs", "passes over the training images", ("epoch",)),
    Hyperparameter("batch-size", "batch_size", "images per forward pass and process", ("batch", "bs")),
    Hyperparameter("accumulate", "accumulate", "forward passes per optimiser step", ("gradient-accumulation",)),
    Hyperparameter("lr", "optimiser.learning_rate", "the learning rate at its highest", ("learning-rate",)),
    Hyperparameter("optimizer", "optimiser.kind", "what updates the weights", ("optimiser",)),
    Hyperparameter("weight-decay", "optimiser.weight_decay", "decay of weights, not of biases and norms", ("wd",)),
    Hyperparameter("momentum", "optimiser.momentum", "SGD's momentum, and beta1 of Adam", ("beta1",)),
    Hyperparameter("eps", "optimiser.eps", "the epsilon of Adam and AdamW", ("epsilon", "adam-epsilon")),
    Hyperparameter("clip-norm", "optimiser.clip_norm", "largest norm of the gradients; 0: as they are", ("clip-grad",)),
    Hyperparameter("schedule", "schedule.kind", "how the learning rate moves", ("scheduler", "lr-schedule")),
    Hyperparameter("warmup-epochs", "schedule.warmup_epochs", "epochs in which the learning rate rises", ("warmup",)),
    Hyperparameter("step-epochs", "schedule.step_epochs", "epochs between drops of the step schedule", ("step-size",)),
    Hyperparameter("step-factor", "schedule.step_factor", "what the step schedule multiplies by", ("gamma",)),
    Hyperparameter("label-smoothing", "loss.label_smoothing", "share of the target spread over all classes"),
    Hyperparameter("class-weights", "loss.balance", "rare classes: weigh them, or draw them more", ("balance",)),
    Hyperparameter("augmentation", "augmentation.kind", "what happens to training images", ("augment",)),
    Hyperparameter("magnitude", "augmentation.magnitude", "strength of RandAugment, of 30", ("ra-magnitude",)),
    Hyperparameter("minimum-area", "augmentation.minimum_area", "smallest random crop, as a share of the picture"),
    Hyperparameter("mixup", "augmentation.mixup", "alpha of mixup; 0: off", ("mixup-alpha",)),
    Hyperparameter("cutmix", "augmentation.cutmix", "alpha of cutmix; 0: off", ("cutmix-alpha",)),
    Hyperparameter("drop-rate", "network.drop_rate", "dropout before the head", ("dropout",)),
    Hyperparameter("freeze", "network.freeze", "none, backbone, or how many of the last stages learn with the head"),
    Hyperparameter("model", "network.name", "the network", ("network", "arch", "architecture")),
    Hyperparameter("weights", "network.weights", "a file, none for random ones, or auto"),
    Hyperparameter("image-size", "network.image_size", "pixels per side; auto: from the images", ("size", "img-size")),
    Hyperparameter("resize", "network.resize", "crop the centre, or stretch"),
    Hyperparameter("ema", "ema", "decay of the averaged weights; 0: no average", ("ema-decay",)),
    Hyperparameter("patience", "patience", "epochs without a better objective before giving up; 0: never"),
    Hyperparameter("evaluate-every", "evaluate_every", "epochs between two evaluations of a network that is trained"),
    Hyperparameter("checkpoint-seconds", "checkpoint_seconds", "at least this long between two checkpoints"),
    Hyperparameter("seed", "seed", "of everything random", ("random-seed",)),
    Hyperparameter("precision", "compute.precision", "auto, fp32, bf16 or fp16"),
)

_BY_KEY = {_key(alias): row for row in HYPERPARAMETERS for alias in (row.name, *row.aliases)}
