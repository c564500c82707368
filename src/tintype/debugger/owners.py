"""The network behind an optimiser, when nobody has seen it being called: one that runs in compiled code."""

from __future__ import annotations

import gc

from torch import Tensor
from torch.nn import Module
from torch.optim.optimizer import Optimizer


def owner_of(optimiser: Optimizer) -> Module | None:
    """The smallest living module that has all parameters of `optimiser`, and of equal ones the outermost."""
    wanted = {id(one) for group in optimiser.param_groups for one in group["params"] if isinstance(one, Tensor)}
    found: list[tuple[int, Module]] = []
    for one in gc.get_objects():
        if issubclass(type(one), Module) and hasattr(one, "_parameters"):      # its constructor has run
            parameters = {id(parameter) for parameter in one.parameters()}
            if wanted and wanted <= parameters:
                found.append((len(parameters), one))
    least = min((size for size, _ in found), default=0)
    smallest = [one for size, one in found if size == least]
    inner = {id(child) for one in smallest for child in one.modules() if child is not one}
    return next((one for one in smallest if id(one) not in inner), None)
