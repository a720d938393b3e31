"""Names, types and ranges of a block of index notation.

Within one block (a definition, or `let` and `check` of an obligation) an index name has one range. It is found by
unification: wherever `j` stands alone as a subscript, its range is the dimension at that place. Index expressions
(`h // G`, `2 * i`, `t - 1`) do not determine a range; they are shown to fit, or refused. The left of a statement may
state a range that nothing else shows: `y[t: T] = x[t // S, t % S]`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from ..errors import ContractError
from ..suggest import did_you_mean
from . import tree
from .dims import ONE, Poly
from .functions import CLAIMS, FUNCTIONS, ON_TEXTS
from .intervals import ZERO, Intervals, Narrowed, Unconditionally
from .scope import Index, Interval, Kind, Scope
from .signature import Signature
from .syntax import Source
from .types import Type

MAX_INDICES = 26  # einsum and NumPy arrays have no more axes


@dataclass(frozen=True)
class Step:
    """A checked statement of a block, and what it added to the scope."""

    statement: tree.Statement
    values: Mapping[str, Type]
    indices: Mapping[str, Index]
    guarded: frozenset[tuple[str, tree.Place, int]]
    limits: Mapping[str, Interval]

    def adds_like(self, other: Step) -> bool:
        """Whether both mean the same to the statements after them."""
        ranges, others = ([(n, i.range) for n, i in step.indices.items()] for step in (self, other))
        return self.values == other.values and ranges == others and self.limits == other.limits


def check_block(
    statements: tuple[tree.Statement, ...], source: Source, scope: Scope, like: Sequence[Step] = ()
) -> tuple[Step, ...]:
    """Check statements in order and add what they define to `scope.values`.

    `like` are the steps of a block that was checked in an equal scope. A statement that both blocks have at the same
    place, after steps that added the same, is not checked again: the outcome is known.
    """
    steps: list[Step] = []
    alike = True
    for k, statement in enumerate(statements):
        other = like[k] if alike and k < len(like) else None
        if other is not None and other.statement is statement:  # == would take 1 for 1.0
            scope.values.update(other.values)
            scope.indices.update((n, Index(i.range, i.place, source, i.seen_in)) for n, i in other.indices.items())
            scope.guarded.update(other.guarded)
            scope.limits.update(other.limits)
            steps.append(other)
            continue
        values, indices, limits = len(scope.values), len(scope.indices), len(scope.limits)
        guarded = frozenset(scope.guarded)
        _Checker(source, scope).statement(statement)
        step = Step(
            statement,
            dict(islice(scope.values.items(), values, None)),
            dict(islice(scope.indices.items(), indices, None)),
            frozenset(scope.guarded) - guarded,
            dict(islice(scope.limits.items(), limits, None)),
        )
        alike = other is not None and step.adds_like(other)
        steps.append(step)
    return tuple(steps)


def check_expression(node: tree.Node, source: Source, scope: Scope) -> Kind:
    """Check one expression and return its kind."""
    checker = _Checker(source, scope)
    checker.find_ranges(node, ())
    return checker.kind(node)


_LEAVES = frozenset((tree.Name, tree.Number, tree.Literal))
_RANGED = frozenset((tree.Reduce, tree.Element))  # nodes that say something about ranges


class _Checker(Intervals):
    def __init__(self, source: Source, scope: Scope) -> None:
        super().__init__(scope)
        self.source = source

    def error(self, code: str, message: str, node: tree.Node | tree.Place, hint: str = "") -> ContractError:
        return self.source.error(code, message, node.place if isinstance(node, tree.Node) else node, hint)

    # Statements

    def statement(self, s: tree.Statement) -> None:
        for position, target in enumerate(s.targets):
            if target == "_":
                continue
            if target in s.targets[:position]:
                raise self.error(
                    "E421", f"{target!r} stands twice on the left", s, "write _ for an output that is not needed"
                )
            if self.scope.known(target) or target in self.scope.indices:
                raise self.error("E421", f"{target!r} already has a meaning here", s, "define each name once")
        if isinstance(s.value, tree.Call):
            outputs = self.call(s.value)
            if len(s.targets) != len(outputs):
                raise self.error(
                    "E427",
                    f"{s.value.equation} has {len(outputs)} outputs, {len(s.targets)} names stand on the left",
                    s,
                    "write _ for an output that is not needed",
                )
            if s.indices is not None:
                raise self.error("E427", "a call gives whole arrays: write its name without indices", s)
            for target, type_ in zip(s.targets, outputs, strict=True):
                self.define(target, type_, s)
                if type_.is_floating and self.returns_rounded(s.value):
                    self.scope.rounded.add(target)
            return
        indices = s.indices or ()
        declared = self.scope.outputs.get(s.targets[0])
        for name in indices:
            self.index_name(name, s)
        for name, size in s.ranges:
            if isinstance(size, str) and size not in self.scope.dim_names:
                raise self.error("E420", f"unknown dimension {size!r}", s, did_you_mean(size, self.scope.dim_names))
            self.unify(name, size, s.place, f"{name}: {size}")
        self.find_ranges(s.value, indices)
        if declared is not None:
            shape = declared.shape or ()
            if len(shape) != len(indices):
                raise self.error("E422", f"{s.targets[0]} is {declared}, but is defined with {len(indices)} indices", s)
            for name, dim in zip(indices, shape, strict=True):
                self.unify(name, dim, s.place, f"output {s.targets[0]}: {declared}")
        for name in indices:
            if name not in self.scope.indices:
                raise self.error(
                    "E423",
                    f"no range can be found for the index {name!r}",
                    s,
                    f"use {name} alone as a subscript on the right, or state its range: {s.targets[0]}[{name}: N]",
                )
        self.bound = indices
        kind = self.kind(s.value)
        if (kind == "real" or isinstance(kind, Type)) and self.is_rounded(s.value):
            self.scope.rounded.add(s.targets[0])
        if isinstance(kind, Type):
            if indices or kind.shape:
                raise self.error("E424", "the right side is a whole array", s, "index both sides: y[i] = x[i]")
            self.define(s.targets[0], kind, s)
            return
        if kind == "int":
            self.scope.limits[s.targets[0]] = self.interval(s.value)
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
        if node.__class__ not in _RANGED:
            for child in tree.below(node):
                if child.__class__ not in _LEAVES:
                    self.find_ranges(child, bound)
            return
        match node:
            case tree.Reduce(_, _, over, body, where):
                for name in over:
                    self.index_name(name, node)
                    if name in bound:
                        raise self.error(
                            "E421",
                            f"the index {name!r} is already in use outside this {node.op}",
                            node,
                            "rename the inner one",
                        )
                inner = (*bound, *over)
                self.find_ranges(body, inner)
                if where is not None:
                    self.find_ranges(where, inner)
                for name in over:
                    if name not in self.scope.indices:
                        raise self.error(
                            "E423",
                            f"no range can be found for the index {name!r}",
                            node,
                            f"use {name} alone as a subscript in the body",
                        )
                return
            case tree.Element(place, array, subscripts):
                type_ = self.array_type(node)
                shape = type_.shape or ()
                if len(shape) != len(subscripts):
                    raise self.error(
                        "E422", f"{array} is {type_}: it takes {len(shape)} indices, found {len(subscripts)}", node
                    )
                for dim, subscript in zip(shape, subscripts, strict=True):
                    if isinstance(subscript, tree.Name) and subscript.id in bound:
                        known = self.scope.indices.get(subscript.id)
                        if known is None or known.range != dim:
                            self.unify(subscript.id, dim, place, f"{array}: {type_}")
        for child in tree.below(node):
            if child.__class__ not in _LEAVES:
                self.find_ranges(child, bound)

    def unify(self, name: str, dim: str | int, place: tree.Place, seen_in: str) -> None:
        known = self.scope.indices.get(name)
        if known is None:
            if len(self.scope.indices) >= MAX_INDICES:
                raise self.error(
                    "E411", f"this block has more than {MAX_INDICES} indices", place, "use one index for each dimension"
                )
            self.scope.indices[name] = Index(dim, place, self.source, seen_in)
            return
        if known.range == dim or self.scope.dims.poly(known.range) == self.scope.dims.poly(dim):
            return
        error = self.error(
            "E425",
            f"the index {name!r} ranges over {dim} here ({seen_in}), "
            f"but over {known.range} elsewhere ({known.seen_in})",
            place,
            "two ranges need two index names; equal dimensions need one name",
        )
        first = error.diagnostics[0]
        raise ContractError(
            replace(first, related=((known.source.position(known.place), f"{name} ranges over {known.range} here"),))
        )

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
        found = self.kinds[id(node)] = self.find_kind(node)
        return found

    def find_kind(self, node: tree.Node) -> Kind:
        match node:
            case tree.Name(_, name):
                return self.name_kind(node, name)
            case tree.Number(_, value):
                return "bool" if isinstance(value, bool) else "int" if isinstance(value, int) else "real"
            case tree.Literal():
                return Type("text")
            case tree.Element(_, _, subscripts):
                type_ = self.array_type(node)
                for k, (dim, subscript) in enumerate(zip(type_.shape or (), subscripts, strict=True)):
                    self.subscript(node, k, dim, subscript)
                return _element_kind(type_)
            case tree.Unary(_, op, operand):
                kind = self.scalar(operand)
                if op == "not":
                    same = (
                        isinstance(operand, tree.Compare)
                        and operand.op == "=="
                        and "real" in (self.kinds[id(operand.left)], self.kinds[id(operand.right)])
                    )
                    near = isinstance(operand, tree.Apply) and operand.function in ("approx", "equal")
                    if (same or near) and self.is_rounded(operand):
                        raise self.always(node)
                    return self.expect(kind, "bool", operand, "not")
                if op == "~":
                    return self.expect(kind, "int", operand, "~")
                return self.number(kind, operand)
            case tree.Binary():
                return self.binary(node)
            case tree.Compare(_, op, left, right):
                a, b = self.kind(left), self.kind(right)
                if (
                    isinstance(a, Type)
                    and isinstance(b, Type)
                    and a.is_opaque
                    and a.dtype == b.dtype
                    and op in ("==", "!=")
                ):
                    return "bool"
                if any(isinstance(k, Type) and k.is_opaque for k in (a, b)):
                    raise self.error(
                        "E426",
                        f"{_words(a)} is compared with {_words(b)}",
                        node,
                        "texts are compared with texts, by == and !=",
                    )
                for side_kind, side in ((a, left), (b, right)):
                    if isinstance(side_kind, Type):
                        raise self.error(
                            "E424", "comparisons are elementwise: index the arrays, or use approx, equal or exact", side
                        )
                if (a == "bool") != (b == "bool"):
                    raise self.error("E426", "a truth value is compared with a number", node, "wrap it: int(...)")
                if op == "!=" and "real" in (a, b) and self.is_rounded(node):
                    raise self.always(node)
                return "bool"
            case tree.Logic(_, op, left, right):
                self.expect(self.scalar(left), "bool", left, op)
                with Narrowed(self, left, holds=op == "and"):
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
                    raise self.error(
                        "E427",
                        f"{node.equation} has {len(outputs)} outputs; give them names first",
                        node,
                        "a, b = kernel(...) under let",
                    )
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
            raise self.error(
                "E420",
                f"the index {name!r} is not bound here",
                node,
                "it needs a place on the left, or a reduction over it",
            )
        if name in self.scope.outputs:
            raise self.error("E420", f"the output {name!r} is used before it is defined", node)
        candidates = [*self.scope.values, *self.scope.dim_names, *self.bound]
        raise self.error("E420", f"unknown name {name!r}", node, did_you_mean(name, candidates))

    def scalar(self, node: tree.Node) -> str:
        return self.single(self.kind(node), node)

    def single(self, kind: Kind, node: tree.Node) -> str:
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
            if self.takes_zero(node.right):
                raise self.error(
                    "E416",
                    f"the divisor of {node.op} may be 0",
                    node.right,
                    "leave 0 out of its domain, or divide by max(..., 1) where that is meant",
                )
            return "int"
        if node.op == "/":
            return "real"
        if node.op == "**":
            exact = left == "int" and isinstance(node.right, tree.Number) and right == "int" and node.right.value >= 0
            return "int" if exact else "real"
        return "int" if left == right == "int" else "real"

    def takes_zero(self, node: tree.Node) -> bool:
        """Whether an input or an index certainly takes the value 0. A condition keeps elements and indices from it; of
        single numbers both branches are evaluated."""
        name = node.id if isinstance(node, tree.Name) else node.array if isinstance(node, tree.Element) else ""
        varies = isinstance(node, tree.Element) or name in self.bound
        if not name or (varies and (self.supposed or self.narrowed)):
            return False
        if name in self.bound:
            pieces = [self.plain_interval(node)]
        elif name in self.scope.domains and name not in self.scope.limits:
            if not varies and self.scope.dims.at_most(ONE, Poly.name(name)):
                return False  # by an assumption
            domain = self.scope.domains[name]
            if not domain.intervals and not domain.values:
                return True
            pieces = self.pieces(domain)
        else:
            return False
        at_most = self.scope.dims.at_most
        return any(a is not None and b is not None and at_most(a, ZERO) and at_most(ZERO, b) for a, b in pieces)

    def apply(self, node: tree.Apply) -> Kind:
        name, arguments = node.function, node.arguments
        if name in ON_TEXTS:
            like = self.text(arguments[0], name)
            for argument in arguments[1:]:
                self.text(argument, name, like)
            return like if FUNCTIONS[name].result == "text" else FUNCTIONS[name].result
        if name in CLAIMS:
            kinds = [self.kind(a) for a in arguments]
            whole = [k for k in kinds if isinstance(k, Type)]
            if any(k.is_opaque for k in whole) and (
                len(whole) < 2 or whole[0].dtype != whole[1].dtype or name != "exact"
            ):
                raise self.error(
                    "E426",
                    f"{name} compares {_words(kinds[0])} with {_words(kinds[1])}",
                    node,
                    "texts: ==, != or exact",
                )
            if len(whole) == 1:
                raise self.error(
                    "E424", f"{name} compares a whole array with a single number", node, "index both sides, or neither"
                )
            if len(whole) == 2:
                sizes = [[self.scope.dims.poly(d) for d in k.shape or ()] for k in whole]
                if sizes[0] != sizes[1]:
                    raise self.error("E424", f"{name} compares {whole[0]} with {whole[1]}", node)
            first, second = arguments
            if tree.form(first) == tree.form(second) and not any(isinstance(n, tree.Call) for n in tree.walk(first)):
                raise self.error("E435", f"{name} compares a value with itself", node, "compare what a kernel returned")
            truths = [(k.dtype if isinstance(k, Type) else k) == "bool" for k in kinds]
            if truths[0] != truths[1]:
                raise self.error("E426", f"{name} compares a truth value with a number", node, "wrap it: int(...)")
            return "bool"
        if name == "where":
            condition, first, second = arguments
            self.expect(self.scalar(condition), "bool", condition, "where")
            with Narrowed(self, condition, holds=True):
                chosen = self.kind(first)
            if isinstance(chosen, Type) and chosen.is_opaque:
                self.text(second, "where", chosen)
                return chosen
            a = self.single(chosen, first)
            with Narrowed(self, condition, holds=False):
                b = self.scalar(second)
            if (a == "bool") != (b == "bool"):
                raise self.error("E426", "the branches of where are a truth value and a number", node)
            return a if a == b else "real"
        kinds_ = [self.scalar(a) for a in arguments]
        function = FUNCTIONS[name]
        if name == "int" and kinds_[0] == "real":
            raise self.error(
                "E426",
                "int(...) turns a truth value into 0 or 1; this is a real number",
                arguments[0],
                "floor, ceil or round",
            )
        if name not in ("int", "real"):
            for kind, argument in zip(kinds_, arguments, strict=True):
                self.number(kind, argument)
        if function.result == "same":
            return "int" if all(k == "int" for k in kinds_) else "real"
        return function.result

    def text(self, node: tree.Node, what: str, wanted: Type | None = None) -> Type:
        kind = self.kind(node)
        if isinstance(kind, Type) and (kind == wanted if wanted else kind.dtype in ("text", "bytes")):
            return kind
        raise self.error("E426", f"{what} needs {wanted or 'a text'} here, found {kind}", node)

    def reduce(self, node: tree.Reduce) -> str:
        outer, narrowed, supposed = self.bound, self.narrowed, self.supposed
        self.bound = (*outer, *node.over)
        try:
            if node.where is not None:
                self.expect(self.scalar(node.where), "bool", node.where, "where=")
                self.supposed = (*supposed, (node.where, True))
            kind = self.scalar(node.body)
        finally:
            self.bound, self.narrowed, self.supposed = outer, narrowed, supposed
        if node.op in ("count", "all", "any"):
            self.expect(kind, "bool", node.body, node.op)
            return "int" if node.op == "count" else "bool"
        self.number(kind, node.body)
        if node.op in ("argmax", "argmin"):
            if len(node.over) != 1:
                raise self.error("E426", f"{node.op} runs over one index", node)
            return "int"
        return "real" if node.op == "mean" else kind

    def returns_rounded(self, node: tree.Call) -> bool:
        """Whether a call is one of a kernel that may differ from its definition by rounding."""
        defined = self.scope.defined is None or node.equation in self.scope.defined
        return defined and not node.spec and not self.scope.definition

    def is_rounded(self, node: tree.Node) -> bool:
        """Whether an expression compares real numbers of which some come from such a kernel."""
        for n in tree.walk(node):
            if isinstance(n, tree.Name | tree.Element):
                if (n.id if isinstance(n, tree.Name) else n.array) in self.scope.rounded:
                    return True
            elif isinstance(n, tree.Call) and self.returns_rounded(n) and self.kinds.get(id(n)) not in ("int", "bool"):
                return True
        return False

    def always(self, node: tree.Node) -> ContractError:
        return self.error(
            "E434",
            "numbers that a kernel computed are equal only within a bound: that they differ cannot be refuted",
            node,
            "`any[i](not exact(a[i], b[i]))`: some differ by a bit; `abs(a[i] - b[i]) > d`: they lie that far apart",
        )

    def call(self, node: tree.Call) -> tuple[Type, ...]:
        """Check a kernel call; the types of its outputs in the caller's dimensions."""
        signature = self.scope.equations.get(node.equation)
        if signature is None:
            hint = did_you_mean(node.equation, [*self.scope.equations, *FUNCTIONS])
            raise self.error("E428", f"unknown function or equation {node.equation!r}", node, hint)
        spec = node.spec or self.scope.definition
        if not spec and self.scope.kernels is not None and node.equation not in self.scope.kernels:
            raise self.error(
                "E428",
                f"{node.equation} belongs to another contract: it is not the kernel under test",
                node,
                f"spec.{node.equation}(...)",
            )
        if spec and self.scope.defined is not None and node.equation not in self.scope.defined:
            raise self.error(
                "E428",
                f"{node.equation} has no definition",
                node,
                "only equations with a `define` can be called as spec",
            )
        if len(node.arguments) != len(signature.inputs):
            raise self.error(
                "E427",
                f"{node.equation} takes {len(signature.inputs)} arguments, found {len(node.arguments)}",
                node,
                str(signature),
            )
        sizes: dict[str, str | int] = {}
        for argument, parameter in zip(node.arguments, signature.inputs, strict=True):
            self.argument(node, argument, parameter.name, parameter.type, sizes)
            self.varies(node, argument, signature)
        outputs = []
        for p in signature.outputs:
            shape = (
                None
                if p.type.shape is None
                else tuple(sizes.get(d, d) if isinstance(d, str) else d for d in p.type.shape)
            )
            for d in shape or ():
                if isinstance(d, str) and d.isidentifier() and d not in self.scope.dim_names:
                    raise self.error(
                        "E427",
                        f"the dimension {d} of {p.name}: {p.type} is unknown here",
                        node,
                        "it follows from no argument of the call",
                    )
            outputs.append(Type(p.type.dtype, shape))
        return tuple(outputs)

    def varies(self, node: tree.Call, argument: tree.Node, signature: Signature) -> None:
        """A call with a scalar that varies with an index is one call for each: its outputs must be single values."""
        indices = [n.id for n in tree.walk(argument) if isinstance(n, tree.Name) and n.id in self.bound]
        if indices and any(p.type.shape for p in signature.outputs):
            raise self.error(
                "E427",
                f"an argument of {node.equation} varies with {indices[0]}, but its outputs are whole arrays",
                argument,
            )

    def argument(
        self, node: tree.Call, argument: tree.Node, name: str, type_: Type, sizes: dict[str, str | int]
    ) -> None:
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
        wanted, found = _element_kind(type_), _element_kind(given)
        if len(type_.shape or ()) != len(given.shape or ()) or (wanted != found and (wanted, found) != ("real", "int")):
            raise self.error("E427", f"{node.equation} wants {name}: {type_}, found {given}", argument)
        for want, have in zip(type_.shape or (), given.shape or (), strict=True):
            if isinstance(want, int):
                agreed = self.scope.dims.poly(want) == self.scope.dims.poly(have)
            else:
                agreed = self.scope.dims.poly(sizes.setdefault(want, have)) == self.scope.dims.poly(have)
            if not agreed:
                raise self.error(
                    "E427",
                    f"{node.equation} wants {name}: {type_} with {want} = {sizes.get(str(want), want)}, found {given}",
                    argument,
                )

    # Index expressions

    def subscript(self, node: tree.Element, axis: int, dim: str | int, subscript: tree.Node) -> None:
        if isinstance(subscript, tree.Name) and subscript.id in self.bound:
            return  # by unification
        self.expect(self.scalar(subscript), "int", subscript, "an index")
        last = self.scope.dims.last(dim)
        if last is not None and self.fits(subscript, last):
            with Unconditionally(self):
                if not self.fits(subscript, last):
                    self.scope.guarded.add((node.array, node.place, axis))
            return
        low, high = self.interval(subscript)
        shown = (
            "nothing is known about its range"
            if low is None and high is None
            else f"it ranges over {low or '?'} .. {high or '?'}"
        )
        raise self.error(
            "E430",
            f"this index of {node.array} (axis {axis}, size {dim}) cannot be shown to fit 0 .. {dim} - 1: {shown}",
            subscript,
            "guard it with where(...), use % or clip(...), or state the bound under assume",
        )


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
