"""The part of a summary that only runs with answers in events have."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from scaleworthy.load.summary_times import Times, times_of
from scaleworthy.series import Store


class LanguageModel(BaseModel):
    """What language models' answers took; `good` and its share are None where no step says what is good."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ttft_ms: Times
    tpot_ms: Times
    itl_ms: Times
    tokens: dict[str, int]
    output_tokens_per_s: float
    good: int | None
    good_per_s: float | None


class Streams(BaseModel):
    """What happened on a run's answers in events, all together."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    events: int
    first_ms: Times
    gap_ms: Times
    total_ms: Times
    age_ms: Times
    llm: LanguageModel | None


def streams_of(store: Store, window: tuple[int, int], seconds: float) -> Streams | None:
    """Return what the series of *window*, *seconds* long, say of answers in events; None where there were none."""
    if store.span("load.stream.events") is None:
        return None

    def times(name: str) -> Times:
        return times_of(store.histogram(f"load.stream.{name}", labels={}, window=window))

    return Streams(
        events=round(store.total("load.stream.events", labels={}, window=window)),
        first_ms=times("first"),
        gap_ms=times("gap"),
        total_ms=times("total"),
        age_ms=times("age"),
        llm=_language_model(store, window, seconds),
    )


def _language_model(store: Store, window: tuple[int, int], seconds: float) -> LanguageModel | None:
    first = store.histogram("load.stream.ttft", labels={}, window=window)
    tokens = store.by_label("load.stream.tokens", "direction", labels={}, window=window)
    if not first.count and not tokens:
        return None
    judged = store.span("load.stream.good") is not None
    good = round(store.total("load.stream.good", labels={}, window=window)) if judged else None
    written = tokens.get("output", 0.0) + tokens.get("output-counted", 0.0)
    return LanguageModel(
        ttft_ms=times_of(first),
        tpot_ms=times_of(store.histogram("load.stream.tpot", labels={}, window=window)),
        itl_ms=times_of(store.histogram("load.stream.itl", labels={}, window=window)),
        tokens={direction: round(count) for direction, count in sorted(tokens.items()) if count},
        output_tokens_per_s=round(written / seconds, 3) if seconds else 0.0,
        good=good,
        good_per_s=None if good is None or not seconds else round(good / seconds, 3),
    )
