"""A run's results as a file that other tools read; the ending of its name says which.

| ending | what |
| --- | --- |
| `.csv`, `.parquet` | every series, second by second (table.py) |
| `.json` | the summary (docs/reference/summary.md) |
| `.xml` | JUnit: a test case for each objective |
| `.md` | Markdown for a pull request |
| `.prom` | Prometheus text exposition of the whole run |
| `.otlp` | OpenTelemetry: one ExportMetricsServiceRequest, as protobuf |
| `.txt` | what the command prints |
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path

from scaleworthy.errors import InvalidInput, UsageError
from scaleworthy.load.results.junit import junit
from scaleworthy.load.results.markdown import markdown
from scaleworthy.load.results.otlp import otlp_request
from scaleworthy.load.results.prometheus import exposition
from scaleworthy.load.results.table import COLUMNS, labels_as_text, series_rows, to_arrow
from scaleworthy.load.summary import summarize
from scaleworthy.load.summary_lines import summary_text
from scaleworthy.series import Store


def _csv(store: Store) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, "labels": labels_as_text(row)} for row in series_rows(store))
    return text.getvalue().encode()


def _parquet(store: Store) -> bytes:
    table = to_arrow(store)
    from pyarrow import parquet

    buffer = io.BytesIO()
    parquet.write_table(table, buffer)
    return buffer.getvalue()


def _json(store: Store) -> bytes:
    return (json.dumps(summarize(store).to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


FORMATS: dict[str, Callable[[Store], bytes]] = {
    ".csv": _csv,
    ".parquet": _parquet,
    ".json": _json,
    ".xml": lambda store: junit(store).encode(),
    ".md": lambda store: markdown(store).encode(),
    ".prom": lambda store: exposition(store).encode(),
    ".otlp": otlp_request,
    ".txt": lambda store: (summary_text(summarize(store), store) + "\n").encode(),
}


def check_exports(paths: Sequence[Path], *, also: Sequence[str] = ()) -> None:
    """Refuse, before anything runs, files whose ending says nothing.

    Args:
        also: Endings that the caller writes itself.

    Raises:
        InvalidInput: Each of them, with what is known.
    """
    known = [*FORMATS, *also]
    problems = []
    for path in paths:
        if path.suffix not in known:
            near = get_close_matches(path.suffix, known, n=1)
            problems.append(
                f"{str(path)!r}: no format has the ending {path.suffix!r}{f'; did you mean {near[0]!r}?' if near else ''}"
            )
    if problems:
        raise InvalidInput("--export", problems, hint=f"the endings are {', '.join(known)}")


def export(store: Store, path: Path) -> None:
    """Write the last load run in *store* to *path*, in the format of its ending.

    Raises:
        UsageError: The file cannot be written.
        MissingExtra: The format needs a package that is not installed.
    """
    data = FORMATS[path.suffix](store)
    try:
        path.write_bytes(data)
    except OSError as error:
        raise UsageError(
            f"{str(path)!r} cannot be written: {error.strerror}", hint="name a file in a folder that you may write to"
        ) from error
