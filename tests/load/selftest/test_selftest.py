"""The self-test holds against real servers, and does not hold where something is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import pytest

from scaleworthy._native import NullServer
from scaleworthy.cli.selftest import selftest as command
from scaleworthy.load import plan_for_url, run_load
from scaleworthy.load.selftest import proofs, prove
from scaleworthy.load.selftest.beside import Beside
from scaleworthy.load.selftest.line import MEANS, Line, Proof
from scaleworthy.load.selftest.text import table, to_dict
from scaleworthy.series import MemoryStore


class OneMore(Beside):
    """A server whose count is one too high."""

    def counts(self, url: str) -> tuple[int, int]:
        requests, messages = super().counts(url)
        return requests + 1, messages + 1


@pytest.fixture(scope="module")
def beside() -> Iterator[Beside]:
    with Beside() as made:
        yield made


def test_every_count_agrees_with_the_server(beside: Beside) -> None:
    lines = list(proofs.counts(beside, seconds=0.1))

    assert {line.speed for line in lines} == {"declarative", "python", "websocket"}
    assert [line for line in lines if not line.held] == []


def test_a_count_that_is_off_by_one_does_not_hold() -> None:
    with OneMore() as beside:
        assert {line.held for line in proofs.counts(beside, seconds=0.05)} == {False}


def test_a_stop_is_in_the_response_time_and_not_in_the_service_time(beside: Beside) -> None:
    lines = list(proofs.stall(beside, every_s=1))
    response, service = (
        [float(line.got.removesuffix(" ms")) for line in lines if line.what.endswith(f"{which} p99")]
        for which in ("response", "service")
    )

    assert len(response) == len(service) == 2
    assert all(waited > 3 * served for waited, served in zip(response, service, strict=True))


def test_the_server_tells_how_far_apart_requests_came(beside: Beside) -> None:
    """At an even 200/s half of the gaps are 5 ms, whatever else the machine does, and there is one fewer than requests."""
    url = beside.open()
    load = {"rate": "200/s", "for": "500ms", "arrivals": "constant"}
    run_load(plan_for_url(url, load=load, seed=1), MemoryStore())
    gaps = beside.gaps(url)
    beside.close(url)

    assert gaps.count == 99
    assert gaps.mean_ns == pytest.approx(5e6, rel=0.2)


def test_who_leaves_ends_the_server() -> None:
    with Beside() as beside:
        url = beside.open()
        port = int(url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            NullServer(port=port)
    NullServer(port=port).stop()


BROKEN = Line("stall", "python", "a stop", "80 ms", "3 ms", None)


@pytest.mark.parametrize(("held", "status"), [(True, 0), (None, 0), (False, 1)])
def test_the_exit_status_says_whether_all_held(
    held: bool | None, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = Line("stall", "python", "a stop", "80 ms", "3 ms", held)
    monkeypatch.setattr(prove, "selftest", lambda *, quick: iter([line]))

    assert command(quick=True) == status
    assert (MEANS["stall"] in capsys.readouterr().out) == (status == 1)


def test_the_table_says_what_every_proof_means_and_json_where_it_is_true() -> None:
    assert set(MEANS) == set(get_args(Proof))
    assert table([BROKEN]).endswith("0 of 0 held")
    assert {"schema", "held", "host", "versions", "lines"} == to_dict([BROKEN]).keys()
