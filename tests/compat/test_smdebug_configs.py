"""smdebug's configuration objects: what they take, what they say, how they are written down."""

from __future__ import annotations

import pytest
from smdebug import CollectionKeys, ReductionConfig, SaveConfig, SaveConfigMode, modes
from smdebug.core.collection import Collection
from smdebug.core.collection_manager import CollectionManager
from smdebug.exceptions import SMDebugError, SMDebugTypeError, SMDebugValueError
from smdebug.profiler.utils import str2bool

from tintype.debugger.reductions import Reductions
from tintype.debugger.save_config import SaveConfig as Windows


def test_a_save_config_for_all_modes() -> None:
    config = SaveConfig(save_interval="10", start_step=5, end_step=31, save_steps=[2])
    assert [step for step in range(50) if config.should_save_step(modes.EVAL, step)] == [2, 10, 20, 30]
    assert SaveConfig.from_json(config.to_json()) == config


def test_modes_that_are_left_open_are_the_hooks() -> None:
    config = SaveConfig({modes.TRAIN: SaveConfigMode(save_interval=3)})
    with pytest.raises(SMDebugValueError, match="not ready"):
        config.should_save_step(modes.EVAL, 0)
    assert config.windows(Windows.every(7)).eval.interval == 7
    config.merge_default_save_config(SaveConfig(save_interval=9))
    assert config.get_save_config(modes.TRAIN).save_interval == 3
    assert config.get_save_config(modes.EVAL).save_interval == 9


@pytest.mark.parametrize("wrong", [{"save_interval": 0}, {"save_steps": ["1"]}, {"start_step": -1}])
def test_what_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(SMDebugValueError):
        SaveConfigMode(**wrong)     # type: ignore[arg-type]


def test_reductions() -> None:
    config = ReductionConfig(["min", "zeros"], ["mean"], ["l1"], ["l2"], save_raw_tensor=True)
    assert config.kept() == Reductions.parse("min,zeros,abs_mean,l1_norm,abs_l2_norm", keep_raw=True)
    assert config.to_json_dict()["reductions"] == "min,zeros,l1_norm,abs_mean,abs_l2_norm"
    assert ReductionConfig.from_json(config.to_json()) == config
    assert ReductionConfig.of(config.kept()) == config
    with pytest.raises(SMDebugValueError, match="norms can only be one of l1,l2"):
        ReductionConfig(norms=["l3"])


def test_sagemakers_spelling_of_a_flag_is_taken() -> None:
    """Real smdebug raises for the string that SageMaker sends."""
    config = ReductionConfig.from_dict({"reductions": "mean", "save_raw_tensor": "True"})
    assert config is not None
    assert config.save_raw_tensor is True


def test_collections() -> None:
    manager = CollectionManager()
    manager.get("mine").include(["a", "b"])
    manager.get("mine").add_tensor_name("c")
    manager.get("mine").save_config = {modes.TRAIN: SaveConfigMode(2)}      # type: ignore[assignment]
    assert Collection.from_json(manager.get("mine").to_json()) == manager.get("mine")
    with pytest.raises(SMDebugError, match="has not been created"):
        manager.get("other", create=False)
    with pytest.raises(SMDebugTypeError):
        manager.get("mine").include(3)      # type: ignore[arg-type]
    assert CollectionKeys.LOSSES == "losses"


@pytest.mark.parametrize(("spelt", "flag"), [("True", True), ("0", False), ("off", False), (True, True)])
def test_str2bool(spelt: str | bool, flag: bool) -> None:
    assert str2bool(spelt) is flag


def test_str2bool_of_something_else() -> None:
    with pytest.raises(ValueError, match="invalid truth value"):
        str2bool("perhaps")
