"""A coordinator, or a command, decodes images while the fork server loads torch, which takes seconds on one core.

The first job then finds them decoded, or waits for the rest, as two who build the same cache take turns.
"""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

from tintype.errors import TintypeError
from tintype.pipeline.tuning_plan import BuiltInTrials, TuningPlan
from tintype.training.material import decode_ahead
from tintype.training.plan import TrainingPlan

MOST_IMAGES = 2000              # more take longer than torch does, and the trial itself shows how far it is


def begin(plan: TuningPlan) -> threading.Thread | None:
    """Decode, on a thread that ends with this process, what all trials will read; None when they differ in that."""
    match plan.trials:
        case BuiltInTrials(base) if plan.share_images:
            return begin_for(base)
        case _:
            return None


def begin_for(plan: TrainingPlan) -> threading.Thread:
    """The same for one job."""
    thread = threading.Thread(target=_decode, args=(plan,), name="decode ahead", daemon=True)
    thread.start()
    return thread


def _decode(plan: TrainingPlan) -> None:
    with contextlib.suppress(TintypeError):         # the job meets the same, and says so
        if Path(plan.data.location).is_dir():
            decode_ahead(plan, MOST_IMAGES)
