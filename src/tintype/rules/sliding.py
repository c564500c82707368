"""SageMaker's way of looking: once a minute, at everything so far, counting every look that finds the condition met."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tintype.profiler.readers import JobProfile
from tintype.rules.profiler_figures import looks


def count_looks(
    job: JobProfile, times: NDArray[Any], met: NDArray[Any], patience: int, threshold: float, scan_interval_us: int
) -> int:
    """Looks at which more than `patience` samples were there and more than `threshold` per cent of them met."""
    so_far = np.concatenate(([0], np.cumsum(met)))
    count = 0
    for _, end in looks(job, scan_interval_us):
        length = int(np.searchsorted(times, end))
        count += length > patience and 100 * so_far[length] / length > threshold
    return int(count)
