"""What the pages show, from real records."""

from __future__ import annotations

import csv
import io

import pytest
from starlette.testclient import TestClient

from tests.web.pages.conftest import waiting
from tintype.jobs.job import Status
from tintype.workspace import Workspace

ORIGIN = {"origin": "http://127.0.0.1:8400"}


def test_the_first_page_has_everything(owner: TestClient) -> None:
    page = owner.get("/ui/").text
    for words in ("good", "bad", "ants", "Nothing is under way.", "tintype deploy NAME"):
        assert words in page


def test_a_finished_job(owner: TestClient) -> None:
    page = owner.get("/ui/jobs/good").text
    assert "Completed" in page
    assert 'data-under-way="no"' in page
    assert page.count("<figure") == 1                   # train and valid share one
    assert "Last: train 0.2 (0.2 to 1) and valid 0.3 (0.3 to 1.5)." in page
    assert "model.tar.gz" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page


def test_a_failed_job_says_why(owner: TestClient) -> None:
    page = owner.get("/ui/jobs/bad").text
    assert "no such breed: &lt;b&gt;poodle&lt;/b&gt;" in page
    assert "Failed" in page


def test_the_log_comes_piece_by_piece(owner: TestClient) -> None:
    first = owner.get("/ui/jobs/good/log").json()
    assert first["text"].count("train loss") == 5
    rest = owner.get("/ui/jobs/good/log", params={"from": first["offset"]}).json()
    assert rest == {"text": "", "offset": first["offset"]}
    whole = owner.get("/ui/jobs/good/log.txt")
    assert whole.text.startswith(first["text"])
    assert whole.headers["content-type"].startswith("text/plain")
    for wrong in ("-1", "x", "9" * 40, "٣"):
        assert owner.get("/ui/jobs/good/log", params={"from": wrong}).status_code == 400


def test_the_model_can_be_fetched(owner: TestClient) -> None:
    answer = owner.get("/ui/jobs/good/model.tar.gz")
    assert answer.content[:2] == b"\x1f\x8b"
    assert "good-model.tar.gz" in answer.headers["content-disposition"]


def test_a_list_is_narrowed(owner: TestClient) -> None:
    assert "good" in owner.get("/ui/jobs").text
    failed = owner.get("/ui/jobs", params={"status": "Failed"}).text
    assert ">bad<" in failed
    assert ">good<" not in failed
    assert ">good<" in owner.get("/ui/jobs", params={"name": "OO"}).text
    assert ">ants-001" not in owner.get("/ui/jobs").text
    assert ">ants-001" in owner.get("/ui/jobs", params={"trials": "yes"}).text
    assert "No training job is like that" in owner.get("/ui/jobs", params={"name": "<b>"}).text


def test_a_tuning_job(owner: TestClient) -> None:
    page = owner.get("/ui/tuning/ants").text
    assert "Completed" in page
    assert page.count("<tr data-trial") == 2
    assert "average test loss" in page
    rows = list(csv.DictReader(io.StringIO(owner.get("/ui/tuning/ants/trials.csv").text)))
    assert len(rows) == 2
    assert {"TrainingJobName", "FinalObjectiveValue", "lr"} <= set(rows[0])


@pytest.mark.parametrize("path", ["/ui/jobs/nope", "/ui/tuning/nope", "/ui/runs/nope/report", "/ui/endpoints/nope"])
def test_what_is_not_there_is_said_to_be_not_there(owner: TestClient, path: str) -> None:
    answer = owner.get(path)
    assert answer.status_code == 404
    assert "nope" in answer.text


@pytest.mark.parametrize("report", ["report", "debugger", "profiler"])
def test_a_report_that_is_not_there_is_no_crash(owner: TestClient, report: str) -> None:
    assert owner.get(f"/ui/jobs/bad/{report}").status_code in (200, 400, 404)


def test_a_report_cannot_reach_the_pages(owner: TestClient) -> None:
    answer = owner.get("/ui/jobs/good/debugger")
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"].startswith("sandbox allow-scripts")
    assert "allow-same-origin" not in answer.headers["content-security-policy"]


def test_stopping_a_job_asks_for_it(owner: TestClient, happened: Workspace) -> None:
    waiting(happened, "queued")
    assert 'data-under-way="yes"' in owner.get("/ui/jobs/queued").text
    answer = owner.post("/ui/jobs/queued/stop", headers=ORIGIN)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/ui/jobs/queued"
    assert happened.jobs.get("queued").status is not Status.IN_PROGRESS
    assert owner.post("/ui/jobs/good/stop", headers=ORIGIN).status_code == 409


def test_a_tuning_job_that_has_ended_is_not_stopped(owner: TestClient) -> None:
    answer = owner.post("/ui/tuning/ants/stop", headers=ORIGIN)
    assert answer.status_code == 409
    assert "there is nothing to stop" in answer.text


def test_deleting_an_endpoint_that_is_not_there(owner: TestClient) -> None:
    assert owner.post("/ui/endpoints/nope/delete", headers=ORIGIN).status_code == 404


def test_style_and_script_are_open_and_whole(anybody: TestClient) -> None:
    assert "--accent" in anybody.get("/ui/pages.css").text
    assert "data-live" in anybody.get("/ui/pages.js").text
