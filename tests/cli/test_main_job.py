"""The main job from the command line, as a person types it: one real run, then everything that can be asked of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from tests.cli.shell import Answer, Shell
from tintype.profiler.readers import open_profile


@dataclass(frozen=True)
class Done:
    shell: Shell
    answer: Answer
    data: Path


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, colours: Path) -> Iterator[Done]:
    shell = Shell(tmp_path_factory.mktemp("home"))
    photo = colours / "blue" / "000.png"
    words = ["--name", "colours", "--trials", "2", "--epochs", "3", "--predict", photo, "--predict", colours / "green"]
    answer = shell.json("run", colours, *words)
    yield Done(shell, answer, colours)
    shell("endpoints", "delete", "colours")
    owners = [one for one in psutil.process_iter(["cmdline"]) if str(shell.home) in " ".join(one.info["cmdline"] or [])]
    assert not owners, "something of the run is still running"


def test_run_answers_with_what_is_promised(done: Done) -> None:
    answer = done.answer
    assert answer["name"] == answer["tuning_job"] == "colours"
    assert answer["training_job"] == "colours-train"
    assert {"lr", "batch-size", "model"} <= answer["best_hyperparameters"].keys()
    assert answer["best_hyperparameters"]["epochs"] == 3
    for split in ("valid", "test"):
        assert answer["metrics"][split]["accuracy"] > 0.8
        assert answer["metrics"][split]["loss"] < 1.0
    assert Path(answer["archive"]).is_file()
    assert "<!doctype html>" in Path(answer["report"]).read_text()[:200].lower()
    assert answer["seconds"] > 0
    labels = [one["label"] for one in answer["predictions"]]
    assert labels[0] == "blue"
    assert labels[1:].count("green") > 15
    assert all(0 < one["probability"] <= 1 for one in answer["predictions"])


def test_the_endpoint_answers_over_http(done: Done) -> None:
    photo = (done.data / "amber" / "001.png").read_bytes()
    url = done.answer["endpoint"]
    assert httpx.get(f"{url}/ping", timeout=120).status_code == 200
    answer = httpx.post(f"{url}/invocations", content=photo, headers={"content-type": "image/png"}, timeout=120)
    assert answer.json()["predictions"][0]["label"] == "amber"
    assert httpx.post(f"{url}/invocations", content=b"no image", timeout=120).status_code in (400, 415)


def test_predict_by_endpoint_and_without_a_server_agree(done: Done, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    served = done.shell.json("predict", "colours", done.data / "blue", "--csv", rows)["predictions"]
    local = done.shell.json("predict", "colours-train", done.data / "blue")["predictions"]
    assert [one["label"] for one in served] == [one["label"] for one in local]
    for one, other in zip(served, local, strict=True):
        assert one["probability"] == pytest.approx(other["probability"], abs=1e-4)
    assert len(rows.read_text().splitlines()) == 21


def test_jobs_are_on_record(done: Done, tmp_path: Path) -> None:
    jobs = done.shell.json("jobs", "list", "--trials")["jobs"]
    assert [job["status"] for job in jobs] == ["Completed"] * 3
    shown = done.shell.json("jobs", "show", "colours-train")
    assert shown["secondary_status"] == "Completed"
    assert shown["metrics"]["valid:accuracy"].keys() == {"last", "min", "max", "count"}
    assert shown["metrics"]["valid:accuracy"]["count"] == 3
    assert Path(shown["directory"], "output", "data", "evaluation.json").is_file()
    lines = done.shell.json("jobs", "logs", "colours-train")["lines"]
    assert any("epoch 3/3" in line and "valid:loss" in line for line in lines)
    csv = tmp_path / "log.csv"
    done.shell("jobs", "logs", "colours-train", "--csv", csv)
    assert csv.read_text().startswith("timestamp,message")
    assert done.shell.json("jobs", "wait", "colours-train")["status"] == "Completed"
    assert "Completed" in done.shell("jobs", "list").stdout


def test_tuning_is_on_record(done: Done) -> None:
    shown = done.shell.json("tuning", "show", "colours")
    assert shown["status"] == "Completed"
    assert shown["counts"]["Completed"] == 2
    assert len(shown["trials"]) == 2
    best = done.shell.json("tuning", "best", "colours")
    assert best == shown["best"]
    assert best["value"] == max(trial["value"] for trial in shown["trials"])
    assert best["hyperparameters"] == done.answer["best_hyperparameters"]
    assert "colours" in done.shell("tuning", "list").stdout


def test_a_trial_can_be_deployed(done: Done) -> None:
    trial = next(job["name"] for job in done.shell.json("jobs", "list", "--trials")["jobs"] if job["tuning_job"])
    shown = done.shell.json("deploy", trial, "--endpoint", "of-a-trial")
    assert shown["status"] == "InService"
    assert httpx.get(f"{shown['url']}/ping", timeout=120).status_code == 200
    assert {one["name"] for one in done.shell.json("endpoints", "list")["endpoints"]} >= {"colours", "of-a-trial"}
    done.shell("endpoints", "delete", "of-a-trial")
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{shown['url']}/ping")


def test_the_report_is_found(done: Done) -> None:
    assert done.shell.json("report", "colours")["report"] == done.answer["report"]
    assert Path(done.shell.json("report", "colours-train")["report"]).is_file()


def test_the_cache_is_listed_and_cleared(done: Done) -> None:
    entries = done.shell.json("data", "cache")["entries"]
    assert {entry["kind"] for entry in entries} >= {"images"}
    assert all(entry["images"] for entry in entries)            # no row for a split that is not there
    done.shell("data", "cache", "--clear")
    assert done.shell.json("data", "cache")["entries"] == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("run", "/no/such/folder"), "/no/such/folder"),
        (("jobs", "show", "colour-train"), "did you mean 'colours-train'"),
        (("tuning", "best", "nothing"), "there is no tuning job named 'nothing'"),
        (("predict", "nothing", "/no.jpg"), "nothing"),
        (("endpoints", "show", "nothing"), "there is no endpoint named 'nothing'"),
        (("deploy", "nothing"), "there is no run, job or archive named 'nothing'"),
        (("report", "nothing"), "there is no run or job named 'nothing'"),
        (("jobs", "list", "--status", "Gone"), "the states are InProgress"),
        (("jobs", "stop", "colours-train"), "is Completed; there is nothing to stop"),
    ],
)
def test_wrong_use_is_one_readable_line(done: Done, words: tuple[str, ...], says: str) -> None:
    error = done.shell(*words, code=2).stderr
    assert error.startswith("tintype: ")
    assert says in error
    assert error.count("\n") == 1


def test_a_name_is_used_once(done: Done) -> None:
    assert "is there already" in done.shell("run", done.data, "--name", "colours", code=2).stderr


def test_a_run_that_is_refused_leaves_its_name_free(done: Done, tmp_path: Path) -> None:
    (tmp_path / "one" / "amber").mkdir(parents=True)
    (tmp_path / "one" / "amber" / "1.png").write_bytes((done.data / "amber" / "001.png").read_bytes())
    for name in ("amber", "blue"):
        for folder in ("few", "bad"):
            (tmp_path / folder / name).mkdir(parents=True)
        (tmp_path / "few" / name / "1.png").write_bytes((done.data / name / "001.png").read_bytes())
        for number in range(9):
            (tmp_path / "bad" / name / f"{number}.png").write_text("nothing")
    words = ("--name", "refused", "--no-deploy")
    for data, more, says in (
        (tmp_path / "one", (), "one class, 'amber'"),
        (tmp_path / "few", (), "no usable image in its valid split; add some; three images of a class"),
        (tmp_path / "bad", (), "no usable image in its train split"),
        (done.data, ("--predict", tmp_path / "no.jpg"), "no.jpg"),
        (done.data, ("--image-size", "5000"), "'image-size'"),
        (done.data, ("--weights", "no.pth"), "no weights file"),
    ):
        assert says in done.shell("run", data, *words, *more, code=2).stderr.splitlines()[-1]
        assert "refused" not in done.shell("jobs", "list").stdout
        assert "no run" in done.shell("deploy", "refused", code=2).stderr


def test_a_folder_that_is_not_there_is_no_failed_job(done: Done) -> None:
    for command in ("train", "tune"):
        assert "/no/such/folder" in done.shell(command, "/no/such/folder", code=2).stderr


def test_settings_are_checked_before_anything_runs(done: Done) -> None:
    tune = ("tune", done.data, "--weights", "none", "--model", "small_cnn")
    assert "did you mean" in done.shell(*tune, "--range", "lrr=0.1:1", code=2).stderr
    assert "lr" in done.shell(*tune, "--range", "lr=1:0.1", code=2).stderr
    assert "batch-size" in done.shell(*tune, "--range", "lr=0.1:1", "-p", "batch-size=-3", code=2).stderr
    named = done.shell("train", done.data, "--model", "resnet18", code=2).stderr
    assert "resnet18" in named
    assert "--weights" in named or "weights" in named


def test_train_and_tune_alone(done: Done) -> None:
    small = ("--model", "small_cnn", "--weights", "none")
    trained = done.shell.json("train", done.data, *small, "--epochs", "1", "--name", "alone", "-p", "lr=0.005")
    assert trained["status"] == "Completed"
    assert trained["hyperparameters"]["lr"] == 0.005
    assert Path(trained["archive"]).is_file()
    words = ("--range", "batch-size=8,16", "--strategy", "grid", "--max-jobs", "2", "-p", "epochs=1", "--name", "grid")
    tuned = done.shell.json("tune", done.data, *small, *words)
    assert sorted(trial["hyperparameters"]["batch-size"] for trial in tuned["trials"]) == [8, 16]
    assert tuned["best"]["job"].startswith("grid-00")


def test_a_job_whose_folder_was_deleted_is_not_trained_again_unasked(done: Done) -> None:
    trained = done.shell.json("train", done.data, "--model", "small_cnn", "--epochs", "1", "--name", "removed")
    shutil.rmtree(trained["directory"])
    assert "the model of job 'removed' is gone" in done.shell("predict", "removed", done.data, code=2).stderr
    assert "the model of job 'removed' is gone" in done.shell("deploy", "removed", code=2).stderr
    assert "the log of job 'removed' is gone" in done.shell("jobs", "logs", "removed", code=2).stderr
    assert not Path(trained["directory"]).exists()


def test_a_run_without_a_search_is_profiled(done: Done) -> None:
    words = ["--name", "unsearched", "--trials", "0", "--epochs", "3", "--model", "small_cnn", "--no-deploy"]
    answer = done.shell.json("run", done.data, *words)
    assert (answer["tuning_job"], answer["endpoint"]) == (None, None)
    job = done.shell.json("jobs", "show", answer["training_job"])
    assert len(open_profile(Path(job["directory"], "profiler-output")).steps()) > 3
