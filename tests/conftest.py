"""What all tests share: where the real images are, a small image folder, a clean environment."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

from tests.records.cluster import Cluster, NoPostgres, running

SHARED = Path(__file__).parents[1].parent / "shared" / "data"

COLOURS = {"amber": (230, 160, 20), "blue": (30, 60, 220), "green": (20, 160, 60)}

settings.register_profile("no-deadline", deadline=None)     # the machine may be busy with something else
settings.load_profile("no-deadline")
for variable in [name for name in os.environ if name.startswith("TINTYPE_")]:
    del os.environ[variable]                    # a developer's own settings are no part of the tests
os.environ["TINTYPE_OFFLINE"] = "1"             # no test may reach for the network


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """The folder of real images of a name; the test is skipped where it is not there."""

    def find(name: str) -> Path:
        path = SHARED / name
        if not path.exists():
            pytest.skip(f"the shared images are not beside the repository ({path.name} is missing)")
        return path

    return find


def write_colours(root: Path, per_class: int = 20, side: int = 24) -> Path:
    """An easy image folder: noisy squares of three colours, one folder a class."""
    random = np.random.default_rng(7)
    for name, colour in COLOURS.items():
        (root / name).mkdir(parents=True)
        for number in range(per_class):
            noise = random.normal(0, 25, (side, side, 3))
            pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number:03d}.png")
    return root


@pytest.fixture(scope="session")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`write_colours`, once for all tests: do not change it."""
    return write_colours(tmp_path_factory.mktemp("data") / "colours")


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL server for all tests; they are skipped with the reason where there is none."""
    try:
        with running() as started:
            yield started
    except NoPostgres as error:
        pytest.skip(str(error))


@pytest.fixture
def postgres_url(cluster: Cluster) -> str:
    """An empty database."""
    return cluster.new_database()
