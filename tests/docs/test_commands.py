"""Every command line in the documentation is one that the program takes."""

from __future__ import annotations

import re

import pytest
from cyclopts import CycloptsError, MissingArgumentError

from scaleworthy.cli.main import COMMANDS, _command_in, _with_dash_joined, build_app
from scaleworthy.series import Objective

from .pages import ROOT, Code, all_code, commands, pages

SHOWN = [
    (one, words)
    for one in all_code("", "sh", "console", "inline")
    for words in commands(one.text)
    if "…" not in " ".join(words) and "COMMAND" not in words
] + [
    (Code(path, "sh", " ".join(words)), words)
    for path in sorted((ROOT / "examples").glob("*.sh"))
    for words in commands(path.read_text("utf-8"))
]


def parsed(words: list[str], *, whole: bool) -> dict[str, object]:
    """Parse as the program does, and run nothing; in running text an argument may be missing."""
    words = _with_dash_joined(words)
    try:
        _, bound, _ = build_app(_command_in(words)).parse_args(words, exit_on_error=False, print_error=False)
    except MissingArgumentError:
        if whole:
            raise
        return {}
    return bound.arguments


@pytest.mark.parametrize(("shown", "words"), SHOWN, ids=lambda value: str(value) if isinstance(value, Code) else "")
def test_every_command_line_parses(shown: Code, words: list[str]) -> None:
    for text in parsed(words, whole=shown.language != "inline").get("objective", ()):
        Objective.parse(text)


def test_an_option_that_is_not_there_is_noticed() -> None:
    [words] = commands("$ A=1 scaleworthy load http://127.0.0.1/ --rates 5/s --json - 2>/dev/null | jq . # says much")

    with pytest.raises(CycloptsError, match="--rates"):
        parsed(words, whole=True)


def test_the_documentation_shows_every_command() -> None:
    assert {words[0] for _, words in SHOWN if words} >= set(COMMANDS)


def test_every_make_target_in_the_documentation_is_there() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = {
        (page.name, target)
        for page in pages()
        for target in re.findall(r"(?:`|^\s*(?:\$ )?)make ([a-z]+)", page.read_text("utf-8"), re.MULTILINE)
    }

    assert named
    assert {(page, target) for page, target in named if target not in targets} == set()
