"""A checked tree for people: as LaTeX (amsmath, also MathJax and KaTeX), and as plain text in index notation.

Plain text is index notation with no more brackets than needed: reading it again gives the same tree. LaTeX follows
printed mathematics: quotients are fractions, subscripts are subscripts, `where` is a case distinction.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..errors import ContractError
from . import tree
from .functions import CONSTANTS, FUNCTIONS, REDUCTIONS
from .scope import Index
from .syntax import parse_expression

if TYPE_CHECKING:
    from ..checked import Block, CheckedEquation

# How tightly an expression holds together; an operand that holds less tightly than its place asks for gets brackets.
_CLAIM, _OR, _AND, _NOT, _COMPARE, _BITS, _ADD, _SERIES, _MUL, _SIGN, _POWER, _ATOM = range(12)
_BINARY = {
    "|": _BITS, "^": _BITS, "&": _BITS, "<<": _BITS, ">>": _BITS, "+": _ADD, "-": _ADD,
    "*": _MUL, "/": _MUL, "//": _MUL, "%": _MUL, "**": _POWER,
}  # fmt: skip


# Plain text


def text(node: tree.Node) -> str:
    """The expression in index notation."""
    return _text(node)[0]


def text_statement(statement: tree.Statement) -> str:
    """`y[r, i] = x[r, i] / sqrt(q[r] + eps)`"""
    stated = dict(statement.ranges)
    shown = [f"{i}: {stated[i]}" if i in stated else i for i in statement.indices or ()]
    indices = "" if statement.indices is None else f"[{', '.join(shown)}]"
    return f"{', '.join(statement.targets)}{indices} = {text(statement.value)}"


def _text(node: tree.Node) -> tuple[str, int]:
    """Text, and how tightly it holds together."""
    match node:
        case tree.Number(_, bool() as value):
            return str(value), _ATOM
        case tree.Number(_, value):
            known = [name for name, constant in CONSTANTS.items() if constant == abs(value)]
            size = known[0] if known else repr(abs(value))
            return (f"-{size}", _SIGN) if value < 0 else (size, _ATOM)
        case tree.Literal(_, value):
            return repr(value), _ATOM
        case tree.Name(_, name):
            return name, _ATOM
        case tree.Element(_, array, indices):
            return f"{array}[{', '.join(map(text, indices))}]", _ATOM
        case tree.Unary(_, "not", operand):
            return f"not {_at_least(operand, _NOT)}", _NOT
        case tree.Unary(_, op, operand):
            return f"{op}{_at_least(operand, _SIGN)}", _SIGN
        case tree.Binary(_, "**", left, right):
            return f"{_at_least(left, _ATOM)} ** {_at_least(right, _SIGN)}", _POWER
        case tree.Binary(_, op, left, right):
            level = _BINARY[op]
            # Few readers know which of & | << binds tighter: brackets among them.
            return f"{_at_least(left, level + (level == _BITS))} {op} {_at_least(right, level + 1)}", level
        case tree.Compare(_, op, left, right):
            return f"{_at_least(left, _COMPARE + 1)} {op} {_at_least(right, _COMPARE + 1)}", _COMPARE
        case tree.Logic(_, op, left, right):
            level = _AND if op == "and" else _OR
            return f"{_at_least(left, level)} {op} {_at_least(right, level + 1)}", level
        case tree.Apply(_, function, arguments):
            return f"{function}({', '.join(map(text, arguments))})", _ATOM
        case tree.RoundTo(_, dtype, operand):
            return f"round_to({dtype}, {text(operand)})", _ATOM
        case tree.Reduce(_, op, over, body, where):
            condition = "" if where is None else f", where={text(where)}"
            return f"{op}[{', '.join(over)}]({text(body)}{condition})", _ATOM
        case tree.Call(_, equation, arguments, spec):
            return f"{'spec.' if spec else ''}{equation}({', '.join(map(text, arguments))})", _ATOM
    raise AssertionError(node)


def _at_least(node: tree.Node, level: int) -> str:
    written, own = _text(node)
    return written if own >= level else f"({written})"


# LaTeX

_GREEK = {
    "alpha": "alpha", "beta": "beta", "gamma": "gamma", "delta": "delta", "eps": "varepsilon", "epsilon": "varepsilon",
    "zeta": "zeta", "eta": "eta", "theta": "theta", "kappa": "kappa", "lam": "lambda", "mu": "mu", "nu": "nu",
    "xi": "xi", "rho": "rho", "sigma": "sigma", "tau": "tau", "phi": "varphi", "chi": "chi", "psi": "psi",
    "omega": "omega",
}  # fmt: skip
_OPERATOR = {"&": r"\mathbin{\&}", "|": r"\mathbin{|}", "^": r"\oplus", "<<": r"\ll", ">>": r"\gg"}
_RELATION = {"==": "=", "!=": r"\ne", "<": "<", "<=": r"\le", ">": ">", ">=": r"\ge"}
_CLAIM_RELATION = {"approx": r"\approx", "equal": "=", "exact": r"\equiv"}
_ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_", "%": r"\%",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
}  # fmt: skip


def latex(node: tree.Node) -> str:
    """The expression as LaTeX for math mode."""
    return _latex(node)[0]


def latex_statement(statement: tree.Statement, align: bool = False) -> str:
    """`y_{r,i} = ...`; `align` puts the mark of an `aligned` environment before the sign."""
    if statement.indices:
        left = _subscript(statement.targets[0], [latex_name(i) for i in statement.indices])
    else:
        left = ",\\ ".join(latex_name(t) for t in statement.targets)
    return f"{left} {'&' if align else ''}= {latex(statement.value)}"


def latex_name(name: str) -> str:
    """A name of the language: one letter as it is, Greek letters by their names, trailing digits as a subscript."""
    stem, digits = re.fullmatch(r"(.*?)(\d*)", name).groups()  # type: ignore[union-attr]
    stem = stem.rstrip("_") if digits and stem.rstrip("_") else stem
    if not stem:
        return rf"\mathit{{{escape(name)}}}"
    head = rf"\{_GREEK[stem]}" if stem in _GREEK else stem if len(stem) == 1 else rf"\mathit{{{escape(stem)}}}"
    head = r"\_" if stem == "_" else head
    return f"{head}_{{{digits}}}" if digits else head


def escape(words: str) -> str:
    """Text with the signs that mean something to LaTeX made harmless."""
    return "".join(_ESCAPES.get(c, c) for c in words if c.isprintable())


def _subscript(name: str, indices: Sequence[str]) -> str:
    head = latex_name(name)
    if "_" in head.replace(r"\_", ""):
        head = f"{{{head}}}"
    return f"{head}_{{{','.join(indices)}}}"


def _latex(node: tree.Node) -> tuple[str, int]:
    match node:
        case tree.Number(_, bool() as value):
            return rf"\mathrm{{{str(value).lower()}}}", _ATOM
        case tree.Number(_, value):
            return _number(value), _SIGN if value < 0 else _ATOM
        case tree.Literal(_, value):
            return rf"\text{{`{escape(value)}'}}", _ATOM
        case tree.Name(_, name):
            return latex_name(name), _ATOM
        case tree.Element(_, array, indices):
            return _subscript(array, [latex(i) for i in indices]), _ATOM
        case tree.Unary(_, "not", operand):
            return rf"\lnot {_inside(operand, _COMPARE + 1)}", _NOT
        case tree.Unary(_, op, operand):
            # A sign may stand before a sum over an index, not before a sum of terms.
            sign = r"\sim " if op == "~" else op
            return f"{sign}{_inside(operand, _POWER if _signed(operand) else _SERIES)}", _SIGN
        case tree.Binary(_, "/", left, right):
            return rf"\frac{{{latex(left)}}}{{{latex(right)}}}", _MUL + 1
        case tree.Binary(_, "//", left, right):
            return rf"\left\lfloor\frac{{{latex(left)}}}{{{latex(right)}}}\right\rfloor", _ATOM
        case tree.Binary(_, "%", left, right):
            return rf"{_inside(left, _SIGN)} \bmod {_inside(right, _POWER)}", _BITS
        case tree.Binary(_, "**", left, right):
            return f"{_base(left)}^{{{latex(right)}}}", _POWER
        case tree.Binary(_, "*", left, right):
            return f"{_inside(left, _MUL)} {_times(left, right)}{_second(right, _MUL + 1)}", _MUL
        case tree.Binary(_, op, left, right):
            level = _BINARY[op]
            first = _inside(left, level + (level == _BITS))
            return f"{first} {_OPERATOR.get(op, op)} {_second(right, level + 1)}", level
        case tree.Compare(_, op, left, right):
            return f"{_inside(left, _COMPARE + 1)} {_RELATION[op]} {_inside(right, _COMPARE + 1)}", _COMPARE
        case tree.Logic(_, op, left, right):
            level, sign = (_AND, r"\land") if op == "and" else (_OR, r"\lor")
            return f"{_inside(left, level)} {sign} {_inside(right, level + 1)}", level
        case tree.Apply(_, function, arguments):
            return _apply(function, arguments)
        case tree.RoundTo(_, dtype, operand):
            return rf"\operatorname{{round}}_{{\mathrm{{{dtype}}}}}\left({latex(operand)}\right)", _MUL + 1
        case tree.Reduce(_, op, over, body, where):
            return _reduce(op, over, body, where)
        case tree.Call(_, equation, arguments, spec):
            star = r"^{\ast}" if spec else ""
            return rf"\mathrm{{{escape(equation)}}}{star}\left({', '.join(map(latex, arguments))}\right)", _MUL + 1
    raise AssertionError(node)


def _inside(node: tree.Node, level: int) -> str:
    written, own = _latex(node)
    return written if own >= level else rf"\left({written}\right)"


def _second(node: tree.Node, level: int) -> str:
    """A right operand: two signs never stand side by side."""
    return _inside(node, _POWER if _signed(node) else level)


def _base(node: tree.Node) -> str:
    """What a power is taken of: a letter, a number, an element, or something in brackets."""
    plain = isinstance(node, tree.Name | tree.Element) or (isinstance(node, tree.Number) and not _signed(node))
    plain = plain or (isinstance(node, tree.Apply) and node.function in ("abs", "floor", "ceil", "length"))
    if isinstance(node, tree.Number) and "10^" in _number(node.value):
        plain = False
    return f"{{{latex(node)}}}" if plain else rf"\left({latex(node)}\right)"


def _signed(node: tree.Node) -> bool:
    """Whether the expression begins with a sign."""
    match node:
        case tree.Number(_, value):
            return value < 0
        case tree.Unary():
            return True
        case tree.Binary(_, "*" | "%" | "**", left, _):
            return node.op != "**" and _signed(left)
    return False


def _times(left: tree.Node, right: tree.Node) -> str:
    """Numbers side by side need a dot; letters do not."""
    last = left.right if isinstance(left, tree.Binary) and left.op == "*" else left
    first = right.left if isinstance(right, tree.Binary) and right.op == "**" else right
    wants = isinstance(first, tree.Number) or isinstance(last, tree.Call | tree.Apply)
    return r"\cdot " if wants else r"\, "


def _number(value: int | float) -> str:
    sign = "-" if value < 0 else ""
    size = abs(value)
    for name, constant in CONSTANTS.items():
        if size == constant:
            return sign + {"pi": r"\pi", "inf": r"\infty"}[name]
    mantissa, _, exponent = repr(size).partition("e")
    if not exponent:
        return sign + mantissa
    power = f"10^{{{int(exponent)}}}"
    return sign + (power if mantissa == "1" else rf"{mantissa} \times {power}")


def _apply(function: str, arguments: Sequence[tree.Node]) -> tuple[str, int]:
    if function in _CLAIM_RELATION:
        a, b = arguments
        return f"{_inside(a, _COMPARE + 1)} {_CLAIM_RELATION[function]} {_inside(b, _COMPARE + 1)}", _COMPARE
    if function == "where":
        condition, first, second = map(latex, arguments)
        cases = rf"{first} & \text{{if }} {condition}\\ {second} & \text{{otherwise}}"
        return rf"\begin{{cases}}{cases}\end{{cases}}", _MUL + 1
    if function in ("real", "int"):
        written, level = _latex(arguments[0])
        # A truth value as a number: Iverson's bracket.
        return (rf"\left[{written}\right]", _ATOM) if level <= _COMPARE else (written, level)
    template = FUNCTIONS[function].latex.replace("(%s)", r"\left(%s\right)").replace("|%s|", r"\left|%s\right|")
    given = [_second(arguments[0], _ADD)] if function == "log1p" else [latex(a) for a in arguments]
    if template.count("%s") == 1:
        given = [", ".join(given)]
    return template % tuple(given), _MUL + 1


def _reduce(op: str, over: Sequence[str], body: tree.Node, where: tree.Node | None) -> tuple[str, int]:
    indices = ",".join(map(latex_name, over))
    condition = "" if where is None else latex(where)
    if op == "count":
        also = f"{condition} \\land " if condition else ""
        inside = _inside(body, _AND + 1) if also else latex(body)
        return rf"\#\left\{{{indices} : {also}{inside}\right\}}", _ATOM
    if op in ("all", "any"):
        such = rf",\ {condition}" if condition else ""
        return rf"{REDUCTIONS[op]} {indices}{such} :\ {latex(body)}", _CLAIM
    under = rf"\substack{{{indices}\\ {condition}}}" if condition else indices
    sign = REDUCTIONS[op].replace(r"\operatorname{", r"\operatorname*{")
    if op in ("sum", "prod"):
        return rf"{sign}_{{{under}}} {_second(body, _SERIES)}", _SERIES
    inside, level = _latex(body)
    if level == _ATOM:
        return rf"{sign}_{{{under}}} {inside}", _SERIES
    return rf"{sign}_{{{under}}} \left({inside}\right)", _SIGN


# Equations


def ranges(indices: Mapping[str, Index]) -> dict[str, str]:
    """index -> the dimension it runs over, as written: `0 <= i < N`."""
    return {name: str(index.range) for name, index in sorted(indices.items())}


def text_equation(equation: CheckedEquation) -> str:
    """Signature, definition and ranges of an equation as lines of text."""
    lines = [str(equation.signature)]
    if equation.define is None:
        return "\n".join([*lines, "    (no definition: its obligations are laws about calls)"])
    lines += [f"    {text_statement(s)}" for s in equation.define.statements]
    found = ranges(equation.define.scope.indices)
    if found:
        lines.append("    for " + ", ".join(f"{name} in 0..{dim}-1" for name, dim in found.items()))
    return "\n".join(lines)


def latex_equation(equation: CheckedEquation) -> str:
    """The definition as an `aligned` environment whose last line holds the ranges of the indices."""
    block = equation.define
    if block is None:
        inputs = ", ".join(latex_name(p.name) for p in equation.signature.inputs)
        return rf"\mathrm{{{escape(equation.name)}}}\left({inputs}\right)"
    lines = [latex_statement(s, align=True) for s in block.statements]
    bounds = _latex_ranges(block)
    if bounds:
        lines.append(rf"&\qquad {bounds}")
    return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"


def _latex_ranges(block: Block) -> str:
    together: dict[str, list[str]] = {}
    for name, dim in ranges(block.scope.indices).items():
        together.setdefault(dim, []).append(latex_name(name))
    return r",\quad ".join(rf"0 \le {', '.join(names)} < {_dimension(dim)}" for dim, names in together.items())


def _dimension(dim: str) -> str:
    try:
        return latex(parse_expression(dim)[0])
    except ContractError:
        return rf"\mathrm{{{escape(dim)}}}"
