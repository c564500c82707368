"""Scripts as people write them, unchanged, through the whole engine: agent, fork server, supervisor, trainer."""

from __future__ import annotations

import importlib.util
import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch

from tests.jobs.example_jobs import (
    CNN,
    EFFICIENTNET,
    RESNET,
    SCRIPTS,
    Example,
    example_spec,
    write_images,
    write_weights,
)
from tests.jobs.test_requirements import wheel
from tintype.debugger import compat_path
from tintype.debugger.modes import Mode
from tintype.debugger.tensor_log import open_log
from tintype.jobs.client import Engine
from tintype.jobs.directory import JobDirectory
from tintype.jobs.job import Job, Status
from tintype.jobs.specification import Channel, JobSpec, Resources, Source
from tintype.jobs.store import JobStore
from tintype.records import Records
from tintype.settings import Settings

LONGEST_SECONDS = 120.0


class Jobs:
    """One engine for all tests of this file, as torch is loaded once for all of its jobs."""

    def __init__(self, engine: Engine, store: JobStore) -> None:
        self._engine = engine
        self._count = 0
        self.store = store

    def run(self, spec: JobSpec) -> tuple[Job, JobDirectory]:
        """The job when it has ended."""
        self._count += 1
        name = f"job-{self._count}"
        self._engine.submit(spec, name)
        job = self._engine.wait(name, timeout=LONGEST_SECONDS)
        return job, JobDirectory(Path(job.directory))

    def completed(self, spec: JobSpec) -> tuple[Job, JobDirectory]:
        """As `run`, for a job that is to end well."""
        job, directory = self.run(spec)
        assert job.status is Status.COMPLETED, (job.failure_reason, directory.log.read_text()[-3000:])
        return job, directory


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    settings = Settings(home=tmp_path_factory.mktemp("home"))
    store = JobStore(Records.open(settings.records_url))
    with Engine(settings, store) as engine:
        yield Jobs(engine, store)


@pytest.fixture(scope="module")
def torch_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_weights(tmp_path_factory.mktemp("torch"))


def names(archive: Path) -> list[str]:
    with tarfile.open(archive) as bundle:
        return bundle.getnames()


def script_spec(tmp_path: Path, content: str, **changes: object) -> JobSpec:
    """A job of one script."""
    (tmp_path / "script.py").write_text(content)
    spec = JobSpec(Source("script", str(tmp_path / "script.py")), resources=Resources("ml.m5.large"))
    return replace(spec, **changes)  # pyright: ignore[reportArgumentType]


def inference_of(example: Example) -> ModuleType:
    """The example's inference.py, loaded as a serving container loads it."""
    path = SCRIPTS / example.folder / "inference.py"
    spec = importlib.util.spec_from_file_location("inference", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def watched(spec: JobSpec) -> JobSpec:
    """The job with a hook as SageMaker configures it, `import smdebug`, and the metric that train_model.py prints."""
    hook = {
        "S3OutputPath": "s3://bucket/",
        "HookParameters": {"train.save_interval": "1", "eval.save_interval": "1"},
        "CollectionConfigurations": [{"CollectionName": "gradients"}, {"CollectionName": "losses"}],
    }
    environment = {**spec.environment, "PYTHONPATH": str(compat_path())}
    return replace(spec, debugger=hook, environment=environment, metric_definitions=(CNN.metric,))


# the example scripts


@pytest.mark.parametrize("script", ["hpo.py", "train_model.py"])
@pytest.mark.parametrize("example", [CNN, RESNET, EFFICIENTNET], ids=lambda example: example.folder)
def test_an_example_runs_unchanged(
    jobs: Jobs, tmp_path: Path, torch_home: Path, example: Example, script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_images(tmp_path / "data", example.splits)
    spec = example_spec(example, script, data, torch_home)
    if script == "train_model.py":
        spec = watched(spec)
    job, directory = jobs.completed(spec)
    assert "model.pth" in names(directory.archive)
    assert json.loads(directory.hyperparameters.read_text()) == dict(spec.hyperparameters)
    losses = [one.value for one in jobs.store.measurements(job.name) if one.name == "average test loss"]
    assert losses
    assert all(0 < loss < 100 for loss in losses)
    assert job.warnings == ()
    if script == "hpo.py":
        monkeypatch.syspath_prepend(SCRIPTS / example.folder)
        inference = inference_of(example)
        model = inference.model_fn(str(directory.model))
        if example is CNN:                      # the container's own functions read the request
            scores = model(torch.zeros(1, 3, 64, 64))
        else:
            body = next(data.rglob("*.jpg")).read_bytes()
            scores = inference.predict_fn(inference.input_fn(body, "image/jpeg"), model)
        assert tuple(scores.shape) == (1, 2)
    if script == "train_model.py":
        log = open_log(directory.debug_output)
        assert log.ended
        assert {Mode.TRAIN, Mode.EVAL} <= set(log.modes())
        assert log.has("CrossEntropyLoss_output_0")
        assert [name for name in log.names() if name.startswith("gradient/")]
    if (example, script) == (CNN, "train_model.py"):
        assert names(directory.output_archive) == ["scores.json"]


def test_two_hosts_each_train_and_both_are_packed(jobs: Jobs, tmp_path: Path) -> None:
    content = (
        "import json, os\n"
        "import torch.distributed as dist\n"
        "host, hosts = os.environ['SM_CURRENT_HOST'], json.loads(os.environ['SM_HOSTS'])\n"
        "dist.init_process_group('gloo', rank=hosts.index(host), world_size=len(hosts))\n"
        "import torch\n"
        "total = torch.ones(1) * (dist.get_rank() + 1)\n"
        "dist.all_reduce(total)\n"
        "open(os.path.join(os.environ['SM_MODEL_DIR'], host + '.pth'), 'w').write(str(total.item()))\n"
        "print(f'{host}: sum {total.item()}')\n"
        "dist.destroy_process_group()\n"
    )
    job, directory = jobs.completed(script_spec(tmp_path, content, resources=Resources(instance_count=2)))
    assert names(directory.archive) == ["algo-1.pth", "algo-2.pth"]
    assert "algo-1: sum 3.0" in directory.log_of(0).read_text()
    assert "algo-2: sum 3.0" in directory.log_of(1).read_text()
    assert job.exit_code == 0


def test_an_example_on_two_hosts_trains_on_each(jobs: Jobs, tmp_path: Path, torch_home: Path) -> None:
    data = write_images(tmp_path / "data", CNN.splits)
    job, directory = jobs.completed(example_spec(CNN, "hpo.py", data, torch_home, hosts=2))
    assert names(directory.archive) == ["model.pth"]
    assert (directory.host(1).model / "model.pth").stat().st_size > 0
    assert any("first host's is packed" in warning for warning in job.warnings)
    assert "Test set: Average loss" in directory.log_of(1).read_text()


def test_a_killed_script_goes_on_from_its_checkpoint(jobs: Jobs, tmp_path: Path) -> None:
    content = (
        "import os, signal\n"
        "from pathlib import Path\n"
        "checkpoint = Path(os.environ['SM_INPUT_DIR']).parent / 'checkpoints' / 'epoch'\n"
        "model = Path(os.environ['SM_MODEL_DIR'])\n"
        "if not checkpoint.exists():\n"
        "    checkpoint.write_text('1')\n"
        "    (model / 'half.pth').write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "(model / 'model.pth').write_text('went on from epoch ' + checkpoint.read_text())\n"
    )
    job, directory = jobs.completed(script_spec(tmp_path, content, retries=1))
    assert job.attempt == 2
    assert names(directory.archive) == ["model.pth"]
    assert (directory.model / "model.pth").read_text() == "went on from epoch 1"


# what scripts do that a fork could spoil


def test_loader_processes_and_pickled_modules(jobs: Jobs, tmp_path: Path) -> None:
    content = (
        "import os\n"
        "import torch, torch.nn as nn\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.fc = nn.Linear(2, 2)\n"
        "    def forward(self, x):\n"
        "        return self.fc(x)\n"
        "if __name__ == '__main__':\n"
        "    data = torch.utils.data.TensorDataset(torch.arange(8.).reshape(4, 2))\n"
        "    loader = torch.utils.data.DataLoader(data, batch_size=2, num_workers=2)\n"
        "    assert sum(batch.sum().item() for batch, in loader) == 28\n"
        "    path = os.path.join(os.environ['SM_MODEL_DIR'], 'model.pt')\n"
        "    torch.save(Net(), path)\n"
        "    assert isinstance(torch.load(path), Net)\n"
        "    torch.jit.trace(Net(), torch.zeros(1, 2)).save(path + '.jit')\n"
        "    print('all well')\n"
    )
    _, directory = jobs.completed(script_spec(tmp_path, content))
    assert "all well" in directory.log.read_text()


def test_a_spawned_process_finds_the_script_again(jobs: Jobs, tmp_path: Path) -> None:
    content = (
        "import multiprocessing, os, sys\n"
        "def told(queue):\n"
        "    queue.put(os.getpid())\n"
        "if __name__ == '__main__':\n"
        "    assert os.path.isabs(__file__), __file__\n"
        "    assert sys.argv == ['script.py'], sys.argv\n"
        "    context = multiprocessing.get_context('spawn')\n"
        "    queue = context.Queue()\n"
        "    child = context.Process(target=told, args=(queue,))\n"
        "    child.start()\n"
        "    assert queue.get(timeout=60) == child.pid\n"
        "    child.join()\n"
    )
    jobs.completed(script_spec(tmp_path, content))


def test_hyperparameters_of_any_kind_arrive(jobs: Jobs, tmp_path: Path) -> None:
    content = (
        "import json, os, sys\n"
        "with open(os.path.join(os.environ['SM_OUTPUT_DATA_DIR'], 'argv.json'), 'w') as stream:\n"
        "    json.dump(sys.argv[1:], stream)\n"
    )
    odd = {"a": '"it\'s \\"ü\\"\\n☃"', "flag": "true", "none": "null", "list": "[1, \"b\"]", "text": "{not json"}
    _, directory = jobs.completed(script_spec(tmp_path, content, hyperparameters=odd))
    assert json.loads((directory.data / "argv.json").read_text()) == [
        "-a", 'it\'s "ü"\n☃', "--flag", "True", "--list", "[1, 'b']", "--none", "", "--text", "{not json",
    ]  # fmt: skip


def test_paths_written_as_opt_ml(jobs: Jobs, tmp_path: Path) -> None:
    content = (
        "from pathlib import Path\n"
        "asked = Path('/opt/ml/input/config/hyperparameters.json').read_text()\n"
        "Path('/opt/ml/model/model.pth').write_text(asked)\n"
    )
    job, directory = jobs.run(script_spec(tmp_path, content, hyperparameters={"lr": "0.1"}))
    if job.status is Status.COMPLETED:
        assert names(directory.archive) == ["model.pth"]
    else:
        assert "SM_MODEL_DIR" in job.failure_reason


def test_a_script_may_write_into_its_channel(jobs: Jobs, tmp_path: Path) -> None:
    data = write_images(tmp_path / "data", ("train",))
    content = "import os\nopen(os.path.join(os.environ['SM_CHANNEL_TRAINING'], 'model.pth'), 'w').write('x')\n"
    jobs.completed(script_spec(tmp_path, content, channels=(Channel("training", str(data)),)))
    assert not list(data.rglob("*.pth"))


def test_a_shell_script_and_a_package(jobs: Jobs, tmp_path: Path) -> None:
    source = tmp_path / "src"
    source.mkdir()
    (source / "train.sh").write_text("#!/bin/bash\nset -e\npython part.py \"$@\"\n")
    (source / "part.py").write_text("import sys\nprint('part of', sys.argv[1:])\n")
    asked = JobSpec(Source("script", "train.sh", str(source)), {"lr": "0.1"}, resources=Resources("ml.m5.large"))
    _, directory = jobs.completed(asked)
    assert "part of ['--lr', '0.1']" in directory.log.read_text()
    pytest.importorskip("setuptools")
    setup = "from setuptools import setup\nsetup(name='part', version='1', py_modules=['part'])\n"
    (source / "setup.py").write_text(setup)
    _, directory = jobs.completed(replace(asked, source=Source("script", "part.py", str(source))))
    assert "part of ['--lr', '0.1']" in directory.log.read_text()


# how it ends when it does not end well


@pytest.mark.parametrize(
    ("content", "changes", "reason"),
    [
        ("def main():\n    raise ValueError('bad')\nmain()\n", {}, "exit code 1: ValueError: bad (script.py, line 2)"),
        ("import os\nos.environ['SM_CHANNEL_TRAINING']\n", {}, "KeyError: 'SM_CHANNEL_TRAINING' (script.py, line 2)"),
        (
            "import argparse\nargparse.ArgumentParser().parse_args()\n", {"hyperparameters": {"lr": "0.1"}},
            "exit code 2: script.py: error: unrecognized arguments: --lr 0.1",
        ),
        ("import sys\nsys.exit('no images found')\n", {}, "exit code 1; its last line: no images found"),
        ("import nosuchmodule\n", {}, "ModuleNotFoundError: No module named 'nosuchmodule' (script.py, line 1)"),
        ("import os\nos.kill(os.getpid(), 11)\n", {}, "SIGSEGV"),
        (
            "import os\nfrom pathlib import Path\n"
            "Path(os.environ['SM_OUTPUT_DIR'], 'failure').write_text('my own words')\nraise SystemExit(3)\n",
            {}, "my own words",
        ),
    ],
    ids=["exception", "channel", "argparse", "exit text", "import", "signal", "failure file"],
)  # fmt: skip
def test_reasons(jobs: Jobs, tmp_path: Path, content: str, changes: dict[str, object], reason: str) -> None:
    job, directory = jobs.run(script_spec(tmp_path, content, **changes))
    assert job.status is Status.FAILED
    assert reason in job.failure_reason
    assert not directory.archive.exists()


def test_a_syntax_error_in_an_archive_is_found_before_it_runs(jobs: Jobs, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "sourcedir.tar.gz", "w:gz") as bundle:
        content = b"import os\nprint('a'\n"
        member = tarfile.TarInfo("./hpo.py")
        member.size = len(content)
        bundle.addfile(member, io.BytesIO(content))
    job, _ = jobs.run(JobSpec(Source("script", "hpo.py", str(tmp_path / "sourcedir.tar.gz"))))
    assert job.status is Status.FAILED
    assert job.failure_reason.startswith("SyntaxError in hpo.py, line 2: '(' was never closed: \"print('a'\"")


def test_requirements_come_on_top(jobs: Jobs, tmp_path: Path) -> None:
    wheel(tmp_path / "wheels")
    source = tmp_path / "src"
    source.mkdir()
    (source / "hpo.py").write_text("import sys, numpy, tinything\nprint(tinything.VERSION, sys.prefix)\n")
    (source / "requirements.txt").write_text(f"--no-index\n--find-links {tmp_path / 'wheels'}\ntinything\nnumpy\n")
    _, directory = jobs.completed(JobSpec(Source("script", "hpo.py", str(source))))
    said = directory.log.read_text()
    assert "requirements.txt: installing tinything" in said
    assert "1.0 " in said.splitlines()[-2]
    assert "environments" in said.splitlines()[-2]


def test_requirements_that_cannot_be_had(jobs: Jobs, tmp_path: Path) -> None:
    source = tmp_path / "src"
    source.mkdir()
    (source / "hpo.py").write_text("print('never')\n")
    (source / "requirements.txt").write_text("--no-index\nnosuchthing==3\n")
    job, directory = jobs.run(JobSpec(Source("script", "hpo.py", str(source))))
    assert job.status is Status.FAILED
    assert "No matching distribution found for nosuchthing==3" in job.failure_reason
    assert "pip: ERROR" in directory.log.read_text()
