"""Plans, configurations, objectives, series and Python in the documentation are ones that the code takes."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from load.grpc_site import write_proto
from scaleworthy.config import load_config
from scaleworthy.load import load_plan
from scaleworthy.series import Objective
from scaleworthy.series.names import KNOWN

from .pages import Code, all_code

OBJECTIVE = re.compile(
    r"(p\d+|mean|max|min|failed|not_started|rate|total|count|ratio)\b[^A-Z…]* [<>]=? [\d.]+[^\s]*( (over|for) \w+)*"
)
SERIES = re.compile(r"((?:load|host|process|postgres|valkey|generator|observe)\.[a-z_]+)(\{.*\})?")
NOT_SERIES = {"load.kind"}  # a field of the engine's plan
ENVIRON = {
    "DATABASE_URL": "postgresql://auditor@127.0.0.1/app",
    "CACHE_URL": "redis://127.0.0.1/0",
    "API_TOKEN": "t0ken",
}


@pytest.mark.parametrize("block", all_code("yaml"), ids=str)
def test_every_yaml_block_is_a_plan_or_a_configuration(block: Code, tmp_path: Path) -> None:
    (tmp_path / "tenants.csv").write_text("key\na\n")
    write_proto(tmp_path)
    (tmp_path / "plan.yaml").write_text("target: http://127.0.0.1\nscenarios: [{name: a, steps: [{get: /}]}]\n")
    file = tmp_path / "block.yaml"
    file.write_text(block.text)

    if "scenarios" in YAML(typ="safe").load(block.text):
        assert load_plan(file).scenarios
    else:
        assert load_config(file, environ=ENVIRON).target.host


@pytest.mark.parametrize(
    "text",
    sorted({line for one in all_code("objective") for line in one.text.splitlines() if line.strip()})
    + sorted({one.text for one in all_code("inline") if OBJECTIVE.fullmatch(one.text)}),
)
def test_every_objective_parses(text: str) -> None:
    assert Objective.parse(str(Objective.parse(text))) == Objective.parse(text)


def test_every_series_that_is_named_exists() -> None:
    named = {(str(one), found[1]) for one in all_code("inline") if (found := SERIES.fullmatch(one.text))}

    assert len(named) > 20
    assert {(where, name) for where, name in named if name not in KNOWN and name not in NOT_SERIES} == set()


@pytest.mark.parametrize("block", all_code("python"), ids=str)
def test_every_python_block_compiles_and_imports_what_is_there(block: Code) -> None:
    imports = [node for node in ast.walk(ast.parse(block.text)) if isinstance(node, ast.Import | ast.ImportFrom)]

    names: dict[str, Any] = {}
    exec(compile(ast.Module(imports, type_ignores=[]), str(block), "exec"), names)

    assert {(one.asname or one.name).partition(".")[0] for node in imports for one in node.names} <= names.keys()
