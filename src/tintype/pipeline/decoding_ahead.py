"""The coordinator decodes images while the fork server loads torch, which takes seconds on one core.

The first trial then finds them decoded, or waits for the rest, as two who build the same cache take turns.
"""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

from tintype.errors import TintypeError
from tintype.pipeline.tuning_plan import BuiltInTrials, TuningPlan
from tintype.training.hyperparameters import find
from tintype.training.material import decode_ahead
from tintype.training.plan import TrainingPlan

DECIDING = ("network.", "augmentation.", "data.")       # fields of a plan that say how images are decoded
MOST_IMAGES = 2000              # more take longer than torch does, and the trial itself shows how far it is


def begin(plan: TuningPlan) -> threading.Thread | None:
    """Decode, on a thread that ends with this process, what all trials will read; None when they differ in that."""
    match plan.trials:
        case BuiltInTrials(base) if _is_common(plan):
            thread = threading.Thread(target=_decode, args=(base,), name="decode ahead", daemon=True)
            thread.start()
            return thread
        case _:
            return None


def _is_common(plan: TuningPlan) -> bool:
    return not any(find(name).path.startswith(DECIDING) for name in plan.settings.space.names)


def _decode(base: TrainingPlan) -> None:
    with contextlib.suppress(TintypeError):         # the first trial meets the same, and says so
        if Path(base.data.location).is_dir():
            decode_ahead(base, MOST_IMAGES)
