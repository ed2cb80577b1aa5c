"""What a fleet does for Python scenarios besides its run: `@setup` before it, `@teardown` after it, each in one worker, once."""

from __future__ import annotations

import select
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from scaleworthy.errors import ScaleworthyError
from scaleworthy.load.fleet.member import Member

ONCE_WITHIN_S = 600.0
DRIVEN_WITHIN_S = 5.0
"""From the last second until every worker has said how its scenarios went."""


class Scripts:
    """The Python side of a fleet.

    Args:
        python: What workers are told: `file`, `target`, `origins`, `seed`, and whether there is a `setup` and a `teardown`.
        clock: Seconds that only go up.
    """

    def __init__(
        self,
        python: Mapping[str, Any],
        members: Sequence[Member],
        *,
        clock: Callable[[], float],
    ) -> None:
        self._python = python
        self._members = members
        self._clock = clock
        self._owed = False

    def set_up(self) -> None:
        """Run `@setup` in the first worker, and tell all of them what it returned.

        Raises:
            ScaleworthyError: It raised, or took longer than 10 minutes.
        """
        self._owed = self._python["teardown"]
        if not self._python["setup"]:
            return
        self._owed = False
        first = self._members[0]
        first.tell({"setup": True})
        self._wait(lambda: first.said("set_up"), ONCE_WITHIN_S, first)
        if not first.said("set_up"):
            raise ScaleworthyError(f"@setup did not get through: {first.failed or f'not within {ONCE_WITHIN_S:g} s'}")
        for member in self._members:
            member.order({"data": first.heard("set_up")})
        self._owed = self._python["teardown"]

    def take_down(self) -> list[str]:
        """Wait until all scenarios have ended, run `@teardown`, and return what must be known of how they went.

        Raises:
            ScaleworthyError: Every iteration raised, from the first on.
        """
        alive = [member for member in self._members if member.failed is None]
        self._wait(lambda: all(member.said("driven") for member in alive), DRIVEN_WITHIN_S)
        notes = [note for member in alive for note in member.heard("driven") or ()]
        notes += self.tear_down()
        broken = next((text for member in self._members if (text := member.heard("broken"))), None)
        if broken is not None:
            raise ScaleworthyError(f"every iteration raises, so the run was stopped:\n\n{broken}")
        return list(dict.fromkeys(notes))

    def tear_down(self) -> list[str]:
        """Run `@teardown` where it is owed: something was set up, and it has not been run since. Return what went wrong."""
        if not self._owed:
            return []
        self._owed = False
        alive = [member for member in self._members if member.failed is None]
        if not alive:
            return ["@teardown was not run: no worker process was left"]
        first = alive[0]
        first.tell({"teardown": True})
        self._wait(lambda: first.said("torn_down"), ONCE_WITHIN_S, first)
        return [] if first.said("torn_down") else [f"@teardown did not get through: {first.failed or 'too slow'}"]

    def _wait(self, until: Callable[[], bool], within_s: float, member: Member | None = None) -> None:
        end_s = self._clock() + within_s
        while not until() and (member is None or member.failed is None):
            speaking = {each.fd: each for each in self._members if not each.gone}
            left_s = end_s - self._clock()
            if left_s <= 0 or not speaking:
                return
            poll = select.poll()
            for fd in speaking:
                poll.register(fd, select.POLLIN)
            for fd, _ in poll.poll(left_s * 1e3):
                speaking[fd].listen(self._clock())
