"""What all replicas of a front share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final

from tintype.serving.watching.metrics import Metrics
from tintype.serving.workers.nursery import Nursery


@final
@dataclass(frozen=True, eq=False)
class Surroundings:
    """Handed to each of them when it is started."""

    nursery: Nursery
    scratch: Path               # a folder for unpacked models; each has its own in it
    metrics: Metrics
    environments: Path          # where those of a script's requirements.txt are kept
