"""The names of what a training does, as spans and reports use them."""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """A part of a step. What none of them covers is "the rest"."""

    DATA_WAIT = "data_wait"             # the training loop waits for a batch
    HOST_TO_DEVICE = "host_to_device"   # the batch is copied to the device
    FORWARD = "forward"
    LOSS = "loss"
    BACKWARD = "backward"
    OPTIMIZER = "optimizer"


class Outside(StrEnum):
    """What happens between steps, as the name of its span."""

    INITIALIZATION = "Initialization"
    EVALUATION = "Evaluation"
    CHECKPOINT = "Checkpoint"
    CLOSER_LOOK = "ProfilerWindow"                  # a window of the profiler is opened, or written down
    LOADER_START = "DataLoaderIterInitialize"       # smdebug's name: worker processes start, once an epoch
    LOADER_WORKER = "DataLoaderWorker"              # smdebug's name: one batch, fetched by one worker process


class StepMode(StrEnum):
    """The mode of a step, with smdebug's names of its event."""

    TRAIN = "TRAIN"
    EVAL = "EVAL"
    PREDICT = "PREDICT"
    GLOBAL = "GLOBAL"

    @property
    def event_name(self) -> str:
        """`Step:ModeKeys.TRAIN`."""
        return f"{STEP_PREFIX}{self.value}"


STEP_PREFIX = "Step:ModeKeys."
PHASES = tuple(Phase)
MODES = tuple(StepMode)
