"""Bring a database to the schema of a shape.

Question: which migrations does this database still need, and are those it has the ones we know?
Not here: the SQL (migrations/<set>/NNNN_name.sql), data (seed/).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from scaleworthy.errors import UsageError

APP_ROLE = "switchboard_app"
RELAY_ROLE = "switchboard_relay"
FOLLOWER_ROLE = "switchboard_follower"
BASE_SET = "base"
# Any number will do as long as every process of ours uses the same one.
_LOCK = 0x5357_4244
_APPLIED = """
create table if not exists switchboard_migrations (
    migration_set text, name text, checksum text not null, applied_at timestamptz not null default now(),
    primary key (migration_set, name)
)
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One SQL file, applied once, in the order of its number within its set."""

    migration_set: str
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text: an applied migration never changes."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def migrations_of(migration_set: str) -> list[Migration]:
    """Return the migrations of one set in order."""
    folder = files("scaleworthy.switchboard") / "migrations" / migration_set
    found = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".sql")), key=lambda entry: entry.name)
    return [Migration(migration_set, entry.name.removesuffix(".sql"), entry.read_text("utf-8")) for entry in found]


def migrate(dsn: str, *, sets: Sequence[str] = ()) -> list[str]:
    """Apply what is missing of the base set and *sets*, all or nothing; return the names applied as `set/name`.

    Several processes may call this at once: one works, the others wait and find nothing to do.

    Raises:
        UsageError: The database holds tables that are not Switchboard's, or a migration that was applied has changed.
    """
    applied_now = []
    with psycopg.connect(dsn) as connection:
        connection.execute("select pg_advisory_xact_lock(%s)", [_LOCK])
        _refuse_foreign_database(connection)
        connection.execute(_APPLIED)
        known = {
            (row[0], row[1]): row[2]
            for row in connection.execute("select migration_set, name, checksum from switchboard_migrations")
        }
        for migration_set in (BASE_SET, *sets):
            for migration in migrations_of(migration_set):
                label = f"{migration_set}/{migration.name}"
                checksum = known.get((migration_set, migration.name))
                if checksum is None:
                    _apply(connection, migration)
                    applied_now.append(label)
                elif checksum != migration.checksum:
                    raise UsageError(
                        f"migration {label} was applied to this database with another text",
                        hint="undo the change of the file and put the new SQL into a migration of its own",
                    )
        for role in (APP_ROLE, RELAY_ROLE):
            _set_password(connection, dsn, role)
    return applied_now


def app_dsn(dsn: str) -> str:
    """Return how the service logs in: the owner's *dsn* with the role that owns nothing."""
    return make_conninfo(dsn, user=APP_ROLE, password=_password(dsn, APP_ROLE), application_name="switchboard")


def relay_dsn(dsn: str) -> str:
    """Return how the relay logs in: the owner's *dsn* with the role that has the outbox, and nothing else."""
    name = "switchboard relay"
    return make_conninfo(dsn, user=RELAY_ROLE, password=_password(dsn, RELAY_ROLE), application_name=name)


def follower_dsn(dsn: str) -> str:
    """Return how who follows changes logs in: the owner's *dsn* with the role that reads the log, and no table."""
    name = "switchboard follower"
    return make_conninfo(dsn, user=FOLLOWER_ROLE, password=_password(dsn, FOLLOWER_ROLE), application_name=name)


def _apply(connection: psycopg.Connection, migration: Migration) -> None:
    connection.execute(migration.text.encode())
    connection.execute(
        "insert into switchboard_migrations (migration_set, name, checksum) values (%s, %s, %s)",
        [migration.migration_set, migration.name, migration.checksum],
    )


def _refuse_foreign_database(connection: psycopg.Connection) -> None:
    """Keep out of a database that is somebody else's: it has tables, and none of them is ours."""
    tables = [
        str(row[0])
        for row in connection.execute("select tablename from pg_tables where schemaname = current_schema() order by 1")
    ]
    if tables and "switchboard_migrations" not in tables:
        some = ", ".join(tables[:3]) + (", …" if len(tables) > 3 else "")
        raise UsageError(
            f"the database holds {len(tables)} tables that are not Switchboard's ({some})",
            hint="give an empty database: createdb switchboard",
        )


def _password(dsn: str, role: str) -> str:
    """Derive a role's password from the owner's: no second secret to keep, and every process finds the same one."""
    owner = str(conninfo_to_dict(dsn).get("password") or "")
    return hmac.new(owner.encode(), role.encode(), hashlib.sha256).hexdigest()


def _set_password(connection: psycopg.Connection, dsn: str, role: str) -> None:
    if conninfo_to_dict(dsn).get("password"):
        connection.execute(
            sql.SQL("alter role {} password {}").format(sql.Identifier(role), sql.Literal(_password(dsn, role)))
        )
