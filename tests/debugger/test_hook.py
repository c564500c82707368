"""The hook on real trainings: what is in the log afterwards is what was in the network."""

from __future__ import annotations

import copy
import io
import subprocess
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from tests.debugger.networks import EVERYTHING, Net, batch, closed, configuration, hook_of, train
from tintype.debugger.collection import Collection
from tintype.debugger.hook import Hook
from tintype.debugger.modes import Mode
from tintype.debugger.reductions import reduce
from tintype.debugger.tensor_log import open_log
from tintype.errors import InvalidRequest


def test_weights_are_those_before_the_step_and_gradients_those_of_it(tmp_path: Path) -> None:
    net, hook = Net(), hook_of(tmp_path)
    hook.register_module(net)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
    before, gradients = [], []
    for step in range(3):
        images, labels = batch(seed=step)
        before.append(net.fc.weight.detach().clone())
        loss = functional.cross_entropy(net(images), labels)
        optimiser.zero_grad()
        loss.backward()
        gradients.append(net.fc.weight.grad.clone())                # type: ignore[union-attr]
        optimiser.step()
    log = closed(hook, tmp_path)
    for step in range(3):
        assert np.array_equal(log.value("Net_fc.weight", step), before[step].numpy())
        assert np.array_equal(log.value("gradient/Net_fc.weight", step), gradients[step].numpy())
    assert log.steps() == [0, 1, 2]
    assert set(log.names()) == {
        *(f"{kind}Net_{layer}.{end}" for kind in ("", "gradient/") for layer in ("features.0", "fc")
          for end in ("weight", "bias")),
        "CrossEntropyLoss_output_0",
    }  # fmt: skip


def test_a_loss_is_seen_without_being_registered_and_once_when_it_is(tmp_path: Path) -> None:
    net, hook, criterion = Net(), hook_of(tmp_path), nn.CrossEntropyLoss()
    hook.register_module(net)
    hook.register_loss(criterion)
    losses = train(net, criterion=criterion)
    log = closed(hook, tmp_path)
    assert [float(one) for one in log.values("CrossEntropyLoss_output_0").values()] == pytest.approx(losses)
    assert log.names("CrossEntropyLoss_output_1") == []


def test_a_loss_of_ones_own_counts_by_its_class_and_hides_what_it_is_made_of(tmp_path: Path) -> None:
    class Focal(nn.Module):
        def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
            return functional.cross_entropy(logits, labels, reduction="none").square().mean()

    net, hook, criterion = Net(), hook_of(tmp_path), Focal()
    hook.register_module(net)
    hook.register_loss(criterion)
    losses = train(net, criterion=criterion)
    log = closed(hook, tmp_path)
    assert log.names(collection="losses") == ["Focal_output_0"]
    assert [float(one) for one in log.values("Focal_output_0").values()] == pytest.approx(losses)


def test_a_loss_that_raises_does_not_hide_the_next(tmp_path: Path) -> None:
    net, hook, criterion = Net(), hook_of(tmp_path), nn.CrossEntropyLoss()
    hook.register_module(net)
    hook.register_loss(criterion)
    images, labels = batch()
    with pytest.raises(ValueError, match="batch_size"):
        criterion(net(images), labels[:2])
    functional.mse_loss(net(images), torch.zeros(6, 4))
    assert closed(hook, tmp_path).steps_of("MSELoss_output_0") == [1]


def test_modes_count_on_their_own_and_gradients_are_of_the_training(tmp_path: Path) -> None:
    net = Net()
    hook = hook_of(tmp_path, **{"train.save_interval": 2, "eval.save_interval": 1})
    hook.register_module(net)
    for _ in range(2):
        hook.set_mode(Mode.TRAIN)
        train(net.train(), 3)
        hook.set_mode(Mode.EVAL)
        with torch.no_grad():
            functional.cross_entropy(net.eval()(batch()[0]), batch()[1])
    log = closed(hook, tmp_path)
    assert log.steps(Mode.TRAIN) == [0, 2, 4]
    assert log.steps(Mode.EVAL) == [0, 1]
    assert [log.global_step(Mode.TRAIN, 4), log.global_step(Mode.EVAL, 1)] == [5, 7]
    assert log.steps_of("gradient/Net_fc.weight", Mode.EVAL) == []


def test_layers_are_found_by_name_and_by_class_and_keep_their_names(tmp_path: Path) -> None:
    net = Net()
    hook = hook_of(tmp_path, [("relu_input", {"include_regex": ".*relu_input"}),
                              ("relu_output", {"include_regex": ".*ReLU_output"}),
                              ("ends", {"include_regex": "^Net_(in|out)put"})])  # fmt: skip
    hook.register_module(net)
    images, _ = batch()
    expected = net.features[0](images)
    result = net(images)
    log = closed(hook, tmp_path)
    assert log.names() == ["Net_input_0", "Net_output_0", "features.1_input_0", "features.1_output_0"]
    entering = log.value("features.1_input_0", 0)
    assert np.allclose(entering, expected.detach())                 # as it was before the ReLU changed it in place
    assert (entering < 0).any()
    assert np.array_equal(log.value("Net_output_0", 0), result.detach())
    assert log.names(collection="relu_input") == ["features.1_input_0"]


def test_a_layer_that_is_used_twice_goes_on_counting(tmp_path: Path) -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.relu = nn.ReLU()
            self.layer = nn.Linear(3, 3)

        def forward(self, values: Tensor) -> Tensor:
            return self.relu(self.layer(self.relu(values)))

    hook = hook_of(tmp_path, [("relu", {"include_regex": "relu_output"})])
    net = Twice()
    hook.register_module(net)
    net(torch.randn(2, 3))
    net(torch.randn(2, 3))
    log = closed(hook, tmp_path)
    assert log.names() == ["relu_output_0", "relu_output_1"]
    assert log.steps_of("relu_output_1") == [0, 1]


@dataclass
class Output:
    logits: Tensor
    extra: dict[str, Any]


@pytest.mark.parametrize("shape", ["tuple", "dict", "dataclass", "nested"])
def test_whatever_a_network_returns_its_tensors_are_found(tmp_path: Path, shape: str) -> None:
    class Returns(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(2, 3)

        def forward(self, values: Tensor) -> Any:
            logits = self.layer(values)
            return {
                "tuple": (logits, logits * 2),
                "dict": {"logits": logits, "twice": logits * 2},
                "dataclass": Output(logits, {"twice": logits * 2}),
                "nested": [None, (logits,), {"deeper": [logits * 2, "word"]}],
            }[shape]

    hook = hook_of(tmp_path, [("ends", {"include_regex": "Returns_.*put"})])
    net = Returns()
    hook.register_module(net)
    net(values=torch.ones(1, 2))
    log = closed(hook, tmp_path)
    assert log.names() == ["Returns_input_0", "Returns_output_0", "Returns_output_1"]
    assert np.allclose(log.value("Returns_output_1", 0), 2 * log.value("Returns_output_0", 0))


def test_scalars_land_in_the_step_in_which_they_were_saved(tmp_path: Path) -> None:
    net, hook = Net(), hook_of(tmp_path, save_interval=100)
    hook.register_module(net)
    hook.set_mode(Mode.TRAIN)
    hook.save_scalar("early", 1)                                    # before any step: it belongs to the first
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
    for step in range(3):
        train(net, 1, optimiser=optimiser)
        hook.save_scalar("lr", 0.1 * step)
        hook.save_scalar("loss", torch.tensor([float(step)]))
    hook.set_mode(Mode.EVAL)
    hook.save_scalar("before", np.float32(5))                       # of the evaluation that is about to begin
    net(batch()[0])
    hook.save_scalar("accuracy", 0.5)
    hook.set_mode(Mode.TRAIN)
    hook.save_scalar("late", 7)                                     # no further step comes: it stays with the last one
    log = closed(hook, tmp_path)
    assert log.values("scalar/lr", Mode.TRAIN) == pytest.approx({0: 0.0, 1: 0.1, 2: 0.2})
    assert log.values("scalar/loss", Mode.TRAIN) == {0: 0.0, 1: 1.0, 2: 2.0}
    assert log.values("scalar/early", Mode.TRAIN) == {0: 1.0}
    assert log.values("scalar/before", Mode.EVAL) == {0: 5.0}
    assert log.values("scalar/accuracy", Mode.EVAL) == {0: 0.5}
    assert log.values("scalar/late") == {3: 7.0}


def test_only_one_number_is_a_scalar(tmp_path: Path) -> None:
    hook = hook_of(tmp_path)
    with pytest.raises(InvalidRequest, match="one number"):
        hook.save_scalar("many", torch.zeros(3))
    with pytest.raises(InvalidRequest, match="one number"):
        hook.save_scalar("word", "high")
    hook.close()
    assert not list(tmp_path.iterdir())                             # nothing was saved, so nothing was made


def test_save_tensor_follows_its_collection(tmp_path: Path) -> None:
    hook = hook_of(tmp_path, [("mine", {"save_interval": 2})], save_interval=3)
    net = Net()
    hook.register_module(net)
    for step in range(4):
        net(batch()[0])
        hook.save_tensor("own", torch.full((2,), step), "mine")
        hook.save_tensor("array", np.arange(3), "mine")
        hook.save_tensor("words", ["a", "b"])
        hook.record_tensor_value("loss", torch.tensor(float(step)))
    log = closed(hook, tmp_path)
    assert [list(one) for one in log.values("own").values()] == [[0, 0], [2, 2]]
    assert log.steps_of("array") == [0, 2]
    assert log.steps_of("words") == [0, 3]
    assert log.steps_of("loss_output_0") == [0, 3]
    assert log.names(collection="mine") == ["array", "own"]


def test_frozen_layers_have_no_gradients_until_they_are_unfrozen(tmp_path: Path) -> None:
    net = Net()
    net.features.requires_grad_(False)
    hook = hook_of(tmp_path)
    hook.register_module(net)
    train(net, 1)
    net.features.requires_grad_(True)
    net.fc = nn.Linear(4, 4)                                        # and a new head
    train(net, 1)
    log = closed(hook, tmp_path)
    assert log.steps_of("Net_features.0.weight") == [0, 1]
    assert log.steps_of("gradient/Net_features.0.weight") == [1]
    assert np.array_equal(log.value("gradient/Net_fc.weight", 1), net.fc.weight.grad.numpy())   # type: ignore[union-attr]


def test_tied_parameters_and_shared_modules_are_saved_once(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.ReLU())
    net[1].weight = net[0].weight
    net.append(net[2])
    hook = hook_of(tmp_path, [*EVERYTHING, ("relu", {"include_regex": "relu_output"})])
    hook.register_module(net)
    net(torch.randn(2, 3)).sum().backward()
    log = closed(hook, tmp_path)
    assert log.names("weight") == ["Sequential_0.weight", "gradient/Sequential_0.weight"]
    assert log.names(collection="relu") == ["2_output_0", "2_output_1"]


def test_one_step_is_one_optimiser_step_however_many_batches_it_takes(tmp_path: Path) -> None:
    net, hook = Net(), hook_of(tmp_path, ours=True)
    hook.register_module(net)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
    gradients = []
    for number in range(6):
        images, labels = batch(seed=number)
        functional.cross_entropy(net(images), labels).backward()
        if number % 3 == 2:
            gradients.append(net.fc.weight.grad.clone())            # type: ignore[union-attr]
            optimiser.step()
            optimiser.zero_grad()
    net.eval()
    with torch.no_grad():
        net(batch()[0])
        net(batch()[0])
    log = closed(hook, tmp_path)
    assert log.steps(Mode.TRAIN) == [0, 1]
    assert log.steps(Mode.EVAL) == [0, 1]                           # which has no optimiser
    assert log.steps_of("CrossEntropyLoss_output_2", Mode.TRAIN) == [0, 1]
    for step in (0, 1):
        assert np.array_equal(log.value("gradient/Net_fc.weight", step), gradients[step].numpy())
    assert log.values("optimizer/lr/SGD_0", Mode.TRAIN) == {0: 0.1, 1: 0.1}


def test_smdebugs_count_takes_each_forward_pass(tmp_path: Path) -> None:
    net, hook = Net(), hook_of(tmp_path)
    hook.register_module(net)
    for number in range(4):
        functional.cross_entropy(net(batch(seed=number)[0]), batch(seed=number)[1]).backward()
    log = closed(hook, tmp_path)
    assert log.steps() == [0, 1, 2, 3]
    assert log.modes() == [Mode.GLOBAL] or log.modes() == []


def test_a_training_in_eval_mode_shows_its_gradients(tmp_path: Path) -> None:
    net, hook = Net().eval(), hook_of(tmp_path, ours=True)
    hook.register_module(net)
    train(net, 2)
    log = closed(hook, tmp_path)
    assert log.steps_of("gradient/Net_fc.weight", Mode.EVAL) == [0, 1]


def test_the_state_of_the_optimiser(tmp_path: Path) -> None:
    net, hook = Net(), hook_of(tmp_path, ["optimizer_variables", "weights"])
    hook.register_module(net)
    optimiser = torch.optim.Adam(net.parameters(), lr=0.01)
    train(net, 2, optimiser=optimiser)
    log = closed(hook, tmp_path)
    assert "optimizer/exp_avg/Net_fc.w" in log.names(step=1)
    assert log.value("optimizer/exp_avg_sq/Net_features.0.w", 1).shape == (4, 3, 3, 3)
    assert log.value("optimizer/lr/Adam_0", 0) == pytest.approx(0.01)
    assert log.names(collection="weights") == ["Net_fc.weight", "Net_features.0.weight"]


def test_reductions_of_everything_agree_with_numpy(tmp_path: Path) -> None:
    words = "min,max,mean,std,variance,sum,prod,l1_norm,l2_norm,abs_mean,abs_max,quantiles,histogram,zeros,nonfinite"
    given = {"reductions": words, "save_raw_tensor": True, "save_shape": True}
    net, hook = Net(), hook_of(tmp_path, [("everything", {"include_regex": ".*", **given})])
    hook.register_module(net)
    train(net, 1)
    log = closed(hook, tmp_path)
    assert len(log.names()) > 15
    for name in log.names():
        value = log.value(name, 0)
        for (op, absolute), stored in log.reductions(name, Mode.GLOBAL).items():
            expected = reduce(value, op, absolute=absolute)
            if value.size > 1 or op not in ("std", "variance"):
                assert np.allclose(stored[0], expected, rtol=1e-3, atol=1e-6, equal_nan=True), (name, op)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_networks_of_other_types(tmp_path: Path, dtype: torch.dtype) -> None:
    net = nn.Linear(3, 2).to(dtype)
    hook = hook_of(tmp_path)
    hook.register_module(net)
    net(torch.ones(2, 3, dtype=dtype)).float().square().mean().backward()
    log = closed(hook, tmp_path)
    assert np.array_equal(log.value("Linear_weight", 0), net.weight.detach().double().numpy())
    assert np.array_equal(log.value("gradient/Linear_bias", 0), net.bias.grad.double().numpy())   # type: ignore[union-attr]


def test_autocast(tmp_path: Path) -> None:
    net, hook = Net(), hook_of(tmp_path, [*EVERYTHING, ("out", {"include_regex": "^fc_output"})])
    hook.register_module(net)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = net(batch()[0])
        loss = functional.cross_entropy(logits, batch()[1])
    loss.backward()
    log = closed(hook, tmp_path)
    assert np.array_equal(log.value("fc_output_0", 0), logits.detach().float().numpy())
    assert float(log.value("CrossEntropyLoss_output_0", 0)) == pytest.approx(loss.item())


def test_a_grad_scaler_is_seen_through(tmp_path: Path) -> None:
    net, hook = Net(), hook_of(tmp_path, ours=True)
    hook.register_module(net)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    for factor in (1.0, float("inf"), 1.0):                         # the second step is skipped
        loss = functional.cross_entropy(net(batch()[0]), batch()[1])
        optimiser.zero_grad()
        scaler.scale(loss * factor).backward()
        scaler.step(optimiser)
        scaler.update()
    log = closed(hook, tmp_path)
    assert log.steps(Mode.TRAIN) == [0, 1, 2]
    assert not np.isfinite(log.value("gradient/Net_fc.weight", 1)).all()
    twin = Net()
    twin.load_state_dict({name.removeprefix("Net_"): torch.from_numpy(log.value(name, 0).copy())
                          for name in log.names("^Net_")})  # fmt: skip
    functional.cross_entropy(twin(batch()[0]), batch()[1]).backward()
    assert np.allclose(log.value("gradient/Net_fc.weight", 0), twin.fc.weight.grad.numpy(), atol=1e-6)   # type: ignore[union-attr]


STRANGE = {
    "empty": torch.zeros(0, 3),
    "number": torch.tensor(3),
    "truth": torch.tensor([True, False]),
    "complex": torch.tensor([1 + 2j]),
    "bad": torch.tensor([float("nan"), float("inf"), 1.0]),
    "half": torch.ones(2, dtype=torch.float16),
    "strided": torch.arange(12.0).view(3, 4).t(),
    "sparse": torch.eye(3).to_sparse(),
    "conjugate": torch.tensor([1 + 2j]).conj(),
    "parameter": nn.Parameter(torch.ones(2)),
    "expanded": torch.ones(1).expand(5),
}


def test_strange_tensors_whole_and_reduced(tmp_path: Path) -> None:
    class Passes(nn.Module):
        def forward(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
            return values

    words = {"reductions": "min,mean,std,l2_norm,nonfinite,zeros,quantiles", "save_raw_tensor": True}
    hook, net = hook_of(tmp_path, [("all", {"include_regex": ".*", **words})]), Passes()
    hook.register_module(net)
    net(STRANGE)
    net({"unreadable": torch.zeros(2, device="meta")})
    log = closed(hook, tmp_path)
    for number, tensor in enumerate(STRANGE.values()):
        dense = tensor.detach().to_dense().resolve_conj()
        saved = log.value(f"Passes_input_{number}", 0)
        assert saved.shape == tuple(dense.shape)
        assert np.array_equal(saved, dense.numpy(), equal_nan=dense.is_floating_point())
    assert log.reduction("Passes_input_4", 0, "nonfinite") == pytest.approx(2 / 3)


def test_a_saved_network_loads_without_us(tmp_path: Path) -> None:
    net, hook = nn.Sequential(nn.Linear(3, 3), nn.ReLU()), hook_of(tmp_path / "log")
    theirs: list[str] = []
    handle = net.register_forward_pre_hook(lambda module, args: theirs.append("called"))
    criterion = nn.CrossEntropyLoss()
    hook.register_module(net)
    hook.register_loss(criterion)
    criterion(net(torch.randn(2, 3)), torch.tensor([0, 1])).backward()
    handle.remove()                                                 # a handle from before the hook still works
    net(torch.randn(2, 3))
    assert theirs == ["called"]
    torch.save((net, criterion), tmp_path / "net.pt")               # in the middle of a step that is saved
    twin = copy.deepcopy(net)
    twin(torch.randn(2, 3))
    assert hook.step == 1                                           # a copy is not watched
    code = (
        "import sys, torch; sys.modules['tintype'] = None; "
        f"net, criterion = torch.load({str(tmp_path / 'net.pt')!r}, weights_only=False); "
        "print(criterion(net(torch.zeros(2, 3)), torch.tensor([0, 1])).item() > 0, len(net._forward_pre_hooks))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["True", "0"]
    closed(hook, tmp_path / "log")


def test_a_hook_that_is_pickled_with_a_network_is_nothing(tmp_path: Path) -> None:
    net, hook = Net(), hook_of(tmp_path)
    net.debugger = hook                                             # type: ignore[assignment]
    hook.register_module(net)
    stream = io.BytesIO()
    torch.save(net, stream)
    stream.seek(0)
    assert torch.load(stream, weights_only=False).debugger is None
    hook.close()


def test_scripting_and_tracing_ignore_the_hook(tmp_path: Path) -> None:
    net, hook = nn.Sequential(nn.Linear(3, 3), nn.ReLU()), hook_of(tmp_path)
    hook.register_module(net)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")                             # TorchScript is deprecated, and still used
        torch.jit.script(net)
        torch.jit.trace(net, torch.ones(1, 3), check_trace=False)   # the check would be a real call
    torch.func.vmap(net)(torch.ones(4, 3))
    assert hook.step == -1
    hook.close()


def test_two_networks(tmp_path: Path) -> None:
    maker, judge = nn.Sequential(nn.Linear(2, 3)), nn.Sequential(nn.Linear(3, 1))
    hook = hook_of(tmp_path)
    hook.register_module(maker)
    hook.register_module(judge)
    functional.binary_cross_entropy_with_logits(judge(maker(torch.randn(4, 2))), torch.ones(4, 1)).backward()
    log = closed(hook, tmp_path)
    assert log.steps_of("BCEWithLogitsLoss_output_0") == [1]        # each call of a root is a step
    assert {"Sequential_0.weight", "Sequential_1_0.weight"} <= set(log.names())


def test_exceptions_of_the_training_are_the_trainings(tmp_path: Path) -> None:
    class Breaks(Net):
        def forward(self, images: Tensor) -> Tensor:
            super().forward(images)
            raise KeyError("mine")

    net, hook = Breaks(), hook_of(tmp_path, [("all", {"include_regex": ".*"})])
    hook.register_module(net)
    for _ in range(2):
        with pytest.raises(KeyError, match="mine"):
            net(batch()[0])
    Net()(batch()[0])                                               # of which the hook knows nothing
    log = closed(hook, tmp_path)
    assert log.steps() == [0, 1]
    assert log.ended


def test_nothing_is_left_in_pytorch_after_the_end(tmp_path: Path) -> None:
    original, backward = functional.cross_entropy, torch.optim.Optimizer.__init__
    with Hook(configuration(tmp_path)) as hook:
        net = Net()
        hook.register_module(net)
        assert functional.cross_entropy is not original
        train(net, 1)
    hook.close()
    assert functional.cross_entropy is original
    assert torch.optim.Optimizer.__init__ is backward
    assert len(net._forward_pre_hooks.items()) == 0
    net(batch()[0])
    assert open_log(tmp_path).steps() == [0]


def test_at_a_step_that_is_not_saved_no_layer_has_a_hook(tmp_path: Path) -> None:
    net, hook = Net(), hook_of(tmp_path, [("all", {"include_regex": ".*"})], save_interval=2)
    hook.register_module(net)
    net(batch()[0])
    assert not torch.nn.modules.module._global_forward_hooks        # nor is one left after a step that is
    net(batch()[0])
    seen: list[int] = []
    net.features[0].register_forward_hook(
        lambda *given: seen.append(len(torch.nn.modules.module._global_forward_hooks)))  # fmt: skip
    net(batch()[0])                                                 # saved
    net(batch()[0])                                                 # not saved
    assert seen == [1, 0]
    closed(hook, tmp_path)


def test_a_collection_that_is_added_and_one_that_matches_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    net, hook = Net(), hook_of(tmp_path, [("typo", {"include_regex": "relux"})])
    hook.register_module(net)
    hook.add_collection(Collection("heads", ("fc_output",)))
    net(batch()[0])
    log = closed(hook, tmp_path)
    assert log.names(collection="heads") == ["fc_output_0"]
    assert "collection 'typo': no tensor matched relux" in caplog.text


def test_a_process_that_trains_nothing_misses_no_tensors(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As one that a script starts beside its own training, whose log is there already."""
    wanted = [("heads", {"include_regex": "fc_output"})]
    net, hook = Net(), hook_of(tmp_path, wanted)
    hook.register_module(net)
    net(batch()[0])
    hook.close(end=False)
    Hook(configuration(tmp_path, wanted), resume=True).close()
    assert "no tensor matched" not in caplog.text


@pytest.mark.parametrize("wrong", [nn.Linear, "net", lambda values: values])
def test_only_modules_are_registered(tmp_path: Path, wrong: Any) -> None:
    hook = hook_of(tmp_path)
    with pytest.raises(InvalidRequest, match="needs a torch"):
        hook.register_module(wrong)
    with pytest.raises(InvalidRequest, match="needs a torch"):
        hook.register_loss(wrong)
    hook.close()
