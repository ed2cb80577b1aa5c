"""Read one value out of a sample."""

from scaleworthy.observe import Sample


def values(sample: Sample, name: str, label: str | None = None) -> dict[str, float]:
    """Return value by *label* (or by nothing) of every slice of that name."""
    return {
        dict(key.labels).get(label or "", ""): value
        for key, value in sample.slices
        if key.name == name and isinstance(value, float)
    }


def value(sample: Sample, name: str, **labels: str) -> float | None:
    """Return the value of one slice, or None where it is not there."""
    wanted = tuple(sorted(labels.items()))
    found = [value for key, value in sample.slices if key.name == name and key.labels == wanted]
    assert len(found) <= 1
    return found[0] if found else None  # type: ignore[return-value]


def facts(sample: Sample, kind: str) -> dict[str, object]:
    """Return the facts of a kind."""
    return {key: value for of_kind, key, value in sample.facts if of_kind == kind}
