"""The Markdown of this repository, taken apart: pages, links, headings, code."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_INDENTED = re.compile(r"(?:^\n|\A)((?: {4}\S.*\n)+)", re.MULTILINE)
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_ENDS = {"|", "||", "&&", ";", "&", ">", ">>", "<", "(", ")"}
_REDIRECTED = re.compile(r"\s\d>\S+")
_ASSIGNMENT = re.compile(r"[A-Z_]+=\S*")


@dataclass(frozen=True)
class Code:
    """A piece of code in a page: where it stands, its language ('' for none, `inline` for one within a line), and its text."""

    page: Path
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}: {' '.join(self.text.split())[:80]}"


@cache
def pages() -> tuple[Path, ...]:
    """Every page for readers: README, docs, examples, the checks' pages, Switchboard's."""
    found = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "examples/README.md")]
    return (*found, *sorted(DOCS.rglob("*.md")), *sorted((ROOT / "src").rglob("*.md")))


@cache
def code(page: Path) -> tuple[Code, ...]:
    """Every piece of code in *page*."""
    text = page.read_text("utf-8")
    found = [Code(page, language.strip(), body) for language, body in _FENCE.findall(text)]
    text = _FENCE.sub("\n", text)
    found += [
        Code(page, "", "\n".join(line.strip() for line in block.splitlines())) for block in _INDENTED.findall(text)
    ]
    return (*found, *(Code(page, "inline", one) for one in _INLINE.findall(_INDENTED.sub("\n", text))))


def all_code(*languages: str) -> list[Code]:
    return [one for page in pages() for one in code(page) if one.language in languages]


def links(page: Path) -> list[str]:
    """Return the link targets of *page* that are not on the web."""
    text = _INLINE.sub("", _FENCE.sub("", page.read_text("utf-8")))
    return [link for link in _LINK.findall(text) if not re.match(r"[a-z]+:", link)]


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(text: str) -> Iterator[list[str]]:
    """Yield the words of each `scaleworthy` command line in shell text, without the word itself."""
    for line in text.replace("\\\n", " ").splitlines():
        words = _words(_REDIRECTED.sub("", line))
        while words:
            end = next((at for at, word in enumerate(words) if word in _ENDS), len(words))
            part, words = words[:end], words[end + 1 :]
            while part and (_ASSIGNMENT.fullmatch(part[0]) or part[0] == "$"):
                part = part[1:]
            if part and part[0] == "scaleworthy":
                yield part[1:]


def _words(line: str) -> list[str]:
    if "scaleworthy " not in line:
        return []
    try:
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>()")
        lexer.commenters = "#"
        lexer.whitespace_split = True
        return list(lexer)
    except ValueError:  # prose with an apostrophe
        return []
