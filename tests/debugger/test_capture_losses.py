"""Functions of losses are watched while somebody listens, and are what they were before and after."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as functional
from torch import nn

from tintype.debugger.capture_losses import (
    FUNCTIONS,
    LossCall,
    enter_loss,
    leave_loss,
    listen,
    losses_of_samples,
    stop_listening,
)


class Listener:
    """Remembers what it hears."""

    wants_losses = True

    def __init__(self) -> None:
        self.heard: list[LossCall] = []

    def loss_computed(self, call: LossCall) -> None:
        self.heard.append(call)


@pytest.fixture
def listener() -> Iterator[Listener]:
    one = Listener()
    listen(one)
    yield one
    stop_listening(one)


LOGITS, LABELS = torch.randn(4, 3, requires_grad=True), torch.tensor([0, 1, 2, 1])


def test_every_loss_of_pytorch_has_its_function_in_the_table() -> None:
    classes = {name for name, one in vars(nn).items() if name.endswith("Loss") and isinstance(one, type)}
    watched = set(FUNCTIONS.values()) | {"AdaptiveLogSoftmaxWithLoss", "NLLLoss2d", "LinearCrossEntropyLoss"}
    assert classes <= watched
    assert all(callable(getattr(functional, name)) for name in FUNCTIONS)


def test_a_module_and_its_function_are_called_alike(listener: Listener) -> None:
    expected = nn.CrossEntropyLoss(label_smoothing=0.1)(LOGITS, LABELS)
    functional.cross_entropy(LOGITS, target=LABELS)
    assert [one.name for one in listener.heard] == ["CrossEntropyLoss", "CrossEntropyLoss"]
    assert listener.heard[0].outputs[0] is expected
    assert [len(one.inputs) for one in listener.heard] == [2, 2]
    assert listener.heard[1].inputs[1] is LABELS


def test_inside_of_a_registered_loss_functions_are_silent(listener: Listener) -> None:
    enter_loss()
    functional.mse_loss(LOGITS, LOGITS)
    leave_loss()
    functional.huber_loss(LOGITS, LOGITS)
    assert [one.name for one in listener.heard] == ["HuberLoss"]


def test_an_error_of_the_script_is_the_scripts(listener: Listener) -> None:
    with pytest.raises(ValueError, match="batch_size"):
        functional.cross_entropy(LOGITS, LABELS[:2])
    functional.cross_entropy(LOGITS, LABELS)
    assert len(listener.heard) == 1


def test_the_watched_function_looks_like_the_original(listener: Listener) -> None:
    watched = functional.cross_entropy
    assert watched.__name__ == "cross_entropy"
    assert pickle.loads(pickle.dumps(watched)) is watched
    assert "label_smoothing" in inspect.signature(watched).parameters
    assert torch.func.vmap(lambda logits: functional.mse_loss(logits, logits * 2))(LOGITS).shape == (4,)
    assert listener.heard == []


def test_a_listener_that_wants_nothing_is_not_told(listener: Listener) -> None:
    listener.wants_losses = False
    functional.cross_entropy(LOGITS, LABELS)
    assert listener.heard == []


@pytest.mark.parametrize("labels", [LABELS, functional.one_hot(LABELS, 3).float()])
def test_the_loss_of_each_sample(labels: torch.Tensor) -> None:
    found = losses_of_samples(LossCall("CrossEntropyLoss", (LOGITS, labels), LOGITS.sum(), {}))
    assert found is not None
    losses, classes, predictions = found
    assert torch.allclose(losses, functional.cross_entropy(LOGITS, LABELS, reduction="none"))
    assert torch.equal(classes, LABELS)
    assert torch.equal(predictions, LOGITS.argmax(1))


def test_a_label_that_is_ignored_and_losses_without_samples() -> None:
    ignored = losses_of_samples(LossCall("CrossEntropyLoss", (LOGITS, torch.tensor([0, -100, 1, 2])), LOGITS, {}))
    assert ignored is not None
    assert ignored[0][1] == 0
    assert losses_of_samples(LossCall("MSELoss", (LOGITS, LOGITS), LOGITS, {})) is None
    images = torch.randn(2, 3, 4, 4)
    assert losses_of_samples(LossCall("CrossEntropyLoss", (images, images[:, 0].long()), LOGITS, {})) is None
