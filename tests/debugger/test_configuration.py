"""SageMaker's JSON, as it comes and as it should not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tintype.debugger.collection import Collection
from tintype.debugger.configuration import HookConfiguration
from tintype.debugger.modes import Mode
from tintype.debugger.reductions import Reductions
from tintype.debugger.save_config import SaveConfig
from tintype.errors import InvalidRequest, NotFound


def named(configuration: HookConfiguration, name: str) -> Collection:
    return next(one for one in configuration.collections if one.name == name)


def collection(name: str, **parameters: Any) -> dict[str, Any]:
    return {"CollectionName": name, "CollectionParameters": parameters}


def configuration(hook: dict[str, Any], *collections: dict[str, Any], literal: bool = False) -> HookConfiguration:
    document = {"HookParameters": hook, "CollectionConfigurations": list(collections)}
    return HookConfiguration.from_json(document, literal=literal)


def test_nothing_said_is_the_losses_each_five_hundredth_step() -> None:
    told = HookConfiguration.from_json({"S3OutputPath": "s3://b/p", "HookParameters": None})
    assert [one.name for one in told.collections] == ["losses"]
    assert told.location == "/opt/ml/output/tensors"
    assert told.save_config == SaveConfig()
    assert not told.chosen


def test_everything_may_be_a_string() -> None:
    told = configuration(
        {"save_all": "True", "include_regex": "relu, tanh_\\d{1,2}", "include_workers": "all", "save_interval": "100",
         "train.save_interval": "10", "eval.save_steps": "1, 2,3", "end_step": "50", "reductions": "mean,abs_max",
         "save_raw_tensor": "true", "save_shape": "True"},
    )  # fmt: skip
    assert told.save_all
    assert told.all_workers
    assert told.include_regex == ("relu", "tanh_\\d{1,2}")
    assert told.reductions == Reductions.parse("mean,abs_max", keep_raw=True, keep_shape=True)
    assert (told.save_config.train.interval, told.save_config.eval.interval) == (10, 100)
    assert told.save_config.eval.steps == (1, 2, 3)
    assert told.save_config.predict.end == 50


def test_a_collection_is_laid_over_the_hook_mode_by_mode() -> None:
    told = configuration(
        {"save_interval": "100", "eval.start_step": "5"},
        collection("mine", include_regex="x", **{"train.save_interval": "7", "reductions": "min"}),
    )
    save = named(told, "mine").save_config
    assert save is not None
    assert (save.train.interval, save.eval.interval, save.eval.start) == (7, 100, 5)
    assert named(told, "mine").reductions == Reductions.parse("min")


def test_a_rules_default_interval_does_not_undo_the_users() -> None:
    attached = collection("losses", save_interval="500")
    save = named(configuration({"train.save_interval": "10"}, attached), "losses").save_config
    assert save is not None
    assert (save.train.interval, save.eval.interval) == (10, 500)
    literally = named(configuration({"train.save_interval": "10"}, attached, literal=True), "losses").save_config
    assert literally == SaveConfig()


def test_attaching_keeps_what_the_user_chose() -> None:
    user = configuration({"train.save_interval": "10"}, collection("gradients", save_interval="3", reductions="min"))
    wanted = Collection("gradients", ("^gradient",), reductions=Reductions.parse("l2_norm"))
    mine = named(user.attach(wanted), "gradients")
    assert mine.save_config == SaveConfig.every(3)
    assert mine.reductions == Reductions.parse("min,l2_norm")

    fresh = named(user.attach(Collection("relu", ("relu",), save_config=SaveConfig.every(50))), "relu")
    assert fresh.save_config is not None
    assert (fresh.save_config.train.interval, fresh.save_config.eval.interval) == (10, 50)


def test_a_whole_tensor_that_a_rule_needs_is_kept_beside_the_users_reductions() -> None:
    user = configuration({}, collection("weights", reductions="mean"))
    assert named(user.attach(Collection("weights")), "weights").reductions == Reductions.parse("mean", keep_raw=True)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "the document must be a JSON object"),
        ({"Hook": {}}, "no key 'Hook'; there are LocalPath"),
        ({"HookParameters": {"save_intervall": 1}}, "HookParameters: there is no key 'save_intervall'"),
        ({"HookParameters": {"save_interval": "ten"}}, "save_interval must be a whole number, got 'ten'"),
        ({"HookParameters": {"save_interval": "0"}}, "save_interval must be at least 1, got 0"),
        ({"HookParameters": {"train.save_steps": "1;2"}}, "train.save_steps must be a list of whole numbers"),
        ({"HookParameters": {"save_all": "perhaps"}}, "save_all must be true or false, got 'perhaps'"),
        ({"HookParameters": {"include_workers": "some"}}, "include_workers must be 'one' or 'all'"),
        ({"HookParameters": {"reductions": "median"}}, "HookParameters: reductions: 'median' is not one of"),
        ({"CollectionConfigurations": {}}, None),
        ({"CollectionConfigurations": [{"CollectionParameters": {}}]}, r"\[0\]: CollectionName is missing"),
        ({"CollectionConfigurations": [collection("x", include_regex="(")]}, "collection 'x'"),
        ({"CollectionConfigurations": [collection("x", regex="a")]}, r"\[0\] \(x\): there is no key 'regex'"),
    ],
)
def test_what_is_wrong_is_named(document: Any, message: str | None) -> None:
    if message is None:
        assert HookConfiguration.from_json(document).collections     # an empty one, as SageMaker may send it
        return
    with pytest.raises(InvalidRequest, match=message):
        HookConfiguration.from_json(document)


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "debughookconfig.json"
    with pytest.raises(NotFound):
        HookConfiguration.read(path)
    path.write_text("{")
    with pytest.raises(InvalidRequest, match="is not JSON"):
        HookConfiguration.read(path)
    path.write_text(json.dumps({"LocalPath": "/here"}))
    assert HookConfiguration.read(path).location == "/here"


def test_every_mode_may_be_chosen() -> None:
    assert configuration({"save_interval": 5}).chosen == set(Mode)
    assert configuration({"eval.end_step": 5}).chosen == {Mode.EVAL}
