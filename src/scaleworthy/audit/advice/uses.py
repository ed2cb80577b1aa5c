"""Which columns does a statement compare, join and sort by, and what does each of its parameters stand for?

The statement's text is parsed and never rewritten. What an OR, a function or a cast hides from an index is not a use, but
its parameters are still bound to the column that they are compared with.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from pglast import ast
from pglast.enums import A_Expr_Kind, BoolExprType, NullTestType, SetOperation, SortByDir, SubLinkType

from scaleworthy.audit.evidence import Evidence
from scaleworthy.audit.statement import tree, uncast

Part = Literal["equal", "in", "join", "range", "sort", "group"]
Meaning = Literal["=", "<", ">", "any", "pattern", "limit", "offset", "field", "zone"]
_RANGES = {"<": "<", "<=": "<", ">": ">", ">=": ">"}
_MIRRORED = {"<": ">", ">": "<"}
# Functions whose first argument is a word: part of a time, or a time zone (`AT TIME ZONE $1` is `timezone($1, …)`).
_WORDS: dict[str, Meaning] = {"date_trunc": "field", "date_part": "field", "extract": "field", "timezone": "zone"}


@dataclass(frozen=True, slots=True)
class Use:
    """A column of a table, and what the statement does with it.

    *source* numbers the places where the statement names a table: the same table in a subquery, or joined with itself, is read
    by other conditions.
    """

    table: str
    column: str
    part: Part
    descending: bool = False
    source: int = 0


@dataclass(frozen=True, slots=True)
class Binding:
    """What a parameter stands for: a value that a column is compared with, or a place in the statement."""

    meaning: Meaning
    table: str | None = None
    column: str | None = None


@dataclass(slots=True)
class Uses:
    """What one statement does: tables it reads in order of appearance, uses, parameters, the table that it writes.

    *nullable* are the parameters that it asks to be NULL or not: it has another way for each.
    """

    tables: list[str] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)
    bindings: dict[int, Binding] = field(default_factory=dict)
    written: str | None = None
    nullable: set[int] = field(default_factory=set)


@dataclass(slots=True)
class _Scope:
    """Names that columns may be looked up in: alias to table and source, None for what is no table."""

    parent: _Scope | None
    names: dict[str, tuple[str, int] | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Found:
    """A column that a reference means."""

    table: str
    column: str
    source: int


def uses_of(text: str, evidence: Evidence) -> Uses | None:
    """Return what the statement does, or None where its text does not parse."""
    parsed = tree(text)
    if parsed is None:
        return None
    reader = _Reader(evidence)
    reader.statement(parsed, None)
    return reader.found


class _Reader:
    """Walks one statement, one scope per query level."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.found = Uses()
        self.common: set[str] = set()
        self.sources_seen = 0

    def statement(self, node: Any, outer: _Scope | None) -> None:
        """Read one statement of any kind; others than queries and writes have no uses."""
        for part in getattr(getattr(node, "withClause", None), "ctes", None) or ():
            self.common.add(part.ctename)
            self.statement(part.ctequery, outer)
        if isinstance(node, ast.SelectStmt):
            self.select(node, outer)
        elif isinstance(node, ast.UpdateStmt | ast.DeleteStmt):
            scope = _Scope(outer)
            conditions = self.sources(
                [node.relation, *(getattr(node, "fromClause", None) or getattr(node, "usingClause", None) or ())], scope
            )
            self.found.written = self.table(node.relation)
            for target in getattr(node, "targetList", None) or ():
                self.assignment(target, scope)
            for condition in [*conditions, node.whereClause]:
                self.condition(condition, scope)
        elif isinstance(node, ast.InsertStmt):
            self.found.written = self.table(node.relation)
            self.insert(node, outer)

    def insert(self, node: Any, outer: _Scope | None) -> None:
        """Read what an INSERT reads; its parameters become the columns' values."""
        query: Any = node.selectStmt
        columns = [str(target.name) for target in node.cols or ()] or list(
            self.evidence.columns.get(self.found.written or "", {})
        )
        for values in [getattr(query, "targetList", None) or (), *(getattr(query, "valuesLists", None) or ())]:
            for column, value in zip(columns, values, strict=False):
                if self.found.written is not None:
                    self.bind(getattr(value, "val", value), Binding("=", self.found.written, column))
        if query is not None:
            self.statement(query, outer)

    def select(self, node: Any, outer: _Scope | None) -> None:
        """Read one query level."""
        if node.op not in (None, SetOperation.SETOP_NONE):
            self.statement(node.larg, outer)
            self.statement(node.rarg, outer)
            return
        scope = _Scope(outer)
        for condition in self.sources(node.fromClause or (), scope):
            self.condition(condition, scope)
        self.condition(node.whereClause, scope)
        for target in (*(node.targetList or ()), node.havingClause, *(node.valuesLists or ())):
            self.expression(target, scope)
        named = {target.name: target.val for target in node.targetList or () if getattr(target, "name", None)}
        first: int | None = None
        for part in node.sortClause or ():
            found = self.column(_named(part.node, named, node.targetList), scope)
            # An index serves a sort up to the first key that is an expression, or another table's.
            if found is None or found.source != (first := found.source if first is None else first):
                break
            self.use(found, "sort", descending=part.sortby_dir == SortByDir.SORTBY_DESC)
        for part in node.groupClause or ():
            if (found := self.column(_named(part, named, node.targetList), scope)) is not None:
                self.use(found, "group")
        for place, meaning in ((node.limitCount, "limit"), (node.limitOffset, "offset")):
            self.bind(place, Binding("limit" if meaning == "limit" else "offset"))

    def sources(self, items: Any, scope: _Scope) -> list[Any]:
        """Add what FROM names to the scope; return the conditions of its joins, to be read once all names are known."""
        conditions: list[Any] = []
        item: Any
        for item in items:
            if isinstance(item, ast.RangeVar):
                name = self.table(item)
                self.sources_seen += 1
                scope.names[_called(item)] = None if name is None else (name, self.sources_seen)
                if name is not None and name not in self.found.tables:
                    self.found.tables.append(name)
            elif isinstance(item, ast.JoinExpr):
                conditions += self.sources([item.larg, item.rarg], scope)
                conditions += [item.quals] if item.quals is not None else []
            elif isinstance(item, ast.RangeSubselect):
                self.statement(item.subquery, scope)
                scope.names[_called(item)] = None
            else:
                scope.names[_called(item)] = None
        return conditions

    def condition(self, node: Any, scope: _Scope) -> None:
        """Read what must hold: each part of an AND that an index could serve is a use."""
        if isinstance(node, ast.BoolExpr) and node.boolop == BoolExprType.AND_EXPR:
            for part in node.args or ():
                self.condition(part, scope)
        elif isinstance(node, ast.A_Expr):
            self.comparison(node, scope, counts=True)
        elif isinstance(node, ast.NullTest) and node.nulltesttype == NullTestType.IS_NULL:
            if (found := self.column(node.arg, scope)) is not None:
                self.use(found, "equal")
            self.expression(node, scope)
        elif isinstance(node, ast.SubLink) and node.subLinkType == SubLinkType.ANY_SUBLINK:
            if (found := self.column(node.testexpr, scope)) is not None:
                self.use(found, "join")
            self.statement(node.subselect, scope)
        else:
            self.expression(node, scope)

    def comparison(self, node: Any, scope: _Scope, *, counts: bool) -> None:
        """Read one comparison: note the uses if it *counts*, and what its parameters stand for in any case."""
        operator = node.name[-1].sval if node.name else ""
        kind = node.kind
        pairs = _pairs(node.lexpr, node.rexpr)
        for at, (one, other) in enumerate(pairs):
            for side, value, mirrored in ((one, other, False), (other, one, True)):
                found = None if isinstance(side, tuple) else self.column(side, scope)
                if found is None:
                    continue
                part, meaning = _role(kind, operator, mirrored=mirrored)
                if meaning is not None:
                    self.bind(
                        value, Binding(meaning, found.table, found.column), between=kind == A_Expr_Kind.AEXPR_BETWEEN
                    )
                joined = not isinstance(value, tuple) and self.column(value, scope)
                if counts and part is not None and (at == 0 or part == "equal"):
                    self.use(found, "join" if joined and part == "equal" else part)
        self.expression(node.lexpr, scope)
        self.expression(node.rexpr, scope)

    def expression(self, node: Any, scope: _Scope) -> None:
        """Read anything else: queries inside it, and what its parameters stand for."""
        if isinstance(node, ast.NullTest) and isinstance(parameter := uncast(node.arg), ast.ParamRef):
            self.found.nullable.add(int(parameter.number or 0))
        if isinstance(node, ast.SubLink):
            self.expression(node.testexpr, scope)
            self.statement(node.subselect, scope)
        elif isinstance(node, ast.A_Expr):
            self.comparison(node, scope, counts=False)
        elif isinstance(node, ast.FuncCall) and node.args and (meaning := _word(node)) is not None:
            self.bind(node.args[0], Binding(meaning))
            self.children(node, scope)
        else:
            self.children(node, scope)

    def children(self, node: Any, scope: _Scope) -> None:
        """Read the parts of a node or of a list."""
        for part in _children(node):
            self.expression(part, scope)

    def assignment(self, target: Any, scope: _Scope) -> None:
        """Note that a parameter becomes a column's value."""
        table = self.found.written
        if table is not None and target.name in self.evidence.columns.get(table, {}):
            self.bind(target.val, Binding("=", table, target.name))
        self.expression(target.val, scope)

    def bind(self, value: Any, binding: Binding, *, between: bool = False) -> None:
        """Bind the parameters in *value*: one, or those of a list (BETWEEN: the lower, then the upper)."""
        values = value if isinstance(value, tuple) else (value,)
        for at, item in enumerate(values):
            plain: Any = uncast(item)
            if isinstance(plain, ast.ParamRef):
                here = Binding("<", binding.table, binding.column) if between and at == 1 else binding
                self.found.bindings.setdefault(int(plain.number or 0), here)

    def use(self, found: _Found, part: Part, *, descending: bool = False) -> None:
        """Note a use once."""
        use = Use(found.table, found.column, part, descending, found.source)
        if use not in self.found.uses:
            self.found.uses.append(use)

    def table(self, node: Any) -> str | None:
        """Return the table's full name, None for a view, a common table expression or what is not ours."""
        if node.schemaname is None and node.relname in self.common:
            return None
        wanted = [node.schemaname] if node.schemaname else list(self.evidence.search_path)
        named = {(table.schema, table.relation): name for name, table in self.evidence.tables.items()}
        return next((named[schema, node.relname] for schema in wanted if (schema, node.relname) in named), None)

    def column(self, node: Any, scope: _Scope | None) -> _Found | None:
        """Return the column that a bare reference means; None for anything else."""
        fields: Any = getattr(node, "fields", ())
        if not isinstance(node, ast.ColumnRef) or not all(isinstance(item, ast.String) for item in fields):
            return None
        *qualifier, name = (str(item.sval) for item in fields)
        while scope is not None:
            for alias, place in scope.names.items():
                fits = not qualifier or qualifier[-1] == alias
                if fits and place is not None and name in self.evidence.columns.get(place[0], {}):
                    return _Found(place[0], name, place[1])
            scope = scope.parent
        return None


def _role(kind: Any, operator: str, *, mirrored: bool) -> tuple[Part | None, Meaning | None]:
    """Return what a comparison does with its column, and what the other side then is."""
    if kind == A_Expr_Kind.AEXPR_BETWEEN:
        return ("range", ">") if not mirrored else (None, None)
    if kind in (A_Expr_Kind.AEXPR_LIKE, A_Expr_Kind.AEXPR_ILIKE, A_Expr_Kind.AEXPR_SIMILAR):
        return None, "pattern"
    if kind == A_Expr_Kind.AEXPR_IN and operator == "=":
        return "in", "="
    if kind == A_Expr_Kind.AEXPR_OP_ANY and operator == "=":
        return "in", "any"
    if kind == A_Expr_Kind.AEXPR_OP and operator == "=":
        return "equal", "="
    if kind == A_Expr_Kind.AEXPR_OP and operator in _RANGES:
        side = _RANGES[operator]
        return "range", "<" if (_MIRRORED[side] if mirrored else side) == "<" else ">"
    if kind == A_Expr_Kind.AEXPR_OP and operator in ("<>", "!="):
        return None, "="
    return None, None


def _pairs(one: Any, other: Any) -> list[tuple[Any, Any]]:
    """Return what is compared with what: rows by their parts."""
    if isinstance(one, ast.RowExpr) and isinstance(other, ast.RowExpr):
        return list(zip(one.args or (), other.args or (), strict=False))
    return [(one, other)]


def _named(node: Any, named: dict[str, Any], targets: Any) -> Any:
    """Return what ORDER BY or GROUP BY means: an output column's expression by name or number, or the node itself."""
    fields: Any = getattr(node, "fields", ())
    if isinstance(node, ast.ColumnRef) and len(fields) == 1 and isinstance(fields[0], ast.String):
        return named.get(str(fields[0].sval), node)
    number = getattr(getattr(node, "val", None), "ival", None)
    if isinstance(node, ast.A_Const) and isinstance(number, int) and 0 < number <= len(targets or ()):
        return targets[number - 1].val
    return node


def _called(item: Any) -> str:
    """Return the name that columns of a source are qualified with."""
    alias = getattr(item, "alias", None)
    return str(alias.aliasname if alias else getattr(item, "relname", ""))


def _word(node: Any) -> Meaning | None:
    return _WORDS.get(str(node.funcname[-1].sval))


def _children(node: Any) -> Iterator[Any]:
    if isinstance(node, tuple | list):
        yield from node
    elif isinstance(node, ast.Node):
        for name in node:
            part = getattr(node, name)
            if isinstance(part, ast.Node | tuple):
                yield part
