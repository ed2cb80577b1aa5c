"""A full machine is named by who filled it."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from scaleworthy.assess.capacity_view import bottleneck, prices_named
from scaleworthy.capacity import Capacity, load_prices
from scaleworthy.capacity.current import Limiting

LIMITING = Limiting("host", "host CPU with the load generator", True, "it was used up", (), None, None)


def capacity(limiting: Limiting, **cores: float) -> Capacity:
    uses = [
        SimpleNamespace(usage=used, resource=SimpleNamespace(key=key.replace("_", ":"), name=name))
        for (key, used), name in zip(cores.items(), ("host CPU", "PostgreSQL's CPU", "the service's CPU"), strict=False)
    ]
    return cast("Any", SimpleNamespace(limiting=limiting, uses=uses))


def test_the_role_that_took_most_is_named_with_its_share() -> None:
    found = bottleneck(capacity(LIMITING, host=2.0, cpu_postgres=1.5, cpu_http=0.4))

    assert found is not None
    assert found.resource == "the machine's CPU, 75.0 % of it PostgreSQL's"


@pytest.mark.parametrize("postgres", [0.9, 0.0])
def test_where_no_role_took_most_nobody_is_named(postgres: float) -> None:
    found = bottleneck(capacity(LIMITING, host=2.0, cpu_postgres=postgres, cpu_http=0.4))

    assert found is not None
    assert found.resource == LIMITING.resource


def test_another_resource_keeps_its_name() -> None:
    found = bottleneck(capacity(replace(LIMITING, key="pool", resource="the pool"), host=2.0, cpu_postgres=1.9))

    assert found is not None
    assert found.resource == "the pool"


@pytest.mark.parametrize(("own", "begins"), [(False, "public list prices, state "), (True, "your own file, state ")])
def test_prices_are_named_without_the_words_that_the_page_has_around_them(own: bool, begins: str) -> None:
    named = prices_named(cast("Any", SimpleNamespace(prices=load_prices().describe(own))))

    assert named.startswith(begins)
    assert not named.endswith(".")
