"""However the process that asked ends, its servers, their folders and their sockets go too."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
import pytest

import scaleworthy
from scaleworthy.servers import Patience, Postgres, Valkey
from scaleworthy.servers.folders import make_folders, sweep

ASKER = """
import json, os, signal, sys
from pathlib import Path
from scaleworthy.servers import Postgres, Valkey
# As in a terminal: tests that run behind another command may be born with Ctrl-C ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
temporary = Path(sys.argv[1])
data = Path(sys.argv[3]) if len(sys.argv) > 3 else None
postgres, valkey = Postgres.start(data=data, temporary=temporary, fsync=False), Valkey.start(temporary=temporary)
print(json.dumps({"dsn": postgres.dsn, "pids": {"postgres": postgres.pid, "valkey": valkey.pid}}), flush=True)
sys.stdin.readline()
exec(sys.argv[2])
"""


@dataclass
class Asker:
    """A process that started both servers, and all processes it has led to."""

    process: subprocess.Popen[str]
    tree: list[psutil.Process]
    pids: dict[str, int]
    dsn: str

    def all_end(self) -> bool:
        return Patience(limit_s=30.0).until(lambda: all(map(ended, self.tree)))


def ended(process: psutil.Process) -> bool:
    """Has it gone, or is only its exit status left for its parent to read?"""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def ask(tmp_path: Path) -> Iterator[Callable[..., Asker]]:
    started: list[Asker] = []

    def start(last_words: str = "", *more: str) -> Asker:
        process = subprocess.Popen(
            [sys.executable, "-c", ASKER, str(tmp_path), last_words, *more],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        tree = psutil.Process(process.pid).children(recursive=True)
        asker = Asker(process, [*tree, psutil.Process(process.pid)], **json.loads(line))
        assert {*asker.pids.values()} <= {one.pid for one in tree}
        started.append(asker)
        return asker

    yield start
    for asker in started:
        asker.process.kill()
        asker.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_process_that_asked_ends_all(
    ask: Callable[..., Asker], tmp_path: Path, number: signal.Signals
) -> None:
    """SIGINT goes to the whole foreground group, as Ctrl-C does."""
    asker = ask()

    if number == signal.SIGINT:
        os.killpg(asker.process.pid, number)
    else:
        asker.process.send_signal(number)

    assert asker.all_end()
    assert list(tmp_path.iterdir()) == []


def test_data_that_were_given_stay_and_open_again_after_a_kill(
    ask: Callable[..., Asker], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = tmp_path_factory.mktemp("given") / "data"
    asker = ask("", str(data))
    with psycopg.connect(asker.dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS n")

    asker.process.kill()
    assert asker.all_end()

    assert list(tmp_path.iterdir()) == []
    with Postgres.start(data=data, temporary=tmp_path) as again:
        assert again.run_sql("SELECT n FROM kept") == "42"


@pytest.mark.parametrize("last_words", ["raise ValueError", "os._exit(3)"])
def test_an_end_of_its_own_ends_all(ask: Callable[..., Asker], tmp_path: Path, last_words: str) -> None:
    asker = ask(last_words)

    asker.process.communicate("go on\n")

    assert asker.all_end()
    assert list(tmp_path.iterdir()) == []


def test_a_killed_keeper_takes_its_server_along_and_the_next_start_sweeps(
    ask: Callable[..., Asker], tmp_path: Path
) -> None:
    asker = ask()
    server = psutil.Process(asker.pids["postgres"])
    keeper = server.parent()
    assert keeper is not None
    family = [keeper, server, *server.children(recursive=True)]

    keeper.kill()
    assert Patience(limit_s=30.0).until(lambda: all(map(ended, family)))
    assert len(list(tmp_path.iterdir())) == 2, "the folder of the killed keeper's server is still there"
    assert sweep(tmp_path) == [], "and its owner lives: it is not ours to remove yet"

    asker.process.kill()
    assert asker.all_end()
    with Valkey.start(temporary=tmp_path) as next_one:
        assert list(tmp_path.iterdir()) == [next_one.log.parent]


def test_a_server_killed_hard_leaves_no_busy_back_end_behind(ask: Callable[..., Asker]) -> None:
    """A back end in a tight loop does not notice that its server died: it comes to the keeper, which ends it."""
    asker = ask()
    connection = psycopg.pq.PGconn.connect(asker.dsn.encode())
    busy = psutil.Process(connection.backend_pid)
    connection.send_query(b"DO $$ BEGIN LOOP END LOOP; END $$")
    with psycopg.connect(asker.dsn, autocommit=True) as looker:
        looks = "SELECT state FROM pg_stat_activity WHERE pid = %s"
        assert Patience().until(lambda: looker.execute(looks, [busy.pid]).fetchone() == ("active",))

    psutil.Process(asker.pids["postgres"]).kill()
    asker.process.kill()

    assert asker.all_end()
    assert Patience().until(lambda: ended(busy))
    connection.finish()


def test_a_server_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    started: list[Valkey] = []
    thread = threading.Thread(target=lambda: started.append(Valkey.start(temporary=tmp_path)))
    thread.start()
    thread.join()

    with started[0] as server:
        process = psutil.Process(server.pid)
        assert not ended(process)
    assert ended(process)


def test_a_forked_child_does_not_stop_its_parents_server(valkey: Valkey) -> None:
    child = os.fork()
    if not child:
        valkey.stop()
        os._exit(0)
    os.waitpid(child, 0)

    assert not ended(psutil.Process(valkey.pid))


def test_only_folders_of_dead_owners_are_swept(tmp_path: Path) -> None:
    """Another boot's, another program's and a living owner's folders stay."""
    made = make_folders("pg", within=tmp_path)
    ours = made.main
    pid, ticks, world = ours.name.removeprefix("sw-pg-").split("-")[0].split(".")
    dead = tmp_path / f"sw-pg-{pid}.{int(ticks) - 1}.{world}-abc"  # our pid, but started earlier: another process
    foreign = tmp_path / f"sw-pg-{pid}.{int(ticks) - 1}.{'0' * 8}-abc"
    other = tmp_path / "sw-photos"
    for folder in (dead, foreign, other):
        (folder / "inside").mkdir(parents=True)
    link = tmp_path / f"sw-pg-{pid}.{int(ticks) - 2}.{world}-link"
    link.symlink_to(other)

    assert sweep(tmp_path) == [dead]
    assert {path.name for path in tmp_path.iterdir()} == {ours.name, foreign.name, other.name, link.name}
    for folder in made.all():
        shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="this run is not root's already")
def test_it_works_for_a_user_who_is_not_root() -> None:
    """As uid 65534, in a mount namespace where what that user could not read on the way to Python is uncovered."""
    if shut := _shut_around_the_checkout():
        pytest.skip(f"others cannot enter {shut}, where this checkout is: another user cannot run what is in it")
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", NOT_ROOT, "sh", sys.executable, _hidden(), _prefix_in_hidden()],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if "unshare failed" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"the interpreter cannot be shown to another user here: {done.stderr.strip()}")

    assert done.stdout.split() == ["65534", "1", "PONG"], done.stderr


NOT_ROOT = r"""
set -e
if [ -n "$2" ]; then
    copy=$(mktemp -d); mount --bind "$3" "$copy"
    mount -t tmpfs -o mode=755 tmpfs "$2"
    mkdir -p "$3"; mount --bind "$copy" "$3"
fi
cd /
exec setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=/nonexistent PYTHONDONTWRITEBYTECODE=1 "$1" -c '
import os
from scaleworthy.servers import Postgres, Valkey
with Postgres.start() as postgres, Valkey.start() as valkey:
    import redis
    print(os.getuid(), postgres.run_sql("SELECT 1"), "PONG" if redis.Redis.from_url(valkey.url).ping() else "")
'
"""


def _shut_around_the_checkout() -> str:
    """Return the first folder on the way to the environment or to the sources that others cannot enter, or nothing."""
    ways = [Path(sys.prefix), Path(scaleworthy.__file__).resolve().parent]
    folders = [folder for way in ways for folder in (*reversed(way.parents), way)]
    return next((str(folder) for folder in folders if not folder.stat().st_mode & 0o001), "")


def _hidden() -> str:
    """Return the folder on the way to the interpreter that others cannot enter, or nothing."""
    parents = reversed(Path(sys.base_prefix).resolve().parents)
    return next((str(path) for path in parents if not path.stat().st_mode & 0o001), "")


def _prefix_in_hidden() -> str:
    return str(Path(sys.base_prefix).resolve())
