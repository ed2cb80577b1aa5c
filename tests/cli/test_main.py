"""The door: commands, misspelt words, help."""

import ast
import importlib
import inspect
from pathlib import Path

import pytest
from tests.cli.conftest import scaleworthy

from scaleworthy.cli.main import COMMANDS

ROOT = Path(__file__).parents[2]


def test_help_lists_every_command_with_its_line() -> None:
    ended = scaleworthy("--help")
    assert ended.status == 0
    for name, (_, line) in COMMANDS.items():
        assert name in ended.out
        assert line.split(",")[0].split(";")[0][:25] in " ".join(ended.out.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    ended = scaleworthy(name, "--help")
    assert ended.status == 0, ended.err
    assert f"scaleworthy {name}" in ended.out


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "switchboard"])
def test_every_command_says_how_it_exits_and_shows_examples(name: str) -> None:
    module, _, attribute = COMMANDS[name][0].partition(":")
    text = inspect.getdoc(getattr(importlib.import_module(module), attribute)) or ""
    assert "Exit status: " in text
    assert f"scaleworthy {name}" in text


def test_the_door_imports_no_command() -> None:
    """`--help` answers at once because nothing heavy is loaded for it."""
    tree = ast.parse((ROOT / "src/scaleworthy/cli/main.py").read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    ours = {name for name in imported if name.startswith("scaleworthy")}
    light = {"scaleworthy.errors", "scaleworthy.cli.elsewhere", "scaleworthy.cli.interrupt", "scaleworthy.cli.results"}
    assert ours == {"scaleworthy", "scaleworthy._native", *light}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["lod"], "did you mean 'load'?"),
        (["xyzzy"], "scaleworthy --help lists the commands"),
        (["load"], "requires an argument"),
        (["load", "http://127.0.0.1/", "--rat", "5/s"], "Did you mean --rate?"),
        (["load", "http://127.0.0.1/", "-u", "5"], "hint: use --users N; "),
        (["load", "locustfile.py", "--html=a.html"], "hint: use --export run.html; "),
        (["load", "locustfile.py", "--headless"], "hint: leave it out: "),
        (["load", "http://127.0.0.1/", "--users", "many"], 'unable to convert "many" into int'),
        (["find-limit", "http://127.0.0.1/", "--unit", "furlongs"], "--unit"),
    ],
)
def test_a_usage_error_is_one_message_and_2(words: list[str], said: str) -> None:
    ended = scaleworthy(*words)
    assert ended.status == 2
    assert said in ended.err
    assert ended.err.startswith("error: ")
    assert "hint: " in ended.err
    assert ended.out == ""


def test_version_names_the_build() -> None:
    ended = scaleworthy("--version")
    assert ended.status == 0
    assert "build, Python" in ended.out
