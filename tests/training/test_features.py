from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import write_colours
from tests.training.integer_machine import pretend
from tests.training.small_jobs import PlanMaker
from tintype.datasets.cache_folder import CacheFolder
from tintype.models import networks
from tintype.settings import Settings
from tintype.training import extractors
from tintype.training.events import Event, Note, Phase
from tintype.training.extractors import error
from tintype.training.features import PHASE, Features, FeaturesStopped, compute_features, find_features
from tintype.training.plan import ComputePlan, TrainingPlan
from tintype.training.session import Host, open_session
from tintype.training.stop import Patience, Stop

FROZEN = {"freeze": "backbone", "augmentation": "flip"}


class Opened:
    """The features of a plan, and what was said while they were opened."""

    def __init__(self, plan: TrainingPlan, host: Host | None = None) -> None:
        self.events: list[Event] = []
        self.session = open_session(plan, self.events.append, host or Host())
        self.network = self.session.create_network()
        found = find_features(self.session, self.network.name, self.network.feature_dim)
        self.features: Features = found or compute_features(self.session, self.network)

    @property
    def computed(self) -> bool:
        return any(isinstance(event, Phase) and event.name == PHASE for event in self.events)

    @property
    def notes(self) -> str:
        return "\n".join(event.text for event in self.events if isinstance(event, Note))


def at_home(plan: TrainingPlan, home: Path) -> TrainingPlan:
    """The plan with caches of its own."""
    return plan.model_copy(update={"settings": Settings(home=home, offline=True)})


def test_they_are_what_the_network_says_of_the_images_and_of_their_mirror_images(make_plan: PlanMaker) -> None:
    opened = Opened(make_plan(FROZEN))
    train, features = opened.session.material.train, opened.features.train
    pictures = train.cache.gather(train.rows)
    module = opened.session.create_network().module.eval()
    assert features.flipped is not None
    for rows, shown in ((features.identity.rows, pictures), (features.flipped.rows, pictures[:, :, ::-1])):
        images = torch.from_numpy(opened.session.material.preprocessing.normalise(np.ascontiguousarray(shown)))
        with torch.inference_mode():
            expected = networks.features(module, images)
        assert rows.shape == (len(train), opened.network.feature_dim)
        np.testing.assert_allclose(rows, expected.numpy(), rtol=1e-4, atol=1e-5)
    assert opened.features.valid.flipped is None
    assert opened.features.precision == "fp32"


def test_the_second_time_nothing_is_computed(make_plan: PlanMaker, tmp_path: Path) -> None:
    first = Opened(at_home(make_plan(FROZEN), tmp_path))
    second = Opened(at_home(make_plan(FROZEN | {"lr": 0.5, "batch-size": 4, "epochs": 7}), tmp_path))
    assert (first.computed, second.computed) == (True, False)
    assert np.array_equal(first.features.train.identity.rows, second.features.train.identity.rows)


@pytest.mark.parametrize(
    "change",
    [{"model": "resnet10t", "image-size": 64}, {"image-size": 24}, {"resize": "stretch"}],
    ids=["network", "size", "resize"],
)
def test_what_they_depend_on_makes_others(make_plan: PlanMaker, tmp_path: Path, change: dict[str, object]) -> None:
    Opened(at_home(make_plan(FROZEN), tmp_path))
    assert Opened(at_home(make_plan(FROZEN | change), tmp_path)).computed


def test_other_random_weights_make_others_and_no_flips_fewer(make_plan: PlanMaker, tmp_path: Path) -> None:
    Opened(at_home(make_plan(FROZEN), tmp_path))
    assert len(CacheFolder(tmp_path / "caches" / "features").entries()) == 4      # train twice, valid, test
    assert Opened(at_home(make_plan(FROZEN, seed=1), tmp_path)).computed
    unflipped = Opened(at_home(make_plan(FROZEN | {"augmentation": "none"}), tmp_path))
    assert not unflipped.computed
    assert unflipped.features.train.flipped is None


def test_weights_from_a_file_are_known_by_their_hash(make_plan: PlanMaker, tmp_path: Path) -> None:
    files = [tmp_path / "one.pth", tmp_path / "copy.pth", tmp_path / "other.pth"]
    for file in (files[0], files[2]):
        torch.save(networks.create("small_cnn", 3, image_size=16).module.state_dict(), file)
    files[1].write_bytes(files[0].read_bytes())
    plans = [at_home(make_plan(FROZEN | {"weights": str(file)}, seed=5), tmp_path / "home") for file in files]
    assert [Opened(plan).computed for plan in plans] == [True, False, True]


def test_a_changed_image_is_computed_again(make_plan: PlanMaker, tmp_path: Path) -> None:
    data = write_colours(tmp_path / "data", per_class=8)
    plan = at_home(make_plan(FROZEN, data=data), tmp_path / "home")
    Opened(plan)
    changed = next((data / "blue").iterdir())
    changed.write_bytes(next((data / "amber").iterdir()).read_bytes())
    assert Opened(plan).computed


def test_a_request_to_stop_is_heard_and_what_was_done_is_kept(make_plan: PlanMaker, tmp_path: Path) -> None:
    plan = at_home(make_plan(FROZEN), tmp_path)
    stop = Stop()
    stop.ask(Patience.AFTER_EPOCH)
    with pytest.raises(FeaturesStopped):
        Opened(plan, Host(stop=stop))
    assert CacheFolder(tmp_path / "caches" / "features").entries() == ()
    assert Opened(plan).computed


def test_integers_are_used_where_they_are_fast_and_checked(
    make_plan: PlanMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch)
    quick = Opened(at_home(make_plan(FROZEN), tmp_path))
    exact = Opened(at_home(make_plan(FROZEN | {"precision": "fp32"}), tmp_path))
    assert (quick.features.precision, exact.features.precision) == ("int8", "fp32")
    assert (quick.computed, exact.computed) == (True, True)
    assert 0 < error(quick.features.valid.all(), exact.features.valid.all()) < 0.5
    assert "int8" in quick.notes


def test_a_network_that_integers_do_not_suit_is_computed_in_floats_and_says_why(
    make_plan: PlanMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch)
    monkeypatch.setattr(extractors, "LARGEST_ERROR", 0.0)
    opened = Opened(at_home(make_plan(FROZEN), tmp_path))
    assert opened.features.precision == "fp32"
    assert "off" in opened.notes
    again = Opened(at_home(make_plan(FROZEN), tmp_path))
    assert not again.computed                                 # the floats that are there are good enough


def test_lanes_change_nothing(make_plan: PlanMaker, tmp_path: Path) -> None:
    plan = make_plan(FROZEN)
    wide = plan.model_copy(update={"compute": ComputePlan(device="cpu", threads=3)})
    one, three = Opened(at_home(plan, tmp_path / "one")), Opened(at_home(wide, tmp_path / "three"))
    assert three.computed
    np.testing.assert_allclose(
        one.features.train.identity.rows, three.features.train.identity.rows, rtol=1e-5, atol=1e-6
    )
