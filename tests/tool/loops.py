"""An interpreter of index notation with plain loops: slow, obvious, and written apart from the emitted Python."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from albor_contracts.lang import tree
from albor_contracts.lang.scope import Scope

FLOAT = np.float64
ONE_ARGUMENT = {
    "exp": np.exp, "expm1": np.expm1, "log": np.log, "log1p": np.log1p, "sqrt": np.sqrt, "sin": np.sin, "cos": np.cos,
    "tanh": np.tanh, "rsqrt": lambda x: 1 / np.sqrt(x), "sigmoid": lambda x: 1 / (1 + np.exp(-x)), "floor": np.floor,
    "ceil": np.ceil, "round": np.rint, "abs": abs, "sign": np.sign, "isfinite": np.isfinite, "real": FLOAT, "int": int,
}  # fmt: skip


class Loops:
    """Evaluates statements over `values` (arrays, scalars) for the sizes `dims`."""

    def __init__(self, scope: Scope, values: dict[str, Any], dims: dict[str, int]) -> None:
        self.scope, self.values, self.dims = scope, dict(values), dims

    def size(self, index: str) -> int:
        range_ = self.scope.indices[index].range
        return range_ if isinstance(range_, int) else self.dims[range_]

    def run(self, statements: tuple[tree.Statement, ...]) -> dict[str, Any]:
        for s in statements:
            (name,) = s.targets
            if s.indices is None:
                self.values[name] = self.at(s.value, {})
                continue
            sizes = [self.size(i) for i in s.indices]
            found = np.empty(sizes, dtype=object)
            for place in itertools.product(*map(range, sizes)):
                found[place] = self.at(s.value, dict(zip(s.indices, place, strict=True)))
            self.values[name] = found
        return self.values

    def at(self, node: tree.Node, env: dict[str, int]) -> Any:
        with np.errstate(all="ignore"):
            return self._at(node, env)

    def _at(self, node: tree.Node, env: dict[str, int]) -> Any:
        match node:
            case tree.Number(_, value):
                return value if isinstance(value, int) else FLOAT(value)
            case tree.Name(_, name):
                return env[name] if name in env else self.dims[name] if name in self.dims else self.values[name]
            case tree.Element(_, array, indices):
                place = tuple(int(self._at(i, env)) for i in indices)
                value = self.values[array]
                assert all(0 <= k < n for k, n in zip(place, value.shape, strict=True)), (
                    f"{array}{place} does not exist"
                )
                return value[place]
            case tree.Unary(_, op, operand):
                a = self._at(operand, env)
                return {"-": lambda: -a, "+": lambda: a, "~": lambda: ~int(a), "not": lambda: not a}[op]()
            case tree.Binary(_, op, left, right):
                return self.binary(op, self._at(left, env), self._at(right, env))
            case tree.Compare(_, op, left, right):
                a, b = self._at(left, env), self._at(right, env)
                return bool({"==": a == b, "!=": a != b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[op])
            case tree.Logic(_, "and", left, right):
                return self._at(left, env) and self._at(right, env)
            case tree.Logic(_, "or", left, right):
                return self._at(left, env) or self._at(right, env)
            case tree.Apply(_, "where", (condition, first, second)):
                return self._at(first if self._at(condition, env) else second, env)
            case tree.Apply(_, "clip", arguments):
                x, low, high = (self._at(a, env) for a in arguments)
                return max(min(x, high), low)
            case tree.Apply(_, "min" | "max" as name, arguments):
                return (min if name == "min" else max)(self._at(a, env) for a in arguments)
            case tree.Apply(_, name, (argument,)):
                return ONE_ARGUMENT[name](self._at(argument, env))
            case tree.Reduce():
                return self.reduce(node, env)
        raise AssertionError(node)

    @staticmethod
    def binary(op: str, a: Any, b: Any) -> Any:
        match op:
            case "/":
                return FLOAT(a) / FLOAT(b)
            case "**":
                return a**b if isinstance(a, int) and isinstance(b, int) and b >= 0 else FLOAT(a) ** FLOAT(b)
            case "//" | "%" | "&" | "|" | "^" | "<<" | ">>":
                x, y = int(a), int(b)
                return {
                    "//": lambda: x // y, "%": lambda: x % y, "&": lambda: x & y, "|": lambda: x | y,
                    "^": lambda: x ^ y, "<<": lambda: x << y, ">>": lambda: x >> y,
                }[op]()  # fmt: skip
        return {"+": a + b, "-": a - b, "*": a * b}[op]

    def reduce(self, node: tree.Reduce, env: dict[str, int]) -> Any:
        found = []
        for place in itertools.product(*(range(self.size(i)) for i in node.over)):
            inner = {**env, **dict(zip(node.over, place, strict=True))}
            if node.where is None or self._at(node.where, inner):
                found.append(self._at(node.body, inner))
        match node.op:
            case "sum":
                return sum(found)
            case "prod":
                return np.prod(found) if found else 1
            case "mean":
                return FLOAT(sum(found)) / FLOAT(len(found))
            case "max":
                return max(found, default=FLOAT(-np.inf))
            case "min":
                return min(found, default=FLOAT(np.inf))
            case "count":
                return sum(map(bool, found))
            case "all":
                return all(found)
            case "any":
                return any(found)
            case "argmax":
                return max(range(len(found)), key=lambda k: (found[k], -k))
            case "argmin":
                return min(range(len(found)), key=lambda k: (found[k], k))
        raise AssertionError(node.op)
