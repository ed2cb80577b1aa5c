"""`config.payload` and `config.variables`: values that differ between virtual users become feeders, others variables.

A variable that is a list gives each user one of its items, drawn anew; so does a CSV file, in turn with `order: sequence`.
`loadAll` makes all rows one value, to loop over.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scaleworthy.load.base import shown
from scaleworthy.load.feeders import FILE_MAX_BYTES
from scaleworthy.load.import_.artillery.amounts import switch
from scaleworthy.load.import_.artillery.reading import Reading
from scaleworthy.load.import_.artillery.templates import NAME
from scaleworthy.load.yaml_lines import Loc

_WORDS = ("path", "fields", "order", "skipHeader", "delimiter", "cast", "skipEmptyLines", "loadAll", "name", "options")
_ALL_ROWS_MAX = 10_000


class Values:
    """What templates may ask for.

    Attributes:
        variables: Name → value, the same for every user.
        feeders: In the plan file's form.
    """

    def __init__(self, reading: Reading, config: Mapping[str, Any]) -> None:
        self._reading = reading
        self.variables: dict[str, Any] = {}
        self.feeders: list[dict[str, Any]] = []
        self.origins: dict[Loc, Loc] = {}
        for loc, spec in reading.items(("config", "payload"), config.get("payload")):
            self._payload(loc, reading.mapping(loc, spec))
        named: Loc = ("config", "variables")
        for name, value in reading.mapping(named, config.get("variables")).items():
            self._variable((*named, name), name, value)

    def _variable(self, loc: Loc, name: str, value: Any) -> None:
        if not NAME.fullmatch(name):
            self._reading.refuse(loc, f"a variable is letters, digits, '_', '-' and '.', got {shown(name)}")
        elif isinstance(value, list):
            if not value:
                self._reading.refuse(loc, "an empty list has no item to give")
            elif len(value) == 1:
                self.variables[name] = value[0]
            else:
                self._feed(loc, {"rows": [{name: item} for item in value], "order": "random"})
        else:
            self.variables[name] = value

    def _feed(self, loc: Loc, feeder: dict[str, Any]) -> None:
        self.origins[("feeders", len(self.feeders))] = loc
        self.feeders.append(feeder)

    def _payload(self, loc: Loc, spec: dict[str, Any]) -> None:
        reading = self._reading
        if not spec:
            return
        reading.check_words(loc, spec, _WORDS, {})
        path, fields = spec.get("path"), spec.get("fields")
        if not isinstance(path, str) or not path:
            reading.refuse(loc, "needs the path of a CSV file")
            return
        every = switch(reading, (*loc, "loadAll"), spec.get("loadAll"))
        if not isinstance(fields, list) or not fields or not all(isinstance(name, str) for name in fields):
            reading.refuse(loc, "needs fields: the names of the file's columns, in order")
            return
        order = spec.get("order", "random")
        if order not in ("sequence", "random"):
            reading.refuse((*loc, "order"), f"must be sequence or random, got {shown(order)}")
            return
        delimiter = spec.get("delimiter", ",")
        if not isinstance(delimiter, str) or len(delimiter) != 1:
            reading.refuse((*loc, "delimiter"), f"must be one character, got {shown(delimiter)}")
            return
        feeder: dict[str, Any] = {
            "file": path,
            "columns": list(fields),
            "order": "sequential" if order == "sequence" else "random",
        }
        if switch(reading, (*loc, "cast"), spec.get("cast")) is not False:
            feeder["cast"] = True
        if switch(reading, (*loc, "skipHeader"), spec.get("skipHeader")):
            feeder["skip_heading"] = True
        if delimiter != ",":
            feeder["delimiter"] = delimiter
        if every:
            self._all_rows(loc, spec, feeder)
        else:
            self._feed(loc, feeder)

    def _all_rows(self, loc: Loc, spec: Mapping[str, Any], feeder: dict[str, Any]) -> None:
        """Make every row of the file one value, under the payload's own name."""
        name = spec.get("name")
        if not isinstance(name, str) or not NAME.fullmatch(name):
            self._reading.refuse(loc, f"loadAll needs a name to keep the rows under, got {shown(name)}")
            return
        path = self._reading.folder / Path(feeder["file"])
        try:
            if path.stat().st_size > FILE_MAX_BYTES:
                raise ValueError("it is too large")
            with path.open(encoding="utf-8-sig", newline="") as lines:
                read = [row for row in csv.reader(lines, delimiter=feeder.get("delimiter", ","), strict=True) if row]
        except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
            self._reading.refuse((*loc, "path"), f"{path.name!r} cannot be read: {error}")
            return
        rows = read[1:] if "skip_heading" in feeder else read
        if len(rows) > _ALL_ROWS_MAX:
            self._reading.refuse(
                loc, f"loadAll keeps at most {_ALL_ROWS_MAX:,} rows, got {len(rows):,}; give each user a row"
            )
            return
        self.variables[name] = [dict(zip(feeder["columns"], row, strict=False)) for row in rows]
