"""Whatever a file holds, it is either a plan or refused with its places: never a traceback."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scaleworthy.errors import InvalidInput, UsageError
from scaleworthy.load import read_plan
from scaleworthy.load.import_.artillery import words

KEYS = sorted({
    *words.TOP, *words.CONFIG, *words.CONFIG_REFUSED, *words.SCENARIO, *words.SCENARIO_REFUSED, *words.REQUEST, *words.STEPS_HTTP,
    *words.STEPS_WS, *words.STEPS_REFUSED, *words.PLUGINS, "duration", "arrivalRate", "rampTo", "arrivalCount", "maxVusers", "pause",
    "path", "fields", "order", "loadAll", "count", "over", "whileTrue", "as", "regexp", "value", "strict", "group", "statusCode",
    "contentType", "hasProperty", "equals", "headerEquals", "p95", "thresholds", "conditions", "expression", "rejectUnauthorized", "pool",
})  # fmt: skip
TEXTS = st.sampled_from([
    "/a", "{{ x }}", "{{ $uuid }}", "{{ $randomNumber(1, 2) }}", "{{", "}}", "{{{ a.b[0] }}}", "$.id", "$[", "(", "30s", "5m", "1-3", "ws",
    "http://127.0.0.1:1/x", "http://[", "ws://a", "a == 1 and not b", "json", "\u0000", "é\n", "", "true", "a.csv",
    "http.response_time.p95",
])  # fmt: skip
SCALARS = TEXTS | st.none() | st.booleans() | st.integers(-3, 300) | st.floats(allow_nan=True) | st.text(max_size=5)
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


def mapping(**known: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return mappings with some of the *known* keys as they should be, or as anything else."""
    return st.fixed_dictionaries({}, optional={name: value | ANYTHING for name, value in known.items()})


REQUEST = mapping(
    url=TEXTS, name=TEXTS, json=ANYTHING, body=TEXTS, form=ANYTHING, formData=ANYTHING, qs=ANYTHING, headers=ANYTHING, cookie=ANYTHING,
    auth=ANYTHING, capture=mapping(json=TEXTS, regexp=TEXTS, group=SCALARS, header=TEXTS, **{"as": TEXTS}), ifTrue=TEXTS,
    match=mapping(json=TEXTS, value=SCALARS), expect=mapping(statusCode=SCALARS, equals=ANYTHING, contentType=TEXTS, hasProperty=TEXTS),
)  # fmt: skip
STEP = mapping(
    get=REQUEST, post=REQUEST, think=SCALARS, log=SCALARS, send=ANYTHING, connect=ANYTHING, parallel=ANYTHING, count=SCALARS,
    loop=st.lists(mapping(get=REQUEST, think=SCALARS), max_size=2), over=ANYTHING, whileTrue=TEXTS,
)  # fmt: skip
SCENARIO = mapping(
    name=SCALARS, weight=SCALARS, engine=st.sampled_from(["ws", "http"]), flow=st.lists(STEP, max_size=4)
)
PHASE = mapping(
    duration=SCALARS, arrivalRate=SCALARS, rampTo=SCALARS, arrivalCount=SCALARS, pause=SCALARS, maxVusers=SCALARS
)
CONFIG = mapping(
    target=TEXTS, phases=st.lists(PHASE, max_size=3), variables=ANYTHING, payload=mapping(path=TEXTS, fields=ANYTHING, order=TEXTS),
    http=mapping(timeout=SCALARS, pool=SCALARS, defaults=ANYTHING), tls=ANYTHING, ws=ANYTHING, plugins=ANYTHING, apdex=ANYTHING,
    ensure=mapping(p95=SCALARS, maxErrorRate=SCALARS, thresholds=ANYTHING, conditions=ANYTHING), environments=ANYTHING,
)  # fmt: skip
SCRIPT = mapping(config=CONFIG, scenarios=st.lists(SCENARIO, max_size=3), before=SCENARIO, after=SCENARIO)


@settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(script=SCRIPT | ANYTHING)
def test_any_script_is_a_plan_or_refused(tmp_path: Path, script: Any) -> None:
    path = tmp_path / "script.json"
    path.write_text(json.dumps(script, allow_nan=False, default=str) if _is_json(script) else "{}", encoding="utf-8")
    with contextlib.suppress(UsageError):
        assert read_plan(path).plan.scenarios


@settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(text=st.text(alphabet="{}[]:-,&*!|>'\"#%@ \n\tab1.configscenariosflow", max_size=60))
def test_any_text_is_a_plan_or_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "script.yml"
    path.write_text(f"config:\n  target: http://127.0.0.1:1\nscenarios:\n  - flow:\n      - {text}\n", encoding="utf-8")
    with contextlib.suppress(UsageError):
        assert read_plan(path).plan.scenarios


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("deep", ["[" * 5_000, "{a: " * 3_000, "- " * 4_000])
def test_deep_nesting_is_refused(tmp_path: Path, deep: str) -> None:
    path = tmp_path / "script.yml"
    path.write_text(f"config:\n  variables: {deep}\n")

    with pytest.raises(InvalidInput):
        read_plan(path)


def test_a_part_that_holds_itself_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "script.yml"
    path.write_text("config: &c\n  variables: *c\nscenarios: []\n")

    with pytest.raises(InvalidInput):
        read_plan(path)
