from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import write_colours
from tests.pipeline.tuning_home import SCRIPT
from tintype.pipeline import decoding_ahead
from tintype.pipeline.script_jobs import ScriptRequest
from tintype.pipeline.searching import Search, built_in_plan, script_plan
from tintype.pipeline.tuning_plan import BuiltInTrials, TuningPlan
from tintype.settings import Settings
from tintype.training.events import Event
from tintype.training.session import Host, Session, open_session
from tintype.workspace import open_workspace

FIXED = {"model": "small_cnn", "weights": "none", "augmentation": "flip"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_colours(tmp_path_factory.mktemp("data") / "colours")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def plan_of(home: Path, data: Path, *ranges: str, **fixed: Any) -> TuningPlan:
    with open_workspace(Settings(home=home, offline=True)) as workspace:
        search = Search("squares", ranges or ("lr=0.01:0.1:log",), "valid:accuracy")
        return built_in_plan(workspace, search, str(data), FIXED | fixed)


def trial_of(plan: TuningPlan) -> Session:
    """A trial, as it opens its images."""
    assert isinstance(plan.trials, BuiltInTrials)
    events: list[Event] = []
    return open_session(plan.trials.base, events.append, Host())


def decoded(home: Path) -> int:
    """How many caches of images there are."""
    return len(list((home / "caches" / "images").glob("*/entry.json")))


@pytest.mark.parametrize("augmentation", ["flip", "crop-flip"])
def test_a_trial_finds_its_images_decoded(home: Path, data: Path, augmentation: str) -> None:
    plan = plan_of(home, data, augmentation=augmentation)
    thread = decoding_ahead.begin(plan)
    assert thread is not None
    thread.join()
    assert decoded(home) == 3
    assert all(split.cache.hit for split in trial_of(plan).material.splits)
    assert decoded(home) == 3


def test_a_trial_that_comes_meanwhile_waits_and_nothing_is_decoded_twice(home: Path, data: Path) -> None:
    plan = plan_of(home, data)
    thread = decoding_ahead.begin(plan)
    assert thread is not None
    material = trial_of(plan).material
    thread.join()
    assert sum(len(split) for split in material.splits) == 60
    assert decoded(home) == 3


@pytest.mark.parametrize("ranges", ["resize=crop,stretch", "image-size=16,32"])
def test_trials_that_read_other_images_decode_them_themselves(home: Path, data: Path, ranges: str) -> None:
    assert decoding_ahead.begin(plan_of(home, data, ranges)) is None


def test_what_is_not_quick_or_not_there_is_left_to_the_trial(
    home: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding_ahead, "MOST_IMAGES", 59)
    many = plan_of(home, data)
    (tmp_path / "empty").mkdir()
    plans = [many, of_data(many, data / "nowhere"), of_data(many, tmp_path / "empty")]
    for plan in plans:
        thread = decoding_ahead.begin(plan)
        assert thread is not None
        thread.join()
    assert decoded(home) == 0


def test_a_script_reads_its_images_itself(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    request = ScriptRequest(entry_point=str(script), metrics=("loss=loss: ([0-9.]+)",))
    with open_workspace(Settings(home=tmp_path / "home")) as workspace:
        plan = script_plan(workspace.records, Search("mine", ("lr=0.1:0.2",), "loss"), request)
    assert decoding_ahead.begin(plan) is None


def of_data(plan: TuningPlan, location: Path) -> TuningPlan:
    assert isinstance(plan.trials, BuiltInTrials)
    base = plan.trials.base
    data = base.data.model_copy(update={"location": str(location)})
    return TuningPlan(plan.settings, BuiltInTrials(base.model_copy(update={"data": data})))
