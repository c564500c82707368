"""Which of the two trainers, where, and what is refused because nobody would hear of it."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from tintype.cli.amazon_options import AmazonOptions, Place
from tintype.cli.asked import BELONGING, Asked, Way, given, refuse_strangers
from tintype.cli.script_options import ScriptOptions
from tintype.cli.training_options import TrainerOptions
from tintype.cli.watch_options import WatchOptions
from tintype.errors import InvalidRequest

THERE = {"on": Place.SAGEMAKER}
GROUPS = (TrainerOptions, ScriptOptions, WatchOptions, AmazonOptions)


def asked(data: str | None = None, **options: Any) -> Asked:
    """As the command line would have it: each option goes into the group that has it."""
    groups = [kind(**{one.name: options[one.name] for one in fields(kind) if one.name in options}) for kind in GROUPS]
    return Asked.of(data, None, 0, *groups)


@pytest.mark.parametrize(
    ("data", "options", "way", "stem"),
    [
        ("photos/ants/", {}, Way.TRAINER_HERE, "ants"),
        ("photos", THERE, Way.TRAINER_THERE, "photos"),
        (None, {"entry_point": "my/hpo.py"}, Way.SCRIPT_HERE, "hpo"),
        ("hpo.py", THERE, Way.SCRIPT_THERE, "hpo"),
        ("", {}, Way.TRAINER_HERE, "job"),
    ],
)
def test_the_four_ways(data: str | None, options: dict[str, Any], way: Way, stem: str) -> None:
    found = asked(data, **options)
    assert found.way is way
    assert found.stem == stem
    assert bool(found.data) is bool(way & Way.TRAINER and data)


def test_nothing_to_train_on() -> None:
    with pytest.raises(InvalidRequest, match="say what to train on"):
        asked()


@pytest.mark.parametrize(
    ("data", "options", "refusal"),
    [
        ("hpo.py", {"epochs": 3}, r"--epochs is for the built-in trainer; .* -p epochs=3"),
        ("hpo.py", {"model": "resnet50"}, r"--model is for the built-in trainer; .*"),
        ("hpo.py", {"freeze": False}, r"--no-freeze is for the built-in trainer; .*"),
        ("hpo.py", {"freeze": True, **THERE}, r"--freeze is for the built-in trainer; .*"),
        ("hpo.py", {"image_size": 64}, r"--image-size is for the built-in trainer; .*"),
        ("hpo.py", {"strict": True}, "--strict is for the built-in trainer on this machine"),
        ("photos", {"strict": True, **THERE}, "--strict is for the built-in trainer on this machine"),
        ("photos", {"channel": ["train=x"]}, "--channel is for a script of your own, given by --entry-point"),
        ("photos", {"channel": ["train=x"], **THERE}, "--channel is for a script of your own, given by --entry-point"),
        ("photos", {"warm": False}, "--no-warm is for a script of your own, given by --entry-point"),
        ("photos", {"max_runtime": 60.0}, "--max-runtime is for a script of your own, .*, or for --on sagemaker"),
        ("photos", {"role": "x"}, "--role is for --on sagemaker; add that, or leave it out"),
        ("hpo.py", {"bucket": "x"}, "--bucket is for --on sagemaker; add that, or leave it out"),
        ("photos", {"rule": ["Overfit"], **THERE}, "--rule is for jobs on this machine"),
        ("hpo.py", {"profiler_interval": 0, **THERE}, "--profiler-interval is for jobs on this machine"),
    ],
)
def test_strangers_are_refused(data: str, options: dict[str, Any], refusal: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{refusal}$"):
        asked(data, **options)


@pytest.mark.parametrize(
    ("data", "options"),
    [
        ("photos", {"epochs": 3, "freeze": False, "strict": True, "rule": ["Overfit"], "profile_steps": "5:3"}),
        ("photos", {"epochs": 3, "instance_type": "ml.g4dn.xlarge", "max_runtime": 60.0, "role": "x", **THERE}),
        ("hpo.py", {"channel": ["train=x"], "warm": False, "instance_count": 2, "hook": ["save_interval=1"]}),
        ("hpo.py", {"channel": ["train=x"], "retries": 2, "role": "x", "bucket": "y", **THERE}),
    ],
)
def test_what_belongs_is_taken(data: str, options: dict[str, Any]) -> None:
    assert asked(data, **options).way in Way


def test_every_option_in_the_table_is_one() -> None:
    names = [name for _, _, group in BELONGING for name in group]
    options = [one.name for kind in GROUPS for one in fields(kind)]
    assert sorted(names) == sorted([*set(options) - {"entry_point", "on"}, "seed"])
    assert given(*(kind() for kind in GROUPS)) == {}
    for way in (Way.TRAINER_HERE, Way.TRAINER_THERE, Way.SCRIPT_HERE, Way.SCRIPT_THERE):
        refuse_strangers(way, {})
