"""One PostgreSQL and one Valkey for all tests here, and the same data as each shape has it."""

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from scaleworthy.servers import Postgres, Valkey

from .running import Api, Data, copy, fill, serving


def memory_folder() -> Path | None:
    """Where files live in memory, if there is room: some disks take a millisecond to remove each of many thousand files."""
    shm = Path("/dev/shm")
    return shm if shm.is_dir() and shutil.disk_usage(shm).free > 4 * 10**9 else None


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with Postgres.start(fsync=False, temporary=memory_folder()) as server:
        yield server


@pytest.fixture(scope="session")
def valkey() -> Iterator[Valkey]:
    with Valkey.start() as server:
        yield server


@pytest.fixture(scope="session")
def shapes(postgres: Postgres) -> dict[str, str]:
    """The same rows twice: the name of a database as each shape has it, which nobody writes to."""
    fill(postgres, "day_one")
    fill(postgres, "tuned", sets=("tuned",))
    return {"day-one": "day_one", "tuned": "tuned"}


@pytest.fixture(scope="module")
def data(request: pytest.FixtureRequest, postgres: Postgres, shapes: dict[str, str]) -> dict[str, Data]:
    """A database of this file's own, as each shape has it: what tests elsewhere write is not here, in whatever order they run."""
    return {shape: copy(postgres, f"{request.node.path.stem}_{name}", of=name) for shape, name in shapes.items()}


@pytest.fixture(params=["day-one", "tuned"])
async def api(request: pytest.FixtureRequest, data: dict[str, Data]) -> AsyncIterator[Api]:
    """The service in each shape, without a cache: what is written is read at once."""
    async with serving(data[request.param], request.param) as running:
        yield running


@pytest.fixture(autouse=True)
def _no_secret_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SWITCHBOARD_WEBHOOK_SECRET", raising=False)
