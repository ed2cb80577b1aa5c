"""Whom a server runs as. PostgreSQL refuses to run as root, so root needs another identity for it.

Three ways, the first that works: the owner of an existing data folder; another user's number in a user namespace (no
operating-system user is needed beyond a name in passwd, and files stay root's); an operating-system user by setuid,
for which the program must be readable by everybody (it is copied where it is not).
"""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from scaleworthy.errors import ServerError

PREFERRED_USERS = ("postgres", "nobody", "daemon")


@dataclass(frozen=True, slots=True)
class Identity:
    """`same`: as we are; `namespace`: *uid* inside a user namespace; `user`: *uid* by setuid."""

    kind: Literal["same", "namespace", "user"] = "same"
    uid: int = -1
    gid: int = -1

    def to_json(self) -> dict[str, Any]:
        """Return the form that keeper.py reads."""
        return asdict(self)


SAME = Identity()


def identities_for(data: Path) -> list[Identity]:
    """Return the identities to try, in order, for a server that must not be root, on the data folder *data*."""
    if os.geteuid() != 0:
        return [SAME]
    owner = data.stat().st_uid if data.exists() else 0
    if owner != 0 and (data / "PG_VERSION").exists():
        return [Identity("user", owner, data.stat().st_gid)]
    other = _other_user()
    return [Identity("namespace", other.pw_uid, other.pw_gid), Identity("user", other.pw_uid, other.pw_gid)]


def _other_user() -> pwd.struct_passwd:
    """Return a user that is not root; PostgreSQL wants its number to have a name."""
    users = {user.pw_name: user for user in pwd.getpwall() if user.pw_uid != 0}
    if not users:
        raise ServerError("PostgreSQL does not run as root, and this system has no other user", hint="adduser postgres")
    return next((users[name] for name in PREFERRED_USERS if name in users), next(iter(users.values())))


def readable_by_all(path: Path) -> bool:
    """Can every user read (and for folders enter) *path*, judged by the mode bits of it and of every parent?"""
    real = path.resolve()
    if not real.stat().st_mode & stat.S_IROTH:
        return False
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in real.parents)
