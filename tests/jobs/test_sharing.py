from __future__ import annotations

import pytest

from tintype.jobs.instances import GIB, Machine
from tintype.jobs.sharing import among, room, shared
from tintype.jobs.slots import Place, gpus_for, next_to_start
from tintype.jobs.specification import JobSpec, Resources, Source

LAPTOP = Machine(2, 16 * GIB)
SERVER = Machine(64, 512 * GIB, 8)
ONE_GPU = Machine(16, 64 * GIB, 1)


@pytest.mark.parametrize(
    ("wanted", "parallel", "machine", "cores", "gpus", "at_once"),
    [
        (Resources("ml.m5.large"), 2, LAPTOP, 1, 0, 2),             # as SageMaker: two at once
        (Resources("ml.m5.large"), 10, LAPTOP, 1, 0, 2),            # a core is not divided
        (Resources("ml.m5.large"), 2, SERVER, 2, 0, 32),            # each has what its type promises
        (Resources("ml.m5.24xlarge"), 4, SERVER, 16, 0, 4),
        (Resources("ml.g5.xlarge"), 4, SERVER, 4, 1, 8),
        (Resources("ml.p3.16xlarge"), 4, SERVER, 16, 2, 4),         # eight GPUs for four
        (Resources(), 3, SERVER, 21, 2, 3),
        (Resources(), 2, LAPTOP, 1, 0, 2),
        (Resources(gpus=1), 2, ONE_GPU, 16, 1, 1),                  # one at a time, and then with all cores
        (Resources("ml.g4dn.xlarge"), 2, ONE_GPU, 4, 1, 1),
        (Resources(cores=2), 2, LAPTOP, 2, 0, 1),                   # a number is a demand
        (Resources(memory_bytes=9 * GIB), 2, LAPTOP, 2, 0, 1),
        (Resources(instance_count=2), 2, SERVER, 16, 2, 2),
        (Resources(instance_count=2), 2, LAPTOP, 1, 0, 1),
    ],
)  # fmt: skip
def test_what_each_of_several_trials_takes(
    wanted: Resources, parallel: int, machine: Machine, cores: int, gpus: int, at_once: int
) -> None:
    taken = shared(wanted, parallel, machine)
    assert taken.cores == cores
    assert (taken.gpus or 0) == gpus
    assert taken.instance_type == wanted.instance_type
    assert room(taken, machine) == at_once


@pytest.mark.parametrize("wanted", [Resources(), Resources("ml.m5.large"), Resources(cores=2, gpus=1)])
def test_one_at_a_time_takes_what_it_wants(wanted: Resources) -> None:
    assert shared(wanted, 1, SERVER) == wanted


def test_a_trials_log_says_what_it_has_less_than_alone() -> None:
    spec = JobSpec(Source("script", "hpo.py"), resources=Resources("ml.m5.large"), notes=("a",))
    note = "2 trials at a time share this machine: 1 of 2 cores for each"
    assert among(spec, 2, LAPTOP).notes == ("a", note)
    assert among(spec, 2, SERVER).notes == among(spec, 1, LAPTOP).notes == ("a",)


def test_parallel_trials_get_different_gpus() -> None:
    taken = shared(Resources(), 3, SERVER)
    places = [Place.of(name, "t", taken, SERVER) for name in "abcd"]
    chosen = next_to_start(places, [], SERVER)
    assert gpus_for(chosen, [], SERVER) == {"a": (0, 1), "b": (2, 3), "c": (4, 5)}
    later = next_to_start(places[3:], [places[0], places[2]], SERVER)       # b has ended
    assert gpus_for(later, [(0, 1), (4, 5)], SERVER) == {"d": (2, 3)}
