"""The price book: what ships is valid, what a user changes is checked, all problems at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from scaleworthy.capacity import load_prices
from scaleworthy.errors import InvalidInput, UsageError


def test_the_shipped_book_is_valid_and_says_what_it_is() -> None:
    book = load_prices()

    assert "list prices" in book.describe()
    assert str(book.state) in book.describe()
    for part in (book.compute, book.database, book.cache, book.storage, book.egress, book.load_balancer):
        assert len(part.source) > 20


def test_a_users_file_replaces_whole_sections_and_keeps_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "ours.toml"
    path.write_text(
        'state = 2026-10-01\ncurrency = "EUR"\nregion = "Frankfurt"\n'
        '[compute]\nsource = "our contract"\nsizes = [{ name = "small", vcpus = 4, memory_gb = 8, per_hour = 0.05 }]\n'
    )
    book = load_prices(path)

    assert [size.name for size in book.compute.sizes] == ["small"]
    assert book.compute.sizes[0].per_month == pytest.approx(36.5)
    assert book.database == load_prices().database
    assert (book.currency, book.describe(own=True).startswith("Prices: your own file")) == ("EUR", True)


def test_every_problem_is_listed_at_once(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(
        'currency = "euro"\n[compute]\nsource = "x"\n'
        'sizes = [{ name = "a", vcpus = 0, memory_gb = 8, per_hour = -1 }]\nprice = 3\n'
        '[egress]\nsource = "x"\ntiers = [{ per_gb = 0.1, up_to_gb = 5 }]\n'
    )
    with pytest.raises(InvalidInput) as caught:
        load_prices(path)

    text = "\n".join(caught.value.problems)
    for wanted in (
        "state: is required",
        "currency:",
        "compute.sizes[0].vcpus:",
        "compute.sizes[0].per_hour:",
        "compute.price: unknown field",
        "egress: the last tier",
    ):
        assert wanted in text


@pytest.mark.parametrize("content", ["not = = toml", "\x00"])
def test_what_is_not_toml_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(content)
    with pytest.raises(InvalidInput, match="not TOML"):
        load_prices(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.toml' cannot be read: No such file"):
        load_prices(tmp_path / "gone.toml")


def test_egress_is_priced_in_tiers() -> None:
    """100 GB free, then 10,240 GB at 0.09, then 1,000 at 0.085."""
    egress = load_prices().egress

    assert egress.cost(50) == 0.0
    assert egress.cost(200) == pytest.approx(9.0)
    assert egress.cost(11_340) == pytest.approx(10_240 * 0.09 + 1_000 * 0.085)
