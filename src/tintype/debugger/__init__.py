"""What a training looks like from inside: the hook that saves tensors, the log they are saved in, and its reader.

    writer = TensorLogWriter("run/debug-output")        # what a hook writes through; smdebug's format
    log = open_log("run/debug-output")                  # the analysis side, while the training runs or after
    log.value("CrossEntropyLoss_output_0", step=100, mode=Mode.TRAIN)

Only hook.py, the capture files and injection.py import torch; nothing here configures logging or reads the environment.
"""

from __future__ import annotations
