"""Losses that no script tells us of: the functions behind `nn.CrossEntropyLoss` and its like, watched where they are.

Every loss module of PyTorch calls its function in `torch.nn.functional` by that module's name, so one watch sees the
modules and the scripts that call the function themselves; both are called by the class: `CrossEntropyLoss_output_0`.
While a module that somebody registered as a loss runs, its name counts and the functions in it are not told apart.
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol, final

import torch
import torch.nn.functional as functional
from torch import Tensor

from tintype.debugger.capture_tensors import tensors_in, watching_is_safe

# function of torch.nn.functional -> class of the loss
FUNCTIONS: dict[str, str] = {
    "cross_entropy": "CrossEntropyLoss",
    "nll_loss": "NLLLoss",
    "binary_cross_entropy": "BCELoss",
    "binary_cross_entropy_with_logits": "BCEWithLogitsLoss",
    "mse_loss": "MSELoss",
    "l1_loss": "L1Loss",
    "smooth_l1_loss": "SmoothL1Loss",
    "huber_loss": "HuberLoss",
    "kl_div": "KLDivLoss",
    "poisson_nll_loss": "PoissonNLLLoss",
    "gaussian_nll_loss": "GaussianNLLLoss",
    "ctc_loss": "CTCLoss",
    "soft_margin_loss": "SoftMarginLoss",
    "multilabel_margin_loss": "MultiLabelMarginLoss",
    "multilabel_soft_margin_loss": "MultiLabelSoftMarginLoss",
    "multi_margin_loss": "MultiMarginLoss",
    "hinge_embedding_loss": "HingeEmbeddingLoss",
    "cosine_embedding_loss": "CosineEmbeddingLoss",
    "margin_ranking_loss": "MarginRankingLoss",
    "triplet_margin_loss": "TripletMarginLoss",
    "triplet_margin_with_distance_loss": "TripletMarginWithDistanceLoss",
}


class LossListener(Protocol):
    """Who wants to hear of losses. `wants_losses` is asked at every loss and should be quick."""

    @property
    def wants_losses(self) -> bool: ...

    def loss_computed(self, call: LossCall) -> None: ...


@final
class LossCall:
    """A loss as it was computed: the class's name, what went in (logits and labels first), what came out."""

    def __init__(self, name: str, inputs: tuple[Any, ...], output: Any, options: Mapping[str, Any]) -> None:
        self.name = name
        self.inputs = list(tensors_in(inputs))
        self.outputs = list(tensors_in(output))
        self.options = options


@final
class _Watch:
    """The functions are replaced while somebody listens. Calls inside a registered loss are not reported."""

    def __init__(self) -> None:
        self._originals: dict[str, Callable[..., Any]] = {}
        self._listeners: tuple[LossListener, ...] = ()
        self._inside = threading.local()

    def add(self, listener: LossListener) -> None:
        if not self._listeners:
            for name, loss in FUNCTIONS.items():
                self._originals[name] = getattr(functional, name)
                setattr(functional, name, self._watched(self._originals[name], loss))
        if listener not in self._listeners:
            self._listeners = (*self._listeners, listener)

    def remove(self, listener: LossListener) -> None:
        self._listeners = tuple(one for one in self._listeners if one is not listener)
        if not self._listeners:
            for name, original in self._originals.items():
                if getattr(getattr(functional, name), "__wrapped__", None) is original:    # nobody replaced it since
                    setattr(functional, name, original)
            self._originals = {}

    @property
    def depth(self) -> int:
        return getattr(self._inside, "depth", 0)

    def enter(self) -> None:
        self._inside.depth = self.depth + 1

    def leave(self) -> None:
        self._inside.depth = max(0, self.depth - 1)

    def reset(self) -> None:
        """Be in no loss: one that raised an error never left."""
        self._inside.depth = 0

    def _watched(self, original: Callable[..., Any], loss: str) -> Callable[..., Any]:
        parameters = tuple(inspect.signature(original).parameters)

        @functools.wraps(original)
        def watched(*args: Any, **kwargs: Any) -> Any:
            if torch.compiler.is_compiling():                   # the compiler follows this test, and sees no more of us
                return original(*args, **kwargs)
            listeners = [one for one in self._listeners if one.wants_losses]
            if not listeners or self.depth or not watching_is_safe():
                return original(*args, **kwargs)
            self.enter()
            try:
                result = original(*args, **kwargs)
            finally:
                self.leave()
            given = dict(zip(parameters, args, strict=False)) | kwargs
            inputs = tuple(value for value in given.values() if isinstance(value, Tensor))
            for listener in listeners:
                listener.loss_computed(LossCall(loss, inputs, result, given))
            return result

        watched.__prepare_scriptable__ = lambda: original       # type: ignore[attr-defined]  TorchScript compiles that
        return watched


_WATCH = _Watch()
listen, stop_listening = _WATCH.add, _WATCH.remove
enter_loss, leave_loss, leave_all_losses = _WATCH.enter, _WATCH.leave, _WATCH.reset


def losses_of_samples(call: LossCall) -> tuple[Tensor, Tensor, Tensor] | None:
    """(loss, label, likeliest class) of each sample of a cross entropy over (n, classes) logits, each of length n.

    On the device of the logits, nothing waited for. Labels may be class numbers or (n, classes) probabilities, of
    which the likeliest is taken. Weights and smoothing of the loss are left out: it is the sample that is judged.
    Every sample with a label that is ignored has loss 0. None for another loss or another shape.
    """
    if call.name not in ("CrossEntropyLoss", "NLLLoss") or len(call.inputs) < 2:
        return None
    logits, labels = call.inputs[0].detach(), call.inputs[1].detach()
    if logits.ndim != 2 or labels.shape[:1] != logits.shape[:1] or not logits.numel():
        return None
    if labels.is_floating_point() and labels.shape == logits.shape:
        labels = labels.argmax(dim=1)
    if labels.ndim != 1:
        return None
    scores = logits.float()
    likelihoods = scores if call.name == "NLLLoss" else scores.log_softmax(dim=1)
    known = (labels >= 0) & (labels < logits.shape[1])
    losses = -likelihoods.gather(1, torch.where(known, labels, 0)[:, None].long())[:, 0]
    return torch.where(known, losses, 0.0), labels, scores.argmax(dim=1)
