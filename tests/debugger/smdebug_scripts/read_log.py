"""Prints, as JSON, all that real smdebug sees in the log that is named."""

import json
import sys

from smdebug.core.modes import ModeKeys
from smdebug.trials import create_trial

trial = create_trial(sys.argv[1], check=True)


def values(tensor, mode):
    found = {}
    for step in tensor.steps(mode=mode, show_incomplete_steps=True):
        try:
            value = tensor.value(step, mode=mode)
        except Exception as error:
            found[step] = [type(error).__name__]
        else:
            found[step] = [str(value.dtype), list(value.shape), value.tolist()]
    return found


def reductions(tensor):
    return {
        step: {("abs_" if absolute else "") + op: float(value)
               for (op, absolute), value in tensor.reduction_values(step).items()}
        for step in tensor.steps()
    }  # fmt: skip


json.dump(
    {
        "names": trial.tensor_names(),
        "steps": {mode.name: trial.steps(mode=mode) for mode in ModeKeys},
        "modes": sorted(mode.name for mode in trial.modes()),
        "workers": sorted(trial.workers()),
        "values": {name: values(trial.tensor(name), ModeKeys.TRAIN) for name in trial.tensor_names()},
        "reductions": {name: reductions(trial.tensor(name)) for name in trial.tensor_names()},
        "shapes": {name: trial.tensor(name).shape(0) for name in trial.tensor_names(collection="shapes")},
        "collections": {
            name: [sorted(trial.tensor_names(collection=name)), one.include_regex,
                   one.reduction_config and one.reduction_config.to_json_dict(),
                   one.save_config and one.save_config.to_json_dict()]
            for name, one in trial.collections().items()
        },
    },
    sys.stdout,
    default=repr,       # of complex numbers
)  # fmt: skip
