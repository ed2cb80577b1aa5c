"""Positions are read and written as PostgreSQL does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaleworthy.errors import UsageError
from scaleworthy.runtime.lsn import parse_lsn, show_lsn


def test_a_position_is_the_number_that_postgresql_means() -> None:
    # PostgreSQL: select '0/16B3748'::pg_lsn - '0/0' is 23803720; '1/0' is 2^32 further.
    assert parse_lsn("0/16B3748") == 23_803_720
    assert parse_lsn("1/0") == 2**32
    assert show_lsn(2**32 + 255) == "1/FF"


@given(st.integers(0, 2**64 - 1))
def test_writing_and_reading_gives_the_same(position: int) -> None:
    assert parse_lsn(show_lsn(position)) == position


@pytest.mark.parametrize("text", ["", "16B3748", "0/", "/1", "0/xyz", "0/1/2", "123456789/0", "0/123456789"])
def test_anything_else_is_refused_with_the_form_that_is_wanted(text: str) -> None:
    with pytest.raises(UsageError, match="looks like 0/16B3748"):
        parse_lsn(text)
