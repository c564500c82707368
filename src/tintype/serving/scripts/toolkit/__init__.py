"""What scripts import as `sagemaker_inference`, which SageMaker's containers have: formats both ways, and its errors.

    from sagemaker_inference import content_types, decoder, default_inference_handler, encoder, errors

`lend` puts it there under that name when the real package is not installed. `defaults` reads and writes by it too.
"""

from __future__ import annotations

import importlib.util
import sys

NAME = "sagemaker_inference"


def lend() -> None:
    """Let `import sagemaker_inference` find this package in this process, unless the real one is there."""
    if NAME not in sys.modules and importlib.util.find_spec(NAME) is None:
        sys.modules[NAME] = sys.modules[__name__]
