"""The collections that rules have saved for them, at a cost that a training does not notice.

`HookConfiguration.attach` puts them into a hook's configuration without overriding what the user chose himself.
SageMaker attaches everything at every 500th step, which leaves a job of 300 steps with the evidence of one. Here
losses, which are one number each, are saved at every step, and everything else densely at first and then more and
more rarely: 48 times in the first 1,000 steps, and at every 500th from there on.
"""

from __future__ import annotations

from tintype.debugger.collection import BUILT_IN, Collection
from tintype.debugger.reductions import Reductions
from tintype.debugger.save_config import DEFAULT_INTERVAL, SaveConfig, SaveWindow

EARLY_STEPS = (*range(12), *range(15, 60, 5), *range(60, 200, 10), *range(200, 500, 25), *range(600, 1000, 100))
EVERY_STEP = SaveConfig.every(1)
NOW_AND_THEN = SaveConfig.same(SaveWindow(interval=DEFAULT_INTERVAL, steps=EARLY_STEPS))
FIRST_STEP = SaveConfig.same(SaveWindow(interval=1, end=1))

# The input of the root module, whose name is a class: no dots, a capital first.
INPUT_NAMES = r"^(?!.*[Ll]oss)[A-Z][A-Za-z0-9_]*_input_0$"


def reduced(name: str, tokens: str, *regex: str) -> Collection:
    """The collection `name` as reductions (spelt as in SageMaker's configuration), and the shape of each tensor."""
    expressions = regex or (BUILT_IN[name].include_regex if name in BUILT_IN else ())
    return Collection(name, expressions, reductions=Reductions.parse(tokens, keep_shape=True), save_config=NOW_AND_THEN)


def whole(name: str, *regex: str, save_config: SaveConfig = NOW_AND_THEN) -> Collection:
    """The collection `name` as it is; for small tensors only."""
    return Collection(name, regex, reductions=Reductions(keep_raw=True), save_config=save_config)


LOSSES = Collection("losses", BUILT_IN["losses"].include_regex, save_config=EVERY_STEP)
INPUT_IMAGE = reduced("input_image", "mean,std,min,max", INPUT_NAMES)
FIRST_IMAGES = whole("first_images", INPUT_NAMES, save_config=FIRST_STEP)
