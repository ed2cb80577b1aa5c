"""An assessment of a real server, end to end: what is not there becomes a gap, never a failure."""

from collections.abc import Iterator, Sequence

import pytest

from scaleworthy._native import NullServer
from scaleworthy.assess.from_url import subject_from_url
from scaleworthy.assess.loop import Settings, assess
from scaleworthy.assess.subject import Applied, Remedy, Subject
from scaleworthy.errors import TargetError, UsageError
from scaleworthy.finding import Finding
from scaleworthy.load import SearchSettings
from scaleworthy.report.model import Report
from scaleworthy.series import MemoryStore

BRIEF = SearchSettings(
    start_level=20,
    level_max=40,
    warm_up_s=1,
    probe_least_s=1,
    bracket_s=1,
    refine_s=1,
    refine_longest_s=1,
    confirm_s=0,
    longest_s=3,
)


@pytest.fixture(scope="module")
def server() -> Iterator[NullServer]:
    running = NullServer()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def assessed(server: NullServer) -> tuple[Report, MemoryStore, list[str]]:
    said: list[str] = []
    store = MemoryStore()

    def change_nothing(subject: Subject, findings: Sequence[Finding]) -> Applied:
        return Applied(subject, "nothing, to see that it is measured again")

    def find_nothing_to_do(subject: Subject, findings: Sequence[Finding]) -> None:
        return None

    report = assess(
        subject_from_url(f"http://127.0.0.1:{server.port}/", objectives=("p50 < 500ms", "failed < 1%")),
        store=store,
        settings=Settings(search=BRIEF, baseline_s=2),
        say=said.append,
        remedies=(Remedy("again", change_nothing), Remedy("idle", find_nothing_to_do)),
    )
    return report, store, said


def test_the_service_is_measured_again_after_each_remedy(assessed: tuple[Report, MemoryStore, list[str]]) -> None:
    report, store, _ = assessed

    assert [stage.name for stage in report.stages] == ["as found", "again"]
    assert set(store.facts("limit")) == {"as found", "again"}
    assert all(stage.probes for stage in report.stages)


def test_every_request_that_the_report_counts_was_seen_by_the_server(
    assessed: tuple[Report, MemoryStore, list[str]], server: NullServer
) -> None:
    _, store, _ = assessed
    discovery = 2  # /openapi.json and the URL itself, once each

    assert (
        store.total("load.answered") + store.total("load.errors", labels={"kind": "cut"}) == server.requests - discovery
    )


def test_what_was_not_there_is_a_gap(assessed: tuple[Report, MemoryStore, list[str]]) -> None:
    report, _, _ = assessed
    gaps = " ".join(report.gaps)

    assert "no database was named" in gaps
    assert "processes were not named" in gaps
    assert "no /openapi.json" in gaps
    assert "idle: nothing was found that it could mend" in gaps


def test_without_owner_processes_nothing_is_invented(assessed: tuple[Report, MemoryStore, list[str]]) -> None:
    report, _, _ = assessed

    assert report.findings == ()
    assert not any(row.resource.startswith("postgres") for row in report.capacity)


def test_another_host_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(UsageError, match="not this machine"):
        subject_from_url("http://192.0.2.1/")


def test_a_target_that_does_not_listen_is_named() -> None:
    server = NullServer()
    port = server.port
    server.stop()

    with pytest.raises(TargetError, match="cannot be reached"):
        subject_from_url(f"http://127.0.0.1:{port}/")
