"""`python -m tintype.training.container`: the built-in trainer as the program of a SageMaker training container.

The channel `training` is the data set; hyperparameters come as arguments, by the names of `hyperparameters.py`. What it
leaves in the folder `model` the platform packs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tintype.errors import TintypeError
from tintype.freed_memory import keep_freed_memory
from tintype.jobs.directory import JobDirectory
from tintype.settings import Settings
from tintype.training.hyperparameters import parse_words, plan_from
from tintype.training.plan import DataPlan, TrainingPlan, save_plan

OPT_ML = "/opt/ml"
CHANNEL = "SM_CHANNEL_TRAINING"


def main(words: Sequence[str] | None = None) -> int:
    """The trainer's exit code; 2 for hyperparameters or data that cannot be."""
    keep_freed_memory()
    directory = JobDirectory(Path(os.environ.get("SAGEMAKER_BASE_DIR", OPT_ML)))
    try:
        plan = TrainingPlan(
            name=os.environ.get("TRAINING_JOB_NAME", "training"),
            directory=directory.root,
            data=DataPlan(location=os.environ[CHANNEL]),
            settings=Settings.from_environment(os.environ),
        )
        save_plan(directory.plan, plan_from(parse_words(sys.argv[1:] if words is None else words), plan))
    except TintypeError as error:
        directory.failure.parent.mkdir(parents=True, exist_ok=True)
        directory.failure.write_text(str(error))
        print(f"failed: {error}", file=sys.stderr)
        return error.exit_code
    # Imported here, so that what is wrong is said before torch is loaded.
    from tintype.training.__main__ import narrator, run_once

    return run_once(directory.plan, True, narrator(directory.events))


if __name__ == "__main__":
    from tintype.training.__main__ import leave

    leave(main())
