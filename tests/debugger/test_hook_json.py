from __future__ import annotations

import json
from typing import Any

import pytest

from tintype.debugger.collection import Collection
from tintype.debugger.configuration import HookConfiguration
from tintype.debugger.hook_json import hook_json
from tintype.debugger.reductions import Reductions
from tintype.debugger.save_config import SaveConfig, SaveWindow
from tintype.errors import InvalidRequest

DOCUMENTS: list[dict[str, Any]] = [
    {},
    {"HookParameters": {"save_interval": "10", "train.save_interval": "5", "include_regex": "a,b{1,2}"}},
    {"HookParameters": {"save_all": "true", "reductions": "mean,abs_max,zeros", "save_raw_tensor": True}},
    {"HookParameters": {"include_workers": "all", "eval.save_steps": "1,2,3", "end_step": "90"}},
    {
        "CollectionConfigurations": [
            {"CollectionName": "gradients", "CollectionParameters": {"train.save_interval": "7", "start_step": "2"}},
            {"CollectionName": "own", "CollectionParameters": {"include_regex": ".*relu", "save_histogram": "False"}},
        ]
    },
]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_it_is_read_as_it_was(document: dict[str, Any]) -> None:
    configuration = HookConfiguration.from_json(document)
    again = HookConfiguration.from_json(json.loads(json.dumps(hook_json(configuration))))
    assert {one.name: one for one in again.collections} == {one.name: one for one in configuration.collections}
    assert again == configuration


def test_what_rules_attach_is_in_it() -> None:
    steps = SaveConfig.same(SaveWindow(500, steps=(0, 3)))
    wanted = Collection("relu", (".*relu_output",), reductions=Reductions.parse("mean,zeros"), save_config=steps)
    configuration = HookConfiguration.from_json({"HookParameters": {"train.save_interval": 20}}).attach(wanted)
    again = HookConfiguration.from_json(hook_json(configuration))
    (found,) = (one for one in again.collections if one.name == "relu")
    assert found.reductions == wanted.reductions
    assert found.save_config is not None
    assert found.save_config.train.interval == 20
    assert found.save_config.eval == SaveWindow(500, steps=(0, 3))


def test_tensors_that_are_named_outright_cannot_be_said() -> None:
    configuration = HookConfiguration(collections=(Collection("mine", tensor_names=frozenset({"a"})),))
    with pytest.raises(InvalidRequest, match="include_regex"):
        hook_json(configuration)
