"""Settings of the endpoint that plays language models, as they come over HTTP."""

from __future__ import annotations

import pytest

from scaleworthy.errors import InvalidInput
from scaleworthy.switchboard.llm_settings import LlmSettings, changed


def test_what_is_no_setting_is_refused_with_the_names_that_are() -> None:
    with pytest.raises(InvalidInput) as refused:
        changed(LlmSettings(), {"first": 1, "models": "gpt"})

    first, models = refused.value.problems
    assert first.startswith("first: one of first_s, tokens_per_s, tokens, ")
    assert models == "models: a list of names is wanted, got 'gpt'"


def test_what_is_not_named_stays_as_it_was() -> None:
    before = LlmSettings(first_s=0.2, models=("a",))

    assert changed(before, {"failed": 0.5, "models": ["b", "c"]}) == LlmSettings(
        first_s=0.2, failed=0.5, models=("b", "c")
    )
