"""All that a training imports in its course, at once: for the fork server, so that no trial imports anything.

ONNX Runtime is not among it: it starts threads when it is imported, and threads do not live through a fork.
"""

import numpy.ma  # noqa: F401 - by np.unique, 20 ms
import torch.utils.serialization.config  # noqa: F401 - by torch.save

import tintype.profiler.own_spans
import tintype.training.run  # noqa: F401
