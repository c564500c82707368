"""A listening socket, or why there is none."""

from __future__ import annotations

import socket

import pytest

from tintype.errors import InvalidRequest
from tintype.serving.front.listening import is_free, listen


@pytest.mark.parametrize("host", ["a..b", "x" * 300, "256.1.1.1", "[::1]", "", "\0"])
def test_a_host_that_is_none_is_named(host: str) -> None:
    with pytest.raises(InvalidRequest, match="cannot listen on"):
        listen(host, 0)


def test_a_port_that_is_taken_is_said_to_be() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert not is_free("127.0.0.1", port)
        with pytest.raises(InvalidRequest, match="the port is taken"):
            listen("127.0.0.1", port)
    with pytest.raises(InvalidRequest, match="from 0 to 65535, got 70000"):
        listen("127.0.0.1", 70_000)
