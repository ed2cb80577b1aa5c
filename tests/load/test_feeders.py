"""Feeder files: read exactly, or refused with the line that is wrong."""

import codecs
from pathlib import Path

import pytest

from scaleworthy.load.feeders import read_rows


def test_csv_keeps_quotes_commas_and_marks(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(codecs.BOM_UTF8 + b'phone,name\r\n+1,"Ann, ""A"""\r\n\r\n+2,Bob\r\n')
    assert read_rows(path) == (["phone", "name"], [["+1", 'Ann, "A"'], ["+2", "Bob"]])


def test_jsonl_values_keep_their_type(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1, "b": true}\n\n{"b": null, "a": "é"}\n')
    assert read_rows(path) == (["a", "b"], [[1, True], ["é", ""]])


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("rows.csv", b"", "is empty"),
        ("rows.csv", b"a,b\n", "no rows below its heading"),
        ("rows.csv", b"a,b\n1,2\n3\n", r"rows.csv:3: 1 values under 2 columns \(a, b\)"),
        ("rows.csv", b"a,a\n1,2\n", "column 'a' appears twice"),
        ("rows.csv", b"a,\n1,2\n", "a column has no name"),
        ("rows.csv", b'a\n"1\n', "rows.csv:"),
        ("rows.csv", b"a\n\xff\n", "not UTF-8"),
        ("rows.jsonl", b"\n", "is empty"),
        ("rows.jsonl", b'{"a": 1}\n{"a": \n', "rows.jsonl:2: not JSON"),
        ("rows.jsonl", b'{"a": 1}\n[1]\n', "rows.jsonl:2: must be an object"),
        ("rows.jsonl", b'{"a": 1}\n{"b": 1}\n', "rows.jsonl:2: has the columns b"),
        ("rows.txt", b"a\n1\n", "must end in .csv, .jsonl or .parquet"),
    ],
)
def test_a_bad_file_is_refused_with_its_line(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=said):
        read_rows(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.csv' cannot be read: No such file"):
        read_rows(tmp_path / "none.csv")


def test_a_file_without_a_heading_is_given_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "phones"
    path.write_text("+1;Ann;x\n+2;Bob\n")

    assert read_rows(path, columns=("phone", "name"), delimiter=";") == (
        ["phone", "name"],
        [["+1", "Ann"], ["+2", "Bob"]],
    )


def test_a_heading_may_be_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "phones.csv"
    path.write_text("PHONE NUMBER\n+1\n")

    assert read_rows(path, columns=("phone",), skip_heading=True) == (["phone"], [["+1"]])


def test_a_row_shorter_than_its_columns_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "phones.csv"
    path.write_text("+1,Ann\n+2\n")

    with pytest.raises(ValueError, match=r"phones\.csv:2: 1 values under 2 columns"):
        read_rows(path, columns=("phone", "name"))
