"""Whether memory grows as a training goes on: by the floors of its sixths.

What leaks never comes back, so it lifts the floor. Spikes, large batches now and then, and what is collected later, do
not, however often they fall into the end of the job.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

PARTS = 6
FLOOR = 10                              # percentile: the least of all may be one odd sample
RISING_PARTS = 4                        # of the five steps between them, so many must go up, the last one included


@final
class Growth(NamedTuple):
    """How much, in the unit of the values, and whether it goes on."""

    grown: float                        # from the second sixth to the last
    goes_on: bool
    start: float                        # floor of the second sixth


def growth(values: NDArray[Any]) -> Growth:
    """The trend of at least six values."""
    levels = [float(np.percentile(part, FLOOR)) for part in np.array_split(values, PARTS)]
    rises = [later > earlier for earlier, later in pairwise(levels)]
    return Growth(levels[-1] - levels[1], rises[-1] and sum(rises) >= RISING_PARTS, levels[1])
