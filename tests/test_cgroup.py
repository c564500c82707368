from __future__ import annotations

from pathlib import Path

import pytest

from tests.cgroup_files import write
from tintype.cgroup import cgroup_of, cpu_quota, memory_in_use, memory_limit, quota_folder


@pytest.mark.parametrize(
    ("files", "cores", "memory"),
    [
        ({"cpu_dot_max": "150000 100000\n", "memory_dot_max": "1073741824\n"}, 1.5, 1 << 30),
        ({"cpu_dot_max": "max 100000\n", "memory_dot_max": "max\n"}, None, None),
        (
            {
                "cpu__cpu_dot_cfs_quota_us": "200000", "cpu__cpu_dot_cfs_period_us": "100000",
                "memory__memory_dot_limit_in_bytes": "536870912",
            },
            2.0, 1 << 29,
        ),
        ({"cpu__cpu_dot_cfs_quota_us": "-1", "memory__memory_dot_limit_in_bytes": "9223372036854771712"}, None, None),
        ({}, None, None),
    ],
)  # fmt: skip
def test_limits_of_both_versions(
    tmp_path: Path, files: dict[str, str], cores: float | None, memory: int | None
) -> None:
    folder = write(tmp_path, **files)
    assert cpu_quota(folder) == cores
    assert memory_limit(folder) == memory


def test_limits_of_the_groups_around_count_too(tmp_path: Path) -> None:
    pod = write(tmp_path, cpu_dot_max="200000 100000\n", memory_dot_max="1073741824\n")
    job = write(pod / "job", cpu_dot_max="max 100000\n", memory_dot_max="max\n")
    loader = write(job / "loader", cpu_dot_max="400000 100000\n", memory_dot_max="2147483648\n")
    assert [cpu_quota(one) for one in (pod, job, loader)] == [2.0, 2.0, 2.0]
    assert [memory_limit(one) for one in (pod, job, loader)] == [1 << 30] * 3
    assert [quota_folder(one) for one in (pod, job, loader)] == [pod] * 3
    assert quota_folder(tmp_path.parent) == tmp_path.parent


def test_the_page_cache_that_can_be_dropped_is_not_in_use(tmp_path: Path) -> None:
    write(tmp_path, memory_dot_current="1000\n", memory_dot_stat="anon 300\ninactive_file 600\n")
    assert memory_in_use(tmp_path) == 400


def test_whose_cgroup(tmp_path: Path) -> None:
    processes = write(tmp_path / "proc", **{"7__cgroup": "0::/jobs/a\n", "8__cgroup": "0::/elsewhere\n"})
    root = write(tmp_path / "cgroup", jobs__a__cgroup_dot_procs="")
    assert cgroup_of(7, root, processes) == root / "jobs" / "a"
    assert cgroup_of(8, root, processes) == root        # cannot be seen from here
    assert cgroup_of(9, root, processes) == root        # has ended
