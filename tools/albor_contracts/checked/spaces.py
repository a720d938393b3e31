"""Sizes and domains of the inputs of a law: what they mention exists, and something satisfies them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from ..errors import ContractError, Text, problem
from ..lang import tree
from ..lang.dims import ONE, Dims, Poly
from ..lang.emptiness import as_written, never_filled, why_empty
from ..lang.syntax import parse_block, parse_expression
from ..lang.types import DimRange, Domain, Type, names_in, parse_dim, parse_domain
from ..model import DTYPES, Equation
from ..suggest import did_you_mean
from .model import CheckedEquation
from .names import place_of


def dims_of(texts: Mapping[str, Text], used: Iterable[str], assume: Iterable[str], where: Text | None) -> Dims:
    derived: dict[str, Poly] = {}
    low: dict[str, int] = {}
    pending: dict[str, str] = {}
    for name, written in texts.items():
        parsed = parse_dim(written)
        if isinstance(parsed, DimRange):
            low[name] = parsed.low
        else:
            pending[name] = parsed
    for name in used:
        if name not in texts:
            raise problem(
                "E407", f"the dimension {name!r} has no range", where, f"add it under dims, e.g. {name}: 1..257"
            )
    while pending:
        ready = [n for n, e in pending.items() if not names_in(e) & set(pending)]
        if not ready:
            raise problem("E407", f"the derived dimensions {', '.join(pending)} depend on each other", where)
        for name in ready:
            unknown = names_in(pending[name]) - set(texts)
            if unknown:
                raise problem(
                    "E407",
                    f"the dimension {name!r} mentions {', '.join(sorted(unknown))}, which has no range",
                    place_of(texts[name]) or where,
                )
            poly = Dims(derived, low).poly(pending.pop(name))
            if poly is None:
                raise problem(
                    "E407", f"the derived dimension {name!r} is not a sum of products", where, "for example H: G * K"
                )
            derived[name] = poly
    base = Dims(derived, low)
    facts = []
    for text in assume:
        for smaller, larger in _inequalities(text):
            a, b = base.poly(smaller), base.poly(larger)
            if a is None or b is None:
                continue
            if base.never_negative(a - b - ONE):
                raise problem(
                    "E405",
                    f"no sizes satisfy {str(text)!r}",
                    place_of(text) or where,
                    "an assumption leaves cases over: correct it, or the ranges under `dims`",
                )
            facts.append(b - a)
    return Dims(derived, low, tuple(facts))


def _inequalities(text: str) -> list[tuple[str, str]]:
    """`a <= b` facts of an assumption, as texts of dimension expressions."""
    try:
        node, _ = parse_expression(text)
    except ContractError:
        return []
    return list(_facts(node))


def _facts(node: tree.Node) -> Iterator[tuple[str, str]]:
    match node:
        case tree.Logic(_, "and", left, right):
            yield from _facts(left)
            yield from _facts(right)
        case tree.Compare(_, op, left, right) if op in ("<", "<=", ">", ">=", "=="):
            a, b = _dim_text(left), _dim_text(right)
            if a is None or b is None:
                return
            if op in ("<=", "=="):
                yield a, b
            if op in (">=", "=="):
                yield b, a
            if op == "<":
                yield f"{a} + 1", b
            if op == ">":
                yield f"{b} + 1", a


def _dim_text(node: tree.Node) -> str | None:
    match node:
        case tree.Name(_, name):
            return name
        case tree.Number(_, int() as value):
            return str(value)
        case tree.Binary(_, "+" | "-" | "*" as op, left, right):
            a, b = _dim_text(left), _dim_text(right)
            return None if a is None or b is None else f"({a}) {op} ({b})"
    return None


def _domain(
    text: Text | str, type_: Type, sizes: Iterable[str], numbers: Iterable[str], dtypes: Collection[str]
) -> Domain:
    """The domain of an input; its bounds mention dimensions, and numbers that are drawn before."""
    domain = parse_domain(text)
    where = place_of(text)
    if domain.length is None and not domain.intervals and not domain.values:
        return domain
    bounds = [(i.low, i.high) for i in domain.intervals]
    known = {*sizes, *numbers}
    for expression in (*domain.values, *(b for pair in bounds for b in pair)):
        for name in sorted(names_in(expression)):
            if name not in known:
                raise problem(
                    "E404",
                    f"the domain mentions {name!r}, which is neither a dimension nor another number",
                    where,
                    did_you_mean(name, known),
                )
    if domain.length is not None and type_.dtype not in ("text", "bytes"):
        raise problem("E402", f"length bounds texts, not {type_}", where, "in [low, high]")
    if (bounds or domain.values) and type_.dtype in ("text", "bytes", "bool"):
        raise problem(
            "E402", f"{type_} has no such domain", where, "length 0..64" if type_.is_opaque else "leave it away"
        )
    try:
        wrong = why_empty(domain, type_, dtypes)
    except ContractError as error:
        wrong = error.diagnostics[0].message
    if wrong:
        raise problem("E405", wrong, where, "widen the domain: low <= high, and a value of the type in between")
    return domain


def domains_of(
    inputs: Mapping[str, tuple[Type, str]],
    sizes: Iterable[str],
    dtypes: Collection[str],
    like: CheckedEquation | None = None,
) -> dict[str, Domain]:
    """The domains of all inputs; none is bounded by itself, not even through others.

    An input taken over from an equation has the domain it has there: no fewer names are known here.
    """
    if (
        like is not None
        and len(inputs) == len(like.space.inputs)
        and all(inputs[n] is known for n, known in like.space.inputs.items())
    ):
        return dict(like.domains)
    numbers = [n for n, (t, _) in inputs.items() if t.dtype in ("real", "int")]
    found: dict[str, Domain] = {}
    for name, (type_, text) in inputs.items():
        if like is not None and like.space.inputs.get(name) is inputs[name]:
            found[name] = like.domains[name]
        elif is_permutation(text):
            found[name] = parse_domain(f"in [0, {text.split()[-1]})")
        else:
            found[name] = _domain(text, type_, sizes, [n for n in numbers if n != name], dtypes)
    waiting = {n: _mentioned(found[n]) & set(numbers) for n in numbers}
    while waiting:
        ready = [n for n, needs in waiting.items() if not needs & set(waiting)]
        if not ready:
            raise problem(
                "E404",
                f"the domains of {', '.join(waiting)} bound each other",
                place_of(inputs[next(iter(waiting))][1]),
            )
        for name in ready:
            del waiting[name]
    return found


def filled(inputs: Mapping[str, tuple[Type, str]], domains: Mapping[str, Domain], dims: Dims) -> None:
    """No domain is empty whatever the sizes are."""
    for name, (_, text) in inputs.items():
        empty = None if is_permutation(text) else never_filled(domains[name], dims)
        if empty is not None:
            raise problem(
                "E405",
                f"nothing lies in {as_written(empty)}, whatever the sizes are",
                place_of(text),
                "low <= high",
            )


def is_permutation(text: str) -> bool:
    """Whether the tool itself says so: no author writes a domain like this."""
    return not isinstance(text, Text) and text.startswith("permutation of ")


def _mentioned(domain: Domain) -> frozenset[str]:
    # Domains never change, and those of an equation are those of its obligations.
    known: frozenset[str] | None = domain.__dict__.get("_mentioned")
    if known is None:
        expressions = [*domain.values, *(b for i in domain.intervals for b in (i.low, i.high))]
        known = domain.__dict__["_mentioned"] = frozenset(n for e in expressions for n in names_in(e))
    return known


def sizes_mentioned(texts: Mapping[str, str], domains: Iterable[Domain], assume: Iterable[Text]) -> set[str]:
    """Dimensions that domains and assumptions are about."""
    found = {n for d in domains for n in _mentioned(d)}
    for text in assume:
        node, _ = parse_expression(text)
        found |= {n.id for n in tree.walk(node) if isinstance(n, tree.Name)}
    return found & set(texts)


def sizes_stated(texts: Mapping[str, str], blocks: Iterable[Text | None]) -> set[str]:
    """Dimensions that statements name as the range of an index: `y[t: T] = ...`."""
    found: set[str | int] = set()
    for block in blocks:
        if block is not None and ":" in block:
            try:
                statements, _ = parse_block(block)
            except ContractError:
                continue  # reported where the block is checked
            found |= {size for s in statements for _, size in s.ranges}
    return {size for size in found if isinstance(size, str)} & set(texts)


def needed(texts: Mapping[str, str], used: Iterable[str]) -> dict[str, str]:
    """The dimensions an equation uses, with those they are derived from, in the order they are declared."""
    wanted = set(used)
    while True:
        more = {n for d in wanted if isinstance(parsed := parse_dim(texts[d]), str) for n in names_in(parsed)} - wanted
        # A dimension that is a factor of a derived one may be needed to find it from a shape.
        if not more:
            return {d: t for d, t in texts.items() if d in wanted}
        wanted |= more


def dtypes_of(equation: Equation) -> tuple[str, ...]:
    return tuple(map(str, equation.dtypes)) or DTYPES
