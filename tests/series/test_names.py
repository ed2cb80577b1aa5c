"""The list of series in the code and the one in the documentation are one list."""

from __future__ import annotations

import re
from pathlib import Path

from scaleworthy.series.names import KNOWN, Known

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "series.md"
# "last five" of the page's sentence on the label `step`, and everything that is not the engine's.
WITHOUT_STEP = {
    "load.waiting", "load.users", "load.connections", "load.target", "generator.cpu_seconds",
    "load.checks", "load.timed", "load.loop_lag",
}  # fmt: skip
SERIES = re.compile(r"`([a-z]+\.[a-z_.]+)`(?: \{([^}]*)\})?")
LABEL = re.compile(r"`([a-z]+)`(?:: ([^`}]*))?")


def documented() -> dict[str, Known]:
    found = {}
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("| `") else []
        if not cells:
            continue
        kind, _, unit = cells[1].partition(", ")
        for name, braces in SERIES.findall(cells[0]):
            # What applications record of themselves: their meters know.
            if name.startswith(("runtime.", "switchboard.")):
                continue
            labels = [(label, tuple(values.split(", ")) if values else None) for label, values in LABEL.findall(braces)]
            labels = [
                (label, tuple(re.findall(r"`([a-z-]+)`", cells[2])) if label == "kind" else values)
                for label, values in labels
            ]
            step = [("step", None)] if name.startswith("load.") and name not in WITHOUT_STEP else []
            found[name] = Known(name, kind, unit, (*step, *labels))  # type: ignore[arg-type]
    return found


def test_every_series_is_documented_with_its_kind_unit_and_labels_and_the_other_way_round() -> None:
    assert "on all but the last five" in PAGE.read_text()
    assert documented() == KNOWN
