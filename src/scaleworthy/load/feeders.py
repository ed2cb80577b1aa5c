"""Data that requests are made from: rows of a CSV or JSONL file, or rows in the plan itself.

Each iteration of a scenario takes one row of each feeder; `{{ column }}` puts its value into a path, header or body.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, model_validator

from scaleworthy.load.base import PlanPart, shown

FILE_MAX_BYTES = 200 * 10**6
Scalar = str | int | float | bool | None


class Feeder(PlanPart):
    """Rows from `file` (CSV with a heading line, or JSONL; the name's ending decides) or from `rows`.

    `sequential` hands the rows out in turn, from the first again after the last; `random` draws each time.

    Attributes:
        columns: Names of a CSV file's columns, for one without a heading line; values behind the last of them are left out.
        skip_heading: The file has a heading line all the same, which `columns` replaces.
        delimiter: Between the values of a CSV file.
    """

    file: str | None = None
    rows: list[dict[str, Scalar]] | None = None
    order: Literal["sequential", "random"] = "sequential"
    columns_given: Annotated[list[str], Field(min_length=1)] | None = Field(None, alias="columns")
    skip_heading: bool = False
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","

    _table: tuple[list[str], list[list[str]]] = ([], [])

    @model_validator(mode="after")
    def _read(self, info: ValidationInfo) -> Feeder:
        if (self.file is None) == (self.rows is None):
            raise ValueError("needs either 'file' or 'rows'")
        if self.columns_given is not None and (self.file or ".jsonl").lower().endswith((".jsonl", ".ndjson")):
            raise ValueError("'columns' names those of a CSV file")
        if self.skip_heading and self.columns_given is None:
            raise ValueError("'skip_heading' needs 'columns': the names that stand in for the heading")
        if self.rows is not None:
            table = _table_of(((f"row {at}", row) for at, row in enumerate(self.rows, 1)), "rows")
        else:
            assert self.file is not None
            path = Path((info.context or {}).get("folder", ".")) / self.file
            columns = self.columns_given or ()
            table = read_rows(path, columns=columns, skip_heading=self.skip_heading, delimiter=self.delimiter)
        object.__setattr__(self, "_table", table)
        return self

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return self._table[0]

    @property
    def table(self) -> list[list[str]]:
        """The rows' values as text, in the order of `columns`."""
        return self._table[1]


def read_rows(
    path: Path, *, columns: Sequence[str] = (), skip_heading: bool = False, delimiter: str = ","
) -> tuple[list[str], list[list[str]]]:
    """Return columns and rows of a CSV or JSONL file; a CSV file has a heading line, unless *columns* are given.

    Raises:
        ValueError: Unreadable, empty, ragged or too large; the text names the file and the line.
    """
    kind = ".csv" if columns else path.suffix.lower()
    if kind not in (".csv", ".jsonl", ".ndjson"):
        raise ValueError(f"feeder {path.name!r} must end in .csv or .jsonl")
    try:
        if path.stat().st_size > FILE_MAX_BYTES:
            raise ValueError(f"feeder {path.name!r} is larger than {FILE_MAX_BYTES // 10**6} MB; split it")
        with path.open(encoding="utf-8-sig", newline="") as lines:
            if kind != ".csv":
                return _read_jsonl(lines, path.name)
            rows = csv.reader(lines, strict=True, delimiter=delimiter)
            return _read_csv(rows, path.name, list(columns), skip=skip_heading)
    except OSError as error:
        raise ValueError(f"feeder {str(path)!r} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"feeder {path.name!r} is not UTF-8 text (byte {error.start})") from error


def _read_csv(reader: Any, name: str, columns: list[str], *, skip: bool) -> tuple[list[str], list[list[str]]]:
    """Return the rows that *reader* (of the csv module) gives; without *columns* the first names them."""
    named = bool(columns)
    if named:
        _check_columns(columns, "columns")
    rows = []
    try:
        for row in reader:
            if not row:
                continue
            if skip:
                skip = False
            elif not columns:
                columns = [column.strip() for column in row]
                _check_columns(columns, f"{name}:{reader.line_num}")
            elif len(row) < len(columns) or (len(row) > len(columns) and not named):
                raise ValueError(
                    f"{name}:{reader.line_num}: {len(row)} values under {len(columns)} columns ({', '.join(columns)})"
                )
            else:
                rows.append(row[: len(columns)])
    except csv.Error as error:
        raise ValueError(f"{name}:{reader.line_num}: {error}") from error
    if not rows:
        raise ValueError(f"feeder {name!r} has no rows below its heading" if columns else f"feeder {name!r} is empty")
    return columns, rows


def _read_jsonl(lines: Iterable[str], name: str) -> tuple[list[str], list[list[str]]]:
    def numbered() -> Iterable[tuple[str, Any]]:
        for number, line in enumerate(lines, 1):
            if line.strip():
                try:
                    yield f"{name}:{number}", json.loads(line)
                except json.JSONDecodeError as error:
                    raise ValueError(f"{name}:{number}: not JSON: {error.msg} at column {error.colno}") from error

    return _table_of(numbered(), name)


def _table_of(rows: Iterable[tuple[str, Any]], name: str) -> tuple[list[str], list[list[str]]]:
    columns: list[str] = []
    table = []
    for where, row in rows:
        if not isinstance(row, dict):
            raise ValueError(f"{where}: must be an object of column: value, got {shown(row)}")
        if not columns:
            columns = list(row)
            _check_columns(columns, where)
        if set(row) != set(columns):
            raise ValueError(f"{where}: has the columns {', '.join(row)}; the first row has {', '.join(columns)}")
        table.append([_text(row[column]) for column in columns])
    if not table:
        raise ValueError(f"feeder {name!r} is empty")
    return columns, table


def _check_columns(columns: list[str], where: str) -> None:
    for column in columns:
        if not column:
            raise ValueError(f"{where}: a column has no name")
        if columns.count(column) > 1:
            raise ValueError(f"{where}: column {column!r} appears twice")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False) if value is not None else ""
