"""Names are smdebug's; aliases are found by class."""

from __future__ import annotations

import gc

from torch import nn

from tintype.debugger.naming import (
    ModuleNames,
    aliases,
    gradient_name,
    learning_rate_name,
    parameter_name,
    scalar_name,
    state_name,
)


class MyReLU(nn.ReLU):
    """A class of a script's own."""


def test_the_names_of_everything() -> None:
    weight = parameter_name("ResNet", "layer1.0.conv1.weight")
    assert weight == "ResNet_layer1.0.conv1.weight"
    assert gradient_name(weight) == "gradient/ResNet_layer1.0.conv1.weight"
    assert scalar_name("lr") == "scalar/lr"
    assert state_name("exp_avg", weight) == "optimizer/exp_avg/ResNet_layer1.0.conv1.w"
    assert learning_rate_name("SGD", 1) == "optimizer/lr/SGD_1"


def test_activations_answer_to_their_class() -> None:
    assert aliases("features.1", nn.ReLU()) == ("features.1.ReLU", "features.1.relu")
    assert aliases("1", MyReLU()) == ("1.ReLU", "1.relu")
    assert "x.relu" in aliases("x", nn.ReLU6())
    assert aliases("x", nn.Tanh()) == ("x.Tanh", "x.tanh")
    assert "x.batchnorm" in aliases("x", nn.BatchNorm2d(2))
    assert aliases("x", nn.Linear(1, 1)) == ()


def test_modules_by_path_and_the_root_by_its_class() -> None:
    names, net = ModuleNames(), nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    assert names.add_root(net) == "Sequential"
    assert names.name_of(net) == "Sequential"
    assert names.name_of(net[1]) == "1"
    assert names.name_of(nn.ReLU()) is None
    assert [name for name, _ in names.parameters()] == ["Sequential_0.weight", "Sequential_0.bias"]
    net[1] = nn.Sequential(nn.Tanh())
    names.refresh()
    assert names.name_of(net[1][0]) == "1.0"


def test_a_second_root_of_one_class_has_a_number_and_takes_no_name() -> None:
    names, one, other = ModuleNames(), nn.Sequential(nn.ReLU()), nn.Sequential(nn.ReLU())
    names.add_root(one)
    assert names.add_root(other) == "Sequential_1"
    assert (names.name_of(one[0]), names.name_of(other[0])) == ("0", "Sequential_1.0")
    names.drop_root(one)
    assert names.name_of(other[0]) == "0"
    assert names.name_of(one[0]) is None


def test_a_network_is_not_kept_alive() -> None:
    names, net = ModuleNames(), nn.Sequential(nn.BatchNorm1d(2))
    names.add_root(net)
    assert next(name for name, _ in names.buffers()) == "Sequential_0.running_mean"
    del net
    gc.collect()
    assert list(names.roots()) == []
    assert names.add_root(nn.Sequential()) == "Sequential"
