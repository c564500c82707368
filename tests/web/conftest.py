"""One server for the tests of this folder; each uses buckets and names of its own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.web.running import Running, running

NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("server") / "home") as found:
        yield found


@pytest.fixture(scope="session")
def s3(server: Running) -> Any:
    return server.client("s3")


@pytest.fixture
def bucket(s3: Any) -> str:
    """A new bucket."""
    name = f"bucket-{next(NUMBERS)}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def code_of() -> Callable[..., str]:
    """The code of the error that a call of boto3 ends with."""

    def find(call: Callable[..., Any], **arguments: Any) -> str:
        with pytest.raises(Exception, match="An error occurred") as caught:
            call(**arguments)
        return getattr(caught.value, "response")["Error"]["Code"]  # noqa: B009 (boto3's errors are not typed)

    return find
