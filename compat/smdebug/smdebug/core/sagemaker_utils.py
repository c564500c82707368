"""Whether this is a job."""

from __future__ import annotations

import os


def is_sagemaker_job() -> bool:
    """True in a training job, which knows its name."""
    return "TRAINING_JOB_NAME" in os.environ
