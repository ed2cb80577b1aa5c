"""Where a command's results go: refused before the work begins where they cannot be written, and never lost after it."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaleworthy.errors import ScaleworthyError, UsageError

if TYPE_CHECKING:
    from scaleworthy.series import Store

STDOUT = "-"


def say(text: str) -> None:
    """Write a line for people to standard error, where it disturbs no data."""
    print(text, file=sys.stderr, flush=True)


def show(text: str) -> None:
    """Write a result to standard output; a reader that went away (`| head`) changes nothing, the exit status least of all.

    Raises:
        ScaleworthyError: Standard output cannot be written, such as a file on a full disk.
    """
    try:
        print(text, flush=True)
    except BrokenPipeError:
        silence_stdout()
    except OSError as error:
        silence_stdout()
        raise ScaleworthyError(
            f"standard output cannot be written: {error.strerror}", hint="send it to a file on a disk with room"
        ) from error


def silence_stdout() -> None:
    """Send what is still to be written nowhere, so that the interpreter's last flush cannot fail."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    os.close(devnull)


def write_json(data: Any, to: str) -> None:
    """Write *data* as JSON to the file *to*, or to standard output for `-`."""
    text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)
    if to == STDOUT:
        show(text)
    else:
        write_file(Path(to), text + "\n")


def write_file(path: Path, text: str) -> None:
    """Write *text* to the file *path*.

    Raises:
        UsageError: It cannot be written.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{str(path)!r} cannot be written: {error.strerror}", hint="name a file in a folder that you may write to"
        ) from error


def check_file(to: str | Path | None, option: str) -> None:
    """Refuse, before anything runs, a result file that could not be written at the end.

    Raises:
        UsageError: It is a folder, it may not be written, or its folder is not there or may not be written.
    """
    if to is None or str(to) == STDOUT:
        return
    path = Path(to)
    folder = path.absolute().parent
    if not folder.is_dir():
        raise UsageError(
            f"{option} {str(to)!r} cannot be written: there is no folder {str(path.parent)!r}",
            hint="make it first, or name another",
        )
    if path.is_dir():
        raise UsageError(f"{option} {str(to)!r} cannot be written: it is a folder", hint="name a file in it")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise UsageError(
            f"{option} {str(to)!r} cannot be written: permission denied",
            hint="name a file in a folder that you may write to",
        )


def make_folder(folder: Path, option: str) -> None:
    """Make *folder* and those above it, where they are not there, before anything runs.

    Raises:
        UsageError: It cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise UsageError(f"{option} {str(folder)!r} is a file, not a folder", hint="name a folder") from None
    except OSError as error:
        raise UsageError(
            f"{option} {str(folder)!r} cannot be made: {error.strerror}", hint="name a folder that you may write to"
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(
            f"{option} {str(folder)!r}: no permission to write there", hint="name a folder that you may write to"
        )


@contextlib.contextmanager
def store_for(out: Path | None, *, command: str) -> Iterator[Store]:
    """Give the store of a run: a recording at *out*, or memory alone.

    A run that failed before its first second leaves no file: the same command works once the target is there.
    """
    from scaleworthy.series import MemoryStore, Recording

    if out is None:
        with MemoryStore(run={"command": command}) as memory:
            yield memory
        return
    check_file(out, "--out")
    with Recording.create(out, run={"command": command}) as recording:
        try:
            yield recording
        except ScaleworthyError:
            if recording.span() is None:
                recording.close()
                out.unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def kept(path: Path, *, run: dict[str, Any]) -> Iterator[Store]:
    """Give a recording at *path*, in place of an earlier one; say where it is when the work ends before its result."""
    from scaleworthy.series import Recording

    with Recording.create(path, run=run, overwrite=True) as recording:
        try:
            yield recording
        except (ScaleworthyError, KeyboardInterrupt):
            if recording.span("load.planned") is not None:
                say(f"\nwhat was measured until now is kept: scaleworthy report {path}")
            raise
