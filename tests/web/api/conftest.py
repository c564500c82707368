"""One server for all tests of this folder; each uses names of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.web.api.serving import Api, serving


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with serving(tmp_path_factory.mktemp("api") / "home") as running:
        yield running
