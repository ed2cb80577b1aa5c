"""The native tables hold what they promise to Python: values come and go with their references, errors say what was got."""

from __future__ import annotations

import gc
import json
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from scaleworthy._native import MemoryTable, Packer, RateTable, Redactor, Tombstones, decompress

LIFE = {"due_in_ns": 10, "stale_in_ns": 20, "gone_in_ns": 30}
MISSING = object()


class Value:
    """Something that can be watched."""


def test_only_what_is_fresh_is_got_and_a_look_says_the_rest() -> None:
    table = MemoryTable(entries=10)
    table.put("a", "x", **LIFE, load_ns=5, now_ns=100)
    assert table.get("a", MISSING, 109) == "x"
    assert table.get("a", MISSING, 110) is MISSING
    assert table.look("a", 110) == ("x", "due", 5, 10)
    assert table.look("a", 125) == ("x", "stale", 5, -5)
    assert table.look("a", 130) is None
    assert table.counts() == (2, 0, 0, 0, 0)


def test_its_own_clock_goes_on_from_when_it_was_made() -> None:
    table = MemoryTable(entries=10)
    hour = 3600 * 10**9
    table.put("a", 1, due_in_ns=hour, stale_in_ns=hour, gone_in_ns=hour)
    table.put("b", 2, due_in_ns=0, stale_in_ns=hour, gone_in_ns=hour)
    assert (table.get("a", MISSING), table.get("b", MISSING)) == (1, MISSING)


def test_a_value_that_left_is_let_go() -> None:
    table = MemoryTable(entries=2)
    watched = []
    for act in (table.remove, lambda key: table.put(key, 1, **LIFE), table.remove_tag, lambda _: table.clear()):
        value = Value()
        watched.append(weakref.ref(value))
        table.put("a", value, **LIFE, tags=["a"], now_ns=0)
        del value
        assert watched[-1]() is not None
        act("a")
    for key in "bcdefg":
        value = Value()
        watched.append(weakref.ref(value))
        table.put(key, value, **LIFE, now_ns=0)
    del value
    assert [reference() is None for reference in watched] == [True] * 8 + [False] * 2


def test_a_value_may_ask_the_table_while_it_ends() -> None:
    table = MemoryTable(entries=2)
    asked: list[Any] = []

    class Asking:
        def __del__(self) -> None:
            asked.append(table.look("a", 0))

    table.put("a", Asking(), **LIFE, now_ns=0)
    table.remove("a")
    assert asked == [None]


def test_a_table_that_holds_itself_is_collected() -> None:
    table = MemoryTable(entries=2)
    value = Value()
    value.table = table  # type: ignore[attr-defined]
    table.put("a", value, **LIFE)
    watched = weakref.ref(value)
    del table, value
    gc.collect()
    assert watched() is None


def test_a_rate_is_kept_for_each_key_by_the_clock_it_is_given() -> None:
    table = RateTable(interval_ns=100, burst=2)
    assert [table.allows("a", 1, 0) for _ in range(3)] == [True, True, False]
    assert table.check("a", 1, 50) == (False, 0, 50, 150)
    assert table.check("a", 1, 100) == (True, 0, 0, 200)
    assert table.check("a", 3, 10_000) == (False, 2, None, 0)
    assert table.allows("b", 2, 0)
    assert len(table) == 2
    assert table.counts() == (4, 3)
    assert table.judge("c", 1, "quota", 10_000) == (True, 1, 0.0, 1e-7, "quota")
    assert table.judge("c", 3, "quota", 10_000)[2] is None
    with pytest.raises(ValueError, match="at least 1, got 0 and 5"):
        RateTable(interval_ns=0, burst=5)


def test_members_go_and_what_has_none_is_the_same_object() -> None:
    redactor = Redactor(["password", "api_key"])
    given = json.dumps({"user": {"name": "Ann", "Password": "x"}, "apiKey": "y", "keys": [1]}).encode()
    assert json.loads(redactor.redact(given)) == {"user": {"name": "Ann"}, "keys": [1]}
    clean = b'{"name": "Ann"}'
    assert redactor.redact(clean) is clean
    with pytest.raises(ValueError, match=r"not JSON.*byte 8"):
        redactor.redact(b'{"name" "Ann"}')


def test_a_packer_packs_each_body_by_itself_whatever_came_before_and_beside_it() -> None:
    packer = Packer(1)
    bodies = [b"%d " % number * (number + 1) for number in range(200)]
    with ThreadPoolExecutor(4) as threads:
        packed = list(threads.map(packer.compress, bodies))
    assert [decompress(one, bytes_max=10_000) for one in packed] == bodies
    assert packed == [Packer(1).compress(body) for body in bodies]


def test_what_was_read_before_a_change_is_not_admitted_after_it() -> None:
    stones = Tombstones(most=10)
    began = stones.horizon
    stones.bury("leads", 7)
    stones.reach(7)
    assert not stones.admits(["lead:1", "leads"], began)
    assert stones.admits(["lead:1"], began)
    assert stones.admits(["leads"], stones.horizon)
    stones.bury_all(9)
    assert not stones.admits(["lead:1"], 8)
