"""Recorded arrivals: when requests came, and where the recording says so, which.

Three forms, told apart by the first line: access logs (common and combined, as Apache and nginx write them), JSON lines (as
structured loggers write them), and CSV with a heading line. Access logs tell whole seconds: the requests of one second are
spread evenly over it, in their order. Times need not be in order (a log is written when answers end); they are put so.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

from scaleworthy.load.route import route_of

ARRIVALS_MAX = 1_000_000
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_SECOND_NS = 10**9
_ACCESS = re.compile(r'\S+ \S+ \S+ \[(?P<time>[^\]]+)\] "(?P<request>[^"]*)"')
_TIME_FIELDS = ("time", "timestamp", "ts", "@timestamp", "time_iso8601", "time_local", "msec", "start", "at")
_METHOD_FIELDS = ("method", "request_method", "http_method", "verb")
_PATH_FIELDS = ("path", "uri", "request_uri", "url", "target")


@dataclass(frozen=True, slots=True)
class Arrival:
    """One recorded request.

    Attributes:
        at_ns: From the first arrival on.
        method: None where the recording has times alone.
        path: With its query; None where the recording has times alone.
    """

    at_ns: int
    method: str | None
    path: str | None


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a recording holds.

    Attributes:
        arrivals: In the order of their times; the first at 0.
        unsafe: Requests left out because they may change something and a log has no bodies to send.
    """

    arrivals: tuple[Arrival, ...]
    unsafe: int

    @property
    def has_requests(self) -> bool:
        """Whether every arrival says which request it was."""
        return all(arrival.path is not None for arrival in self.arrivals)


def read_recorded(path: Path) -> Recorded:
    """Return the arrivals recorded in *path*.

    Raises:
        ValueError: Unreadable, empty, too long, or a line that is none of the three forms; the text names the line.
    """
    try:
        seen = path.stat()
    except OSError as error:
        raise ValueError(f"recording {str(path)!r} cannot be read: {error.strerror or error}") from error
    return _read_file(path, seen.st_mtime_ns, seen.st_size)


@lru_cache(maxsize=2)
def _read_file(path: Path, _changed_ns: int, _size: int) -> Recorded:
    """Read it once: a plan is looked at several times before it runs, and a log may be long."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
            found = list(_read(lines, path.name))
    except OSError as error:
        raise ValueError(f"recording {str(path)!r} cannot be read: {error.strerror or error}") from error
    safe = [arrival for arrival in found if arrival.method is None or arrival.method in SAFE_METHODS]
    if not safe:
        left_out = f"; {len(found)} are neither {' nor '.join(SAFE_METHODS)}" if found else ""
        raise ValueError(f"recording {path.name!r} holds no arrival that can be replayed{left_out}")
    safe.sort(key=lambda arrival: arrival.at_ns)
    first_ns = safe[0].at_ns
    arrivals = tuple(Arrival(arrival.at_ns - first_ns, arrival.method, arrival.path) for arrival in safe)
    return Recorded(arrivals, unsafe=len(found) - len(safe))


def _read(lines: Iterable[str], name: str) -> Iterator[Arrival]:
    numbered = ((at, line.strip()) for at, line in enumerate(lines, 1))
    filled = ((at, line) for at, line in numbered if line)
    first = next(filled, None)
    if first is None:
        raise ValueError(f"recording {name!r} is empty")
    rest = _chain(first, filled)
    if first[1].startswith("{"):
        arrivals = _json(rest, name)
    elif _ACCESS.match(first[1]):
        arrivals = _spread(_access(rest, name))
    else:
        arrivals = _csv(rest, name)
    for count, arrival in enumerate(arrivals, 1):
        if count > ARRIVALS_MAX:
            raise ValueError(f"recording {name!r} holds more than {ARRIVALS_MAX:,} arrivals; cut it")
        yield arrival


def _chain(first: tuple[int, str], rest: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    yield first
    yield from rest


def _access(lines: Iterator[tuple[int, str]], name: str) -> Iterator[Arrival]:
    for at, line in lines:
        parts = _ACCESS.match(line)
        if parts is None:
            raise ValueError(
                f'{name}:{at}: not a line of an access log (host ident user [time] "request" …): {line[:80]!r}'
            )
        yield _arrival(parts["time"], parts["request"], f"{name}:{at}")


def _spread(arrivals: Iterator[Arrival]) -> Iterator[Arrival]:
    """Put the arrivals of each whole second evenly into it."""
    ordered = sorted(arrivals, key=lambda arrival: arrival.at_ns)
    for _, group in groupby(ordered, key=lambda arrival: arrival.at_ns):
        same = list(group)
        for place, arrival in enumerate(same):
            at_ns = arrival.at_ns + _SECOND_NS * place // len(same)
            yield Arrival(at_ns, arrival.method, arrival.path)


def _json(lines: Iterator[tuple[int, str]], name: str) -> Iterator[Arrival]:
    for at, line in lines:
        try:
            record = json.loads(line)
        except ValueError as error:
            raise ValueError(f"{name}:{at}: not JSON: {error}") from error
        if not isinstance(record, dict):
            raise ValueError(f"{name}:{at}: a line must be a JSON object, got {line[:60]!r}")
        yield _of_record(record, f"{name}:{at}")


def _csv(lines: Iterator[tuple[int, str]], name: str) -> Iterator[Arrival]:
    numbers: list[int] = []

    def texts() -> Iterator[str]:
        for at, line in lines:
            numbers.append(at)
            yield line

    reader = csv.DictReader(texts(), strict=True)
    known = {*_TIME_FIELDS, "time_s", "time_ms"}
    if not known & set(reader.fieldnames or ()):
        raise ValueError(
            f"recording {name!r} is neither an access log nor JSON lines, and as CSV its heading names no time: "
            f"wanted one of {', '.join(sorted(known))}, got {', '.join(reader.fieldnames or ())[:80]}"
        )
    try:
        for record in reader:
            yield _of_record(record, f"{name}:{numbers[-1]}")
    except csv.Error as error:
        raise ValueError(f"{name}:{numbers[-1]}: not CSV: {error}") from error


def _of_record(record: Mapping[str, Any], where: str) -> Arrival:
    if record.get("time_ms") not in (None, ""):
        time: Any = _number(record["time_ms"], where) / 1e3
    else:
        time = next((record[name] for name in ("time_s", *_TIME_FIELDS) if record.get(name) not in (None, "")), None)
    if time is None:
        raise ValueError(f"{where}: no time; wanted one of {', '.join(_TIME_FIELDS)}, time_s or time_ms")
    request = record.get("request")
    path = next((str(record[name]) for name in _PATH_FIELDS if record.get(name)), None)
    if path is not None:
        method = next((str(record[name]) for name in _METHOD_FIELDS if record.get(name)), "GET")
        request = f"{method} {path}"
    return _arrival(time, request if isinstance(request, str) else None, where)


def _number(value: Any, where: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: a time must be a number of milliseconds, got {value!r}") from error


def _arrival(time: Any, request: str | None, where: str) -> Arrival:
    at_ns = _time_ns(time, where)
    if request is None:
        return Arrival(at_ns, None, None)
    method, _, rest = request.partition(" ")
    path = rest.split(" ")[0]
    # An absolute URL in a log keeps its path alone: the target is the plan's.
    if "://" in path:
        path = "/" + path.split("://", 1)[1].partition("/")[2]
    if not path.startswith("/"):
        # What scanners send is often no request: it came, and cannot be replayed.
        return Arrival(at_ns, "?", None)
    return Arrival(at_ns, method.upper(), path)


def _time_ns(value: Any, where: str) -> int:
    """Return a time as ns since 1970 (or since whatever zero the recording has)."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return _date_ns(str(value), where)
    if not -1e15 < number < 1e18:
        raise ValueError(f"{where}: {value!r} is no time in seconds or milliseconds")
    # Seconds since 1970 have ten digits until the year 2286; what has more counts milliseconds.
    return round(number * (1e6 if abs(number) >= 1e11 else 1e9))


def _date_ns(text: str, where: str) -> int:
    for read in (datetime.fromisoformat, lambda text: datetime.strptime(text, "%d/%b/%Y:%H:%M:%S %z")):
        try:
            date = read(text)
        except ValueError:
            continue
        since = (date if date.tzinfo else date.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
        return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000
    raise ValueError(
        f"{where}: {text!r} is no time: wanted seconds, milliseconds, ISO 8601 or 21/Nov/2026:10:00:00 +0000"
    )


def replayed(recorded: Recorded) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return, in the plan file's form, a scenario for each method and route, and the feeder with a row for each arrival.

    Which scenario an arrival runs is `scenario_numbers`.
    """
    rows = [{"recorded_path": arrival.path} for arrival in recorded.arrivals]
    scenarios = [
        {"name": name, "steps": [{name.split(" ")[0].lower(): "{{ recorded_path }}", "name": name}]}
        for name in dict.fromkeys(map(_scenario_of, recorded.arrivals))
    ]
    return scenarios, {"rows": rows}


def scenario_numbers(recorded: Recorded) -> list[int]:
    """Return for each arrival the number of its scenario in `replayed`."""
    numbers: dict[str, int] = {}
    return [numbers.setdefault(_scenario_of(arrival), len(numbers)) for arrival in recorded.arrivals]


def _scenario_of(arrival: Arrival) -> str:
    return f"{arrival.method} {route_of(arrival.path or '/')}"
