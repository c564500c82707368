"""What is due at a step, and what becomes of each tensor."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.debugger.networks import configuration
from tintype.debugger.capture_plan import CapturePlan, Treatment
from tintype.debugger.collection import Collection
from tintype.debugger.configuration import HookConfiguration
from tintype.debugger.hook_json import hook_json
from tintype.debugger.modes import Mode
from tintype.debugger.reductions import Reductions
from tintype.debugger.save_config import SaveConfig

WHOLE = Treatment((), raw=True, shape=False)


def plan_of(*collections: object, **parameters: object) -> CapturePlan:
    return CapturePlan(configuration(Path("log"), collections, **parameters))       # type: ignore[arg-type]


def test_a_step_has_the_collections_whose_windows_it_is_in() -> None:
    plan = plan_of("weights", ("gradients", {"save_interval": 2}), **{"save_interval": 3, "eval.save_steps": "7"})
    for step, expected in {0: {"weights", "gradients", "losses"}, 2: {"gradients"}, 3: {"weights", "losses"}}.items():
        due = plan.due(Mode.TRAIN, step)
        assert due is not None
        assert {one.name for one in due.collections} == expected
    assert plan.due(Mode.TRAIN, 1) is None
    assert plan.due(Mode.EVAL, 7) is not None
    assert plan.due(Mode.TRAIN, 0) is plan.due(Mode.TRAIN, 6)


def test_a_tensor_of_several_collections_gets_what_any_of_them_wants() -> None:
    plan = plan_of(("a", {"include_regex": "fc", "reductions": "mean,abs_max"}),
                   ("b", {"include_regex": "weight", "reductions": "min,mean", "save_shape": True}),
                   ("c", {"include_regex": "^gradient"}))  # fmt: skip
    due = plan.due(Mode.GLOBAL, 0)
    assert due is not None
    assert due.treatment("Net_fc.weight") == Treatment((("min", False), ("mean", False), ("max", True)), False, True)
    assert due.treatment("gradient/Net_fc.bias") == Treatment((("mean", False), ("max", True)), True, False)
    assert due.treatment("Net_conv.bias") is None
    assert due.treatment("CrossEntropyLoss_output_0") == WHOLE
    assert plan.members["b"] == {"Net_fc.weight"}


def test_losses_are_never_reduced() -> None:
    due = plan_of("losses", reductions="mean").due(Mode.GLOBAL, 0)
    assert due is not None
    assert due.treatment("MSELoss_output_0") == WHOLE


def test_modules_are_tried_by_their_aliases() -> None:
    due = plan_of(("relu", {"include_regex": ".*relu_input"})).due(Mode.TRAIN, 0)
    assert due is not None
    assert due.wants_of_module("features.1", ("features.1.relu",))
    assert not due.wants_of_module("features.1")
    assert due.treatment("features.1_input_0", ["features.1.relu_input_0"]) == WHOLE


@pytest.mark.parametrize("extras", [True, False])
def test_learning_rates_and_samples_come_with_the_losses(extras: bool) -> None:
    given = configuration(Path("log"), ["weights", ("losses", {"save_interval": 2})], save_interval=100)
    due = CapturePlan(given, extras=extras).due(Mode.TRAIN, 2)
    assert due is not None
    assert (due.has("samples"), due.has("learning_rates"), due.beyond_losses) == (extras, extras, False)


def test_save_all_and_include_regex() -> None:
    assert "all" in plan_of(save_all=True).collections
    due = plan_of(include_regex="fc,conv").due(Mode.TRAIN, 0)
    assert due is not None
    assert due.treatment("conv_output_0") == WHOLE


def test_a_member_by_name_and_a_collection_that_is_added() -> None:
    plan = plan_of(save_interval=4)
    count = plan.member_count
    plan.add_member("losses", "Focal_output_0")
    assert plan.member_count == count + 1
    plan.add(Collection("mine", ("x",), reductions=Reductions(frozenset({"mean"})), save_config=SaveConfig.every(1)))
    assert plan.is_due("mine", Mode.EVAL, 1)
    assert not plan.is_due("unheard", Mode.EVAL, 1)
    due = plan.due(Mode.EVAL, 4)
    assert due is not None
    assert due.treatment("Focal_output_0") == WHOLE
    assert [one.name for one in plan.matched_nothing()] == ["mine"]
    assert {"all", "weights", "mine"} <= {one.name for one in plan.described()}


def test_of_what_only_a_rule_asked_for_nobody_hears_that_it_is_not_there() -> None:
    wanted = Collection("relu", ("no such layer",))
    asked = {"CollectionConfigurations": [{"CollectionName": "mine", "CollectionParameters": {"include_regex": "x"}}]}
    hook = HookConfiguration.from_json(asked).attach(wanted).attach(Collection("mine", ("y",)))
    again = HookConfiguration.from_json(json.loads(json.dumps(hook_json(hook))))
    for one in (hook, again):
        plan = CapturePlan(one)
        assert plan.due(Mode.TRAIN, 0) is not None
        assert [collection.name for collection in plan.matched_nothing()] == ["mine"]
