"""Every writer of the engine on a disk that is really full: it says so, and leaves what was there as it was.

Each case is a program in a mount namespace of its own, where `disk` is a file system of two megabytes (`fill` takes
what is left of it, `free` gives it back).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BEFORE = """
import os, sys
from pathlib import Path
from tintype.errors import StorageFailed

def fill():
    with open(disk / "filler", "ab", buffering=0) as stream:
        try:
            while True:
                stream.write(b"x" * 4096)
        except OSError:
            pass

def free():
    (disk / "filler").unlink()

def refused(what):
    try:
        what()
    except StorageFailed as error:
        print("refused:", error)
    else:
        print("not refused")

disk, tmp = Path(sys.argv[1]), Path(sys.argv[2])
large = tmp / "large"
large.mkdir()
(large / "1.bin").write_bytes(os.urandom(4 << 20))
"""

CASES = {
    "a channel": """
import fsspec
from tintype.jobs.channels import place_channel
from tintype.jobs.specification import Channel
fsspec.filesystem("memory").put(str(large), "/bucket", recursive=True)
refused(lambda: place_channel(Channel("train", "memory://bucket"), disk / "data", print))
print("left:", os.listdir(disk / "data"))
""",
    "what trials share": """
import fsspec
from tintype.jobs.channels import place_channel
from tintype.jobs.specification import Channel
fsspec.filesystem("memory").put(str(large), "/bucket", recursive=True)
refused(lambda: place_channel(Channel("train", "memory://bucket"), tmp / "data", lambda _: None, disk / "shared"))
print("left:", [name for name in os.listdir(disk / "shared") if not name.endswith(".lock")], os.listdir(tmp / "data"))
""",
    "a trial's copy of what they share": """
import fsspec
from tintype.jobs.channels import place_channel
from tintype.jobs.specification import Channel
fsspec.filesystem("memory").put(str(large), "/bucket", recursive=True)
refused(lambda: place_channel(Channel("train", "memory://bucket"), disk / "data", lambda _: None, tmp / "shared"))
print("left:", os.listdir(disk / "data"))
""",
    "checkpoints at their URL": """
from tintype.jobs.checkpoint_mirror import CheckpointMirror
refused(CheckpointMirror(large, tmp, str(disk / "url"), 5.0, print).finish)
print("left:", os.listdir(disk / "url"), [name for name in os.listdir(tmp) if "checkpoint" in name])
""",
    "checkpoints on their way": """
from tintype.jobs.checkpoint_mirror import CheckpointMirror
refused(CheckpointMirror(large, disk, "memory://checkpoints", 5.0, print).finish)
print("left:", os.listdir(disk))
""",
    "checkpoints brought back": """
from tintype.jobs.channels import fetch_copies
refused(lambda: fetch_copies(str(large), disk / "checkpoints", print))
print("left:", os.listdir(disk))
""",
    "the configuration": """
from tintype.jobs.configuration_files import write_configuration
from tintype.jobs.directory import JobDirectory
from tintype.jobs.job import JobSpec, Source
directory = JobDirectory(disk / "job")
directory.lay_out()
fill()
refused(lambda: write_configuration(JobSpec(Source("script", "x.py"), hyperparameters={"a": "b" * 9999}), directory, 0))
print("left:", os.listdir(directory.config))
""",
    "the log": """
from tintype.jobs.log import JobLog
log = JobLog(disk / "training.log")
log.say("first", 0.0)
fill()
refused(lambda: log.say("x" * 9999, 0.0))
print("left:", [line.split()[1][:5] for line in (disk / "training.log").read_text().splitlines()][:1])
""",
    "the records": """
from tintype.jobs.job import Job, JobSpec, Source, Status
from tintype.jobs.store import JobStore
from tintype.records import Measurement, Owner, Records
store = JobStore(Records.open(f"sqlite:///{disk}/tintype.db"))
store.submit(Job("one", str(disk / "one"), spec=JobSpec(Source("script", "x.py"))))
lease = store.take("one", Owner.of())
fill()
many = [Measurement("loss", step, 0.5) for step in range(5000)]
refused(lambda: store.measure("one", many, lease))
refused(lambda: [store.submit(Job(f"job-{number}", "x" * 4096)) for number in range(100)])
free()
store.measure("one", many[:3], lease)
print("left:", store.get("one").status, len(store.measurements("one")), store.move("one", Status.STOPPED).status)
""",
    "a tuning job": """
from dataclasses import replace
from tintype.records import Records
from tintype.tuning.objective import Direction
from tintype.tuning.ranges import Continuous
from tintype.tuning.settings import TuningSettings
from tintype.tuning.space import Space
from tintype.tuning.state import TuningState
from tintype.tuning.store import RecordTuningStore
from tintype.tuning.trial import Trial
space = Space((Continuous("lr", 0.1, 1.0),))
settings = TuningSettings(name="t", space=space, objective="o", direction=Direction.MINIMIZE)
state, records = TuningState(settings), Records.open(f"sqlite:///{disk}/tintype.db")
store = RecordTuningStore(records)
store.save(state)
fill()
trials = [Trial(number, f"t-{number:03d}", {"lr": 0.5, "note": "x" * 4096}, ("lr",)) for number in range(1, 31)]
done = []
def save():
    for trial in trials:
        store.save_trial(state, trial)
        done.append(trial)
refused(save)
free()
for trial in trials[len(done):]:
    store.save_trial(state, trial)
print("left:", len(RecordTuningStore(records).load("t").trials))
""",
    "a store that is opened": """
from tintype.records import Records
url = f"sqlite:///{disk}/records.db"
Records.open(url).close()
fill()
refused(lambda: Records.open(url))
refused(lambda: Records.open(f"sqlite:///{disk}/new.db"))
free()
print("left:", Records.open(url) is not None)
""",
}
LEFT = {
    "the log": "['first']", "the records": "InProgress 3 Stopped", "a tuning job": "30", "what trials share": "[] []",
    "checkpoints at their URL": "[] []", "a store that is opened": "True",
}  # fmt: skip


def on_a_small_disk(tmp_path: Path, program: str, size: str = "2m") -> str:
    """What the program prints."""
    disk = tmp_path / "disk"
    disk.mkdir()
    (tmp_path / "child.py").write_text(program)
    run = f"mount -t tmpfs -o size={size} small {disk} && exec {sys.executable} {tmp_path}/child.py {disk} {tmp_path}"
    who = ["--map-root-user"] if os.getuid() else []
    here = Path(__file__).parents[2]
    ran = subprocess.run(
        ["unshare", "--mount", *who, "sh", "-c", run], capture_output=True, text=True, check=False, cwd=here,
        env={**os.environ, "PYTHONPATH": str(here)},
    )  # fmt: skip
    if "Traceback" not in ran.stderr and ran.returncode != 0:
        pytest.skip(f"no mounts of our own here: {ran.stderr}")
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize("case", CASES)
def test_a_full_disk_is_said_and_leaves_what_was_there(tmp_path: Path, case: str) -> None:
    said = on_a_small_disk(tmp_path, BEFORE + CASES[case]).splitlines()
    assert "not refused" not in said
    refusals = [line for line in said if line.startswith("refused:")]
    assert refusals
    assert all("disk is full" in line for line in refusals), refusals
    assert said[-1] == f"left: {LEFT.get(case, '[]')}"


WHOLE = """
import os, sys
from pathlib import Path
from tests.jobs.running_engine import home_in
from tintype.jobs.job import Status
disk = Path(sys.argv[1])
GREEDY = '''
import os
with open(os.path.join(os.environ["SM_MODEL_DIR"], "model.bin"), "wb") as stream:
    stream.write(os.urandom(WANTED))
print("wrote", flush=True)
'''
with home_in(disk) as home, home.engine() as engine:
    names = [("full", 60 << 20), ("packed", 24 << 20)]          # for the script itself, and for packing what it left
    for name, wanted in names:
        engine.submit(home.script(GREEDY.replace("WANTED", str(wanted))), name)
        job = engine.wait(name, timeout=120)
        print(name, job.status, job.failure_reason)
        (Path(job.directory) / "model" / "model.bin").unlink()
    engine.submit(home.script(GREEDY.replace("WANTED", "1000")), "after")
    print("after", engine.wait("after", timeout=120).status, [str(home.store.get(name).status) for name, _ in names])
"""


def test_jobs_on_a_disk_that_fills_up_fail_with_that_reason_and_the_engine_goes_on(tmp_path: Path) -> None:
    full, packed, after = on_a_small_disk(tmp_path, WHOLE, size="40m").splitlines()
    assert full.startswith("full Failed the disk is full while writing ")
    assert packed.startswith("packed Failed the disk is full while writing ")
    assert after == "after Completed ['Failed', 'Failed']"
