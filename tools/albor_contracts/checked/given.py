"""Falsification tests: a law at values that are written out."""

from __future__ import annotations

from collections.abc import Mapping

from ..actions import refusal_of
from ..errors import problem
from ..lang.dims import Dims, Poly
from ..lang.scope import Scope
from ..lang.syntax import parse_expression
from ..lang.to_python import used_indices
from ..lang.types import INTEGER_RANGES, DimRange, Type, evaluate, names_in, parse_dim
from ..model import FalsificationTest
from ..suggest import did_you_mean
from .laws import check_claim, check_statements, runs_a_kernel
from .model import CheckedObligation, Law, Space
from .names import Names, place_of


def check_falsification(names: Names, test: FalsificationTest, rule: CheckedObligation) -> Law:
    known = rule.law.space.inputs
    for name in test.given:
        if name not in known:
            raise problem(
                "E404",
                f"there is no input {name!r} in {rule.equation.name}",
                place_of(name) or test.id,
                did_you_mean(name, known),
            )
    inputs = {name: entry for name, entry in known.items() if name in test.given}
    missing = [p.name for p in rule.equation.signature.inputs if p.name not in test.given]
    if missing:
        raise problem(
            "E303",
            f"{test.id} gives no value for {', '.join(missing)}",
            test.id,
            "given: needs every input of the equation",
        )
    for name, (type_, _) in inputs.items():
        wrong = not_a_value(test.given[name], type_)
        if wrong:
            raise problem(
                "E303",
                f"{test.id} gives {name}, which is {type_}, {wrong}",
                place_of(name) or test.id,
                "numbers, nested lists of numbers, true, false or a text",
            )
    space = Space(rule.law.space.dims, inputs, ())
    domains = {n: d for n, d in rule.law.scope.domains.items() if n in inputs}
    dims, sizes = _given_dims(test, inputs, rule)
    scope = Scope(
        dims, {n: t for n, (t, _) in inputs.items()}, domains, names.visible, {}, rule.law.scope.dim_names,
        kernels=names.own, defined=names.defined,
    )  # fmt: skip
    statements = check_statements([] if test.let is None else [test.let], scope)
    check = None
    if test.check is not None:
        check, source = parse_expression(test.check)
        check_claim(check, source, scope)
    refusal = None if test.call is None else refusal_of(test.call, test.raises, test.mentions, scope)
    law = Law(space, statements, check, scope, refusal, sizes)
    runs_a_kernel(law, test.id)
    mentioned = used_indices(law.trees)
    needed = {str(scope.indices[i].range) for i in mentioned if i in scope.indices} | (mentioned & set(space.dims))
    shown = {d for t, _ in inputs.values() for d in t.shape or ()}
    lost = sorted(d for d in needed - shown - set(sizes) if not d.isdigit())
    if lost:
        raise problem(
            "E303", f"what {test.id} gives does not say what {lost[0]} is", test.id, "it follows from no shape"
        )
    return law


def not_a_value(value: object, type_: Type) -> str:
    """Why a value that was written out cannot stand for an input of this type, or the empty text."""
    if type_.is_array:
        shape = _shape_of(value)
        if len(shape) != len(type_.shape or ()):
            return f"{len(shape)} axes: lists are nested, one level for each axis"
        if not _rectangular(value, shape):
            return "rows of different lengths"
        flat = _flat(value)
        element = "bool" if type_.dtype == "bool" else "real" if type_.is_floating else "int"
        wrong = next((w for v in flat if (w := not_a_value(v, Type(element)))), "")
        if not wrong and element == "int" and type_.dtype != "i64":
            low, high = INTEGER_RANGES[type_.dtype]
            wrong = next((f"{v}, which does not fit" for v in flat if isinstance(v, int) and not low <= v <= high), "")
        return wrong
    if type_.dtype == "bytes":
        whole = isinstance(value, list | tuple) and all(
            isinstance(v, int) and not isinstance(v, bool) and 0 <= v <= 255 for v in value
        )
        return "" if whole else "what is no list of numbers from 0 to 255"
    kinds: dict[str, tuple[type, ...]] = {"real": (int, float), "int": (int,), "bool": (bool,), "text": (str,)}
    if not isinstance(value, kinds[type_.dtype]) or (isinstance(value, bool) and type_.dtype != "bool"):
        return f"a value of another kind, {str(value)[:40]!r}"
    if isinstance(value, int) and abs(value) >= 2**63:
        return "a number that does not fit 64 bits"
    return ""


def _flat(value: object) -> list[object]:
    return [v for part in value for v in _flat(part)] if isinstance(value, list | tuple) else [value]


def _rectangular(value: object, shape: tuple[int, ...]) -> bool:
    if not shape:
        return not isinstance(value, list | tuple)
    return isinstance(value, list | tuple) and len(value) == shape[0] and all(_rectangular(v, shape[1:]) for v in value)


def _given_dims(
    test: FalsificationTest, inputs: Mapping[str, tuple[Type, str]], rule: CheckedObligation
) -> tuple[Dims, dict[str, int]]:
    """The dimensions as the given values fix them, and the sizes of those that no shape shows."""
    sizes: dict[str, int] = {}
    for name, (type_, _) in inputs.items():
        for d, n in zip(type_.shape or (), _shape_of(test.given[name]), strict=False):
            where = place_of(name) or test.id
            if isinstance(d, int) and d != n:
                raise problem("E303", f"{test.id} gives {name} size {n} where {type_} says {d}", where)
            if isinstance(d, str) and sizes.setdefault(d, n) != n:
                raise problem("E303", f"{test.id} gives {d} two sizes: {sizes[d]} and {n}", where)
    shown = set(sizes)
    texts = rule.law.space.dims
    for d, text in texts.items():
        parsed = parse_dim(text)
        if isinstance(parsed, DimRange) and parsed.low == parsed.high:
            sizes.setdefault(d, parsed.low)
    for _ in texts:
        for d, text in rule.law.space.derived.items():
            unknown = names_in(text) - set(sizes)
            if not unknown:
                value = int(evaluate(text, sizes))
                if sizes.setdefault(d, value) != value:
                    raise problem(
                        "E303", f"{test.id} gives {d} the size {sizes[d]}, but {d} = {text} is {value}", test.id
                    )
            elif d in sizes and len(unknown) == 1:
                (factor,) = unknown
                for size in range(1, sizes[d] + 1):
                    if evaluate(text, {**sizes, factor: size}) == sizes[d]:
                        sizes[factor] = size
                        break
                else:
                    raise problem(
                        "E303",
                        f"{test.id} gives {d} the size {sizes[d]}, for which no {factor} satisfies {d} = {text}",
                        test.id,
                    )
    old = rule.law.scope.dims
    fixed = {d: Poly.number(n) for d, n in sizes.items()}
    return Dims({**old.derived, **fixed}, old.low, old.facts), {d: n for d, n in sizes.items() if d not in shown}


def _shape_of(value: object) -> tuple[int, ...]:
    shape: list[int] = []
    while isinstance(value, list | tuple):
        shape.append(len(value))
        value = value[0] if value else None
    return tuple(shape)
