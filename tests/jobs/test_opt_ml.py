from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tintype.jobs.opt_ml import enter

CHILD = """
import json, os, sys
from pathlib import Path
from tintype.jobs.opt_ml import enter
root, uid, hosts = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
if uid:
    os.setgid(uid); os.setuid(uid)
before = sorted(os.listdir("/opt"))
reason = enter(root, Path(hosts) if hosts else None)
seen = {"reason": reason, "uid": os.getuid(), "before": before, "after": sorted(os.listdir("/opt")), "cwd": os.getcwd()}
if reason is None:
    Path("/opt/ml/model/model.pth").write_text("weights")
    seen["same"] = (root / "model" / "model.pth").read_text() == "weights"
    seen["listed"] = {name: sorted(os.listdir(f"/opt/{name}"))[:3] for name in before if os.path.isdir(f"/opt/{name}")}
    seen["hosts"] = Path("/etc/hosts").read_text()
print(json.dumps(seen))
"""


def entered(root: Path, uid: int = 0, hosts: str = "") -> dict[str, object]:
    ran = subprocess.run(
        [sys.executable, "-c", CHILD, str(root), str(uid), hosts], capture_output=True, text=True, check=True, cwd="/"
    )
    return json.loads(ran.stdout)


@pytest.fixture
def job(tmp_path: Path) -> Path:
    (tmp_path / "job" / "model").mkdir(parents=True)
    return tmp_path / "job"


@pytest.fixture
def outside() -> object:
    """What the machine has at /opt, which must be the same afterwards."""
    before = sorted(os.listdir("/opt"))
    yield before
    assert sorted(os.listdir("/opt")) == before


def test_a_job_sees_its_directory_as_opt_ml(job: Path, tmp_path: Path, outside: list[str]) -> None:
    (tmp_path / "hosts").write_text("127.0.0.1 localhost algo-1\n")
    seen = entered(job, os.getuid() and 0, str(tmp_path / "hosts"))
    if seen["reason"] is not None:
        pytest.skip(f"not permitted here: {seen['reason']}")
    assert seen["same"] is True
    assert seen["after"] == sorted({*outside, "ml"})
    assert seen["listed"] == {name: sorted(os.listdir(f"/opt/{name}"))[:3] for name in outside if name != "ml"}
    assert seen["hosts"] == "127.0.0.1 localhost algo-1\n"
    assert (job / "model" / "model.pth").read_text() == "weights"


def test_half_a_view_is_taken_back(tmp_path: Path, outside: list[str]) -> None:
    seen = entered(tmp_path / "nowhere")
    assert seen["reason"] is not None
    assert seen["after"] == outside


@pytest.mark.skipif(os.getuid() != 0, reason="becomes another user, which only root can")
def test_a_user_does_by_a_namespace_or_learns_why_not(job: Path, tmp_path: Path, outside: list[str]) -> None:
    for path in (job, job / "model"):
        os.chmod(path, 0o777)
    for parent in [tmp_path, *tmp_path.parents]:
        if not parent.stat().st_mode & 0o001:
            os.chmod(parent, parent.stat().st_mode | 0o711)
    seen = entered(job, 65534)
    assert seen["uid"] == 65534
    if seen["reason"] is None:
        assert seen["same"] is True
        assert (job / "model" / "model.pth").stat().st_uid == 65534
    else:
        assert "view of its own" in str(seen["reason"])


def test_a_job_below_opt_ml_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tintype.jobs.opt_ml.Path.resolve", lambda path: path)
    assert enter(Path("/opt/ml/jobs/one")) == "the job's directory is itself below /opt/ml"


def test_a_machine_that_uses_opt_ml_itself(job: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "taken" / "x").mkdir(parents=True)
    monkeypatch.setattr("tintype.jobs.opt_ml.OPT_ML", str(tmp_path / "taken"))
    assert "is in use" in str(enter(job))
