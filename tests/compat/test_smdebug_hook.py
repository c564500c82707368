"""A training script written for smdebug, run as it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from smdebug.exceptions import SMDebugRuntimeError, SMDebugValueError
from smdebug.pytorch import Hook

from tests.compat.smdebug_on_path import run_script
from tintype.debugger.modes import Mode
from tintype.debugger.tensor_log import open_log

TRAINING = """
    import torch
    import smdebug.pytorch as smd
    from smdebug.pytorch import get_hook
    from smdebug import modes
    from smdebug.profiler.utils import str2bool
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))
    criterion = torch.nn.CrossEntropyLoss()
    {make_hook}
    if hook:
        hook.register_hook(network)
        hook.register_loss(criterion)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    for epoch in range(2):
        network.train()
        if hook: hook.set_mode(modes.TRAIN)
        for _ in range(3):
            loss = criterion(network(torch.randn(8, 4)), torch.randint(0, 2, (8,)))
            optimiser.zero_grad(); loss.backward(); optimiser.step()
        network.eval()
        if hook: hook.set_mode(smd.modes.EVAL)
        with torch.no_grad():
            for _ in range(2):
                criterion(network(torch.randn(8, 4)), torch.randint(0, 2, (8,)))
            if hook: hook.save_scalar("accuracy", 0.5 + epoch, sm_metric=True)
    torch.save(network, "network.pt")
    {after}
"""


def training(make_hook: str, after: str = "") -> str:
    return TRAINING.format(make_hook=make_hook, after=after)


def test_from_sagemakers_json(tmp_path: Path) -> None:
    document = {
        "LocalPath": str(tmp_path / "log"),
        "HookParameters": {"train.save_interval": "2", "eval.save_interval": "1"},
        "CollectionConfigurations": [
            {"CollectionName": "losses", "CollectionParameters": {"save_interval": "500"}},
            {"CollectionName": "gradients", "CollectionParameters": {"reductions": "l2_norm,abs_max"}},
            {"CollectionName": "relu", "CollectionParameters": {"include_regex": "^1_output"}},
        ],
    }
    (tmp_path / "hook.json").write_text(json.dumps(document))
    run_script(training("hook = smd.Hook.create_from_json_file()"), tmp_path,
               SMDEBUG_CONFIG_FILE_PATH=str(tmp_path / "hook.json"))  # fmt: skip
    log = open_log(tmp_path / "log")
    assert log.ended
    assert log.problems == {}
    assert log.steps_of("CrossEntropyLoss_output_0", Mode.TRAIN) == [0, 2, 4]
    assert log.steps_of("CrossEntropyLoss_output_0", Mode.EVAL) == [0, 1, 2, 3]
    assert set(log.reductions("gradient/Sequential_0.weight")) == {("l2", False), ("max", True)}
    assert log.names(collection="relu") == ["1_output_0"]
    assert [value.item() for value in log.values("scalar/accuracy").values()] == [0.5, 1.5]


def test_made_in_python_with_collections_changed_after(tmp_path: Path) -> None:
    make = """
    hook = smd.Hook(out_dir="log", save_config=smd.SaveConfig(save_interval=1), include_collections=["mine", "weights"],
                    reduction_config=smd.ReductionConfig(reductions=["mean"]))
    assert get_hook() is hook
    hook.get_collection("mine").add_module_tensors(network[1], inputs=True, outputs=False)
    hook.get_collection("weights").reduction_config = smd.ReductionConfig(norms=["l1"], save_raw_tensor=True)
    """
    after = """
    hook.save_tensor("custom", torch.ones(2))
    assert (hook.step, hook.mode, hook.mode_steps[modes.TRAIN]) == (9, modes.EVAL, 5)
    trial = smd.create_trial("log")
    print(trial.tensor_names(), len(trial.steps()))
    smd.del_hook()
    assert get_hook() is None
    """
    told = run_script(training(make.strip(), after), tmp_path)
    log = open_log(tmp_path / "log")
    assert log.names() == [
        "1_input_0", "CrossEntropyLoss_output_0", "Sequential_0.weight", "Sequential_2.weight", "custom",
        "scalar/accuracy",
    ]  # fmt: skip
    assert log.stored_reductions("1_input_0", 3) == [("mean", False)]
    assert log.stored_reductions("Sequential_0.weight", 3) == [("l1", False)]
    assert log.value("Sequential_0.weight", 3).shape == (3, 4)
    assert log.value("custom", 9).tolist() == [1, 1]
    assert "'Sequential_0.weight'" in told      # the trial of the same process saw it before the hook was closed


def test_a_network_that_was_saved_whole_loads_without_us(tmp_path: Path) -> None:
    run_script(training('hook = smd.Hook("log", save_all=True, save_config=smd.SaveConfig(save_interval=1))'), tmp_path)
    code = "import sys; sys.path = [p for p in sys.path if 'compat' not in p]\n" \
           "import torch; print(torch.load('network.pt', weights_only=False)(torch.ones(1, 4)).shape)\n" \
           "assert 'smdebug' not in sys.modules and 'tintype' not in sys.modules"  # fmt: skip
    assert "torch.Size([1, 2])" in run_script(code, tmp_path)


def test_without_a_configuration_there_is_no_hook(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere.json")
    run_script(training("hook = get_hook(create_if_not_exists=True)", "assert hook is None"), tmp_path,
               SMDEBUG_CONFIG_FILE_PATH=nowhere)  # fmt: skip
    with pytest.raises(FileNotFoundError):
        Hook.create_from_json_file(nowhere)


def test_a_place_that_a_training_ended_in_is_refused(tmp_path: Path) -> None:
    (tmp_path / "training_job_end.ts").touch()
    with pytest.raises(SMDebugRuntimeError, match="already exists"):
        Hook(str(tmp_path))
    with pytest.raises(SMDebugRuntimeError, match="out_dir is a required"):
        Hook()


def test_bad_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "hook.json").write_text('{"HookParameters": {"save_intervall": 3}}')
    with pytest.raises(SMDebugValueError, match="save_intervall"):
        Hook.create_from_json_file(str(tmp_path / "hook.json"))


def test_reading_needs_no_torch(tmp_path: Path) -> None:
    run_script("import smdebug.trials, smdebug.rules, sys; assert 'torch' not in sys.modules", tmp_path)
