"""A full machine is named by who filled it."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from scaleworthy.assess.capacity_view import bottleneck
from scaleworthy.capacity import Capacity
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
