"""Reading a harness file without running it, and refusing what a prover would wrongly call proved.

The rules for engine crosshair are not taste. Each one closes a way in which a prover that attributes failures by
file and line reports success for a function that claims nothing: no assumption, no statement between assumptions
and claims, a claim that is never reached, an exception that the docstring excuses.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ..errors import ContractError, Diagnostic, Position

ENGINES = ("crosshair", "z3", "ieee")
SECONDS = 30.0

F = TypeVar("F", bound=Callable[..., Any])


class HarnessError(ContractError):
    """The harness cannot be judged. Codes: P001 malformed harness, P002 python -O, P003 a prover is not installed."""


class ProverMissing(HarnessError):
    """The package that the engine needs is not installed."""


def refuse_optimised(where: str = "<text>") -> None:
    """Raise under `python -O`: asserts are stripped there, and every proof would be empty."""
    if not __debug__:
        hint = "run without -O and without PYTHONOPTIMIZE"
        message = "proofs cannot run under python -O: asserts are stripped and every claim would be empty"
        raise HarnessError(Diagnostic("P002", message, Position(where), hint=hint))


def proof(obligation: str, engine: str, seconds: float = SECONDS) -> Callable[[F], F]:
    """Mark a function of a harness as the proof of `obligation`. The function itself stays as it is."""
    refuse_optimised()
    if engine not in ENGINES:
        raise ValueError(f"unknown engine {engine!r}: expected one of {', '.join(ENGINES)}")

    def mark(function: F) -> F:
        return function

    return mark


@dataclass(frozen=True)
class Obligation:
    """One proof function of a harness, as read from its source."""

    id: str
    engine: str
    seconds: float
    function: str
    statement: str
    file: str
    line: int
    canary: str = ""


@dataclass(frozen=True)
class Parts:
    """The three parts of a crosshair obligation: indices into the body's statements."""

    definition: ast.FunctionDef
    assumptions: tuple[ast.Assert, ...]
    first: int  # index of the first statement that is not an assumption
    claims: tuple[ast.Assert, ...]


def read_harness(path: str | Path) -> list[Obligation]:
    """The obligations of a harness file. Raises HarnessError with every fault found; nothing is executed."""
    obligations, faults = check_harness(path)
    if faults:
        raise HarnessError(*faults)
    return obligations


def check_harness(path: str | Path) -> tuple[list[Obligation], list[Diagnostic]]:
    """The obligations of a harness file, and what is wrong with it."""
    file = str(path)
    try:
        source = Path(path).read_text(encoding="utf-8")
        tree = ast.parse(source, filename=file)
        comments = _comments(source)
    except (OSError, SyntaxError, ValueError, tokenize.TokenError) as error:
        line = error.lineno or 0 if isinstance(error, SyntaxError) else 0
        return [], [Diagnostic("P001", f"cannot read the harness: {error}", Position(file, line))]
    reader = _Reader(file, tree, comments)
    return reader.obligations, reader.faults


def parts_of(definition: ast.FunctionDef) -> Parts:
    """Split the body of a crosshair obligation into assumptions, statements and claims."""
    body = definition.body
    start = 1 if ast.get_docstring(definition, clean=False) is not None else 0
    first = start
    while first < len(body) and isinstance(body[first], ast.Assert):
        first += 1
    last = len(body)
    while last > first and isinstance(body[last - 1], ast.Assert):
        last -= 1
    assumptions = tuple(s for s in body[start:first] if isinstance(s, ast.Assert))
    claims = tuple(s for s in body[last:] if isinstance(s, ast.Assert))
    return Parts(definition, assumptions, first, claims)


def _comments(source: str) -> dict[int, str]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {t.start[0]: t.string for t in tokens if t.type == tokenize.COMMENT}


_FORBIDDEN: dict[type[ast.AST], str] = {
    ast.Return: "`return` can leave before a claim is reached",
    ast.Yield: "a generator's body does not run when it is called",
    ast.YieldFrom: "a generator's body does not run when it is called",
    ast.Await: "a coroutine's body does not run when it is called",
    ast.Try: "`try` can swallow the failure of a claim",
    ast.TryStar: "`try` can swallow the failure of a claim",
    ast.With: "`with` can swallow the failure of a claim",
    ast.AsyncWith: "`with` can swallow the failure of a claim",
    ast.Raise: "`raise` can leave before a claim is reached",
    ast.FunctionDef: "a nested function hides where a claim fails",
    ast.AsyncFunctionDef: "a nested function hides where a claim fails",
    ast.ClassDef: "a nested class hides where a claim fails",
    ast.Import: "imports belong at the top of the file",
    ast.ImportFrom: "imports belong at the top of the file",
}
_SIMPLE_TYPES = {"int", "bool", "str", "bytes", "None"}
_CONTAINERS = {"list", "tuple", "dict", "set", "frozenset"}
_EXCUSE = re.compile(r"^\s*:?\s*raises\b", re.MULTILINE)


def types_of(definition: ast.FunctionDef) -> set[str]:
    """The names in the parameters' annotations."""
    annotations = [a.annotation for a in definition.args.args if a.annotation is not None]
    return {n.id for a in annotations for n in ast.walk(a) if isinstance(n, ast.Name)}


class _Reader:
    def __init__(self, file: str, tree: ast.Module, comments: dict[int, str]) -> None:
        self.file = file
        self.obligations: list[Obligation] = []
        self.faults: list[Diagnostic] = []
        self.functions: dict[str, ast.FunctionDef | ast.AsyncFunctionDef] = {}
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                if node.name in self.functions:
                    self.fault(node, f"{node.name} is defined twice; the first is lost")
                self.functions[node.name] = node
        for function in self.functions.values():
            self.read(function)
        for line, comment in comments.items():
            if "crosshair:" in comment:
                message = "a `crosshair:` comment changes the options of a proof"
                self.faults.append(Diagnostic("P001", message, Position(file, line)))
        seen: dict[str, str] = {}
        for one in self.obligations:
            if one.id in seen:
                self.fault(self.functions[one.function], f"obligation {one.id} is also proved by {seen[one.id]}")
            seen.setdefault(one.id, one.function)

    def fault(self, node: ast.AST, message: str, hint: str = "") -> None:
        where = Position(self.file, getattr(node, "lineno", 0), getattr(node, "col_offset", -1) + 1)
        self.faults.append(Diagnostic("P001", message, where, hint=hint))

    def read(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        marks = [d for d in node.decorator_list if _is_proof(d)]
        if not marks:
            if node.name.startswith("prove_"):
                self.fault(node, f"{node.name} has no @proof(...) and would be skipped silently")
            return
        if len(node.decorator_list) > 1:
            self.fault(node, f"{node.name} has another decorator besides @proof, which may change what is proved")
        if isinstance(node, ast.AsyncFunctionDef):
            self.fault(node, f"{node.name} is a coroutine: its body does not run when it is called")
            return
        arguments = self.arguments(node, marks[0])
        statement = " ".join((ast.get_docstring(node) or "").split())
        if not statement:
            self.fault(node, f"{node.name} has no docstring: the obligation in words belongs there")
        if arguments is None:
            return
        identifier, engine, seconds = arguments
        canary = ""
        if engine == "crosshair":
            canary = "canary_" + node.name.removeprefix("prove_")
            self.check_crosshair(node, canary)
        elif len(node.args.args) != 1 or node.args.vararg or node.args.kwonlyargs or node.args.kwarg:
            what = "the problem" if engine == "z3" else "the array of float16 values"
            self.fault(node, f"{node.name} must take exactly one parameter, {what}")
        self.obligations.append(
            Obligation(identifier, engine, seconds, node.name, statement, self.file, node.lineno, canary)
        )

    def arguments(self, node: ast.FunctionDef, mark: ast.expr) -> tuple[str, str, float] | None:
        call = mark if isinstance(mark, ast.Call) else None
        names = ("obligation", "engine", "seconds")
        given: dict[str, Any] = {"seconds": SECONDS}
        try:
            for name, value in zip(names, call.args if call else (), strict=False):
                given[name] = ast.literal_eval(value)
            for keyword in call.keywords if call else ():
                given[str(keyword.arg)] = ast.literal_eval(keyword.value)
        except ValueError:
            self.fault(mark, "@proof takes literals, so that a harness can be read without running it")
            return None
        seconds = given["seconds"]
        if not isinstance(given.get("obligation"), str) or given.get("engine") not in ENGINES:
            self.fault(mark, f"expected @proof(ID, ENGINE) with ENGINE one of {', '.join(ENGINES)}")
            return None
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds < 1e6:
            self.fault(mark, f"seconds must be a positive number, not {seconds!r}")
            return None
        return given["obligation"], given["engine"], float(seconds)

    def check_crosshair(self, node: ast.FunctionDef, canary: str) -> None:
        self.check_signature(node)
        self.check_body(node)
        parts = parts_of(node)
        if not parts.assumptions:
            self.fault(
                node,
                f"{node.name} has no leading assert, and CrossHair would skip it silently",
                hint="write `assert True` where nothing is assumed",
            )
        elif parts.first == len(node.body):
            self.fault(
                node,
                f"the body of {node.name} is only asserts: all but the last would be assumptions",
                hint="put a statement between assumptions and claims, if only `pass`",
            )
        elif not parts.claims:
            self.fault(node, f"{node.name} does not end in an assert: nothing is claimed")
        for claim in parts.claims:
            if not any(isinstance(n, ast.Name) for n in ast.walk(claim.test)):
                self.fault(claim, f"the claim `{ast.unparse(claim.test)}` depends on nothing")
        beside = self.functions.get(canary)
        if beside is None:
            self.fault(node, f"{node.name} has no canary: expected a function {canary} beside it")
        elif parts.assumptions:
            self.check_canary(node, parts, beside)

    def check_signature(self, node: ast.FunctionDef) -> None:
        spec = node.args
        if spec.vararg or spec.kwarg or spec.kwonlyargs or spec.posonlyargs or spec.defaults:
            self.fault(node, f"{node.name} may only have plain parameters, without defaults and stars")
        if not spec.args:
            self.fault(node, f"{node.name} has no parameter, so nothing is quantified over")
        for parameter in spec.args:
            if parameter.annotation is None:
                self.fault(node, f"parameter {parameter.arg} of {node.name} has no type")
                continue
            for inner in ast.walk(parameter.annotation):
                if isinstance(inner, ast.Name) and inner.id not in _SIMPLE_TYPES | _CONTAINERS:
                    self.fault(
                        node,
                        f"parameter {parameter.arg} of {node.name} has type {inner.id}: only int, bool, "
                        "str, bytes and containers of them are exact in CrossHair",
                        hint="clear denominators and pass ints; prove real algebra with engine z3",
                    )

    def check_body(self, node: ast.FunctionDef) -> None:
        for statement in node.body:
            for inner in ast.walk(statement):
                reason = _FORBIDDEN.get(type(inner))
                if reason:
                    self.fault(inner, f"in {node.name}: {reason}")
        for statement in node.body[1:]:
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                self.fault(statement, f"a bare constant inside {node.name} does not separate assumptions from claims")
        if _EXCUSE.search(ast.get_docstring(node, clean=False) or ""):
            self.fault(node, f"the docstring of {node.name} excuses exceptions (`raises`): a crash would be proved")

    def check_canary(self, node: ast.FunctionDef, parts: Parts, beside: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        if isinstance(beside, ast.AsyncFunctionDef) or beside.decorator_list:
            self.fault(beside, f"{beside.name} must be a plain function without decorators")
            return
        self.check_body(beside)
        other = parts_of(beside)
        if ast.dump(beside.args) != ast.dump(node.args):
            self.fault(beside, f"{beside.name} must have the parameters of {node.name}")
        if [ast.dump(a.test) for a in other.assumptions] != [ast.dump(a.test) for a in parts.assumptions]:
            self.fault(beside, f"{beside.name} must make the assumptions of {node.name}, in the same order")
        rest = beside.body[other.first :]
        if len(rest) != 2 or not isinstance(rest[0], ast.Pass) or not _is_false(rest[1]):
            self.fault(beside, f"after its assumptions {beside.name} must read `pass`, then `assert False`")


def _is_proof(decorator: ast.expr) -> bool:
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    return (isinstance(target, ast.Name) and target.id == "proof") or (
        isinstance(target, ast.Attribute) and target.attr == "proof"
    )


def _is_false(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Assert) and isinstance(statement.test, ast.Constant) and statement.test.value is False
    )
