"""The mutants of a module's functions: single edits of the source text, at positions of the syntax tree.

| operator | edit |
|---|---|
| arithmetic | `+` and `-`, `*` and `+`, `/` and `*`, `//` and `*`, `%` and `//`, `&` and `|` for each other; `+=` too |
| sign | a minus is dropped |
| comparison | `<` and `<=`, `>` and `>=`, `==` and `!=`, `is` and `is not`; `and` and `or` |
| bound | `a < b` becomes `a < b - 1` |
| constant | an integer one more and one less; 0 for 1, a float off by a thousandth; True and False; NaN and -inf as 0 |
| axis | `[:, None]` and `[None, :]` |
| accumulator | float32 becomes the dtype of the kernel's first tensor; torch.float32 becomes torch.bfloat16 |
| other, mask | a load without `other=`; a load or store without `mask=` |
| index width | `.to(tl.int64)` is dropped |
| function | max, min, sum, maximum and minimum, exp and exp2, rsqrt and sqrt, floor and ceil for each other |
| start | a loop begins one step later; one that does not begin at 0 begins there |
| statement | a call, an augmented assignment or a raise is left out |
| argument | two neighbouring arguments of the same form are swapped; the values of `where` and of a conditional too |
| condition | `if a` becomes `if not (a)` |

Decorators, annotations, docstrings, the text of messages, and options of a launch are left alone: no result depends
on them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

_ARITHMETIC = {
    ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "+"), ast.Div: ("/", "*"), ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "//"), ast.BitAnd: ("&", "|"), ast.BitOr: ("|", "&"), ast.LShift: ("<<", ">>"),
    ast.RShift: (">>", "<<"),
}  # fmt: skip
_COMPARISONS = {
    ast.Lt: ("<", "<="), ast.LtE: ("<=", "<"), ast.Gt: (">", ">="), ast.GtE: (">=", ">"), ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="), ast.Is: ("is", "is not"), ast.IsNot: ("is not", "is"),
}  # fmt: skip
_FUNCTIONS = {
    "sum": "max", "max": "min", "min": "max", "maximum": "minimum", "minimum": "maximum", "exp": "exp2", "exp2": "exp",
    "rsqrt": "sqrt", "sqrt": "rsqrt", "floor": "ceil", "ceil": "floor", "cdiv": "fdiv", "any": "all", "all": "any",
    "sin": "cos", "cos": "sin", "argmax": "argmin", "argmin": "argmax",
}  # fmt: skip
# Where numbers come from: `max` of these is a function of values, `self.max` is not.
_LIBRARIES = {"tl", "torch", "np", "math"}
_OPTIONS = {"num_warps", "num_stages", "num_ctas", "maxnreg", "eviction_policy", "cache_modifier", "input_precision"}


@dataclass(frozen=True)
class Mutant:
    """One edit. `find` and `put` are the whole lines that it touches; the edit itself is `line:column` in the file."""

    function: str
    operator: str
    line: int
    column: int
    end_line: int
    find: str
    put: str
    nth: int  # which of the places in the function where `find` stands, from 1
    start: int  # offsets in the module's text, and what stands there instead
    end: int
    text: str

    def applied(self, source: str) -> str:
        """The whole module with the edit in it."""
        return source[: self.start] + self.text + source[self.end :]


def mutants_of(source: str) -> list[Mutant]:
    """Every mutant of the functions and methods of a module, by position. Those that do not parse are left out."""
    tree = ast.parse(source)
    return [m for top, name in _functions(tree) for m in _Editor(source, top, name).mutants()]


def _functions(tree: ast.Module) -> Iterator[tuple[ast.FunctionDef, str]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node, node.name
        elif isinstance(node, ast.ClassDef):
            yield from ((n, f"{node.name}.{n.name}") for n in node.body if isinstance(n, ast.FunctionDef))


Edit = tuple[str, int, int, str]  # operator, start, end, text


class _Editor:
    """The edits of one function."""

    def __init__(self, source: str, function: ast.FunctionDef, name: str) -> None:
        self.source, self.function, self.name = source, function, name
        self.offsets = [0]
        for line in source.splitlines(keepends=True):
            self.offsets.append(self.offsets[-1] + len(line))
        self.ascii = source.isascii()
        self.lines = source.splitlines()
        assert function.end_lineno is not None
        self.begin, self.finish = self.offsets[function.lineno - 1], self.end_of(function.end_lineno)
        self.first = function.args.args[0].arg if function.args.args else ""
        self.is_kernel = any("kernel" in ast.dump(d) or "jit" in ast.dump(d) for d in function.decorator_list)

    def mutants(self) -> list[Mutant]:
        found: dict[tuple[int, int, str], Mutant] = {}
        for statement in self.function.body:
            for operator, start, end, text in self.edits(statement):
                key = (start, end, text)
                if key not in found and self.source[start:end] != text:
                    mutant = self.mutant(operator, start, end, text)
                    if mutant is not None:
                        found[key] = mutant
        return sorted(found.values(), key=lambda m: (m.start, m.end, m.text))

    def mutant(self, operator: str, start: int, end: int, text: str) -> Mutant | None:
        # The function alone is compiled, not its module: of a thousand mutants that is most of the time.
        changed = self.source[self.begin : start] + text + self.source[end : self.finish]
        try:
            compile(("if True:\n" if self.function.col_offset else "") + changed, "<mutant>", "exec")
        except (SyntaxError, ValueError):
            return None
        line, last = self.line_of(start), self.line_of(end)
        lead, tail = self.source[self.offsets[line - 1] : start], self.source[end : self.end_of(last)]
        find = _squeezed("\n".join(self.lines[line - 1 : last]))
        body = self.lines[self.function.lineno - 1 : line - 1]
        earlier = sum(_squeezed("\n".join(body[k : k + last - line + 1])) == find for k in range(len(body)))
        return Mutant(
            self.name, operator, line, start - self.offsets[line - 1] + 1, last, find, _squeezed(lead + text + tail),
            earlier + 1, start, end, text,
        )  # fmt: skip

    # Places

    def offset(self, line: int, column: int) -> int:
        if not self.ascii:  # columns of the tree count bytes
            column = len(self.lines[line - 1].encode()[:column].decode())
        return self.offsets[line - 1] + column

    def span(self, node: ast.expr | ast.stmt | ast.keyword) -> tuple[int, int]:
        assert node.end_lineno is not None and node.end_col_offset is not None
        return self.offset(node.lineno, node.col_offset), self.offset(node.end_lineno, node.end_col_offset)

    def text(self, node: ast.expr | ast.stmt) -> str:
        start, end = self.span(node)
        return self.source[start:end]

    def line_of(self, offset: int) -> int:
        return self.source.count("\n", 0, offset) + 1

    def end_of(self, line: int) -> int:
        return self.offsets[line - 1] + len(self.lines[line - 1])

    def between(self, left: ast.expr, right: ast.expr, sign: str, other: str, operator: str) -> Iterator[Edit]:
        """The sign that stands between two operands, replaced."""
        begin, stop = self.span(left)[1], self.span(right)[0]
        at = self.source.find(sign, begin, stop)
        if at >= 0:
            yield operator, at, at + len(sign), other

    # Edits

    def edits(self, node: ast.AST) -> Iterator[Edit]:
        yield from self.here(node)
        if isinstance(node, ast.FunctionDef):  # one inside another
            for statement in node.body:
                yield from self.edits(statement)
        if isinstance(node, ast.Raise | ast.JoinedStr | ast.FunctionDef | ast.Import | ast.ImportFrom):
            return
        options: list[ast.AST] = []
        if isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            options = [v for k, v in pairs if isinstance(k, ast.Constant) and k.value in _OPTIONS]
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list"):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.keyword) and child.arg in _OPTIONS:
                    continue
                if isinstance(child, ast.AST) and child not in options:
                    yield from self.edits(child)

    def here(self, node: ast.AST) -> Iterator[Edit]:
        match node:
            case ast.BinOp(left, op, right) if type(op) in _ARITHMETIC:
                yield from self.between(left, right, *_ARITHMETIC[type(op)], "arithmetic")
            case ast.AugAssign(target, op, value):
                if type(op) in _ARITHMETIC:
                    sign, other = _ARITHMETIC[type(op)]
                    yield from self.between(target, value, f"{sign}=", f"{other}=", "arithmetic")
                    yield from self.between(target, value, f"{sign}=", "=", "arithmetic")
                yield "statement", *self.span(node), "pass"
            case ast.UnaryOp(ast.USub(), operand) if not isinstance(operand, ast.Constant):
                yield "sign", self.span(node)[0], self.span(operand)[0], ""
            case ast.BoolOp(junction, values):
                sign, other = ("and", "or") if isinstance(junction, ast.And) else ("or", "and")
                for left, right in pairwise(values):
                    yield from self.between(left, right, sign, other, "comparison")
            case ast.Compare(left, ops, comparators):
                for compared, a, b in zip(ops, [left, *comparators], comparators, strict=False):
                    if type(compared) in _COMPARISONS:
                        yield from self.between(a, b, *_COMPARISONS[type(compared)], "comparison")
                    if isinstance(compared, ast.Lt | ast.LtE):
                        yield "bound", *self.span(b), f"{self.text(b)} - 1"
            case ast.Constant(value):
                yield from self.constant(node, value)
            case ast.Subscript(_, ast.Tuple([ast.Slice(None, None, None), ast.Constant(None)]) as place):
                yield "axis", *self.span(place), "None, :"
            case ast.Subscript(_, ast.Tuple([ast.Constant(None), ast.Slice(None, None, None)]) as place):
                yield "axis", *self.span(place), ":, None"
            case ast.Attribute(ast.Name("tl"), "float32") if self.is_kernel and self.first:
                yield "accumulator", *self.span(node), f"{self.first}.dtype.element_ty"
            case ast.Attribute(ast.Name("torch"), "float32"):
                yield "accumulator", *self.span(node), "torch.bfloat16"
            case ast.Call():
                yield from self.call(node)
            case ast.For(_, ast.Call(ast.Name("range"), [start, _, step])):
                begin = self.text(start)
                yield "start", *self.span(start), f"{begin} + {self.text(step)}"
                if begin != "0":
                    yield "start", *self.span(start), "0"
            case ast.Expr(ast.Call()) | ast.Raise():
                yield "statement", *self.span(node), "pass"
            case ast.If(test) | ast.While(test):
                yield "condition", *self.span(test), f"not ({self.text(test)})"
            case ast.IfExp(_, body, orelse):
                yield from self.swapped(body, orelse)
            case ast.Tuple(items) if isinstance(getattr(node, "ctx", None), ast.Load):
                yield from self.neighbours(items)

    def constant(self, node: ast.Constant, value: object) -> Iterator[Edit]:
        start, end = self.span(node)
        if isinstance(value, bool):
            yield "constant", start, end, str(not value)
        elif isinstance(value, int):
            yield "constant", start, end, str(value + 1)
            if value > 0:
                yield "constant", start, end, str(value - 1)
        elif isinstance(value, float):
            # A sign before it is not part of the node.
            for other in {0.0: (1.0,), 1.0: (0.0, 2.0)}.get(value, (value * 1.001, 0.0)):
                yield "constant", start, end, repr(other)

    def call(self, node: ast.Call) -> Iterator[Edit]:
        function = node.func
        match node:
            case ast.Call(ast.Name("float"), [ast.Constant(str())]):
                yield "constant", *self.span(node), "0.0"
                return
            case ast.Call(ast.Attribute(value, "to"), [ast.Attribute(ast.Name("tl"), "int64")]):
                stop = self.span(node)[1]  # parentheses around the value stay
                yield "index width", self.source.index(".to(", self.span(value)[1], stop), stop, ""
            case ast.Call(ast.Attribute(ast.Name(library), name)) if library in _LIBRARIES and name in _FUNCTIONS:
                start = self.span(function)[1] - len(name)
                yield "function", start, start + len(name), _FUNCTIONS[name]
            case ast.Call(ast.Name("min" | "max" as name)):
                yield "function", *self.span(function), _FUNCTIONS[name]
        if isinstance(function, ast.Attribute) and function.attr in ("load", "store"):
            keywords = {k.arg: k for k in node.keywords}
            if "other" in keywords:
                yield "other", *self.dropped(keywords["other"]), ""
            if "mask" in keywords:
                kept: list[ast.expr | ast.keyword] = [*node.args]
                kept += [k for k in node.keywords if k.arg not in ("mask", "other")]
                texts = ", ".join(self.source[slice(*self.span(k))] for k in kept)
                start, end = self.span(node)
                yield "mask", start, end, f"{self.text(function)}({texts})"
        if isinstance(function, ast.Attribute) and function.attr == "where" and len(node.args) == 3:
            yield from self.swapped(node.args[1], node.args[2])
        yield from self.neighbours(node.args)

    def dropped(self, keyword: ast.keyword) -> tuple[int, int]:
        """The span of an argument with the comma before it."""
        start, end = self.span(keyword)
        return self.source.rindex(",", 0, start), end

    def neighbours(self, items: list[ast.expr]) -> Iterator[Edit]:
        for left, right in pairwise(items):
            if _form(left) is not None and _form(left) == _form(right):
                yield from self.swapped(left, right)

    def swapped(self, left: ast.expr, right: ast.expr) -> Iterator[Edit]:
        (begin, after), (before, stop) = self.span(left), self.span(right)
        if before > after:
            yield "argument", begin, stop, self.text(right) + self.source[after:before] + self.text(left)
        elif stop < begin:  # `a if c else b` has its value first
            yield from self.swapped(right, left)


def _form(node: ast.expr) -> str | None:
    """What two arguments have in common when one may be taken for the other."""
    if isinstance(node, ast.Name):
        return "a name"
    if isinstance(node, ast.Attribute):
        return f"an attribute {node.attr}"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return f"a call of {node.func.attr}"
    return None


def _squeezed(text: str) -> str:
    """Lines without the space around them."""
    return "\n".join(line.strip() for line in text.split("\n")).strip()
