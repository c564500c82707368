from __future__ import annotations

from pathlib import Path

import pytest

from tintype.errors import InvalidRequest
from tintype.jobs.instances import GIB, OTHERS, Machine, instance, is_cpu_only, nvidia_gpus, share, visible_gpus
from tintype.jobs.specification import Resources

LAPTOP = Machine(8, 16 * GIB)
SERVER = Machine(64, 512 * GIB, 8)


@pytest.mark.parametrize(
    ("name", "cores", "gib", "gpus"),
    [
        ("ml.m5.large", 2, 8, 0), ("ml.m5.xlarge", 4, 16, 0), ("ml.m5.24xlarge", 96, 384, 0),
        ("ml.c5.2xlarge", 8, 16, 0), ("ml.c4.4xlarge", 16, 30, 0), ("ml.c5.18xlarge", 72, 144, 0),
        ("ml.t2.medium", 2, 4, 0), ("ml.m7i.2xlarge", 8, 32, 0), ("ml.r5.4xlarge", 16, 128, 0),
        ("ml.g4dn.xlarge", 4, 16, 1), ("ml.g4dn.12xlarge", 48, 192, 4), ("ml.p3.2xlarge", 8, 61, 1),
        ("ml.p2.xlarge", 4, 61, 1), ("ml.g9.xlarge", 4, 16, 1), ("ml.m9x.xlarge", 4, 16, 0),
    ],
)  # fmt: skip
def test_what_an_instance_type_has(name: str, cores: int, gib: float, gpus: int) -> None:
    assert instance(name) == Machine(cores, int(gib * GIB), gpus)


@pytest.mark.parametrize("name", ["ml.m5", "m5.large", "ml.m5.huge", "ml..large", "large"])
def test_what_is_no_instance_type(name: str) -> None:
    with pytest.raises(InvalidRequest, match="no instance type"):
        share(Resources(name), LAPTOP)


def test_the_literal_rows_are_gpu_types_or_small() -> None:
    assert all(gpus or name.endswith(".medium") for name, (_, _, gpus) in OTHERS.items())


def test_an_instance_type_is_cut_to_the_machine_and_says_so() -> None:
    got = share(Resources("ml.g4dn.12xlarge"), LAPTOP)
    assert (got.cores, got.memory_bytes, got.gpus) == (8, 0, 0)
    assert got.notes == ("ml.g4dn.12xlarge is 8 of 48 cores and 0 of 4 GPUs on this machine",)
    assert share(Resources("ml.m5.large"), LAPTOP).notes == ()


def test_without_a_type_a_job_has_the_whole_machine() -> None:
    assert share(Resources(), SERVER) == share(Resources("local_gpu"), SERVER)
    got = share(Resources(), SERVER)
    assert (got.cores, got.gpus) == (64, 8)


def test_hosts_divide_the_machine() -> None:
    got = share(Resources("ml.m5.24xlarge", instance_count=2), LAPTOP)
    assert got.cores == 4
    assert share(Resources(instance_count=20), LAPTOP).cores == 1


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Resources(cores=9), "9 cores, and this machine has 8"),
        (Resources(cores=5, instance_count=2), "2 x 5 cores"),
        (Resources(memory_bytes=17 * GIB), "bytes of memory"),
        (Resources(gpus=1), "1 GPUs, and this machine has 0"),
        (Resources(instance_count=0), "at least one"),
        (Resources(cores=-1), "cannot be asked for"),
    ],
)
def test_what_can_never_fit_is_refused(wanted: Resources, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        share(wanted, LAPTOP)


def test_numbers_win_over_the_type() -> None:
    got = share(Resources("ml.m5.24xlarge", cores=2, gpus=1, memory_bytes=GIB), SERVER)
    assert (got.cores, got.memory_bytes, got.gpus, got.notes) == (2, GIB, 1, ())


def test_cpu_types_hide_the_gpus() -> None:
    assert is_cpu_only("ml.m5.xlarge")
    assert not any(map(is_cpu_only, ["ml.g4dn.xlarge", "", "local"]))


def test_gpus_are_counted_by_their_files(tmp_path: Path) -> None:
    assert nvidia_gpus(tmp_path) == 0
    for name in ("nvidiactl", "nvidia-uvm", "nvidia0", "nvidia1", "nvidia-caps"):
        (tmp_path / name).touch()
    assert nvidia_gpus(tmp_path) == 2


def test_this_machine() -> None:
    here = Machine.here()
    assert here.cores >= 1
    assert here.memory_bytes > GIB // 4


@pytest.mark.parametrize(
    ("named", "seen"),
    [
        (None, ("0", "1", "2")), ("", ()), ("-1", ()), ("1", ("1",)), ("2,0", ("2", "0")), (" 1 , 2", ("1", "2")),
        ("0,7,1", ("0",)), ("1,1", ("1",)), ("GPU-8f1a,1", ("GPU-8f1a", "1")), ("NoDevFiles,-1", ("NoDevFiles",)),
    ],
)  # fmt: skip
def test_gpus_that_somebody_hid_are_not_shared_out(named: str | None, seen: tuple[str, ...]) -> None:
    assert visible_gpus(3, named) == seen
