"""What growth needs: closed forms, what cannot be reached, and that more never costs less."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaleworthy.capacity import SIZES, Assumptions, GrowthNeed, assess_capacity, load_prices
from scaleworthy.capacity.growth import Carried, growth
from scaleworthy.capacity.needs import Cost, Needs, only_reads, read_ratio
from scaleworthy.capacity.sizes import GB
from scaleworthy.capacity.usage import Level
from scaleworthy.series import MemoryStore, SeriesKey

from .conftest import Service

PRICES = load_prices()
ASSUME = Assumptions()
NEEDS = Needs(
    rate_top_per_s=230.0,
    application=Cost(0.004, 0.0037, 0.0043, 0.05),
    database=Cost(0.002, 0.0019, 0.0021, 0.02),
    cache=Cost(0.0001, 0.00009, 0.00011),
    response_bytes=2_000.0,
    cache_bytes=0.1 * GB,
    read_ratio=0.8,
)
CARRIED = Carried(220.0, copies_only=False)


def plan(needs: Needs = NEEDS, carried: Carried = CARRIED, assume: Assumptions = ASSUME) -> dict[str, GrowthNeed]:
    return {row.size.name: row for row in growth(needs, carried, assume=assume, prices=PRICES)}


def test_the_peak_comes_from_concurrent_users_not_from_queries_a_day() -> None:
    """1,000 users at once, 6 requests a minute each, twice in the busiest minute: 200 a second."""
    assert [ASSUME.peak_per_s(size) for size in SIZES] == pytest.approx([2.0, 20.0, 200.0, 2_000.0])
    assert SIZES[2].queries_per_day / 86_400 < 1


def test_application_servers_follow_from_cost_load_and_target() -> None:
    """2,000/s · 4 ms = 8 cores; two-core servers have 2·0.65 - 2·0.05 = 1.2 of them to give: 7 servers."""
    row = plan()["enterprise"]

    assert row.app_servers == math.ceil(8.0 / 1.2)
    assert row.app_size == "m7i.large"


def test_bigger_servers_are_taken_when_small_ones_become_many() -> None:
    row = plan(replace(NEEDS, application=Cost(0.04, 0.037, 0.043)))["enterprise"]

    assert row.app_servers <= 12
    assert row.app_size == "m7i.4xlarge"
    assert row.app_servers == math.ceil(80 / (16 * 0.65))


def test_from_a_thousand_users_on_nothing_stands_alone() -> None:
    rows = plan()

    assert (rows["baseline"].app_servers, rows["baseline"].database_instances, rows["baseline"].cache_nodes) == (
        1,
        1,
        1,
    )
    assert (rows["10×"].app_servers, rows["10×"].database_instances, rows["10×"].cache_nodes) == (2, 2, 2)


def test_reads_go_to_replicas_when_one_machine_is_not_enough() -> None:
    """2,000/s · 50 ms / 0.65 = 154 cores, a fifth of it writes: 31 on the primary of 64, two replicas for the rest."""
    row = plan(replace(NEEDS, database=Cost(0.05, 0.049, 0.051)))["enterprise"]

    assert row.reachable
    assert row.read_replicas == 2
    assert row.database_instances == 4
    assert "2 read replicas" in row.why


def test_writes_beyond_the_biggest_primary_are_out_of_reach() -> None:
    row = plan(replace(NEEDS, database=Cost(0.05, 0.049, 0.051), read_ratio=0.3))["enterprise"]

    assert not row.reachable
    assert "writes alone need 108 cores" in row.why
    assert "has 64" in row.why


def test_work_that_scans_tables_grows_with_the_data_too() -> None:
    """200,000 rows a request are 20 ms now, and 2 s with 100 times the data: more servers do not help."""
    rows = plan(replace(NEEDS, database=Cost(0.03, 0.029, 0.031), scanned_rows=200_000))

    assert rows["baseline"].reachable
    assert not rows["100×"].reachable
    assert "200,000 rows by sequential scans" in rows["100×"].why
    assert "2.00 s of scanning" in rows["100×"].why


def test_scanning_takes_a_bigger_instance_before_it_takes_all() -> None:
    """10,000 rows are 1 ms of 2; with 100 times the data 101 ms: 200/s · 0.101 s / 0.65 = 31 cores instead of 0.6."""
    assert plan()["100×"].database_size == "db.m6g.4xlarge"  # for the memory of 50 GB of hot data
    assert plan(replace(NEEDS, scanned_rows=10_000))["100×"].database_size == "db.m6g.8xlarge"


def test_cache_nodes_follow_from_memory_and_from_cpu() -> None:
    """0.1 GB a thousand times over, 75 % full, in nodes of 26 GB: 6, doubled; 10 ms a look-up: 2,000/s·0.01/0.65 = 31."""
    assert plan()["enterprise"].cache_nodes == 12
    steady = Cost(0.004, 0.004, 0.004)
    busy = replace(NEEDS, application=steady, cache_bytes=1e6, cache=Cost(0.01, 0.005, 0.02))
    row = plan(busy)["enterprise"]
    low, high = row.monthly_cost_interval

    assert (row.cache_nodes, row.cache_size) == (62, "cache.t4g.small")
    # 16 shards at the lower end, 62 at the upper, two nodes each.
    assert high - low == pytest.approx(2 * (62 - 16) * 0.032 * 730)


def test_an_objective_that_never_held_is_not_cured_by_servers() -> None:
    rows = plan(carried=Carried(None, copies_only=True, objective="p95 < 5ms", never_held=True))

    assert not any(row.reachable for row in rows.values())
    assert "p95 < 5ms" in rows["10×"].why


def test_a_limit_that_was_not_found_is_no_verdict() -> None:
    """The generator gave up before anything was known: growth rests on the costs alone, and nothing is ruled out."""
    rows = plan(carried=Carried(None, copies_only=False))

    assert all(row.reachable for row in rows.values())
    assert "measured limit" not in rows["baseline"].why


def test_without_an_explanation_growth_is_by_copies() -> None:
    """One process that stopped at 50/s: 2,000/s / (50·0.65) = 62 workers, on 8 servers of 8 cores."""
    row = plan(carried=Carried(50.0, copies_only=True))["enterprise"]

    assert (row.app_servers, row.app_size) == (8, "m7i.2xlarge")
    assert "copies" in row.why


def test_an_unobserved_database_is_not_promised() -> None:
    rows = plan(replace(NEEDS, database=None))

    assert rows["100×"].reachable  # within the measured limit
    assert not rows["enterprise"].reachable
    assert rows["enterprise"].database_instances == 0
    assert rows["enterprise"].storage_bytes == 0


def test_data_is_scaled_from_what_was_measured_when_the_users_behind_it_are_known() -> None:
    rows = plan(replace(NEEDS, database_bytes=3 * GB), assume=Assumptions(users_now=500))

    assert rows["10×"].data_bytes == 6 * GB
    assert rows["10×"].storage_bytes == 9 * GB
    assert plan()["10×"].data_bytes == 100 * GB


def test_the_bill_adds_up() -> None:
    row = plan()["10×"]

    assert row.monthly_cost == pytest.approx(sum(amount for _, amount in row.items))
    assert row.cost_per_user == pytest.approx(row.monthly_cost / 1_000)
    assert row.cost_per_1000_requests == pytest.approx(1000 * row.monthly_cost / row.requests_per_month)
    # Two m7i.large, two db.m6g.large (5 GB of memory for hot data), two cache.t4g.small, disk, backups, balancer.
    servers = 730 * (2 * 0.1008 + 2 * 0.159 + 2 * 0.032)
    assert row.monthly_cost == pytest.approx(servers + 2 * 150 * 0.115 + 100 * 0.095 + 25, rel=1e-6)


def test_the_cost_interval_comes_from_the_costs_of_a_request() -> None:
    row = plan(replace(NEEDS, application=Cost(0.004, 0.003, 0.005, 0.05)))["enterprise"]
    low, high = row.monthly_cost_interval

    assert low < row.monthly_cost < high


def test_how_far_beyond_the_measurement_is_said() -> None:
    rows = plan()

    assert [rows[name].uncertainty for name in ("baseline", "10×", "100×", "enterprise")] == [
        "measured",
        "measured",
        "measured",
        "extrapolated",
    ]
    assert rows["enterprise"].extrapolation == pytest.approx(2000 / 230)
    assert plan(replace(NEEDS, rate_top_per_s=20.0))["enterprise"].uncertainty == "far"


@given(
    cost=st.floats(1e-5, 0.2),
    more=st.floats(1.0, 20.0),
    reads=st.floats(0.0, 1.0),
    size=st.sampled_from([size.name for size in SIZES]),
)
def test_a_dearer_request_never_needs_fewer_machines(cost: float, more: float, reads: float, size: str) -> None:
    def row(factor: float) -> GrowthNeed:
        one = Cost(cost * factor, cost * factor, cost * factor)
        return plan(replace(NEEDS, application=one, database=one, read_ratio=reads))[size]

    cheap, dear = row(1.0), row(more)
    assert dear.monthly_cost >= cheap.monthly_cost - 1e-6
    assert cheap.reachable or not dear.reachable


@pytest.mark.parametrize(
    ("statement", "reads"),
    [
        ("SELECT * FROM leads WHERE tenant_id = $1", True),
        ("/* route */ select 1", True),
        ("WITH x AS (SELECT 1) SELECT * FROM x", True),
        ("SELECT * FROM leads FOR UPDATE", False),
        ("WITH x AS (INSERT INTO a VALUES (1) RETURNING id) SELECT * FROM x", False),
        ("INSERT INTO leads SELECT * FROM staging", False),
        ("UPDATE leads SET name = $1", False),
        ("DELETE FROM leads", False),
    ],
)
def test_a_statement_that_only_reads_is_known_by_its_text(statement: str, reads: bool) -> None:
    assert only_reads(statement) is reads


def test_the_share_of_reads_is_by_time_and_leaves_transaction_control_out() -> None:
    store = MemoryStore()
    for queryid, text, seconds in (
        ("1", "SELECT 1", 0.6),
        ("2", "INSERT INTO a VALUES (1)", 0.2),
        ("3", "COMMIT", 5.0),
    ):
        store.put_fact("statement", queryid, {"text": text})
        store.append(1, [(SeriesKey.of("postgres.statement_seconds", "counter", "s", {"queryid": queryid}), seconds)])

    assert read_ratio(store, [Level(1.0, 0, 5, None, True, True, {})]) == pytest.approx(0.75)


def test_a_cache_that_nobody_asks_is_not_bought(service: Service) -> None:
    store, found = service.measure((20, 60, 120, 200, 230))
    for second in range(1_000, 1_060):
        valkey = {"role": "valkey"}
        store.append(second, [(SeriesKey.of("process.cpu_seconds", "counter", "s", valkey), 0.001)])
    assert assess_capacity(store, found).needs.cache is None

    for second in range(1_000, 1_060):
        store.append(second, [(SeriesKey.of("valkey.hits", "counter", "commands"), 30.0)])
    assert assess_capacity(store, found).needs.cache is not None


def test_the_whole_way_from_a_recording_to_a_plan(service: Service) -> None:
    store, found = service.measure((20, 60, 120, 200, 230))
    store.put_fact("postgres", "database_bytes", 3 * GB)
    capacity = assess_capacity(store, found)
    enterprise = capacity.growth[-1]

    # 4 ms of its own, and up to 0.2 ms of kernel work in the interval's upper end.
    assert capacity.needs.application is not None
    assert capacity.needs.application.value_s == pytest.approx(0.004)
    assert capacity.needs.application.high_s == pytest.approx(0.0042)
    assert enterprise.app_servers == 7
    assert capacity.needs.database_bytes == 3 * GB
