"""A hidden hook is called, and is otherwise not there."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict

import pytest
import torch
from torch import nn

from tintype.hidden_hooks import HiddenHook


def watched(net: nn.Module) -> tuple[HiddenHook, list[str]]:
    seen: list[str] = []
    return HiddenHook(net, "_forward_pre_hooks", lambda module, args: seen.append("ours")), seen


def test_it_is_called_until_it_is_removed() -> None:
    net = nn.Linear(2, 2)
    hidden, seen = watched(net)
    net(torch.ones(1, 2))
    hidden.remove()
    hidden.remove()
    net(torch.ones(1, 2))
    assert seen == ["ours"]


def test_one_that_is_always_called_is_called_after_an_exception() -> None:
    net, seen = nn.Linear(2, 2), []
    usual = HiddenHook(net, "_forward_hooks", lambda module, args, out: seen.append("usual"))
    always = HiddenHook(net, "_forward_hooks", lambda module, args, out: seen.append("always"), always=True)
    with pytest.raises(RuntimeError, match="shapes"):
        net(torch.ones(1, 3))
    assert seen == ["always"]
    usual.remove()
    always.remove()
    assert not net._forward_hooks_always_called
    pickle.loads(pickle.dumps(net))(torch.ones(1, 2))
    assert seen == ["always"]


def test_the_hooks_of_others_live_beside_it() -> None:
    net, order = nn.Linear(2, 2), []
    before = net.register_forward_pre_hook(lambda module, args: order.append("before"))
    hidden, seen = watched(net)
    after = net.register_forward_pre_hook(lambda module, args: order.append("after"))
    first = net.register_forward_pre_hook(lambda module, args: order.append("first"), prepend=True)
    net(torch.ones(1, 2))
    assert sorted(order) == ["after", "before", "first"]
    before.remove()                                 # a handle from before still works, and one from after
    after.remove()
    net(torch.ones(1, 2))
    assert order[3:] == ["first"]
    hidden.remove()
    first.remove()
    net(torch.ones(1, 2))
    assert (len(order), len(seen)) == (4, 2)


def test_it_is_not_copied_pickled_or_scripted() -> None:
    net = nn.Linear(2, 2)
    net.register_forward_pre_hook(print_nothing)
    _, seen = watched(net)
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net)), copy.copy(net)):
        assert list(OrderedDict(twin._forward_pre_hooks.copy()).values()) == [print_nothing]
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert type(twin._forward_pre_hooks) is OrderedDict
        twin(torch.ones(1, 2))
    assert seen == []
    assert list(net._forward_pre_hooks.values()) == [print_nothing]


def print_nothing(module: nn.Module, args: tuple[torch.Tensor, ...]) -> None:
    """A hook of somebody else, which can be pickled."""


def test_others_may_clear_their_hooks() -> None:
    net = nn.Linear(2, 2)
    net.register_forward_pre_hook(print_nothing)
    _, seen = watched(net)
    net._forward_pre_hooks.clear()
    net(torch.ones(1, 2))
    assert (seen, len(net._forward_pre_hooks)) == (["ours"], 1)
