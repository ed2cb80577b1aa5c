"""One file per run: whole after a kill, plain after a close, and clear about what it is not."""

from __future__ import annotations

import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from scaleworthy.errors import RecordingError, UsageError
from scaleworthy.series import Histogram, Recording, SeriesKey
from scaleworthy.series.stores import schema
from scaleworthy.series.stores.pack import BLOCKS_LEAST, pack, unpack

DOC = Path(__file__).resolve().parents[2] / "docs" / "reference" / "recording.md"
KEY = SeriesKey.of("load.answered", "counter", "requests", {"step": "a"})
LATENCY = SeriesKey.of("load.response_time", "histogram", "ns", {"step": "a"})

# Writes five seconds, says so, and is killed.
KILLED = """
import os, signal, sys
from scaleworthy.series import Recording, SeriesKey
key = SeriesKey.of("load.answered", "counter", "requests", {"step": "a"})
recording = Recording.create(sys.argv[1], {"seed": 7})
for second in range(100, 105):
    recording.append(second, [(key, 1)])
    recording.put_fact("statement", str(second), "SELECT")
os.kill(os.getpid(), signal.SIGKILL)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    path = tmp_path / "killed" / "run.sw"
    path.parent.mkdir()
    ended = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert ended.returncode == -signal.SIGKILL
    return path


def test_a_closed_recording_is_one_plain_file(tmp_path: Path) -> None:
    path = tmp_path / "run.sw"
    with Recording.create(path, {"seed": 1}) as recording:
        recording.append(100, [(KEY, 1)])
        recording.run["answered"] = 1
    assert names(tmp_path) == ["run.sw"]

    path.chmod(0o400)
    read = Recording.open(path)
    read.close()

    assert read.total("load.answered") == 1
    assert read.run == {"seed": 1, "answered": 1}
    assert names(tmp_path) == ["run.sw"]


def test_a_killed_run_keeps_all_but_its_last_second(killed: Path) -> None:
    recording = Recording.open(killed)

    assert recording.span() == (100, 104)
    assert sorted(recording.facts("statement")) == ["100", "101", "102", "103"]
    assert recording.run == {"seed": 7}


def test_a_killed_run_is_read_where_sqlite_cannot_make_its_file_beside_the_log(killed: Path) -> None:
    """As in a folder that may not be written; a folder in the file's place stops root as well."""
    beside = killed.with_name("run.sw-shm")
    beside.unlink()
    beside.mkdir()
    before = names(killed.parent)

    assert Recording.open(killed).span() == (100, 104)
    assert names(killed.parent) == before


@pytest.mark.parametrize("locked", [False, True], ids=["folder can be written", "folder cannot"])
def test_a_copy_without_its_log_is_a_recording_of_what_had_reached_the_file(
    killed: Path, tmp_path: Path, locked: bool
) -> None:
    copy = tmp_path / "copy.sw"
    shutil.copyfile(killed, copy)
    if locked:
        (tmp_path / "copy.sw-shm").mkdir()

    recording = Recording.open(copy)

    assert recording.span() is None
    assert recording.findings() == []


def test_a_live_recording_is_read_by_others_as_far_as_it_got(tmp_path: Path) -> None:
    with Recording.create(tmp_path / "run.sw") as live:
        live.append(100, [(KEY, 1)])
        live.append(101, [(KEY, 1)])
        live.append(101, [(KEY, 1)])
        assert Recording.open(tmp_path / "run.sw").total("load.answered") == 1
        live.add_event(101.5, "probe", "commits what is open")
        other = Recording.open(tmp_path / "run.sw")

    assert other.total("load.answered") == 3
    assert Recording.open(tmp_path / "run.sw").total("load.answered") == 3


def test_a_file_that_is_there_is_not_overwritten_unless_told(tmp_path: Path) -> None:
    path = tmp_path / "run.sw"
    path.write_text("precious")
    with pytest.raises(UsageError, match=r"is there already, and is not overwritten\n\nhint: choose another name"):
        Recording.create(path)
    assert path.read_text() == "precious"

    with Recording.create(path, {"seed": 2}, overwrite=True):
        pass
    assert Recording.open(path).run == {"seed": 2}


def test_an_empty_file_is_taken(tmp_path: Path) -> None:
    """Such as one from mktemp."""
    (tmp_path / "run.sw").touch()
    with Recording.create(tmp_path / "run.sw"):
        pass
    assert Recording.open(tmp_path / "run.sw").span() is None


def test_overwriting_takes_the_old_log_away(killed: Path) -> None:
    with Recording.create(killed, {"seed": 8}, overwrite=True) as recording:
        recording.append(500, [(KEY, 1)])

    assert names(killed.parent) == ["run.sw"]
    assert Recording.open(killed).span() == (500, 501)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_is_never_overwritten(tmp_path: Path, overwrite: bool) -> None:
    with pytest.raises(UsageError, match="is there already"):
        Recording.create(tmp_path, overwrite=overwrite)


def test_a_missing_folder_and_a_missing_file_are_usage_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no folder"):
        Recording.create(tmp_path / "no" / "run.sw")
    with pytest.raises(UsageError, match="there is no recording"):
        Recording.open(tmp_path / "run.sw")


def _text(path: Path) -> None:
    path.write_text("p95 was fine\n" * 100)


def _other_database(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()


def _newer(path: Path) -> None:
    Recording.create(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    connection.close()


def _damaged_block(path: Path) -> None:
    with Recording.create(path) as recording:
        recording.append(100, [(KEY, 1)])
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE pack SET blocks = ?", (pack([(100, b"\x01\xff")]),))
    connection.close()


def _damaged_pack(path: Path) -> None:
    with Recording.create(path) as recording:
        recording.append(100, [(KEY, 1)])
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE pack SET blocks = x'01ff'")
    connection.close()


def _lost_series(path: Path) -> None:
    with Recording.create(path) as recording:
        recording.append(100, [(KEY, 1)])
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM series")
    connection.close()


def _cut(path: Path) -> None:
    with Recording.create(path) as recording:
        for second in range(100, 400):
            recording.append(second, [(KEY, second / 7), (LATENCY, _spread(second))])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _spread(seed: int) -> Histogram:
    made = Histogram()
    for value in range(60):
        made.record(seed * 1000 + value * value * 1000)
    return made


def _irregular(seed: int) -> Histogram:
    """Sixty values that no compression finds a pattern in."""
    made, source = Histogram(), random.Random(seed)
    for _ in range(60):
        made.record(source.randrange(10**9))
    return made


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_text, "is not a recording\n\nhint: a recording is written by"),
        (Path.touch, "is not a recording"),
        (_other_database, "is not a recording"),
        (
            _newer,
            "was written by a newer Scaleworthy: form 3, and this one reads up to 2\n\nhint: pip install --upgrade",
        ),
        (_damaged_block, "is damaged: the block of second 100: "),
        (_damaged_pack, "is damaged: not Zstandard"),
        (_lost_series, "is damaged: the block of second 100: series 0 is not in the list"),
        (_cut, "is damaged: "),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_what_cannot_be_read_says_why_and_what_to_do(tmp_path: Path, make, message: str) -> None:
    path = tmp_path / "run.sw"
    make(path)
    with pytest.raises(RecordingError, match=message):
        Recording.open(path)


def test_a_recording_opened_for_reading_refuses_to_be_added_to(tmp_path: Path) -> None:
    Recording.create(tmp_path / "run.sw").close()
    opened = Recording.open(tmp_path / "run.sw")
    for add in (
        lambda: opened.append(1, [(KEY, 1)]),
        lambda: opened.put_fact("a", "b", 1),
        lambda: opened.add_event(1.0, "a", "b"),
        lambda: opened.add_findings([]),
        lambda: opened.update_run(a=1),
    ):
        with pytest.raises(RecordingError, match="is open for reading"):
            add()


def test_a_full_disk_ends_the_writing_and_not_the_run(tmp_path: Path) -> None:
    """SQLite says `database or disk is full` for both; a limit on the pages makes it happen here."""
    recording = Recording.create(tmp_path / "run.sw", {"seed": 1})
    connection = recording._writer._connection
    connection.execute("PRAGMA max_page_count = 40")
    last = 2_000
    for second in range(last):
        recording.append(second, [(KEY, 1), (LATENCY, _irregular(second))])

    assert recording.total("load.answered") == last
    assert "run.sw stopped: database or disk is full" in str(recording.write_error)
    recording.put_fact("statement", "1", "still kept in memory")
    assert recording.fact("statement", "1")
    with pytest.raises(RecordingError, match="what was written before stays readable\n\nhint: make room"):
        recording.close()
    recording.close()

    read = Recording.open(tmp_path / "run.sw")
    assert read.run == {"seed": 1}
    written = read.total("load.answered")
    assert 0 < written < last
    assert read.span() == (0, written)
    assert read.histogram("load.response_time").count == written * 60


def test_an_error_on_its_way_is_not_replaced_by_that_of_the_file(tmp_path: Path) -> None:
    recording = Recording.create(tmp_path / "run.sw")
    recording._writer._connection.close()
    recording.append(1, [(KEY, 1)])

    with pytest.raises(ZeroDivisionError), recording:
        raise ZeroDivisionError
    assert recording.write_error is not None


def test_the_reference_page_shows_the_tables_as_they_are() -> None:
    page = DOC.read_text()
    for line in schema.TABLES.strip().splitlines():
        assert line in page
    assert f"`{schema.APPLICATION_ID:#x}`" in page
    assert f"`user_version` {schema.VERSION}" in page


def test_minutes_that_are_over_are_packed_and_read_in_their_order(tmp_path: Path) -> None:
    seconds = range(100, 100 + 2 * BLOCKS_LEAST + 30)
    recording = Recording.create(tmp_path / "run.sw")
    for second in seconds:
        recording.append(second, [(KEY, second), (LATENCY, _irregular(second))])
    killed = Recording.open(tmp_path / "run.sw")
    recording.close()
    closed = Recording.open(tmp_path / "run.sw")

    with sqlite3.connect(tmp_path / "run.sw") as connection:
        packs = connection.execute("SELECT count(*) FROM pack").fetchone()[0]
        blocks = connection.execute("SELECT count(*) FROM block").fetchone()[0]
    connection.close()
    assert (packs, blocks) == (3, 0)
    for read, last in ((killed, seconds[-2]), (closed, seconds[-1])):
        assert read.total("load.answered") == sum(range(100, last + 1))
        assert read.per_second("load.answered")[0].tolist() == list(range(100, last + 1))
        assert read.histogram("load.response_time").count == 60 * (last - 99)


def test_a_pack_gives_back_its_blocks_and_a_cut_one_is_refused() -> None:
    blocks = [(5, b"abc"), (-6, b""), (7, bytes(1000))]
    assert list(unpack(pack(blocks))) == blocks
    with pytest.raises(ValueError, match="not Zstandard"):
        list(unpack(pack(blocks)[:-3]))


def test_a_recording_of_the_first_form_is_read(tmp_path: Path) -> None:
    """It had no packs: a row a second, and nothing else."""
    path = tmp_path / "old.sw"
    with Recording.create(path) as recording:
        recording.append(100, [(KEY, 3)])
    with sqlite3.connect(path) as connection:
        ((data,),) = connection.execute("SELECT blocks FROM pack").fetchall()
        connection.executemany("INSERT INTO block (second, payload) VALUES (?, ?)", unpack(data))
        connection.execute("DROP TABLE pack")
        connection.execute("PRAGMA user_version = 1")
    connection.close()

    assert Recording.open(path).total("load.answered") == 3
