from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import write_colours
from tests.pipeline.tuning_home import SCRIPT
from tintype.errors import BadData, InvalidRequest, NotFound
from tintype.jobs.instances import Machine
from tintype.jobs.job import Resources
from tintype.pipeline.script_jobs import ScriptRequest
from tintype.pipeline.searching import Search, built_in_plan, script_plan
from tintype.pipeline.trial_specs import spec_builder
from tintype.pipeline.tuning_plan import (
    PLAN_KIND,
    BuiltInTrials,
    ScriptTrials,
    TuningPlan,
    load_plan,
    save_plan,
)
from tintype.settings import Settings
from tintype.tuning.objective import Counted, Direction
from tintype.tuning.settings import StrategyName
from tintype.tuning.state import TuningState, TuningStatus
from tintype.tuning.store import RecordTuningStore
from tintype.tuning.trial import Trial, TrialStatus
from tintype.workspace import Workspace, open_workspace

LOSS = ("test loss=loss: ([0-9.]+)",)


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with open_workspace(Settings(home=tmp_path / "home")) as found:
        yield found


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "hpo.py"
    path.write_text(SCRIPT)
    return str(path)


def search(**values: Any) -> Search:
    return Search(**{"name": "ants", "ranges": ["lr=0.001:0.1:log"], "objective": "test loss", **values})


def script_trials(plan: TuningPlan) -> ScriptTrials:
    assert isinstance(plan.trials, ScriptTrials)
    return plan.trials


class TestScripts:
    def test_a_trials_hyperparameters_are_as_sagemaker_sends_them(self, workspace: Workspace, script: str) -> None:
        ranges = ["lr=0.001:0.1:log", "epochs=2..4", "batch-size=16,32", "optimizer=adam,true"]
        request = ScriptRequest(script, hyperparameters={"gamma": "0.7"}, metrics=LOSS)
        plan = script_plan(workspace.records, search(ranges=ranges), request)
        point = {"lr": 0.0123, "epochs": 3, "batch-size": 16, "optimizer": "true"}
        spec = spec_builder(workspace, plan)(Trial(1, "ants-001-0", {"gamma": "0.7", **point}, tuple(point)))
        assert spec.hyperparameters == {
            "gamma": "0.7",
            "lr": "0.0123",
            "epochs": "3",
            "batch-size": '"16"',
            "optimizer": '"true"',
            "_tuning_objective_metric": '"test loss"',
        }
        assert plan.settings.counted is Counted.LAST
        assert plan.settings.direction is Direction.MINIMIZE

    def test_values_that_came_with_their_quotes_stay_as_they_are(self, workspace: Workspace, script: str) -> None:
        plan = script_plan(workspace.records, search(ranges=["n=1,2"]), ScriptRequest(script, metrics=LOSS))
        verbatim = ScriptTrials(script_trials(plan).spec, quoted=False)
        assert verbatim.hyperparameters(plan.settings, {"n": '"32"'})["n"] == '"32"'

    def test_parallel_trials_share_the_cores(self, workspace: Workspace, script: str) -> None:
        request = ScriptRequest(script, metrics=LOSS)
        two = script_trials(script_plan(workspace.records, search(max_parallel_jobs=2), request))
        assert two.spec.resources.cores == max(1, Machine.here().cores // 2)
        assert script_trials(script_plan(workspace.records, search(), request)).spec.resources.cores == 0
        asked = ScriptRequest(script, metrics=LOSS, resources=Resources(instance_type="ml.m5.large"))
        kept = script_trials(script_plan(workspace.records, search(max_parallel_jobs=2), asked))
        assert kept.spec.resources.instance_type == "ml.m5.large"
        assert kept.spec.resources.cores == min(2, max(1, Machine.here().cores // 2))

    @pytest.mark.parametrize(
        ("objective", "direction"),
        [
            ("test loss", Direction.MINIMIZE),
            ("Validation Accuracy", Direction.MAXIMIZE),
            ("average test accuracy loss", None),
            ("score", None),
        ],
    )
    def test_the_objectives_name_says_which_way_is_better(
        self, workspace: Workspace, script: str, objective: str, direction: Direction | None
    ) -> None:
        request = ScriptRequest(script, metrics=(f"{objective}=x: (.*)",))
        if direction is None:
            with pytest.raises(InvalidRequest, match="say --direction minimize or maximize"):
                script_plan(workspace.records, search(objective=objective), request)
            given = search(objective=objective, direction=Direction.MAXIMIZE)
            assert script_plan(workspace.records, given, request).settings.direction is Direction.MAXIMIZE
        else:
            assert script_plan(workspace.records, search(objective=objective), request).settings.direction is direction

    @pytest.mark.parametrize(
        ("asked", "request_", "error", "message"),
        [
            ({}, {"metrics": ()}, InvalidRequest, "no metric is defined for the objective 'test loss'"),
            ({}, {"metrics": ("test loss=(",)}, InvalidRequest, "test loss"),
            ({}, {"channels": ("train=/nowhere/at/all",)}, (InvalidRequest, NotFound, BadData), "nowhere"),
            ({}, {"entry_point": "/nowhere/hpo.py"}, (InvalidRequest, NotFound), "hpo.py"),
            ({"parents": ["nobody"]}, {}, NotFound, "no tuning job named 'nobody'"),
            ({"ranges": []}, {}, InvalidRequest, "no ranges"),
            ({"name": "a" * 33}, {}, InvalidRequest, "at most 32 characters"),
            ({"ranges": ["gamma=0:1"]}, {"hyperparameters": {"gamma": "1"}}, InvalidRequest, "has a range and a fixed"),
        ],
    )
    def test_what_can_be_known_to_be_wrong_is_refused(
        self,
        workspace: Workspace,
        script: str,
        asked: dict[str, Any],
        request_: dict[str, Any],
        error: type[Exception] | tuple[type[Exception], ...],
        message: str,
    ) -> None:
        request = ScriptRequest(**{"entry_point": script, "metrics": LOSS, **request_})
        with pytest.raises(error, match=message):
            script_plan(workspace.records, search(**asked), request)

    def test_a_warm_start_from_what_is_on_record(self, workspace: Workspace, script: str) -> None:
        request = ScriptRequest(script, metrics=LOSS)
        old = script_plan(workspace.records, search(name="old"), request)
        trial = Trial(1, "old-001-0", {"lr": 0.01}, ("lr",)).ended(TrialStatus.COMPLETED, 1.0, value=0.5)
        store = RecordTuningStore(workspace.records)
        state = TuningState(old.settings).with_trial(trial)
        store.save(state.moved(TuningStatus.COMPLETED))
        store.save_trial(state, trial)
        warm = script_plan(workspace.records, search(parents=["old"]), request).settings.warm_start
        assert warm is not None
        assert [one.job for one in warm.trials] == ["old-001-0"]

    def test_a_plan_is_kept(self, workspace: Workspace, script: str) -> None:
        wanted = search(strategy=StrategyName.GRID, max_jobs=None, grid_points=3, target_value=0.5)
        plan = script_plan(workspace.records, wanted, ScriptRequest(script, metrics=LOSS))
        save_plan(workspace.records, plan)
        assert load_plan(workspace.records, "ants") == plan


class TestBuiltIn:
    def test_the_trainers_trials_differ_in_their_plans(self, workspace: Workspace, tmp_path: Path) -> None:
        photos = write_colours(tmp_path / "photos", per_class=2)
        fixed = {"model": "small_cnn", "weights": "none", "epochs": "1"}
        wanted = search(objective="valid:accuracy", ranges=["lr=0.001:0.1:log"], max_parallel_jobs=2)
        plan = built_in_plan(workspace, wanted, str(photos), fixed)
        save_plan(workspace.records, plan)
        assert load_plan(workspace.records, "ants") == plan
        assert (plan.settings.counted, plan.settings.direction) == (Counted.BEST, Direction.MAXIMIZE)
        spec = spec_builder(workspace, plan)(Trial(1, "ants-001-0", {**fixed, "lr": 0.05}, ("lr",)))
        assert spec.source.entry_point == "tintype.training"
        told = spec.configuration["plan.json"]
        assert (told["name"], told["optimiser"]["learning_rate"], told["save"]) == ("ants-001-0", 0.05, "best")
        assert spec.resources.cores == max(1, Machine.here().cores // 2)

    def test_heads_on_shared_features_are_trained_one_a_core(
        self, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Machine, "here", lambda: Machine(cores=4, memory_bytes=1 << 36, gpus=0))
        photos = str(write_colours(tmp_path / "photos", per_class=2))
        frozen = {"model": "small_cnn", "weights": "none", "freeze": "backbone", "augmentation": "flip"}

        def planned(fixed: dict[str, str] = frozen, **values: Any) -> tuple[int, list[int | None]]:
            wanted = search(**{"objective": "valid:accuracy", "strategy": StrategyName.RANDOM, "max_jobs": 9, **values})
            plan = built_in_plan(workspace, wanted, photos, fixed)
            assert TuningPlan.from_json(plan.to_json()) == plan
            spec_of = spec_builder(workspace, plan)
            trials = (Trial(number, f"ants-{number}", {**fixed, "lr": 0.05}, ("lr",)) for number in (1, 2, 3))
            return plan.settings.max_parallel_jobs, [spec_of(one).resources.cores for one in trials]

        assert planned() == (4, [0, 1, 1])              # 0: all cores, so that the others wait for its features
        assert planned(strategy=StrategyName.GRID, grid_points=3) == (4, [0, 1, 1])
        assert planned(max_jobs=2) == (4, [0, 2, 2])    # there are never more at once
        assert planned(max_parallel_jobs=2) == (2, [0, 2, 2])
        assert planned(max_parallel_jobs=1) == (1, [0, 0, 0])
        assert planned(strategy=StrategyName.BAYESIAN) == (1, [0, 0, 0])            # it learns from those before
        assert planned(frozen | {"freeze": "none"}) == (1, [0, 0, 0])
        assert planned(frozen | {"freeze": "none"}, max_parallel_jobs=4) == (4, [1, 1, 1])
        del frozen["augmentation"]
        assert planned(frozen, ranges=["lr=0.1:0.2", "augmentation=none,flip"]) == (1, [0, 0, 0])

    @pytest.mark.parametrize(
        ("ranges", "fixed"),
        [
            (["model=resnet18,small_cnnn,vit_b_16"], {"weights": "none"}),
            (["Architecture=small_cnn,small_cnnn"], {}),
            (["lr=0.001:0.1:log"], {"model": "small_cnnn", "weights": "none"}),
        ],
    )
    def test_a_network_that_there_is_not_is_refused(
        self, workspace: Workspace, tmp_path: Path, ranges: list[str], fixed: dict[str, str]
    ) -> None:
        photos = write_colours(tmp_path / "photos", per_class=2)
        with pytest.raises(NotFound, match="no network named 'small_cnnn'; did you mean 'small_cnn'"):
            built_in_plan(workspace, search(objective="valid:loss", ranges=ranges), str(photos), fixed)

    @pytest.mark.parametrize(
        ("objective", "says"),
        [
            ("accuracy", "did you mean 'valid:accuracy', 'train:accuracy'"),
            ("Loss", "there are 2: 'train:loss', 'valid:loss'"),
            ("valid:acuracy", "did you mean 'valid:accuracy'"),
            ("f1", "there are 7: "),
        ],
    )
    def test_a_metric_that_it_does_not_measure_is_refused(
        self, workspace: Workspace, tmp_path: Path, objective: str, says: str
    ) -> None:
        with pytest.raises(NotFound, match=f"no metric of the built-in trainer named '{objective}'; {says}"):
            built_in_plan(workspace, search(objective=objective), str(tmp_path), {})

    def test_a_range_with_a_bad_end_is_refused(self, workspace: Workspace, tmp_path: Path) -> None:
        wanted = search(objective="valid:loss", ranges=["label-smoothing=0.0:2.0"])
        with pytest.raises(InvalidRequest, match="label-smoothing"):
            built_in_plan(workspace, wanted, str(tmp_path), {})

    def test_a_plan_of_the_first_release_is_read(self, workspace: Workspace, tmp_path: Path) -> None:
        plan = built_in_plan(workspace, search(objective="valid:loss"), str(tmp_path), {"model": "small_cnn"})
        assert isinstance(plan.trials, BuiltInTrials)
        workspace.records.create(PLAN_KIND, "ants", plan.trials.base.model_dump(mode="json"))
        RecordTuningStore(workspace.records).save(TuningState(plan.settings))
        assert load_plan(workspace.records, "ants") == plan
