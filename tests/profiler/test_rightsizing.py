from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.rules.profiles import COMPUTING, Told
from tintype.errors import InvalidRequest, NotFound
from tintype.profiler.instance_table import read_instances
from tintype.profiler.readers import open_profile
from tintype.profiler.rightsizing import measure_use, right_size
from tintype.profiler.system_metrics import PROCESS_CPU, Kind

INSTANCES = read_instances()
SEED_002 = Told(seconds=60, cores=8, cpu=99.0, memory=12.0, steps=600, phases=COMPUTING, instance_type="ml.m5.2xlarge")


def test_full_processors_and_empty_memory_want_less_memory(tmp_path: Path) -> None:
    found = right_size(SEED_002.write(tmp_path), INSTANCES)
    assert found is not None
    assert found.current.name == "ml.m5.2xlarge"
    assert not found.is_guess
    assert found.cheaper is not None
    assert found.cheaper.instance.name == "ml.c5.2xlarge"       # as many vCPUs, half the memory
    assert found.cheaper.dollars < found.dollars
    assert "memory was never above 12 %" in found.cheaper.reason
    assert "less memory for each core" in found.advice[0]
    assert found.faster is not None
    assert found.faster.instance.vcpus == 16
    assert 1.5 < found.faster.speed <= 2.0


def test_idle_processors_want_fewer(tmp_path: Path) -> None:
    idle = replace(SEED_002, cpu=lambda n: 20.0 + n % 5, cores=16, instance_type="ml.m5.4xlarge")
    found = right_size(idle.write(tmp_path), INSTANCES)
    assert found is not None
    assert found.cheaper is not None
    assert found.cheaper.instance.name == "ml.c5.2xlarge"       # 4.4 cores are needed
    assert found.faster is None
    assert "cores are enough" in found.cheaper.reason


def test_a_gpu_that_is_not_used_and_one_that_is(tmp_path: Path) -> None:
    unused = replace(SEED_002, gpus=(0.0,), cores=4, cpu=50.0, instance_type="ml.g4dn.xlarge")
    found = right_size(unused.write(tmp_path / "unused"), INSTANCES)
    assert found is not None
    assert found.cheaper is not None
    assert found.cheaper.instance.gpus == 0
    assert "No GPU was used" in found.advice[0]
    used = replace(unused, gpus=(90.0,), gpu_memory=30.0)
    found = right_size(used.write(tmp_path / "used"), INSTANCES)
    assert found is not None
    assert found.cheaper is None
    assert found.advice == ("No machine of the table would do this job as fast for less.",)


def test_a_machine_that_is_no_instance_is_like_one(tmp_path: Path) -> None:
    found = right_size(replace(SEED_002, cores=2, instance_type="").write(tmp_path), INSTANCES)
    assert found is not None
    assert found.is_guess
    assert found.current.name == "ml.m5.large"
    assert found.use.memory_peak_percent == pytest.approx(12.0, abs=0.1)


def test_without_metrics_nothing_is_said(tmp_path: Path) -> None:
    assert right_size(open_profile(tmp_path), INSTANCES) is None
    assert measure_use(open_profile(tmp_path)) is None


def test_a_table_of_ones_own(tmp_path: Path) -> None:
    head = "name,vcpus,memory_gib,gpus,gpu,gpu_memory_gib,dollars_per_hour\n"
    table = tmp_path / "ours.csv"
    table.write_text(f"# ours\n{head}big,8,64,0,,0,1.0\n\nsmall,8,4,0,,0,0.5\n")
    assert [one.name for one in read_instances(table)] == ["big", "small"]
    as_json = tmp_path / "ours.json"
    as_json.write_text('[{"name": "one", "vcpus": 2, "memory_gib": 4, "gpus": 0, "gpu": "", "gpu_memory_gib": 0, '
                       '"dollars_per_hour": 0}]')
    assert read_instances(as_json)[0].dollars_per_hour == 0.0
    job = replace(SEED_002, instance_type="").write(tmp_path / "job")
    found = right_size(job, read_instances(table))
    assert found is not None
    assert found.current.name == "big"
    assert found.cheaper is not None
    assert found.cheaper.instance.name == "small"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("name,vcpus\nx,many\n", "row 1: vcpus must be a int, got 'many'"),
        ("name,vcpus,memory_gib,gpus,gpu,gpu_memory_gib,dollars_per_hour\nx,0,1,0,,0,1\n", "needs a vCPU"),
        ("name,vcpus,memory_gib,gpus,gpu,gpu_memory_gib,dollars_per_hour\nx,1,1,0,,0,nan\n", "a price of at least 0"),
        ("", "no instance types"),
    ],
)
def test_a_bad_table_is_named(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(content)
    with pytest.raises(InvalidRequest, match=said):
        read_instances(path)
    with pytest.raises(NotFound):
        read_instances(tmp_path / "none.csv")
    (tmp_path / "bad.json").write_text('{"name": "x"}')
    with pytest.raises(InvalidRequest, match="list of objects"):
        read_instances(tmp_path / "bad.json")


def test_a_machine_that_others_used_tells_nothing_of_the_job(tmp_path: Path) -> None:
    told = Told(30.0, steps=200, phases=COMPUTING, cpu=100.0, more={(Kind.CPU, "job", PROCESS_CPU): 60.0})
    found = right_size(told.write(tmp_path), INSTANCES)
    assert found is not None
    assert (found.cheaper, found.faster) == (None, None)
    assert "Other programs used 85 % of the processors" in found.advice[0]
