"""Groups of tensors: who belongs, and the file."""

from __future__ import annotations

import json

import pytest

from tintype.debugger.collection import BUILT_IN, Collection, CollectionSet
from tintype.debugger.reductions import Reductions
from tintype.debugger.save_config import SaveConfig
from tintype.errors import InvalidRequest, NotFound


@pytest.mark.parametrize(
    ("tensor", "groups"),
    [
        ("ResNet_layer1.0.conv1.weight", ["weights"]),
        ("gradient/ResNet_fc.bias", ["gradients"]),
        ("ResNet_fc.bias", ["biases"]),
        ("CrossEntropyLoss_output_0", ["losses"]),
        ("CrossEntropyLoss_input_0", []),
        ("relu_output_0", []),
    ],
)
def test_the_built_in_groups(tensor: str, groups: list[str]) -> None:
    assert [one.name for one in CollectionSet().of_tensor(tensor)] == groups


def test_an_expression_is_found_anywhere_and_a_name_is_taken_literally() -> None:
    group = Collection("mine", ("relu",), frozenset({"a.b"}))
    assert group.matches("layer.relu_input_0")
    assert group.matches("a.b")
    assert not group.matches("axb")


def test_a_bad_expression_is_named() -> None:
    with pytest.raises(InvalidRequest, match=r"collection 'mine'.*'\('"):
        Collection("mine", ("(",))


def test_json_says_the_same() -> None:
    group = Collection(
        "mine", ("x.*",), frozenset({"a"}), Reductions.parse("mean,abs_l2_norm,zeros", keep_raw=True),
        SaveConfig.every(7), save_histogram=False,
    )  # fmt: skip
    document = json.loads(json.dumps(group.to_json()))
    assert Collection.from_json(document) == group
    assert document["reduction_config"]["reductions"] == "mean,abs_l2_norm"     # what smdebug knows


def test_a_set_is_a_value() -> None:
    first = CollectionSet()
    second = first.adding(Collection("mine"))
    assert "mine" in second
    assert set(first) == set(BUILT_IN)
    with pytest.raises(NotFound, match="did you mean 'losses'"):
        first.named("loss")
