"""Who may see the pages, and who may change something."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tintype.errors import InvalidRequest
from tintype.web.pages.session import COOKIE, open_session


def test_the_token_is_made_once_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "server" / "pages.token"
    first = open_session(path)
    assert open_session(path).token == first.token
    assert len(first.token) >= 40
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_empty_token_file_opens_nothing(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("\n")
    with pytest.raises(InvalidRequest, match="delete it"):
        open_session(tmp_path / "token")


def test_without_the_link_nothing_is_shown(anybody: TestClient) -> None:
    for path in ("/ui/", "/ui/jobs", "/ui/jobs/good", "/ui/jobs/good/log", "/ui/jobs/good/model.tar.gz"):
        answer = anybody.get(path)
        assert answer.status_code == 401
        assert "the link that" in answer.text
        assert "good" not in answer.text
    assert anybody.get("/ui/sign-in", params={"token": "x" * 43}).status_code == 401
    anybody.cookies.set(COOKIE, "x" * 43)
    assert anybody.get("/ui/jobs").status_code == 401


def test_the_cookie_is_kept_from_scripts_and_other_sites(owner: TestClient) -> None:
    token = owner.cookies[COOKIE]
    answer = owner.get("/ui/sign-in", params={"token": token})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "path=/ui" in cookie


def test_another_name_for_this_machine_is_refused(owner: TestClient) -> None:
    answer = owner.get("/ui/jobs", headers={"host": "evil.example:8400"})
    assert answer.status_code == 400
    assert "evil.example" in answer.text


@pytest.mark.parametrize("origin", ["", "null", "http://evil.example", "http://127.0.0.1:9999"])
def test_changes_come_from_our_own_pages(owner: TestClient, origin: str) -> None:
    answer = owner.post("/ui/jobs/good/stop", headers={"origin": origin} if origin else {})
    assert answer.status_code == 400
    assert "no page of this server" in answer.text


def test_the_policy_lets_only_our_own_files_run(owner: TestClient) -> None:
    headers = owner.get("/ui/jobs/good").headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
