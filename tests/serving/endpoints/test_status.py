"""Statuses from what is to be seen: one line per case, and nothing that the table of moves does not allow."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tests.serving.stand_in import config
from tintype.serving.endpoints.desired import Observed
from tintype.serving.endpoints.endpoint import NEXT, Endpoint, Status, Variant
from tintype.serving.endpoints.process import ProcessIdentity, State
from tintype.serving.endpoints.status import Sight, as_seen, look

SERVER = ProcessIdentity(4711, 1)
LISTENING = State(SERVER, "127.0.0.1", 8080)
ENDPOINT = Endpoint("ants", "/nowhere", (Variant("AllTraffic", "a.tar.gz"),), ProcessIdentity(1, 1), "127.0.0.1")
UP = Sight(True, True, "", LISTENING, Observed(version=1), 1)
DOWN = Sight(False, False, "it was killed", LISTENING, Observed(version=1), 1)


@pytest.mark.parametrize(
    ("before", "sight", "after", "reason"),
    [
        (Status.CREATING, replace(UP, state=None, observed=Observed()), Status.CREATING, ""),
        (Status.CREATING, UP, Status.IN_SERVICE, ""),
        (Status.CREATING, replace(DOWN, observed=Observed()), Status.FAILED, "it did not start: it was killed"),
        (Status.CREATING, replace(DOWN, death="", owner_alive=True), Status.CREATING, ""),
        (Status.CREATING, replace(DOWN, death=""), Status.FAILED, "starting it is gone"),
        (Status.CREATING, DOWN, Status.OUT_OF_SERVICE, "it was killed"),
        (Status.IN_SERVICE, UP, Status.IN_SERVICE, ""),
        (Status.IN_SERVICE, replace(UP, desired=2), Status.UPDATING, ""),
        (
            Status.UPDATING,
            replace(UP, desired=2, observed=Observed(version=1, rejected=2, reason="slow", stage="RollingBack")),
            Status.ROLLING_BACK, "slow",
        ),
        (
            Status.ROLLING_BACK,
            replace(UP, desired=2, observed=Observed(version=1, rejected=2, reason="slow")),
            Status.IN_SERVICE, "the last update was rolled back: slow",
        ),
        (Status.UPDATING, replace(UP, desired=2, observed=Observed(version=2)), Status.IN_SERVICE, ""),
        (Status.IN_SERVICE, DOWN, Status.OUT_OF_SERVICE, "it was killed"),
        (
            Status.IN_SERVICE, replace(DOWN, desired=2, observed=Observed(version=1, rejected=2)),
            Status.UPDATE_ROLLBACK_FAILED, "it was killed",
        ),
        (Status.OUT_OF_SERVICE, UP, Status.IN_SERVICE, ""),
        (Status.OUT_OF_SERVICE, replace(UP, state=None), Status.OUT_OF_SERVICE, "being started again"),
        (Status.DELETING, UP, Status.DELETING, ""),
        (Status.DELETING, DOWN, Status.FAILED, "deleting it is gone"),
        (Status.FAILED, UP, Status.FAILED, ""),
    ],
)  # fmt: skip
def test_statuses(before: Status, sight: Sight, after: Status, reason: str) -> None:
    seen = as_seen(replace(ENDPOINT, status=before), sight, now=9.0)
    assert seen.status is after
    assert reason in seen.failure_reason
    assert bool(reason) == bool(seen.failure_reason)
    assert as_seen(seen, sight, now=10.0) == seen                       # looking again changes nothing
    assert (seen.changed_at == 9.0) == (after is not before)


def test_the_place_is_learnt_and_kept() -> None:
    seen = as_seen(ENDPOINT, UP, now=9.0)
    assert (seen.url, seen.server) == ("http://127.0.0.1:8080", SERVER)
    down = as_seen(seen, DOWN, now=10.0)
    assert (down.url, down.port) == (None, 8080)                        # to be brought back there
    under_way = Observed(version=1, stage="Shifting", share=0.25)
    updating = as_seen(seen, replace(UP, desired=2, observed=under_way), now=11.0)
    assert updating.update is not None
    assert updating.update.share == 0.25
    assert Endpoint.from_json(updating.to_json()) == updating


def test_after_an_update_that_went_back_the_variants_are_the_old_ones() -> None:
    old, new = ENDPOINT.variants, (Variant("AllTraffic", "b.tar.gz"),)
    updating = replace(ENDPOINT, status=Status.UPDATING, variants=new, before=old)
    back = as_seen(updating, replace(UP, desired=2, observed=Observed(version=1, rejected=2)), now=9.0)
    assert (back.variants, back.before) == (old, ())
    done = as_seen(updating, replace(UP, desired=2, observed=Observed(version=2)), now=9.0)
    assert (done.variants, done.before) == (new, ())
    assert Endpoint.from_json(updating.to_json()) == updating


sights = some.builds(
    Sight, some.booleans(), some.booleans(), some.sampled_from(["", "killed"]),
    some.sampled_from([None, LISTENING, State(SERVER), State(SERVER, failure="no model")]),
    some.builds(Observed, version=some.integers(0, 3), rejected=some.integers(0, 3),
                stage=some.sampled_from(["", "Shifting", "RollingBack"])),
    some.integers(0, 3),
)  # fmt: skip


@given(some.sampled_from(Status), some.lists(sights, max_size=10))
def test_only_moves_of_the_table_whatever_is_seen(first: Status, seen: list[Sight]) -> None:
    endpoint = replace(ENDPOINT, status=first)
    for sight in seen:
        after = as_seen(endpoint, sight, now=1.0)
        assert after.status is endpoint.status or after.status in NEXT[endpoint.status]
        endpoint = after


def test_looking(tmp_path: Path) -> None:
    endpoint = replace(ENDPOINT, directory=str(tmp_path), owner=ProcessIdentity.own())
    assert look(endpoint) == Sight(False, True, "", None, Observed(), 0)
    endpoint.files.wishes.wish(config("ant"))
    LISTENING.write(endpoint.files.state)
    assert look(endpoint).death == "the machine was restarted"
    replace(LISTENING, failure="no such model").write(endpoint.files.state)
    found = look(endpoint)
    assert (found.desired, found.death) == (1, "no such model")
