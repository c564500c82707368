"""What a training looks like from inside: the hook that saves tensors, the log they are saved in, and its reader.

    writer = TensorLogWriter("run/debug-output")        # what a hook writes through; smdebug's format
    log = open_log("run/debug-output")                  # the analysis side, while the training runs or after
    log.value("CrossEntropyLoss_output_0", step=100, mode=Mode.TRAIN)

Only hook.py, the capture files and injection.py import torch; nothing here configures logging or reads the environment.
"""

from __future__ import annotations

from pathlib import Path

from tintype.errors import NotFound


def compat_path() -> Path:
    """The folder to put on a job's PYTHONPATH so that `import smdebug` finds our package of that name.

    Raises `NotFound` where it was not installed.
    """
    here = Path(__file__).resolve()
    for folder in (here.parents[1] / "compat" / "smdebug", here.parents[3] / "compat" / "smdebug"):
        if (folder / "smdebug" / "__init__.py").is_file():
            return folder
    raise NotFound("the package smdebug of Tintype is not installed; install Tintype again")
