"""The coordinator decodes images while the fork server loads torch, which takes seconds on one core.

The first trial then finds them decoded, or waits for the rest, as two who build the same cache take turns.
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
            thread = threading.Thread(target=_decode, args=(base,), name="decode ahead", daemon=True)
            thread.start()
            return thread
        case _:
            return None


def _decode(base: TrainingPlan) -> None:
    with contextlib.suppress(TintypeError):         # the first trial meets the same, and says so
        if Path(base.data.location).is_dir():
            decode_ahead(base, MOST_IMAGES)
