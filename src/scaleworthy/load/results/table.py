"""Everything a run measured as one long table: a row for each series and second.

Columns: `second` (Unix time), `name`, `labels`, `unit`, `kind`, `value` (counter: the increment; gauge: the value;
histogram: the number of records), and of a histogram `mean`, `p50`, `p90`, `p95`, `p99`, `max` in its unit. A long table holds whatever
labels there are (step, tag, status, error kind), and is what Parquet readers, pandas and DuckDB filter and pivot best.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from scaleworthy.errors import MissingExtra
from scaleworthy.load.summary import run_window
from scaleworthy.series import Store
from scaleworthy.series.model import SeriesKey, labels_text

if TYPE_CHECKING:
    import pyarrow

COLUMNS = ("second", "name", "labels", "unit", "kind", "value", "mean", "p50", "p90", "p95", "p99", "max")
_QUANTILES = {"p50": (0.5, 1), "p90": (0.9, 1), "p95": (0.95, 1), "p99": (0.99, 100)}

Row = dict[str, Any]


def series_of(store: Store) -> list[SeriesKey]:
    """Return the run's series, in the order of name and labels."""
    return sorted(store.keys(), key=lambda key: (key.name, key.labels))


def series_rows(store: Store) -> Iterator[Row]:
    """Yield a row for each series and second of the last load run in *store*, series by series."""
    window = run_window(store)
    for key in series_of(store):
        yield from _rows_of(store, key, window)


def _rows_of(store: Store, key: SeriesKey, window: tuple[int, int]) -> Iterator[Row]:
    labels = dict(key.labels)
    seconds, values = store.per_second(key, window=window)
    for second, value in zip(seconds.tolist(), values.tolist(), strict=True):
        row = {"second": second, "name": key.name, "labels": labels, "unit": key.unit, "kind": key.kind, "value": value}
        yield row | (_times(store, key, second) if key.kind == "histogram" else {})


def _times(store: Store, key: SeriesKey, second: int) -> Row:
    histogram = store.histogram(key, window=(second, second + 1))
    count = histogram.count
    times = {name: histogram.quantile(q) if count >= least else None for name, (q, least) in _QUANTILES.items()}
    return {"mean": histogram.mean_ns, **times, "max": histogram.max_ns}


def labels_as_text(row: Row) -> str:
    """Return a row's labels as an objective spells them, for formats without maps."""
    return labels_text(tuple(sorted(row["labels"].items())))


def to_arrow(store: Store) -> pyarrow.Table:
    """Return the table as Arrow, labels as a map.

    Raises:
        MissingExtra: pyarrow is not installed.
    """
    try:
        import pyarrow
    except ModuleNotFoundError as error:
        raise MissingExtra("parquet", needed_for="an Arrow table or a Parquet file") from error
    number = pyarrow.float64()
    schema = pyarrow.schema(
        [
            ("second", pyarrow.int64()),
            ("name", pyarrow.string()),
            ("labels", pyarrow.map_(pyarrow.string(), pyarrow.string())),
            ("unit", pyarrow.string()),
            ("kind", pyarrow.string()),
            *((name, number) for name in COLUMNS[5:]),
        ]
    )
    rows = list(series_rows(store))
    columns = [[row.get(name) for row in rows] for name in COLUMNS]
    columns[2] = [list(row["labels"].items()) for row in rows]
    arrays = [pyarrow.array(column, type=field.type) for column, field in zip(columns, schema, strict=True)]
    return pyarrow.Table.from_arrays(arrays, schema=schema)
