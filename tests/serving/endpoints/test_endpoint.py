"""The states of an endpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.errors import Conflict
from tintype.serving.endpoints.endpoint import NEXT, Endpoint, Status, Variant
from tintype.serving.endpoints.process import ProcessIdentity

VARIANT = Variant("AllTraffic", "model.tar.gz")
ENDPOINT = Endpoint("ants", "/nowhere/server-1", (VARIANT,), owner=ProcessIdentity(1, 2), host="::1")


@given(st.lists(st.sampled_from(list(Status))))
def test_only_legal_moves_are_made(moves: list[Status]) -> None:
    endpoint = ENDPOINT
    for status in moves:
        before = endpoint.status
        if status in NEXT[before]:
            endpoint = endpoint.moved(status, at=3.0, reason="why")
            assert (endpoint.status, endpoint.failure_reason, endpoint.changed_at) == (status, "why", 3.0)
        else:
            with pytest.raises(Conflict, match=f"'ants' is {before}; it cannot become {status}"):
                endpoint.moved(status, at=3.0)


def test_a_record_keeps_all_of_it() -> None:
    assert Endpoint.from_json(ENDPOINT.to_json()) == ENDPOINT
    served = Endpoint.from_json({**ENDPOINT.to_json(), "server": {"pid": 5, "started_at": 15}, "status": "InService"})
    assert served.server == ProcessIdentity(5, 15)
    assert Endpoint.from_json(served.to_json()) == served


def test_the_url_is_there_while_it_serves() -> None:
    assert ENDPOINT.url is None
    assert Endpoint.from_json({**ENDPOINT.to_json(), "port": 80, "status": "InService"}).url == "http://[::1]:80"
    everywhere = {**ENDPOINT.to_json(), "host": "0.0.0.0", "port": 80, "status": "InService"}
    assert Endpoint.from_json(everywhere).url == "http://127.0.0.1:80"


def test_what_is_shown(tmp_path: Path) -> None:
    shown = ENDPOINT.describe()
    assert {"name", "status", "url", "variants"} <= set(shown)
    assert shown["variants"] == [
        {"name": "AllTraffic", "archive": "model.tar.gz", "weight": 1.0, "instances": 1, "shadow": False}
    ]
    assert ENDPOINT.token is None
