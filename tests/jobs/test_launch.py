from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import pytest

from tests.jobs.test_requirements import wheel
from tintype.errors import BadData, InvalidRequest, NotFound
from tintype.jobs.checkpoint_mirror import CheckpointMirror
from tintype.jobs.directory import JobDirectory
from tintype.jobs.instances import GIB, Machine
from tintype.jobs.job import Job
from tintype.jobs.launch import Launch, Surroundings, check, conclude, prepare
from tintype.jobs.specification import Channel, Checkpoint, JobSpec, Resources, Source

SCRIPT = """
import argparse, json, os, sys

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--model-dir", default=os.environ["SM_MODEL_DIR"])
    parser.add_argument("--data", default=os.environ["SM_CHANNEL_TRAIN"])
    parser.add_argument("--output", default=os.environ["SM_OUTPUT_DATA_DIR"])
    args = parser.parse_args()
    assert open(sys.argv[0]).read(), "the script is in the working directory"
    images = [name for _, _, names in os.walk(args.data) for name in names]
    print(f"lr {args.lr} batch {args.batch_size} images {len(images)} host {os.environ['SM_CURRENT_HOST']}")
    host = os.environ["SM_CURRENT_HOST"]
    open(os.path.join(args.model_dir, f"{host}.pth"), "w").write("weights")
    open(os.path.join(args.output, "predictions.json"), "w").write(json.dumps(images))
"""


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
    return Surroundings(Machine(4, 8 * GIB), dict(os.environ), tmp_path / "environments", lambda _: None)


def spec(tmp_path: Path, **changes: object) -> JobSpec:
    (tmp_path / "src").mkdir(exist_ok=True)
    (tmp_path / "src" / "hpo.py").write_text(SCRIPT)
    (tmp_path / "data" / "cat").mkdir(parents=True, exist_ok=True)
    (tmp_path / "data" / "cat" / "1.jpg").write_text("x")
    given = {
        "source": Source("script", "hpo.py", str(tmp_path / "src")),
        "hyperparameters": {"lr": "0.1", "batch-size": '"32"', "_tuning_objective_metric": '"x"'},
        "channels": (Channel("train", str(tmp_path / "data")),),
    }
    return JobSpec(**{**given, **changes})  # pyright: ignore[reportArgumentType]


def job_of(tmp_path: Path, asked: JobSpec) -> tuple[Job, JobDirectory]:
    return Job(name="job-1", directory=str(tmp_path / "job"), spec=asked), JobDirectory(tmp_path / "job")


def run(launch: Launch) -> str:
    return subprocess.run(
        launch.arguments, cwd=launch.working_directory, env=dict(launch.environment),
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip


def names(archive: Path) -> list[str]:
    with tarfile.open(archive) as bundle:
        return bundle.getnames()


def test_a_script_runs_and_leaves_its_archives(tmp_path: Path, around: Surroundings) -> None:
    job, directory = job_of(tmp_path, spec(tmp_path, output="memory://results/"))
    launch = prepare(job, directory, around)
    assert launch.arguments == (sys.executable, "hpo.py", "--batch-size", "32", "--lr", "0.1")
    assert launch.forkable
    assert run(launch) == "lr 0.1 batch 32 images 1 host algo-1\n"
    concluded = conclude(job, directory)
    assert concluded.notes == ()
    assert names(directory.archive) == ["algo-1.pth"]
    assert names(directory.output_archive) == ["predictions.json"]
    published = fsspec.filesystem("memory").find("/results")
    assert published == ["/results/job-1/output/model.tar.gz", "/results/job-1/output/output.tar.gz"]


def test_two_hosts(tmp_path: Path, around: Surroundings) -> None:
    job, directory = job_of(tmp_path, spec(tmp_path, resources=Resources(instance_count=2)))
    launches = [prepare(job, directory, around, index) for index in range(2)]
    assert [run(launch).split()[-1] for launch in launches] == ["algo-1", "algo-2"]
    conclude(job, directory)
    assert names(directory.archive) == ["algo-1.pth", "algo-2.pth"]
    assert json.loads((directory.host(1).config / "resourceconfig.json").read_text())["current_host"] == "algo-2"
    assert b"127.0.0.1 algo-1 algo-2\n" in launches[1].hosts_file.read_bytes()


RANKS = """
import os
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
total = torch.ones(1)
dist.all_reduce(total)
print("rank", os.environ["RANK"], "local", os.environ["LOCAL_RANK"], "of", int(total), flush=True)
"""


@pytest.mark.parametrize("hosts", [1, 2])
@pytest.mark.parametrize("flag", ["sagemaker_torch_distributed_enabled", "sagemaker_pytorch_ddp_enabled"])
def test_a_distributed_script_has_its_rank(tmp_path: Path, around: Surroundings, hosts: int, flag: str) -> None:
    asked = spec(tmp_path, hyperparameters={flag: "true"}, resources=Resources("ml.m5.large", hosts))
    (tmp_path / "src" / "hpo.py").write_text(RANKS)
    job, directory = job_of(tmp_path, asked)
    launches = [prepare(job, directory, around, index) for index in range(hosts)]
    with ThreadPoolExecutor() as pool:
        said = list(pool.map(run, launches))
    assert said == [f"rank {index} local 0 of {hosts}\n" for index in range(hosts)]


def test_each_gpu_of_a_distributed_job_has_a_process(tmp_path: Path) -> None:
    machine = Machine(8, 8 * GIB, 4)
    around = Surroundings(machine, dict(os.environ), tmp_path / "environments", lambda _: None)
    wire = {"sagemaker_torch_distributed_enabled": "true", "lr": "0.1"}
    job, directory = job_of(tmp_path, spec(tmp_path, hyperparameters=wire, resources=Resources("ml.g5.12xlarge")))
    launch = prepare(job, directory, around, gpus=(0, 1, 2, 3))
    assert launch.arguments[1:3] == ("-m", "torch.distributed.run")
    assert "--nproc-per-node=4" in launch.arguments
    assert launch.arguments[-3:] == ("hpo.py", "--lr", "0.1")


def test_a_way_to_distribute_that_is_not_there_is_said(tmp_path: Path) -> None:
    said: list[str] = []
    around = Surroundings(Machine(4, 8 * GIB), dict(os.environ), tmp_path / "environments", said.append)
    wire = {"sagemaker_mpi_enabled": "true", "sagemaker_mpi_num_of_processes_per_host": "2"}
    launch = prepare(*job_of(tmp_path, spec(tmp_path, hyperparameters=wire)), around)
    assert launch.arguments == (sys.executable, "hpo.py")
    assert "distribution 'mpi' is not there: the script is started once on each host" in said


SHELL = "echo \"$1=$2 in $PWD\"\npython -c 'import tintype'\n"


@pytest.mark.parametrize("content", [f"#!/bin/bash\n{SHELL}", SHELL])
def test_a_shell_script(tmp_path: Path, around: Surroundings, content: str) -> None:
    source = Source("script", "train.sh", str(tmp_path / "src"))
    asked = spec(tmp_path, source=source, hyperparameters={"x": '"a b; $HOME"'})
    (tmp_path / "src" / "train.sh").write_text(content)
    job, directory = job_of(tmp_path, asked)
    launch = prepare(job, directory, around)
    assert not launch.forkable
    assert run(launch).splitlines()[0] == f"-x=a b; $HOME in {directory.code}"


def test_a_module_has_its_own_arguments_first(tmp_path: Path, around: Surroundings) -> None:
    asked = spec(tmp_path, source=Source("module", "tintype.training", arguments=("plan.json", "--events", "e")))
    launch = prepare(*job_of(tmp_path, asked), around)
    assert launch.arguments[1:] == (
        "-m", "tintype.training", "plan.json", "--events", "e", "--batch-size", "32", "--lr", "0.1",
    )  # fmt: skip
    assert launch.forkable


def test_requirements_may_be_other_versions_than_the_bases(tmp_path: Path, around: Surroundings) -> None:
    wheel(tmp_path / "wheels", "tqdm", "0.0.1")
    asked = spec(tmp_path, environment={"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "wheels")})
    (tmp_path / "src" / "requirements.txt").write_text("tqdm==0.0.1\n")
    launch = prepare(*job_of(tmp_path, asked), around)
    assert not launch.forkable
    words = [launch.arguments[0], "-c", "import tqdm; print(tqdm.VERSION)"]
    ran = subprocess.run(words, capture_output=True, check=True)
    assert ran.stdout == b"0.0.1\n"


def test_an_archive_that_the_trainer_sealed_stays(tmp_path: Path, around: Surroundings) -> None:
    job, directory = job_of(tmp_path, spec(tmp_path, source=Source("module", "tintype.training")))
    prepare(job, directory, around)
    (directory.model / "model.safetensors").write_text("weights")
    directory.archive.write_text("sealed")
    assert conclude(job, directory).model is None
    assert directory.archive.read_text() == "sealed"


def test_another_attempt_finds_its_checkpoints_and_nothing_else(tmp_path: Path, around: Surroundings) -> None:
    job, directory = job_of(tmp_path, spec(tmp_path))
    prepare(job, directory, around)
    (directory.checkpoints / "epoch-1.pth").write_text("x")
    (directory.model / "half.pth").write_text("x")
    directory.failure.write_text("the old reason")
    prepare(job, directory, around)
    assert (directory.checkpoints / "epoch-1.pth").exists()
    assert not directory.failure.exists()
    assert os.listdir(directory.model) == []


def test_checkpoints_travel_by_url(tmp_path: Path, around: Surroundings) -> None:
    asked = spec(tmp_path, checkpoint=Checkpoint(url="memory://checkpoints/job-1"))
    said: list[str] = []
    first, directory = job_of(tmp_path / "a", asked)
    prepare(first, directory, Surroundings(around.machine, {}, around.environments, said.append))
    assert said == ["there are no checkpoints at memory://checkpoints/job-1 yet"]
    (directory.checkpoints / "epoch").mkdir()
    (directory.checkpoints / "epoch" / "1.pth").write_text("state")
    CheckpointMirror(directory.checkpoints, directory.root, asked.checkpoint.url, 5.0, said.append).finish()
    second, elsewhere = job_of(tmp_path / "b", asked)
    prepare(second, elsewhere, around)
    assert (elsewhere.checkpoints / "epoch" / "1.pth").read_text() == "state"


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"source": Source("script", "nowhere.py", "{src}")}, NotFound, "no entry point named 'nowhere.py'"),
        ({"source": Source("notebook", "x")}, InvalidRequest, "script or a module"),
        ({"channels": (Channel("train", "/nowhere"),)}, NotFound, "channel 'train'"),
        ({"channels": (Channel("a", "{src}"), Channel("a", "{src}"))}, InvalidRequest, "same name"),
        ({"channels": (Channel("train", "{empty}"),)}, BadData, "no file"),
        ({"hyperparameters": {"x": '"\\u0000"'}}, InvalidRequest, "NUL"),
        ({"resources": Resources(cores=99)}, InvalidRequest, "99 cores"),
    ],
)
def test_what_is_refused_at_once(
    tmp_path: Path, changes: Mapping[str, object], error: type[Exception], said: str
) -> None:
    (tmp_path / "empty").mkdir()
    text = json.dumps(spec(tmp_path, **changes).to_json())
    text = text.replace("{src}", str(tmp_path / "src")).replace("{empty}", str(tmp_path / "empty"))
    with pytest.raises(error, match=said):
        check(JobSpec.from_json(json.loads(text)), Machine(4, 8 * GIB))


def test_the_second_preparation_is_cheap_and_leaves_the_data_alone(tmp_path: Path, around: Surroundings) -> None:
    job, directory = job_of(tmp_path, spec(tmp_path))
    prepare(job, directory, around)
    (directory.channels / "train" / "model.pth").write_text("written by the script")
    prepare(job, directory, around)
    assert (directory.channels / "train" / "model.pth").exists()
    assert sorted(os.listdir(tmp_path / "data")) == ["cat"]
