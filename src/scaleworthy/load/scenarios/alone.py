"""One user alone, for a test that calls a scenario once: `async with User.once(url) as user: await call(user)`."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Collection, Mapping
from typing import Any

from scaleworthy._native import Run
from scaleworthy.load.scenarios.errors import RequestFailed
from scaleworthy.load.scenarios.expect import look_closely
from scaleworthy.load.scenarios.feeders import Feeder, feed
from scaleworthy.load.scenarios.user import User
from scaleworthy.load.scenarios.world import World

END_WITHIN_S = 2.0


@contextlib.asynccontextmanager
async def user_alone(
    target: str,
    *,
    row: Mapping[str, Any] | None,
    data: Any,
    headers: Mapping[str, str] | None,
    owned: Collection[str],
    seed: int,
) -> AsyncIterator[User]:
    """Yield a user of the running event loop; see `User.once`."""
    run = _native_run(target, owned=owned, seed=seed)
    line = run.script()
    assert line is not None
    loop = asyncio.get_running_loop()
    arrived: asyncio.Future[User] = loop.create_future()
    over = asyncio.Event()
    feeders: list[Feeder] = [feed([row])] if row is not None else []
    world = World(line, target_url=target, seed=seed, data=data, feeders=feeders)

    def arrive(number_of_user: int, number: int, _scenario: int, late_ns: int) -> None:
        user = User(line=line, user=number_of_user, number=number, late_ns=late_ns)
        user.settle_in(world)
        user.headers |= dict(headers or {})
        line.add_user(user)
        arrived.set_result(user)

    line.attach(
        event_loop=loop,
        begin=arrive,
        over=over.set,
        cookies=User.keep_cookies,
        failure=RequestFailed,
        expect=look_closely,
    )
    loop.add_reader(line.fd, line.on_ready)
    run.start()
    try:
        yield await arrived
    finally:
        run.abort()
        async with asyncio.timeout(END_WITHIN_S):
            await over.wait()
        loop.remove_reader(line.fd)


def _native_run(target: str, *, owned: Collection[str], seed: int) -> Run:
    from scaleworthy.load.front_url import plan_for_url
    from scaleworthy.load.lookup import look_up
    from scaleworthy.load.newcomers import Newcomers, Rules
    from scaleworthy.load.target import check_reachable

    plan = plan_for_url(target, load={"users": 1}, seed=seed)
    found = look_up(plan.target, owned=owned)
    check_reachable(plan.target, found.addresses, plan.http)
    native = plan.to_native(addresses=found.addresses, lookup_ns=found.took_ns, live=plan.load.to_native())
    native["scenarios"] = [{"name": "once", "weight": 1.0, "python": True, "steps": []}]
    run = Run(plan_json=json.dumps(native))
    Newcomers(run, Rules.of_plan(plan, owned=owned)).begin()
    return run
