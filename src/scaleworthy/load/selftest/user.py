"""The scenario that the self-test runs at the speed of Python: one request and one expectation."""

from __future__ import annotations

from scaleworthy.load import User, scenario


@scenario
async def get(user: User) -> None:
    """Ask for / and hold the answer to its status."""
    (await user.get("/")).expect(status=200)
