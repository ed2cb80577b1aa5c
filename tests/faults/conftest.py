"""A real server that answers at once."""

from collections.abc import Iterator

import pytest

from scaleworthy._native import NullServer


@pytest.fixture
def server() -> Iterator[NullServer]:
    made = NullServer()
    yield made
    made.stop()


@pytest.fixture
def url(server: NullServer) -> str:
    return f"http://127.0.0.1:{server.port}/"
