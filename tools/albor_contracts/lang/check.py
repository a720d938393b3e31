"""Names, types and ranges of a block of index notation.

Within one block (a definition, or `let` and `check` of an obligation) an index name has one range. It is found by
unification: wherever `j` stands alone as a subscript, its range is the dimension at that place. Index expressions
(`h // G`, `2 * i`, `t - 1`) do not determine a range; they are shown to fit, or refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ..errors import ContractError
from ..suggest import did_you_mean
from . import tree
from .dims import ONE, Dims, Poly
from .functions import CLAIMS, FUNCTIONS, ON_TEXTS
from .signature import Signature
from .syntax import Source
from .types import Domain, Type

ZERO = Poly.number(0)
Interval = tuple[Poly, Poly]


@dataclass(frozen=True)
class Index:
    """An index: its range as written in the type that fixed it, and where that was."""

    range: str | int
    place: tree.Place
    source: Source
    seen_in: str


@dataclass
class Scope:
    """What a block can see. `values` grows as statements are checked."""

    dims: Dims
    values: dict[str, Type]
    domains: Mapping[str, Domain] = field(default_factory=dict)
    equations: Mapping[str, Signature] = field(default_factory=dict)
    outputs: Mapping[str, Type] = field(default_factory=dict)
    dim_names: frozenset[str] = frozenset()
    indices: dict[str, Index] = field(default_factory=dict)
    calls: bool = True  # whether kernels may be called

    def known(self, name: str) -> bool:
        return name in self.values or name in self.dim_names


Kind = str | Type  # "real", "int", "bool", or the Type of a whole array or opaque value


def check_block(statements: tuple[tree.Statement, ...], source: Source, scope: Scope) -> None:
    """Check statements in order and add what they define to `scope.values`."""
    for statement in statements:
        _Checker(source, scope).statement(statement)


def check_expression(node: tree.Node, source: Source, scope: Scope) -> Kind:
    """Check one expression and return its kind."""
    checker = _Checker(source, scope)
    checker.find_ranges(node, ())
    return checker.kind(node)


class _Checker:
    def __init__(self, source: Source, scope: Scope) -> None:
        self.source = source
        self.scope = scope
        self.bound: tuple[str, ...] = ()  # indices in force
        self.narrowed: dict[str, Interval] = {}

    def error(self, code: str, message: str, node: tree.Node | tree.Place, hint: str = "") -> ContractError:
        return self.source.error(code, message, node.place if isinstance(node, tree.Node) else node, hint)

    # Statements

    def statement(self, s: tree.Statement) -> None:
        for target in s.targets:
            if target == "_":
                continue
            if self.scope.known(target) or target in self.scope.indices:
                raise self.error("E421", f"{target!r} already has a meaning here", s, "define each name once")
        if isinstance(s.value, tree.Call):
            outputs = self.call(s.value)
            if len(s.targets) != len(outputs):
                raise self.error(
                    "E427", f"{s.value.equation} has {len(outputs)} outputs, {len(s.targets)} names stand on the left", s,
                    "write _ for an output that is not needed",
                )  # fmt: skip
            if s.indices is not None:
                raise self.error("E427", "a call gives whole arrays: write its name without indices", s)
            for target, type_ in zip(s.targets, outputs, strict=True):
                self.define(target, type_, s)
            return
        indices = s.indices or ()
        declared = self.scope.outputs.get(s.targets[0])
        for name in indices:
            self.index_name(name, s)
        self.find_ranges(s.value, indices)
        if declared is not None:
            shape = declared.shape or ()
            if len(shape) != len(indices):
                raise self.error("E422", f"{s.targets[0]} is {declared}, but is defined with {len(indices)} indices", s)
            for name, dim in zip(indices, shape, strict=True):
                self.unify(name, dim, s.place, f"output {s.targets[0]}: {declared}")
        for name in indices:
            if name not in self.scope.indices:
                raise self.error("E423", f"no range can be found for the index {name!r}", s, f"use {name} alone as a subscript somewhere on the right")
        self.bound = indices
        kind = self.kind(s.value)
        if isinstance(kind, Type):
            if indices:
                raise self.error("E424", "the right side is a whole array", s, "index it: x[i]")
            self.define(s.targets[0], kind, s)
            return
        dtype = {"real": "f64", "int": "i64", "bool": "bool"}[kind]
        if indices:
            self.define(s.targets[0], Type(dtype, tuple(self.scope.indices[i].range for i in indices)), s)
        else:
            self.define(s.targets[0], Type(kind) if declared is None else Type(dtype, ()), s)

    def define(self, name: str, type_: Type, s: tree.Statement) -> None:
        if name != "_":
            self.scope.values[name] = type_

    # Ranges

    def index_name(self, name: str, node: tree.Node) -> None:
        if self.scope.known(name):
            raise self.error("E421", f"{name!r} is already a value or a dimension; an index needs another name", node)

    def find_ranges(self, node: tree.Node, bound: tuple[str, ...]) -> None:
        """Unify the ranges of all indices that stand alone as subscripts."""
        match node:
            case tree.Reduce(_, _, over, body, where):
                for name in over:
                    self.index_name(name, node)
                    if name in bound:
                        raise self.error("E421", f"the index {name!r} is already in use outside this {node.op}", node, "rename the inner one")
                inner = (*bound, *over)
                self.find_ranges(body, inner)
                if where is not None:
                    self.find_ranges(where, inner)
                for name in over:
                    if name not in self.scope.indices:
                        raise self.error("E423", f"no range can be found for the index {name!r}", node, f"use {name} alone as a subscript in the body")
                return
            case tree.Element(place, array, subscripts):
                type_ = self.array_type(node)
                shape = type_.shape or ()
                if len(shape) != len(subscripts):
                    raise self.error("E422", f"{array} is {type_}: it takes {len(shape)} indices, found {len(subscripts)}", node)
                for dim, subscript in zip(shape, subscripts, strict=True):
                    if isinstance(subscript, tree.Name) and subscript.id in bound:
                        self.unify(subscript.id, dim, place, f"{array}: {type_}")
        for child in tree.children(node):
            self.find_ranges(child, bound)

    def unify(self, name: str, dim: str | int, place: tree.Place, seen_in: str) -> None:
        known = self.scope.indices.get(name)
        if known is None:
            self.scope.indices[name] = Index(dim, place, self.source, seen_in)
            return
        if self.scope.dims.poly(known.range) == self.scope.dims.poly(dim):
            return
        error = self.error(
            "E425", f"the index {name!r} ranges over {dim} here ({seen_in}), but over {known.range} elsewhere ({known.seen_in})", place,
            "two ranges need two index names; equal dimensions need one name",
        )  # fmt: skip
        first = error.diagnostics[0]
        raise ContractError(replace(first, related=((known.source.position(known.place), f"{name} ranges over {known.range} here"),)))

    def array_type(self, node: tree.Element) -> Type:
        type_ = self.scope.values.get(node.array)
        if type_ is None:
            if node.array in self.scope.outputs:
                raise self.error("E420", f"the output {node.array!r} is used before it is defined", node)
            raise self.error("E420", f"unknown name {node.array!r}", node, did_you_mean(node.array, self.scope.values))
        if not type_.is_array:
            raise self.error("E422", f"{node.array} is {type_}, which has no indices", node)
        return type_

    # Kinds

    def kind(self, node: tree.Node) -> Kind:
        match node:
            case tree.Number(_, value):
                return "bool" if isinstance(value, bool) else "int" if isinstance(value, int) else "real"
            case tree.Literal():
                return Type("text")
            case tree.Name(_, name):
                return self.name_kind(node, name)
            case tree.Element(_, _, subscripts):
                type_ = self.array_type(node)
                for k, (dim, subscript) in enumerate(zip(type_.shape or (), subscripts, strict=True)):
                    self.subscript(node, k, dim, subscript)
                return _element_kind(type_)
            case tree.Unary(_, op, operand):
                kind = self.scalar(operand)
                if op == "not":
                    return self.expect(kind, "bool", operand, "not")
                if op == "~":
                    return self.expect(kind, "int", operand, "~")
                return self.number(kind, operand)
            case tree.Binary():
                return self.binary(node)
            case tree.Compare(_, op, left, right):
                a, b = self.kind(left), self.kind(right)
                if isinstance(a, Type) and isinstance(b, Type) and a.is_opaque and a.dtype == b.dtype and op in ("==", "!="):
                    return "bool"
                if any(isinstance(k, Type) and k.is_opaque for k in (a, b)):
                    raise self.error("E426", f"{_words(a)} is compared with {_words(b)}", node, "texts are compared with texts, by == and !=")
                for kind, side in ((a, left), (b, right)):
                    if isinstance(kind, Type):
                        raise self.error("E424", "comparisons are elementwise: index the arrays, or use approx, equal or exact", side)
                if (a == "bool") != (b == "bool"):
                    raise self.error("E426", "a truth value is compared with a number", node, "wrap it: int(...)")
                return "bool"
            case tree.Logic(_, op, left, right):
                self.expect(self.scalar(left), "bool", left, op)
                if op == "and":
                    with _Narrowed(self, left):
                        self.expect(self.scalar(right), "bool", right, op)
                else:
                    self.expect(self.scalar(right), "bool", right, op)
                return "bool"
            case tree.RoundTo(_, _, operand):
                self.number(self.scalar(operand), operand)
                return "real"
            case tree.Apply():
                return self.apply(node)
            case tree.Reduce():
                return self.reduce(node)
            case tree.Call():
                outputs = self.call(node)
                if len(outputs) != 1:
                    raise self.error("E427", f"{node.equation} has {len(outputs)} outputs; give them names first", node, "a, b = kernel(...) under let")
                return _plain(outputs[0])
        raise AssertionError(node)

    def name_kind(self, node: tree.Node, name: str) -> Kind:
        if name in self.bound:
            return "int"
        if name in self.scope.dim_names:
            return "int"
        type_ = self.scope.values.get(name)
        if type_ is not None:
            return _plain(type_)
        if name in self.scope.indices:
            raise self.error("E420", f"the index {name!r} is not bound here", node, "it needs a place on the left, or a reduction over it")
        if name in self.scope.outputs:
            raise self.error("E420", f"the output {name!r} is used before it is defined", node)
        candidates = [*self.scope.values, *self.scope.dim_names, *self.bound]
        raise self.error("E420", f"unknown name {name!r}", node, did_you_mean(name, candidates))

    def scalar(self, node: tree.Node) -> str:
        kind = self.kind(node)
        if isinstance(kind, Type):
            what = "a whole array" if kind.is_array else f"a {kind}"
            raise self.error("E424", f"{what} stands where a number is expected", node, "index it: x[i]")
        return kind

    def expect(self, kind: str, wanted: str, node: tree.Node, what: str) -> str:
        if kind != wanted:
            names = {"bool": "a truth value", "int": "a whole number", "real": "a real number"}
            raise self.error("E426", f"{what} needs {names[wanted]}, found {names[kind]}", node)
        return kind

    def number(self, kind: str, node: tree.Node) -> str:
        if kind == "bool":
            raise self.error("E426", "a truth value stands where a number is expected", node, "wrap it: int(...)")
        return kind

    def binary(self, node: tree.Binary) -> str:
        left, right = self.scalar(node.left), self.scalar(node.right)
        if node.op in ("&", "|", "^", "<<", ">>"):
            for kind, side in ((left, node.left), (right, node.right)):
                self.expect(kind, "int", side, node.op)
            return "int"
        self.number(left, node.left)
        self.number(right, node.right)
        if node.op in ("//", "%"):
            for kind, side in ((left, node.left), (right, node.right)):
                self.expect(kind, "int", side, node.op)
            return "int"
        if node.op == "/":
            return "real"
        if node.op == "**":
            exact = left == "int" and isinstance(node.right, tree.Number) and right == "int" and node.right.value >= 0
            return "int" if exact else "real"
        return "int" if left == right == "int" else "real"

    def apply(self, node: tree.Apply) -> Kind:
        name, arguments = node.function, node.arguments
        if name in ON_TEXTS:
            for argument in arguments:
                self.text(argument, name)
            return Type("text") if FUNCTIONS[name].result == "text" else FUNCTIONS[name].result
        if name in CLAIMS:
            kinds = [self.kind(a) for a in arguments]
            whole = [k for k in kinds if isinstance(k, Type)]
            if any(k.is_opaque for k in whole) and (len(whole) < 2 or whole[0].dtype != whole[1].dtype or name != "exact"):
                raise self.error("E426", f"{name} compares {_words(kinds[0])} with {_words(kinds[1])}", node, "texts: ==, != or exact")
            if len(whole) == 1:
                raise self.error("E424", f"{name} compares a whole array with a single number", node, "index both sides, or neither")
            if len(whole) == 2:
                a, b = ([self.scope.dims.poly(d) for d in k.shape or ()] for k in whole)
                if a != b:
                    raise self.error("E424", f"{name} compares {whole[0]} with {whole[1]}", node)
            return "bool"
        if name == "where":
            condition, first, second = arguments
            self.expect(self.scalar(condition), "bool", condition, "where")
            chosen = self.kind(first)
            if isinstance(chosen, Type) and chosen.is_opaque:
                self.text(second, "where", chosen)
                return chosen
            with _Narrowed(self, condition):
                a = self.scalar(first)
            b = self.scalar(second)
            if (a == "bool") != (b == "bool"):
                raise self.error("E426", "the branches of where are a truth value and a number", node)
            return a if a == b else "real"
        kinds_ = [self.scalar(a) for a in arguments]
        function = FUNCTIONS[name]
        if name not in ("int", "real"):
            for kind, argument in zip(kinds_, arguments, strict=True):
                self.number(kind, argument)
        if function.result == "same":
            return "int" if all(k == "int" for k in kinds_) else "real"
        return function.result

    def text(self, node: tree.Node, what: str, wanted: Type | None = None) -> None:
        kind = self.kind(node)
        right = isinstance(kind, Type) and (kind == wanted if wanted else kind.dtype in ("text", "bytes"))
        if not right:
            raise self.error("E426", f"{what} needs {'a ' + str(wanted) if wanted else 'a text'} here, found {kind}", node)

    def reduce(self, node: tree.Reduce) -> str:
        outer, narrowed = self.bound, dict(self.narrowed)
        self.bound = (*outer, *node.over)
        try:
            if node.where is not None:
                self.expect(self.scalar(node.where), "bool", node.where, "where=")
                self.narrow(node.where)
            kind = self.scalar(node.body)
        finally:
            self.bound, self.narrowed = outer, narrowed
        if node.op in ("count", "all", "any"):
            self.expect(kind, "bool", node.body, node.op)
            return "int" if node.op == "count" else "bool"
        self.number(kind, node.body)
        if node.op in ("argmax", "argmin"):
            if len(node.over) != 1:
                raise self.error("E426", f"{node.op} runs over one index", node)
            return "int"
        return "real" if node.op == "mean" else kind

    def call(self, node: tree.Call) -> tuple[Type, ...]:
        """Check a kernel call; the types of its outputs in the caller's dimensions."""
        signature = self.scope.equations.get(node.equation)
        if signature is None:
            hint = did_you_mean(node.equation, [*self.scope.equations, *FUNCTIONS])
            raise self.error("E428", f"unknown function or equation {node.equation!r}", node, hint)
        if not self.scope.calls:
            raise self.error("E428", "a definition may only call equations of contracts it depends on", node)
        if len(node.arguments) != len(signature.inputs):
            raise self.error("E427", f"{node.equation} takes {len(signature.inputs)} arguments, found {len(node.arguments)}", node, str(signature))
        sizes: dict[str, str | int] = {}
        for argument, parameter in zip(node.arguments, signature.inputs, strict=True):
            self.argument(node, argument, parameter.name, parameter.type, sizes)
            self.varies(node, argument, signature)
        outputs = []
        for p in signature.outputs:
            shape = None if p.type.shape is None else tuple(sizes.get(d, d) if isinstance(d, str) else d for d in p.type.shape)
            outputs.append(Type(p.type.dtype, shape))
        return tuple(outputs)

    def varies(self, node: tree.Call, argument: tree.Node, signature: Signature) -> None:
        """A call with a scalar that varies with an index is one call for each: its outputs must be single values."""
        indices = [n.id for n in tree.walk(argument) if isinstance(n, tree.Name) and n.id in self.bound]
        if indices and any(p.type.shape for p in signature.outputs):
            raise self.error("E427", f"an argument of {node.equation} varies with {indices[0]}, but its outputs are whole arrays", argument)

    def argument(self, node: tree.Call, argument: tree.Node, name: str, type_: Type, sizes: dict[str, str | int]) -> None:
        kind = self.kind(argument)
        given = kind if isinstance(kind, Type) else Type(kind)
        if type_.is_array and type_.shape == () and given.dtype in ("real", "int"):
            return
        if type_.is_array != given.is_array or type_.is_opaque != given.is_opaque:
            raise self.error("E427", f"{node.equation} wants {name}: {type_}, found {given}", argument)
        if not type_.is_array:
            ranks = {"bool": 0, "int": 1, "real": 2}
            if type_.dtype != given.dtype and ranks.get(given.dtype, 9) > ranks.get(type_.dtype, -1):
                raise self.error("E427", f"{node.equation} wants {name}: {type_}, found {given}", argument)
            return
        if len(type_.shape or ()) != len(given.shape or ()):
            raise self.error("E427", f"{node.equation} wants {name}: {type_}, found {given}", argument)
        for want, have in zip(type_.shape or (), given.shape or (), strict=True):
            if isinstance(want, int):
                agreed = self.scope.dims.poly(want) == self.scope.dims.poly(have)
            else:
                agreed = self.scope.dims.poly(sizes.setdefault(want, have)) == self.scope.dims.poly(have)
            if not agreed:
                raise self.error("E427", f"{node.equation} wants {name}: {type_} with {want} = {sizes.get(str(want), want)}, found {given}", argument)

    # Index expressions

    def subscript(self, node: tree.Element, axis: int, dim: str | int, subscript: tree.Node) -> None:
        if isinstance(subscript, tree.Name) and subscript.id in self.bound:
            return  # by unification
        self.expect(self.scalar(subscript), "int", subscript, "an index")
        limits = self.interval(subscript)
        size = self.scope.dims.poly(dim)
        if limits is None or size is None:
            shown = "nothing is known about its range"
        elif self.scope.dims.never_negative(limits[0]) and self.scope.dims.at_most(limits[1], size - ONE):
            return
        else:
            shown = f"it ranges over {limits[0]} .. {limits[1]}"
        raise self.error(
            "E430", f"this index of {node.array} (axis {axis}, size {dim}) cannot be shown to fit 0 .. {dim} - 1: {shown}", subscript,
            "guard it with where(...), use % or clip(...), or state the bound under assume",
        )  # fmt: skip

    def interval(self, node: tree.Node) -> Interval | None:
        dims = self.scope.dims
        match node:
            case tree.Number(_, int() as value):
                return Poly.number(value), Poly.number(value)
            case tree.Name(_, name):
                if name in self.narrowed:
                    return self.narrowed[name]
                if name in self.bound:
                    size = dims.poly(self.scope.indices[name].range)
                    return None if size is None else (ZERO, size - ONE)
                if name in self.scope.dim_names:
                    p = dims.poly(name)
                    return None if p is None else (p, p)
                return self.domain_interval(name)
            case tree.Element(_, array, _):
                return self.domain_interval(array)
            case tree.Unary(_, "-", operand):
                inner = self.interval(operand)
                return None if inner is None else (-inner[1], -inner[0])
            case tree.Binary(_, op, left, right):
                a, b = self.interval(left), self.interval(right)
                if a is None or b is None:
                    return None
                return self.arithmetic(op, a, b)
            case tree.Apply(_, "clip", (_, low, high)):
                a, b = self.interval(low), self.interval(high)
                return None if a is None or b is None else (a[0], b[1])
            case tree.Apply(_, "max" | "min" as name, (left, right)):
                a, b = self.interval(left), self.interval(right)
                if a is None or b is None:
                    return None
                wide = self.hull(a, b)
                if name == "max":
                    low = a[0] if dims.at_most(b[0], a[0]) else b[0] if dims.at_most(a[0], b[0]) else None
                    return None if wide is None or low is None else (low, wide[1])
                high = a[1] if dims.at_most(a[1], b[1]) else b[1] if dims.at_most(b[1], a[1]) else None
                return None if wide is None or high is None else (wide[0], high)
            case tree.Apply(_, "where", (_, left, right)):
                a, b = self.interval(left), self.interval(right)
                return None if a is None or b is None else self.hull(a, b)
            case tree.Apply(_, "int", _):
                return ZERO, ONE
            case tree.Reduce(_, "argmax" | "argmin", (over,), _, _):
                size = dims.poly(self.scope.indices[over].range)
                return None if size is None else (ZERO, size - ONE)
        return None

    def hull(self, a: Interval, b: Interval) -> Interval | None:
        dims = self.scope.dims
        low = a[0] if dims.at_most(a[0], b[0]) else b[0] if dims.at_most(b[0], a[0]) else None
        high = a[1] if dims.at_most(b[1], a[1]) else b[1] if dims.at_most(a[1], b[1]) else None
        return None if low is None or high is None else (low, high)

    def arithmetic(self, op: str, a: Interval, b: Interval) -> Interval | None:
        dims = self.scope.dims
        match op:
            case "+":
                return a[0] + b[0], a[1] + b[1]
            case "-":
                return a[0] - b[1], a[1] - b[0]
            case "*":
                if dims.never_negative(a[0]) and dims.never_negative(b[0]):
                    return a[0] * b[0], a[1] * b[1]
            case "//" if b[0] == b[1]:
                low, high = dims.floor_divide(a[0], b[0]), dims.floor_divide(a[1], b[0])
                return None if low is None or high is None else (low, high)
            case "%" if b[0] == b[1] and dims.at_most(ONE, b[0]):
                if dims.never_negative(a[0]) and dims.at_most(a[1], b[0] - ONE):
                    return a
                return ZERO, b[0] - ONE
            case "&" if b[0] == b[1] and b[0].constant is not None:
                return ZERO, b[0]
            case ">>" if dims.never_negative(a[0]):
                return ZERO, a[1]
        return None

    def domain_interval(self, name: str) -> Interval | None:
        domain = self.scope.domains.get(name)
        if domain is None or domain.length is not None or not (domain.intervals or domain.values):
            return None
        result: Interval | None = None
        pieces: list[tuple[str, str, bool, bool]] = [(i.low, i.high, i.low_open, i.high_open) for i in domain.intervals]
        pieces += [(v, v, False, False) for v in domain.values]
        for low, high, low_open, high_open in pieces:
            a, b = self.scope.dims.poly(low), self.scope.dims.poly(high)
            if a is None or b is None:
                return None
            piece = (a + ONE if low_open else a, b - ONE if high_open else b)
            result = piece if result is None else self.hull(result, piece)
            if result is None:
                return None
        return result

    def narrow(self, condition: tree.Node) -> None:
        """Use `i >= c`, `i < c`, ... to narrow the interval of an index."""
        match condition:
            case tree.Logic(_, "and", left, right):
                self.narrow(left)
                self.narrow(right)
            case tree.Compare(_, op, left, right):
                self.narrow_one(op, left, right)
                flipped = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "=="}.get(op)
                if flipped:
                    self.narrow_one(flipped, right, left)

    def narrow_one(self, op: str, left: tree.Node, right: tree.Node) -> None:
        if not (isinstance(left, tree.Name) and left.id in self.bound):
            return
        here, limit = self.interval(left), self.interval(right)
        if here is None or limit is None:
            return
        low, high = here
        if op in (">", ">=", "=="):
            candidate = limit[0] + ONE if op == ">" else limit[0]
            low = candidate if self.scope.dims.at_most(low, candidate) else low
        if op in ("<", "<=", "=="):
            candidate = limit[1] - ONE if op == "<" else limit[1]
            high = candidate if self.scope.dims.at_most(candidate, high) else high
        self.narrowed[left.id] = (low, high)


class _Narrowed:
    """While a condition is known to hold."""

    def __init__(self, checker: _Checker, condition: tree.Node) -> None:
        self.checker, self.condition = checker, condition

    def __enter__(self) -> None:
        self.saved = dict(self.checker.narrowed)
        self.checker.narrow(self.condition)

    def __exit__(self, *_: object) -> None:
        self.checker.narrowed = self.saved


def _words(kind: Kind) -> str:
    return {"bool": "a truth value", "int": "a whole number", "real": "a real number"}.get(str(kind), f"a {kind}")


def _element_kind(type_: Type) -> str:
    if type_.dtype == "bool":
        return "bool"
    return "real" if type_.is_floating else "int"


def _plain(type_: Type) -> Kind:
    """A single value as the kind of a number; everything else as it is."""
    if type_.is_opaque or type_.shape:
        return type_
    if type_.shape == ():
        return _element_kind(type_)
    return type_.dtype
