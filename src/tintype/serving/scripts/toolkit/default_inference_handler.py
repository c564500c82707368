"""The toolkit's handler, which some scripts derive their own from."""

from __future__ import annotations

from typing import Any

import numpy as np

from tintype.serving.scripts.toolkit import decoder, encoder


class DefaultInferenceHandler:
    """What is the same for all frameworks; loading and predicting are for those who derive from it."""

    def default_model_fn(self, model_dir: str, context: Any = None) -> Any:
        """Load the model of a folder."""
        raise NotImplementedError("Please provide a model_fn implementation.")

    def default_input_fn(self, input_data: Any, content_type: str, context: Any = None) -> np.ndarray:
        """The array that a body holds."""
        return decoder.decode(input_data, content_type)

    def default_predict_fn(self, data: Any, model: Any, context: Any = None) -> Any:
        """What the model says of it."""
        raise NotImplementedError("Please provide a predict_fn implementation.")

    def default_output_fn(self, prediction: Any, accept: str, context: Any = None) -> tuple[str | bytes, str]:
        """The body of the answer, and its type."""
        return encoder.encode(prediction, accept), accept
