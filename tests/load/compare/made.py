"""Runs of known latency: lognormal answers whose level wanders from second to second, as a real service's does."""

import numpy as np

from scaleworthy.series import Histogram, MemoryStore, SeriesKey, Store


def run(
    rng: np.random.Generator,
    *,
    seconds: int = 60,
    per_s: int = 200,
    median_ms: float = 10.0,
    wander: float = 0.05,
    memory: float = 0.7,
    failed: float = 0.0,
    step: str = "get",
    store: Store | None = None,
) -> Store:
    """Return a store with one run; the level's logarithm is an AR(1) process of deviation *wander*."""
    store = store or MemoryStore()
    key = {
        name: SeriesKey(f"load.{name}", (("step", step),), "ns" if name == "response_time" else "requests", kind)
        for name, kind in (
            ("response_time", "histogram"), ("planned", "counter"), ("started", "counter"),
            ("answered", "counter"), ("failed", "counter"),
        )
    }  # fmt: skip
    level = rng.normal(0, wander)
    for second in range(seconds):
        level = memory * level + rng.normal(0, wander * np.sqrt(1 - memory**2))
        count = int(rng.poisson(per_s))
        histogram = Histogram()
        for value in rng.lognormal(np.log(median_ms * 1e6) + level, 0.5, count):
            histogram.record(int(value))
        wrong = int(rng.binomial(count, failed))
        values = {"response_time": histogram, "planned": count, "started": count, "answered": count, "failed": wrong}
        store.append(1_000 + second, [(key[name], value) for name, value in values.items()])
    store.put_fact("load", "window", (1_000, 1_000 + seconds))
    return store
