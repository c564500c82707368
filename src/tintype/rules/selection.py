"""Which tensors of a step a rule looks at, when its parameters name collections and expressions."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tintype.rules.step_view import StepView

GRADIENT = "gradient/"
PASSES_THROUGH = re.compile(r"_(input|output)_\d+$")        # a parametrization is a module called `weight`


def selected(step: StepView, collections: Sequence[str], regexes: Sequence[str]) -> list[str]:
    """The names at `step` that are in one of `collections` or that one of `regexes` finds, each once, in order."""
    found = [name for one in collections for name in step.names(collection=one)]
    found += step.names(regexes) if regexes else []
    return list(dict.fromkeys(found))


def weights(step: StepView) -> list[str]:
    """The weights at `step`: parameters of the network that are no biases, and no gradients."""
    names = step.names(collection="weights")
    return [name for name in names if not name.endswith("bias") and not PASSES_THROUGH.search(name)]


def gradient_of(weight: str) -> str:
    """The name of the gradient of a parameter."""
    return GRADIENT + weight


def nothing_named(regexes: Sequence[str], collections: Sequence[str]) -> bool:
    """The user left it to the rule what to look at."""
    return not regexes and not collections
