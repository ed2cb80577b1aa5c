"""`_native.pyi` and the built module name the same things with the same parameters."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from types import ModuleType

import pytest

import scaleworthy
from scaleworthy import _native

STUB = ast.parse(Path(scaleworthy.__file__).with_name("_native.pyi").read_text())
# What every Python object or PyO3 class has without anybody writing it.
INHERITED = {*dir(object), "__module__", "__hash__"}


def stub_names(body: list[ast.stmt]) -> dict[str, ast.stmt]:
    named = {}
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            named[node.name] = node
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            named[node.target.id] = node
    return named


def public(thing: ModuleType | type) -> set[str]:
    return {name for name in vars(thing) if not (name.startswith("__") and name.endswith("__"))}


def parameters(node: ast.FunctionDef) -> list[tuple[str, bool, bool]]:
    """Each parameter's name, whether it is keyword-only, and whether it has a default."""
    positional = [*node.args.posonlyargs, *node.args.args]
    defaults = len(positional) - len(node.args.defaults)
    found = [(one.arg, False, at >= defaults) for at, one in enumerate(positional)]
    found += [
        (one.arg, True, default is not None)
        for one, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
    ]
    if node.args.kwarg is not None:
        found.append((node.args.kwarg.arg, False, False))
    return [one for one in found if one[0] not in ("self", "cls")]


def test_the_stub_and_the_module_have_the_same_names() -> None:
    stubbed = {name for name in stub_names(STUB.body) if not name.startswith("__")}
    assert stubbed == public(_native)


CLASSES = [name for name, node in stub_names(STUB.body).items() if isinstance(node, ast.ClassDef)]


@pytest.mark.parametrize("name", CLASSES)
def test_each_class_has_the_members_its_stub_says(name: str) -> None:
    node = stub_names(STUB.body)[name]
    assert isinstance(node, ast.ClassDef)
    stubbed = {member for member in stub_names(node.body) if not member.startswith("__")}

    assert stubbed == public(getattr(_native, name))


def _functions() -> list[tuple[str, ast.FunctionDef]]:
    found = []
    for name, node in stub_names(STUB.body).items():
        if isinstance(node, ast.FunctionDef):
            found.append((name, node))
        elif isinstance(node, ast.ClassDef):
            members = stub_names(node.body).items()
            found += [
                (f"{name}.{member}", one)
                for member, one in members
                if isinstance(one, ast.FunctionDef) and not member.startswith("__") and not _is_property(one)
            ]
    return found


def _is_property(node: ast.FunctionDef) -> bool:
    return any(isinstance(one, ast.Name) and one.id == "property" for one in node.decorator_list)


@pytest.mark.parametrize(("path", "node"), _functions(), ids=lambda value: value if isinstance(value, str) else "")
def test_each_function_takes_the_parameters_its_stub_says(path: str, node: ast.FunctionDef) -> None:
    thing: object = _native
    for part in path.split("."):
        thing = getattr(thing, part)
    signature = inspect.signature(thing)  # type: ignore[arg-type]
    ours = [
        (one.name, one.kind is one.KEYWORD_ONLY, one.default is not one.empty)
        for one in signature.parameters.values()
        if one.name not in ("self", "cls")
    ]

    assert ours == parameters(node)
