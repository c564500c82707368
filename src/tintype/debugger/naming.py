"""What a tensor of a training is called in its log: smdebug's names, to the letter.

    parameter            {RootClass}_{name}                 ResNet_layer1.0.conv1.weight
    gradient             gradient/{parameter}               gradient/ResNet_fc.bias
    of a module          {path}_input_{i}, {path}_output_{i}    layer1.0.relu_output_0; the root by its class
    loss                 {LossClass}_input_{i}, _output_{i}     CrossEntropyLoss_output_0
    number of a script   scalar/{name}
    optimiser's state    optimizer/{state}/{parameter}      ours; see `state_name`
    what zero_grad left  left/gradients                     ours; not there where nothing was left

A module that is called again within a step goes on counting. A name says where a module is and not what it does: the
second layer of an `nn.Sequential` is `1`, so that SageMaker's `.*relu_input` never finds it. Therefore an activation
also answers to aliases with its class in them, which are matched but never written.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any

Module = Any        # a torch.nn.Module; this file is importable without torch
Tensor = Any

# class of a module -> what expressions call it, beside its own name
BY_CLASS: dict[str, tuple[str, ...]] = {
    "ReLU": ("relu",), "ReLU6": ("relu", "ReLU", "relu6"), "LeakyReLU": ("leakyrelu",), "PReLU": ("prelu",),
    "ELU": ("elu",), "SELU": ("selu",), "CELU": ("celu",), "GELU": ("gelu",), "GELUTanh": ("gelu", "GELU"),
    "SiLU": ("silu",), "Swish": ("silu", "SiLU"), "Mish": ("mish",), "Hardswish": ("hardswish",),
    "Tanh": ("tanh",), "Hardtanh": ("hardtanh",), "Sigmoid": ("sigmoid",), "Hardsigmoid": ("hardsigmoid",),
    "LogSigmoid": ("logsigmoid",), "Softplus": ("softplus",), "Softmax": ("softmax",),
    "_BatchNorm": ("batchnorm",),       # no activation, but what drifts between the modes
}  # fmt: skip


LEFT_GRADIENTS = "left/gradients"   # how large the gradients of earlier steps still were when a step's own arrived


def parameter_name(root: str, name: str) -> str:
    """The parameter `name` (as `named_parameters` has it) of the root called `root`."""
    return f"{root}_{name}"


def gradient_name(parameter: str) -> str:
    """The gradient of the parameter whose full name is `parameter`."""
    return f"gradient/{parameter}"


def scalar_name(name: str) -> str:
    """A number that a script saves."""
    return f"scalar/{name}"


def state_name(state: str, parameter: str) -> str:
    """An optimiser's state for a parameter, such as `exp_avg`.

    The words weight and bias are shortened: the built-in collections find them anywhere in a name, and would take the
    state for a weight.
    """
    return f"optimizer/{state}/{parameter.replace('weight', 'w').replace('bias', 'b')}"


def learning_rate_name(optimiser: str, group: int) -> str:
    """The learning rate of a parameter group of the optimiser of class `optimiser`."""
    return f"optimizer/lr/{optimiser}_{group}"


def aliases(path: str, module: Module) -> tuple[str, ...]:
    """Further paths under which the tensors of `module` can be found: none for a class that nobody asks for."""
    for one in type(module).__mro__:
        if one.__name__ in BY_CLASS:
            names = dict.fromkeys((one.__name__, *BY_CLASS[one.__name__]))
            return tuple(f"{path}.{name}" for name in names)
    return ()


class ModuleNames:
    """The names of the modules and parameters of the roots that are watched.

    Modules are held weakly. A copy that DataParallel makes for a device has the name of its original.
    """

    def __init__(self) -> None:
        self._roots: dict[str, weakref.ref[Module]] = {}
        self._modules: dict[int, tuple[weakref.ref[Module], str]] = {}

    def add_root(self, module: Module) -> str:
        """Name a root by its class; a second one of that class has a number behind it."""
        base = type(module).__name__
        name, number = base, 0
        while (known := self._roots.get(name)) is not None and known() is not None:
            if known() is module:
                return name
            number += 1
            name = f"{base}_{number}"
        self._roots[name] = weakref.ref(module)
        self.refresh()
        return name

    def drop_root(self, module: Module) -> None:
        """Forget a root and its modules."""
        self._roots = {name: one for name, one in self._roots.items() if one() is not module}
        self.refresh()

    def roots(self) -> Iterator[tuple[str, Module]]:
        """(name, module) of the roots that still live, in the order in which they were added."""
        for name, reference in self._roots.items():
            if (module := reference()) is not None:
                yield name, module

    def refresh(self) -> None:
        """Look at the roots again: a layer may have been replaced since (the head of a fine-tuned network)."""
        self._modules = {}
        taken: set[str] = set()
        for root, module in self.roots():
            for path, one in module.named_modules():
                name = path or root
                if name in taken:
                    name = f"{root}.{name}"
                taken.add(name)
                self._modules.setdefault(_identity(one), (weakref.ref(one), name))

    def name_of(self, module: Module) -> str | None:
        """The name of a module; None when it belongs to no root."""
        found = self._modules.get(_identity(module))
        if found is None:
            return None
        known = found[0]()
        return found[1] if known is not None and known._forward_hooks is module._forward_hooks else None

    def named(self) -> Iterator[tuple[str, Module]]:
        """(name, module) of all modules, each once."""
        for reference, name in self._modules.values():
            if (module := reference()) is not None:
                yield name, module

    def parameters(self) -> Iterator[tuple[str, Tensor]]:
        """(full name, parameter) of all parameters, each once: a tied one has the first of its names."""
        seen: set[int] = set()
        for root, module in self.roots():
            for name, parameter in module.named_parameters():
                if id(parameter) not in seen:
                    seen.add(id(parameter))
                    yield parameter_name(root, name), parameter

    def buffers(self) -> Iterator[tuple[str, Tensor]]:
        """(full name, buffer) of all buffers, such as `ResNet_bn1.running_mean`."""
        for root, module in self.roots():
            for name, buffer in module.named_buffers():
                yield parameter_name(root, name), buffer


def _identity(module: Module) -> int:
    return id(module._forward_hooks)    # DataParallel's copies share it with the original, and nothing else does
