"""What `train` and `tune` are asked for: which of the two trainers, on which machine, and no option that it would never
hear of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from enum import Flag, auto
from pathlib import Path
from typing import Any, Self, final

from tintype.cli.amazon_options import AmazonOptions, Place
from tintype.cli.script_options import ScriptOptions, data_or_script
from tintype.cli.training_options import TrainerOptions
from tintype.cli.watch_options import WatchOptions
from tintype.errors import InvalidRequest
from tintype.pipeline.recipe import Finder, Recipe, recipe_asked
from tintype.training.hyperparameters import Value


class Way(Flag):
    """By whom it is done and where: one of four."""

    TRAINER_HERE = auto()
    TRAINER_THERE = auto()
    SCRIPT_HERE = auto()
    SCRIPT_THERE = auto()
    TRAINER = TRAINER_HERE | TRAINER_THERE
    SCRIPT = SCRIPT_HERE | SCRIPT_THERE
    HERE = TRAINER_HERE | SCRIPT_HERE
    THERE = TRAINER_THERE | SCRIPT_THERE


# (the ways that have a use for them, what is said of one in any other way, the options); what is not here is for all.
BELONGING: tuple[tuple[Way, str, tuple[str, ...]], ...] = (
    (
        Way.TRAINER,
        "is for the built-in trainer; a script gets what it needs by -p NAME=VALUE, such as -p epochs=3",
        ("model", "weights", "freeze", "epochs", "image_size", "seed"),
    ),
    (Way.TRAINER_HERE, "is for the built-in trainer on this machine", ("strict",)),
    (
        Way.SCRIPT,
        "is for a script of your own, given by --entry-point",
        ("source_dir", "channel", "metric", "env", "output", "retries", "warm"),
    ),
    (
        Way.SCRIPT | Way.THERE,
        "is for a script of your own, given by --entry-point, or for --on sagemaker",
        ("instance_type", "instance_count", "max_runtime"),
    ),
    (Way.HERE, "is for jobs on this machine", ("rule", "hook", "profiler_interval", "profile_steps")),
    (Way.THERE, "is for --on sagemaker; add that, or leave it out", ("role", "bucket")),
)


@final
@dataclass(frozen=True)
class Asked:
    """The options, sorted out. Make it with `of`."""

    data: str                       # for the built-in trainer; "" when a script of somebody's own trains
    parameters: Sequence[str]       # -p
    seed: int                       # of the built-in trainer, and of a search
    trainer: TrainerOptions
    script: ScriptOptions
    watch: WatchOptions
    amazon: AmazonOptions

    @classmethod
    def of(
        cls,
        data: str | None,
        parameters: Sequence[str] | None,
        seed: int,
        trainer: TrainerOptions,
        script: ScriptOptions,
        watch: WatchOptions,
        amazon: AmazonOptions,
    ) -> Self:
        """Raises `InvalidRequest` when there is nothing to train on, or for the first option that does not belong."""
        data, entry_point = data_or_script(data, script.entry_point)
        if data is None and entry_point is None:
            raise InvalidRequest("say what to train on: a folder of images, or --entry-point SCRIPT with its channels")
        script = replace(script, entry_point=entry_point)
        asked = cls(data or "", tuple(parameters or ()), seed, trainer, script, watch, amazon)
        refuse_strangers(asked.way, given(trainer, script, watch, amazon))
        return asked

    @property
    def way(self) -> Way:
        """How it is to be done."""
        there = self.amazon.on is Place.SAGEMAKER
        if self.script.entry_point is None:
            return Way.TRAINER_THERE if there else Way.TRAINER_HERE
        return Way.SCRIPT_THERE if there else Way.SCRIPT_HERE

    @property
    def hyperparameters(self) -> dict[str, Value]:
        """Those of the built-in trainer that were asked for. Raises `InvalidRequest` or `NotFound`."""
        return self.trainer.hyperparameters(self.parameters)

    def recipe(self, finder: Finder) -> Recipe:
        """What the built-in trainer is told of the others."""
        return recipe_asked(self.hyperparameters, self.trainer.model, self.trainer.freeze, finder)

    @property
    def stem(self) -> str:
        """What a job is called after that has no name."""
        return Path((self.script.entry_point or self.data).rstrip("/")).stem or "job"


def given(*groups: Any) -> dict[str, object]:
    """The options of those groups that have another value than when they are left out."""
    values = {one: getattr(group, one.name) for group in groups for one in fields(group)}
    return {one.name: value for one, value in values.items() if value != one.default}


def refuse_strangers(way: Way, options: Mapping[str, object]) -> None:
    """Raise `InvalidRequest` for the first of these options that `way` has no use for."""
    for ways, refusal, names in BELONGING:
        for name in names:
            if name in options and not ways & way:
                raise InvalidRequest(f"{_spelled(name, options[name])} {refusal}")


def _spelled(name: str, value: object) -> str:
    return f"--{'no-' if value is False else ''}{name.replace('_', '-')}"
