"""The README says what the code does."""

import re
from dataclasses import fields
from importlib.resources import files

from scaleworthy.switchboard.app import ROUTERS
from scaleworthy.switchboard.shape import SHAPES, Shape

README = (files("scaleworthy.switchboard") / "README.md").read_text("utf-8")


def shown(value: object) -> str:
    if value is None or value == ():
        return "none"
    if isinstance(value, tuple):
        return ", ".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def test_the_table_of_shapes_lists_every_field_with_its_values() -> None:
    table = README.partition("## Two shapes")[2].partition("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line.startswith("|")
    ]

    assert rows[0][1:3] == list(SHAPES)
    assert {row[0]: row[1:3] for row in rows[2:]} == {
        field.name: [shown(getattr(shape, field.name)) for shape in SHAPES.values()]
        for field in fields(Shape)
        if field.name != "name"
    }


def test_every_route_is_listed() -> None:
    listed = README.partition("## Routes")[2].partition("\n## ")[0]
    routes = {
        (method, route.path)
        for router in ROUTERS
        for route in router.routes
        for method in getattr(route, "methods", {"WebSocket"})
    }
    told: set[tuple[str, str]] = set()
    for line in listed.splitlines():
        path = ""
        for methods, given in re.findall(r"`([A-Z]+|WebSocket)(?: (/[^`]*))?`", line.partition(" | ")[0]):
            path = given or path
            told.add((methods, path))

    assert told == routes
