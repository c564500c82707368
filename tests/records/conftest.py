"""A real PostgreSQL where there is one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.records.cluster import Cluster, NoPostgres, running


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """One server for all tests; they are skipped with the reason where there is none."""
    try:
        with running() as started:
            yield started
    except NoPostgres as error:
        pytest.skip(str(error))


@pytest.fixture
def postgres_url(cluster: Cluster) -> str:
    """An empty database."""
    return cluster.new_database()
