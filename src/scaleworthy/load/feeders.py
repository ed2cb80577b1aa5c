"""Data that requests are made from: rows of a CSV, JSONL or Parquet file, or rows in the plan itself.

Each iteration of a scenario takes one row of each feeder; `{{ column }}` puts its value into a path, header or body.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, model_validator

from scaleworthy.load.base import PlanPart, shown

FILE_MAX_BYTES = 200 * 10**6
Table = tuple[list[str], list[list[Any]]]
"""Columns and rows."""
_TYPED = re.compile(r"true|false|-?(0|[1-9]\d{0,15})(\.\d{1,15})?")


class Feeder(PlanPart):
    """Rows from `file` (CSV with a heading line, JSONL or Parquet; the name's ending decides) or from `rows`.

    `sequential` hands the rows out in turn, from the first again after the last; `random` draws each time; `unique` hands each
    row out once. Values of CSV are text; those of JSONL, Parquet and `rows` keep their type.

    Attributes:
        columns: Names of a CSV file's columns, for one without a heading line; values behind the last of them are left out.
        skip_heading: The file has a heading line all the same, which `columns` replaces.
        delimiter: Between the values of a CSV file.
        cast: Read numbers, true and false of a CSV file as what they are.
        when_dry: Of `unique`, after the last row: `stop` starts nothing more, `again` begins at the first.
    """

    file: str | None = None
    rows: list[dict[str, Any]] | None = None
    order: Literal["sequential", "random", "unique"] = "sequential"
    columns_given: Annotated[list[str], Field(min_length=1)] | None = Field(None, alias="columns")
    skip_heading: bool = False
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    cast: bool = False
    when_dry: Literal["stop", "again"] = "stop"

    _table: Table = ([], [])

    @model_validator(mode="after")
    def _read(self, info: ValidationInfo) -> Feeder:
        if (self.file is None) == (self.rows is None):
            raise ValueError("needs either 'file' or 'rows'")
        if self.columns_given is not None and (self.file or ".jsonl").lower().endswith(
            (".jsonl", ".ndjson", ".parquet")
        ):
            raise ValueError("'columns' names those of a CSV file")
        if "when_dry" in self.model_fields_set and self.order != "unique":
            raise ValueError("'when_dry' goes with order: unique; the other orders never run dry")
        if self.skip_heading and self.columns_given is None:
            raise ValueError("'skip_heading' needs 'columns': the names that stand in for the heading")
        if self.rows is not None:
            table = _table_of(((f"row {at}", row) for at, row in enumerate(self.rows, 1)), "rows")
        else:
            assert self.file is not None
            path = Path((info.context or {}).get("folder", ".")) / self.file
            columns = self.columns_given or ()
            table = read_rows(path, columns=columns, skip_heading=self.skip_heading, delimiter=self.delimiter)
            if self.cast:
                table = (table[0], [[_cast(value) for value in row] for row in table[1]])
        object.__setattr__(self, "_table", table)
        return self

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return self._table[0]

    @property
    def table(self) -> list[list[Any]]:
        """The rows' values, in the order of `columns`."""
        return self._table[1]

    @property
    def lasts(self) -> int | None:
        """How many iterations the rows are enough for; None for any number."""
        return len(self.table) if self.order == "unique" and self.when_dry == "stop" else None

    def to_native(self) -> dict[str, Any]:
        """Return the engine's form: iterations are numbered, and a number has its row, so `unique` is in turn too."""
        order = "sequential" if self.order == "unique" else self.order
        return {"columns": self.columns, "rows": self.table, "order": order}


def read_rows(path: Path, *, columns: Sequence[str] = (), skip_heading: bool = False, delimiter: str = ",") -> Table:
    """Return columns and rows of a CSV, JSONL or Parquet file; a CSV file has a heading line, unless *columns* are given.

    Raises:
        ValueError: Unreadable, empty, ragged or too large; the text names the file and the line.
    """
    kind = ".csv" if columns else path.suffix.lower()
    if kind not in (".csv", ".jsonl", ".ndjson", ".parquet"):
        raise ValueError(f"feeder {path.name!r} must end in .csv, .jsonl or .parquet")
    try:
        if path.stat().st_size > FILE_MAX_BYTES:
            raise ValueError(f"feeder {path.name!r} is larger than {FILE_MAX_BYTES // 10**6} MB; split it")
        if kind == ".parquet":
            return _read_parquet(path)
        with path.open(encoding="utf-8-sig", newline="") as lines:
            if kind != ".csv":
                return _read_jsonl(lines, path.name)
            rows = csv.reader(lines, strict=True, delimiter=delimiter)
            return _read_csv(rows, path.name, list(columns), skip=skip_heading)
    except OSError as error:
        raise ValueError(f"feeder {str(path)!r} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"feeder {path.name!r} is not UTF-8 text (byte {error.start})") from error


def _read_csv(reader: Any, name: str, columns: list[str], *, skip: bool) -> Table:
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


def _read_parquet(path: Path) -> Table:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise ValueError(f"feeder {path.name!r} needs pyarrow: pip install 'scaleworthy[parquet]'") from error
    try:
        read = parquet.read_table(path)
    except ArrowException as error:
        raise ValueError(f"feeder {path.name!r} is no Parquet file: {error}") from error
    rows = ({str(name): _plain(value) for name, value in row.items()} for row in read.to_pylist())
    return _table_of(((f"{path.name}: row {at}", row) for at, row in enumerate(rows, 1)), path.name)


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: dates and the like become text."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _read_jsonl(lines: Iterable[str], name: str) -> Table:
    def numbered() -> Iterable[tuple[str, Any]]:
        for number, line in enumerate(lines, 1):
            if line.strip():
                try:
                    yield f"{name}:{number}", json.loads(line)
                except json.JSONDecodeError as error:
                    raise ValueError(f"{name}:{number}: not JSON: {error.msg} at column {error.colno}") from error

    return _table_of(numbered(), name)


def _table_of(rows: Iterable[tuple[str, Any]], name: str) -> Table:
    columns: list[str] = []
    table: list[list[Any]] = []
    for where, row in rows:
        if not isinstance(row, dict):
            raise ValueError(f"{where}: must be an object of column: value, got {shown(row)}")
        if not columns:
            columns = list(row)
            _check_columns(columns, where)
        if set(row) != set(columns):
            raise ValueError(f"{where}: has the columns {', '.join(row)}; the first row has {', '.join(columns)}")
        table.append(["" if row[column] is None else row[column] for column in columns])
    if not table:
        raise ValueError(f"feeder {name!r} is empty")
    return columns, table


def _check_columns(columns: list[str], where: str) -> None:
    for column in columns:
        if not column:
            raise ValueError(f"{where}: a column has no name")
        if columns.count(column) > 1:
            raise ValueError(f"{where}: column {column!r} appears twice")


def _cast(value: Any) -> Any:
    """Return the number, true or false that a text reads as, or the text itself."""
    return json.loads(value) if isinstance(value, str) and _TYPED.fullmatch(value) else value
