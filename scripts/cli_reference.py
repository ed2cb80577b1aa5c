"""docs/reference/cli.md from the commands' own help: printed, or written with --write.

A test compares the page with what this prints, so that a changed option shows in the same commit.
"""

from __future__ import annotations

import inspect
import re
import sys
from importlib import import_module
from pathlib import Path

from cyclopts import App

from scaleworthy.cli.main import COMMANDS, build_app

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "cli.md"
HEAD = """\
# Commands
Made by `scripts/cli_reference.py --write` from `scaleworthy COMMAND --help`; a test compares the two. What the commands are
for: [the guides](../README.md).

Results go to standard output, progress and warnings to standard error. Exit status: 0 held, 1 did not hold or could not be
done, 2 usage (nothing was started), 3 the load generator itself was the limit, 130 stopped before there was a verdict.
Ctrl-C ends `load` and `find-limit` with what was found until then; a second one cuts what is under way.
"""
_BELOW = re.compile(r"^(Examples:.*?)(?=^Args:|^Parameters\n-+$|\Z)", re.DOTALL | re.MULTILINE)
_EXAMPLES = re.compile(r"^Examples:\n(.*?)(?=^\S|\Z)", re.DOTALL | re.MULTILINE)

# The program's name in a usage line depends on how Python was started; its heading has the right one.
_USAGE = re.compile(r"(#+ (scaleworthy [\w -]+)\n\n)?```console\n.*?( \[OPTIONS\].*| COMMAND)\n```")


def page() -> str:
    """Return the whole page."""
    parts = [HEAD]
    for name, (where, _) in COMMANDS.items():
        module, _, attribute = where.partition(":")
        command = getattr(import_module(module), attribute)
        parts.append(_section(build_app(name), name, inspect.getdoc(command) if not isinstance(command, App) else None))
    return "\n".join(parts)


def _section(app: App, name: str, doc: str | None) -> str:
    text = app.generate_docs(output_format="markdown").partition(f"## scaleworthy {name}\n")[2]
    text = _EXAMPLES.sub("", text)
    text = _USAGE.sub(
        lambda found: f"{found[1] or ''}```text\n{found[2] or f'scaleworthy {name}'}{found[3]}\n```", text
    )
    text = re.sub(r"\n +(?=\S)", " ", text).replace("\\[", "[")  # wrapped text of an option
    text = re.sub(r"^\*\*(\w+)\*\*:\n\n", r"\1:\n\n", text, flags=re.MULTILINE)
    text = re.sub(r"\*\[(choices: [^]]*|default: [^]]*)\]\*|\*\*\[required\]\*\*", _plain, text)
    text = text.replace(" [default: ()]", "").replace("[default: False]", "")
    text = re.sub(r"^#+ (scaleworthy .*)$", r"### \1", text, flags=re.MULTILINE)
    text = re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)
    text = re.sub(r"\n{3,}", "\n\n", text.strip())
    return f"## {name}\n{text}\n{_below(doc)}"


def _plain(found: re.Match[str]) -> str:
    return found[0].strip("*")


def _below(doc: str | None) -> str:
    """Return examples and exit status as the docstring has them."""
    found = _BELOW.search(doc or "")
    if found is None:
        return ""
    examples = _EXAMPLES.search(found[1])
    lines = [line.strip() for line in (examples[1] if examples else "").splitlines() if line.strip()]
    rest = " ".join(found[1][examples.end() if examples else 0 :].split())
    shown = "\n```sh\n" + "\n".join(lines) + "\n```\n" if lines else ""
    return f"{shown}{rest}\n" if rest else shown


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        PAGE.write_text(page(), encoding="utf-8")
        print(f"written: {PAGE.name}", file=sys.stderr)
    else:
        print(page(), end="")
