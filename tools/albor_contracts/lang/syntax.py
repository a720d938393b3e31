"""Text in index notation to tree. Python's own grammar does the parsing; only what is listed here gets through."""

from __future__ import annotations

import ast
import bisect
import contextlib
import itertools
import keyword
import math
import re
import warnings
from collections.abc import Iterator
from typing import Any

from ..errors import ContractError, Position, Text, problem
from ..suggest import did_you_mean
from . import tree
from .functions import CLAIMS, CONSTANTS, FUNCTIONS, REDUCTIONS, RESERVED, ROUND_DTYPES
from .names import why_not

MAX_TEXT = 20_000
MAX_DEPTH = 60
MAX_LITERAL = 200

_BINARY = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**",
    ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^", ast.LShift: "<<", ast.RShift: ">>",
}  # fmt: skip
_UNARY = {ast.USub: "-", ast.UAdd: "+", ast.Invert: "~", ast.Not: "not"}
_COMPARE = {ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}


_PLAIN = re.compile(r"[\t -!$-&(-~]*").fullmatch  # printable, and without quotes and comments


def _common_start(texts: list[str]) -> str:
    """What all texts begin with: what the first and the last in sorting order do."""
    if not texts:
        return ""
    pairs = zip(min(texts), max(texts), strict=False)
    return "".join(a for a, _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


class Source:
    """One text and where its characters stand, so that a node's place can become a position in the file.

    A block may be indented as a whole, and an expression may run over several lines: Python's parser gets the block
    flush left, and the expression on one line. Comments become blanks, so that every character keeps its column.
    """

    def __init__(self, text: str) -> None:
        self.text = text if isinstance(text, Text) else Text(text)
        lines = self.text.split("\n")
        leading = [line[: len(line) - len(line.lstrip(" \t"))] for line in lines if line.strip()]
        self.indent = len(_common_start(leading))
        self.lines = [line[self.indent :] for line in lines]
        self.starts: list[int] = []  # of each line in `code`, when the lines are joined to one
        self.above = 0  # lines above the one that is parsed by itself
        self.code = "\n".join(self.lines)

    def again(self, text: str) -> Source:
        """The same source where equal characters stand elsewhere."""
        other = object.__new__(Source)
        other.__dict__.update(self.__dict__)
        other.text = text if isinstance(text, Text) else Text(text)
        return other

    def position(self, place: tree.Place) -> Position:
        line, column = place
        return self.text.at(line, column + self.indent)

    def error(self, code: str, message: str, place: tree.Place, hint: str = "") -> ContractError:
        return problem(code, message, self.position(place), hint)

    def prepare(self, joined: bool) -> str:
        """What Python's parser gets: without comments, in ASCII but for texts, on one line if `joined`."""
        if len(self.code) > MAX_TEXT:
            raise problem(
                "E411", f"this text has {len(self.code)} characters; the limit is {MAX_TEXT}", self.text.position
            )
        lines = [self._clean(line, number) for number, line in enumerate(self.lines)]
        if not joined:
            self.code = "\n".join(lines)
            return self.code
        self.code = " ".join(lines)
        self.starts = list(itertools.accumulate((len(line) + 1 for line in lines[:-1]), initial=0))
        return self.code

    def _clean(self, line: str, number: int) -> str:
        """The line without its comment; only texts may hold other than printable ASCII characters."""
        if _PLAIN(line):
            return line
        quote = ""
        skip = False
        for column, c in enumerate(line):
            if skip:
                skip = False
            elif quote:
                skip = c == "\\"
                quote = "" if c == quote else quote
            elif c in "'\"":
                quote = c
            elif c == "#":
                return line[:column] + " " * (len(line) - column)
            elif c != "\t" and not " " <= c <= "~":
                shown = repr(c) if c.isprintable() else f"U+{ord(c):04X}"
                hint = "letters, digits and signs are plain ASCII: look-alikes confuse readers"
                raise self.error("E413", f"the character {shown} has no place in a formula", (number, column), hint)
        if quote:
            raise self.error(
                "E410", "syntax error: this text does not end on its line", (number, 0), f"close it with {quote}"
            )
        return line

    def place(self, line: int, column: int) -> tree.Place:
        """The place of a line and column of the parser, both from 0, the column in characters of `code`."""
        if not self.starts:
            return min(line, len(self.lines) - 1), column
        number = max(bisect.bisect_right(self.starts, column) - 1, 0)
        return number, column - self.starts[number]

    def place_of(self, node: ast.AST) -> tree.Place:
        # ast counts bytes.
        line, column = getattr(node, "lineno", 1) - 1 + self.above, getattr(node, "col_offset", 0)
        if not self.code.isascii():
            text = self.code if self.starts else self.code.split("\n")[line]
            column = len(text.encode()[:column].decode(errors="ignore"))
        return self.place(line, column)


# What parsing a text gives depends on its characters alone, and trees are immutable. The same texts come back often: a
# wrong definition repeats all but a line or two of the right one. Only what could be parsed is kept.
_MOST = 20_000
_BLOCKS: dict[str, tuple[tuple[tree.Statement, ...], Source]] = {}
_EXPRESSIONS: dict[str, tuple[tree.Node, Source]] = {}
_LINES: dict[tuple[int, str], tree.Statement] = {}  # by the number of the line


def parse_block(text: str) -> tuple[tuple[tree.Statement, ...], Source]:
    """Statements, one a line: `y[i, j] = expression`, `c = expression`, `a, b = kernel(x, w)`."""
    known = _BLOCKS.get(text)
    if known is not None:
        return known[0], known[1].again(text)
    source = Source(text)
    code = source.prepare(joined=False)
    statements = _line_by_line(source)
    if not statements:
        module = _ast(source, code, "exec")
        assert isinstance(module, ast.Module)
        if not module.body:
            raise problem("E410", "this block has no statement", source.text.position, "for example: y[i] = 2 * x[i]")
        statements = tuple(_statement(node, source) for node in module.body)
    if len(_BLOCKS) < _MOST:
        _BLOCKS[str(text)] = statements, source
    return statements, source


def parse_expression(text: str) -> tuple[tree.Node, Source]:
    """One expression; it may run over several lines."""
    known = _EXPRESSIONS.get(text)
    if known is not None:
        return known[0], known[1].again(text)
    source = Source(text)
    body = _ast(source, source.prepare(joined=True), "eval")
    assert isinstance(body, ast.Expression)
    node = _Reader(source).read(body.body)
    if len(_EXPRESSIONS) < _MOST:
        _EXPRESSIONS[str(text)] = node, source
    return node, source


def _line_by_line(source: Source) -> tuple[tree.Statement, ...]:
    """The statements of a block in which each line is an assignment of its own, empty for any other.

    Nothing is refused here: where a line by itself is no statement, the whole block goes to the parser, which says
    what is wrong.
    """
    lines = source.code.split("\n")
    statements: list[tree.Statement] = []
    for number, line in enumerate(lines):
        if not line or line.isspace():
            continue
        known = _LINES.get((number, line))
        if known is None:
            if line[0].isspace() or not line.isascii() or "\\" in line:
                return ()
            try:
                body = _quiet_parse(line, "exec").body
                if len(body) != 1:
                    return ()
                source.above = number
                known = _statement(body[0], source)
            except (ContractError, *_UNPARSABLE):
                return ()
            finally:
                source.above = 0
            if len(_LINES) < _MOST:
                _LINES[number, line] = known
        statements.append(known)
    return tuple(statements)


_UNPARSABLE = (SyntaxError, ValueError, MemoryError, RecursionError, SyntaxWarning, DeprecationWarning)


def _quiet_parse(code: str, mode: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error", SyntaxWarning)
        warnings.simplefilter("error", DeprecationWarning)
        return ast.parse(code, mode=mode)


def _ast(source: Source, code: str, mode: str) -> ast.AST:
    if mode == "eval" and not code.strip():
        raise problem("E410", "an expression is expected here", source.text.position)
    if mode == "eval":
        # A leading blank would be an indentation error; parentheses keep the columns of all but themselves.
        blank = len(code) - len(code.lstrip())
        source.starts = [start - blank for start in source.starts]
        code = source.code = code.lstrip()
    try:
        return _quiet_parse(code, mode)
    except SyntaxError as error:
        place = source.place(max((error.lineno or 1) - 1, 0), max((error.offset or 1) - 1, 0))
        if isinstance(error, IndentationError):
            line = source.lines[place[0]]
            place = place[0], len(line) - len(line.lstrip())
        # The parser stumbles at or just behind a keyword that is used as a name.
        near = source.lines[place[0]][max(place[1] - 12, 0) : place[1] + 12]
        words = [
            w
            for w in re.findall(r"[a-z]+(?=\s*[\[=(])", near)
            if keyword.iskeyword(w) and w not in ("and", "or", "not", "in", "if", "else")
        ]
        hint = (
            f"{words[0]!r} is a word of Python: choose another name"
            if words
            else "index notation uses Python's expression syntax"
        )
        raise source.error("E410", f"syntax error: {error.msg or 'invalid syntax'}", place, hint) from None
    except (ValueError, MemoryError, RecursionError, SyntaxWarning, DeprecationWarning) as error:
        raise problem(
            "E410", f"this text cannot be parsed: {str(error) or 'it is nested too deeply'}", source.text.position
        ) from None


def _encodable(value: str) -> bool:
    """Whether the text has no half of a surrogate pair, which no file can hold."""
    return not any(0xD800 <= ord(c) <= 0xDFFF for c in value)


def _statement(node: ast.stmt, source: Source) -> tree.Statement:
    place = source.place_of(node)
    if not isinstance(node, ast.Assign) or len(node.targets) != 1:
        raise source.error(
            "E412", "a statement here is an assignment", place, "y[i, j] = ..., c = ... or a, b = kernel(...)"
        )
    value = _Reader(source).read(node.value)
    match node.targets[0]:
        case ast.Name(name):
            _check_name(name, source, place)
            return tree.Statement(place, (name,), None, value)
        case ast.Subscript(ast.Name(name), subscript):
            _check_name(name, source, place)
            parts = subscript.elts if isinstance(subscript, ast.Tuple) else [subscript]
            indices = []
            ranges: list[tuple[str, str | int]] = []
            for part in parts:
                index, size = _index(part, source)
                indices.append(index)
                if size is not None:
                    ranges.append((index, size))
            if len(set(indices)) != len(indices):
                raise source.error(
                    "E412", "an index is repeated on the left of =", place, "each axis needs an index of its own"
                )
            return tree.Statement(place, (name,), tuple(indices), value, tuple(ranges))
        case ast.Tuple(elements) if all(isinstance(e, ast.Name) for e in elements):
            names = tuple(e.id for e in elements if isinstance(e, ast.Name))
            for name, element in zip(names, elements, strict=True):
                if name != "_":
                    _check_name(name, source, source.place_of(element))
            if not isinstance(value, tree.Call):
                raise source.error("E412", "several names on the left need a kernel call on the right", place)
            return tree.Statement(place, names, None, value)
    raise source.error("E412", "this cannot stand on the left of =", place, "y[i, j], c, or a, b")


def _index(part: ast.expr, source: Source) -> tuple[str, str | int | None]:
    """An index on the left of =, and the range it states: `i`, `i: N` or `i: 3`."""
    size: str | int | None = None
    name: ast.expr | None = part
    if isinstance(part, ast.Slice):
        name = part.lower
        match part.upper, part.step:
            case ast.Name(dim), None:
                size = dim
            case ast.Constant(int() as count), None if not isinstance(count, bool) and count >= 1:
                size = count
            case _:
                raise source.error(
                    "E412",
                    "after the colon stands the range of the index: a dimension or a number from 1",
                    source.place_of(part.upper or part.lower or part),
                    "y[i: N] = ...",
                )
    if not isinstance(name, ast.Name):
        raise source.error("E412", "on the left of = an index is a plain name", source.place_of(part), "y[i, j] = ...")
    _check_name(name.id, source, source.place_of(name))
    return name.id, size


def _check_name(name: str, source: Source, place: tree.Place) -> None:
    reason = why_not(name)
    if reason:
        raise source.error("E413", reason, place, "choose another name")


class _Reader:
    """ast to tree, refusing whatever is not index notation."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.depth = 0

    def read(self, node: ast.expr) -> tree.Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.source.error(
                "E411", f"this expression is nested deeper than {MAX_DEPTH}", self.source.place_of(node)
            )
        try:
            return self._read(node)
        finally:
            self.depth -= 1

    def _read(self, node: ast.expr) -> tree.Node:
        place = self.source.place_of(node)
        match node:
            case ast.Constant(bool() | int() | float() as value):
                if (isinstance(value, int) and abs(value) >= 2**63) or not math.isfinite(value):
                    raise self.source.error("E414", "this number does not fit 64 bits", place)
                return tree.Number(place, value)
            case ast.Constant(str() as value):
                if len(value) > MAX_LITERAL or not _encodable(value):
                    raise self.source.error(
                        "E414", f"a text in a formula has at most {MAX_LITERAL} characters, all of them Unicode", place
                    )
                return tree.Literal(place, value)
            case ast.Constant():
                raise self.source.error(
                    "E414", f"{node.value!r} is not a number", place, "bytes and None have no place in a formula"
                )
            case ast.Name(name):
                if name in CONSTANTS:
                    return tree.Number(place, CONSTANTS[name])
                if name in RESERVED:
                    raise self.source.error(
                        "E413", f"{name!r} is a function: it needs arguments", place, self._form(name)
                    )
                _check_name(name, self.source, place)
                return tree.Name(place, name)
            case ast.Subscript(ast.Name(name), subscript):
                if name in REDUCTIONS:
                    raise self.source.error("E415", f"{name}[...] needs a body", place, self._form(name))
                _check_name(name, self.source, place)
                parts = subscript.elts if isinstance(subscript, ast.Tuple) else [subscript]
                return tree.Element(place, name, tuple(self.read(p) for p in parts))
            case ast.UnaryOp(op, operand):
                inner = self.read(operand)
                if isinstance(op, ast.USub) and isinstance(inner, tree.Number) and not isinstance(inner.value, bool):
                    return tree.Number(place, -inner.value)
                return tree.Unary(place, _UNARY[type(op)], inner)
            case ast.BinOp(left, op, right) if type(op) in _BINARY:
                a, b = self.read(left), self.read(right)
                name = _BINARY[type(op)]
                if name in ("/", "//", "%") and isinstance(b, tree.Number) and b.value == 0:
                    raise self.source.error(
                        "E416", "division by zero", self.source.place_of(right), "this divisor is the literal 0"
                    )
                return tree.Binary(place, name, a, b)
            case ast.BoolOp(op, values):
                word = "and" if isinstance(op, ast.And) else "or"
                with self._chain(len(values), place):
                    result = self.read(values[0])
                    for operand in values[1:]:
                        result = tree.Logic(place, word, result, self.read(operand))
                return result
            case ast.Compare(left, ops, rights):
                with self._chain(len(ops), place):
                    return self._comparison(place, left, ops, rights)
            case ast.Call():
                return self._call(node, place)
        shown = type(node).__name__
        raise self.source.error(
            "E412", f"{shown} is not part of index notation", place, "docs/language.md lists what is"
        )

    @contextlib.contextmanager
    def _chain(self, links: int, place: tree.Place) -> Iterator[None]:
        """A chain of operators is as deep as it is long."""
        self.depth += links - 1
        if self.depth > MAX_DEPTH:
            raise self.source.error(
                "E411", f"this expression is nested deeper than {MAX_DEPTH}", place, "give parts of it names"
            )
        yield
        self.depth -= links - 1

    def _comparison(self, place: tree.Place, left: ast.expr, ops: list[ast.cmpop], rights: list[ast.expr]) -> tree.Node:
        result: tree.Node | None = None
        a = self.read(left)
        for op, right in zip(ops, rights, strict=True):
            if type(op) not in _COMPARE:
                raise self.source.error("E412", "only == != < <= > >= compare here", place)
            b = self.read(right)
            link = tree.Compare(place, _COMPARE[type(op)], a, b)
            result = link if result is None else tree.Logic(place, "and", result, link)
            a = b
        assert result is not None
        return result

    def _call(self, node: ast.Call, place: tree.Place) -> tree.Node:
        match node.func:
            case ast.Subscript(ast.Name(name), subscript):
                if name not in REDUCTIONS:
                    raise self.source.error(
                        "E415", f"unknown reduction {name!r}", place, did_you_mean(name, REDUCTIONS)
                    )
                parts = subscript.elts if isinstance(subscript, ast.Tuple) else [subscript]
                if not all(isinstance(p, ast.Name) for p in parts):
                    raise self.source.error("E415", "a reduction runs over plain index names", place, self._form(name))
                over = tuple(p.id for p in parts if isinstance(p, ast.Name))
                for index in over:
                    _check_name(index, self.source, place)
                where = None
                for keyword in node.keywords:
                    if keyword.arg != "where":
                        raise self.source.error(
                            "E415", f"{name} has no option {keyword.arg or '**'}", place, self._form(name)
                        )
                    where = self.read(keyword.value)
                if len(node.args) != 1:
                    raise self.source.error("E415", f"{name}[...] takes one expression", place, self._form(name))
                return tree.Reduce(place, name, over, self.read(node.args[0]), where)
            case ast.Name(name):
                spec = False
            case ast.Attribute(ast.Name("spec"), name):
                spec = True
            case _:
                raise self.source.error("E412", "only functions and kernels can be called", place)
        if node.keywords:
            raise self.source.error("E417", f"{name} takes its arguments by position", place)
        if name == "round_to" and not spec:
            if len(node.args) != 2 or not isinstance(node.args[0], ast.Name) or node.args[0].id not in ROUND_DTYPES:
                raise self.source.error(
                    "E417",
                    "round_to takes a dtype and a value",
                    place,
                    f"round_to(bf16, x[i]); dtypes: {', '.join(ROUND_DTYPES)}",
                )
            return tree.RoundTo(place, node.args[0].id, self.read(node.args[1]))
        arguments = tuple(self.read(a) for a in node.args)
        if not spec and name in FUNCTIONS:
            low, high = FUNCTIONS[name].arity
            if not low <= len(arguments) <= high:
                hint = f"{name}[i](...) reduces over an index" if name in REDUCTIONS else FUNCTIONS[name].note
                raise self.source.error(
                    "E417",
                    f"{name} takes {low if low == high else f'{low} to {high}'} arguments, found {len(arguments)}",
                    place,
                    hint,
                )
            return tree.Apply(place, name, arguments)
        if not spec and name in CLAIMS:
            if len(arguments) != 2:
                raise self.source.error("E417", f"{name} compares two values, found {len(arguments)}", place)
            return tree.Apply(place, name, arguments)
        if name in REDUCTIONS:
            raise self.source.error("E415", f"{name} needs an index: {name}[i](...)", place, self._form(name))
        _check_name(name, self.source, place)
        return tree.Call(place, name, arguments, spec)

    @staticmethod
    def _form(name: str) -> str:
        if name in REDUCTIONS:
            return f"{name}[i](x[i], where=condition)"
        return f"{name}(...)"
