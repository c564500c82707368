"""Configurations: what they refuse, and that they come back from JSON as they went."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as some
from pydantic import ValidationError

from tests.serving.stand_in import config
from tintype.errors import Conflict, InvalidRequest, NotFound, StorageFailed
from tintype.serving.endpoints.config import EndpointConfig, ModelSource, ProductionVariant, ShadowVariant
from tintype.serving.endpoints.desired import Observed, Wishes
from tintype.serving.updates.rollout import DeploymentPolicy
from tintype.serving.variants.scaling import Scaling
from tintype.serving.watching.capture import CaptureConfig

ANT = ModelSource(archive="ant")

names = some.from_regex(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,9}", fullmatch=True).filter(lambda one: len(one) < 64)
sources = some.builds(ModelSource, archive=some.text(max_size=20))
variants = some.builds(
    ProductionVariant, name=names, model=sources, weight=some.floats(0.1, 100), workers=some.integers(1, 256),
    scaling=some.none() | some.just(Scaling(most=3)),
)  # fmt: skip
configs = some.builds(
    EndpointConfig,
    variants=some.lists(variants, min_size=1, max_size=3, unique_by=lambda one: one.name).map(tuple),
    capture=some.none() | some.builds(CaptureConfig, percent=some.floats(0, 100)),
    policy=some.builds(DeploymentPolicy, bake_seconds=some.floats(0, 1e6)),
)


@given(configs)
def test_to_json_and_back(made: EndpointConfig) -> None:
    assert EndpointConfig.from_json(made.model_dump(mode="json")) == made


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: config(), "at least 1 item"),
        (lambda: config("ant", weights=(0,)), "all variants have weight 0"),
        (lambda: config("ant", shadows=(ShadowVariant(name="v0", model=ANT),)), "two variants named"),
        (lambda: ProductionVariant(model=ModelSource(archive="x"), weight=float("nan")), "finite"),
        (lambda: ProductionVariant(model=ModelSource(archive="x"), workers=0), "greater than or equal to 1"),
        (lambda: CaptureConfig(percent=101), "less than or equal to 100"),
    ],
)
def test_what_is_refused(make: Callable[[], object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        make()


def test_names_are_checked() -> None:
    bad = {"variants": [{"name": "../up", "model": {"archive": "x"}}]}
    with pytest.raises(InvalidRequest, match=r"configuration is wrong: .*variant name"):
        EndpointConfig.from_json(bad)
    with pytest.raises(InvalidRequest, match=r"variants\.0\.wait: Extra inputs"):
        EndpointConfig.from_json({"variants": [{"model": {"archive": "x"}, "wait": 1}]})


def test_weights_and_workers() -> None:
    made = config("ant", "bee")
    changed = made.with_weights({"v1": 0}).with_workers({"v0": 4})
    assert [(one.weight, one.workers) for one in changed.variants] == [(1, 4), (0, 1)]
    assert changed.runs_the_same_models(made)
    assert not config("ant").runs_the_same_models(config("bee"))
    with pytest.raises(InvalidRequest, match="no variant 'v9'; there are: v0, v1"):
        made.with_weights({"v9": 1})
    with pytest.raises(InvalidRequest, match="all variants have weight 0"):
        made.with_weights({"v0": 0, "v1": 0})


def test_wishes_grow(tmp_path) -> None:
    wishes = Wishes(tmp_path)
    with pytest.raises(NotFound):
        wishes.desired()
    assert wishes.observed() == Observed()
    assert [wishes.wish(config("ant")).version for _ in range(3)] == [1, 2, 3]
    with pytest.raises(Conflict, match="changed by somebody else"):
        wishes.wish(config("bee"), after=2)
    assert wishes.wish(config("bee"), after=3).version == 4
    wishes.tell(Observed(version=3, config=config("ant")))
    assert wishes.observed().settled(3)
    assert wishes.standing() == wishes.desired()
    wishes.tell(Observed(version=3, config=config("ant"), rejected=4))
    assert (wishes.standing().version, wishes.standing().config) == (4, config("ant"))
    wishes.observed_file.write_text('{"version": "x"}')
    with pytest.raises(StorageFailed, match=r"observed\.json is damaged"):
        wishes.observed()
