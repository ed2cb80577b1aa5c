"""The server that a scenario's requests go to, and one user of it."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from load.scenarios.echo import echo_server
from scaleworthy.load import User


@dataclass
class Server:
    url: str
    heard: list[dict[str, Any]]
    released: threading.Event


@pytest.fixture
def echo() -> Iterator[Server]:
    with echo_server() as (url, heard, released):
        yield Server(url, heard, released)


@pytest.fixture
async def user(echo: Server) -> AsyncIterator[User]:
    async with User.once(echo.url, row={"phone": "+1"}) as made:
        yield made
