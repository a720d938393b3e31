"""torch float64 tensors on an open grid: the definition, differentiable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from . import bounded, dtypes
from .truth import Truth


def _tensor(x: Any) -> Any:
    if isinstance(x, Traced):
        return x.value
    if isinstance(x, Truth):
        return torch.as_tensor(np.asarray(x.value))
    if isinstance(x, np.ndarray):
        return torch.as_tensor(np.array(x))
    return x


class Traced:
    """A tensor that follows the indexing and arithmetic of index notation."""

    __array_ufunc__ = None
    __slots__ = ("value",)

    def __init__(self, value: torch.Tensor) -> None:
        self.value = value

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.value.shape)

    @property
    def ndim(self) -> int:
        return self.value.ndim

    def __getitem__(self, where: Any) -> Traced:
        order, shape = bounded.whole_axes(where, tuple(self.value.shape))
        if shape is not None:
            return Traced((self.value if order is None else self.value.permute(order)).reshape(shape))
        parts = where if isinstance(where, tuple) else (where,)
        return Traced(self.value[tuple(torch.as_tensor(np.array(_plain(p))) for p in parts)])

    def laid_out(self, full: tuple[int, ...], order: tuple[int, ...]) -> Traced:
        rest = tuple(k for k in range(len(full)) if k not in order)
        return Traced(self.value.broadcast_to(full).permute(order + rest).reshape([full[k] for k in order]))

    def reshape(self, *shape: int) -> Traced:
        return Traced(self.value.reshape(shape))

    def __neg__(self) -> Traced:
        return Traced(-self.value)

    def __pos__(self) -> Traced:
        return self

    def __abs__(self) -> Traced:
        return Traced(self.value.abs())

    def __add__(self, other: Any) -> Traced:
        return Traced(self.value + _tensor(other))

    __radd__ = __add__

    def __sub__(self, other: Any) -> Traced:
        return Traced(self.value - _tensor(other))

    def __rsub__(self, other: Any) -> Traced:
        return Traced(_tensor(other) - self.value)

    def __mul__(self, other: Any) -> Traced:
        return Traced(self.value * _tensor(other))

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Traced:
        return Traced(self.value / _tensor(other))

    def __rtruediv__(self, other: Any) -> Traced:
        return Traced(_tensor(other) / self.value)

    def __pow__(self, other: Any) -> Traced:
        return Traced(self.value ** _tensor(other))

    def __rpow__(self, other: Any) -> Traced:
        return Traced(_tensor(other) ** self.value)

    def _decided(self, other: Any, relation: Any) -> np.ndarray:
        o = other.value.detach().numpy() if isinstance(other, Traced) else np.asarray(other)
        return relation(self.value.detach().numpy(), o)

    def __lt__(self, other: Any) -> np.ndarray:
        return self._decided(other, np.less)

    def __le__(self, other: Any) -> np.ndarray:
        return self._decided(other, np.less_equal)

    def __gt__(self, other: Any) -> np.ndarray:
        return self._decided(other, np.greater)

    def __ge__(self, other: Any) -> np.ndarray:
        return self._decided(other, np.greater_equal)

    def __eq__(self, other: object) -> np.ndarray:  # type: ignore[override]
        return self._decided(other, np.equal)

    def __ne__(self, other: object) -> np.ndarray:  # type: ignore[override]
        return self._decided(other, np.not_equal)

    __hash__ = None  # type: ignore[assignment]


def _plain(x: Any) -> np.ndarray:
    if isinstance(x, Traced):
        return x.value.detach().numpy().astype(np.int64)
    return np.asarray(x)


def apply(name: str, *arguments: Any) -> Traced:
    """A function of the closed list."""
    values = [torch.as_tensor(_tensor(a), dtype=torch.float64) for a in arguments]
    match name:
        case "min":
            return Traced(_fold(torch.minimum, values))
        case "max":
            return Traced(_fold(torch.maximum, values))
        case "atan2":
            return Traced(torch.atan2(values[0], values[1]))
        case "clip":
            return Traced(torch.maximum(torch.minimum(values[0], values[2]), values[1]))
    table: dict[str, Any] = {
        "abs": torch.abs, "exp": torch.exp, "expm1": torch.expm1, "log": torch.log, "log1p": torch.log1p,
        "sqrt": torch.sqrt, "rsqrt": torch.rsqrt, "sin": torch.sin, "cos": torch.cos, "tanh": torch.tanh,
        "erf": torch.erf, "sigmoid": torch.sigmoid, "sign": torch.sign, "floor": torch.floor, "ceil": torch.ceil,
        "round": torch.round, "real": lambda x: x, "int": lambda x: x,
    }  # fmt: skip
    return Traced(table[name](values[0]))


def _fold(function: Any, values: Sequence[torch.Tensor]) -> torch.Tensor:
    result = values[0]
    for v in values[1:]:
        result = function(result, v)
    return result


def where(condition: Any, first: Any, second: Any) -> Traced:
    c = torch.as_tensor(np.array(Truth.of(condition).value))
    a, b = (torch.as_tensor(_tensor(v), dtype=torch.float64) for v in (first, second))
    return Traced(torch.where(c, a, b))


def rounded(a: Traced, dtype: str) -> Traced:
    """A declared rounding, whose derivative is that of the identity."""
    exact = a.value.detach()
    moved = torch.as_tensor(dtypes.round_to(exact.numpy(), dtype)) - exact
    return Traced(a.value + moved)


def reduce(op: str, a: Traced, axes: tuple[int, ...], mask: Any) -> Any:
    value = a.value
    if op in ("argmax", "argmin"):
        # A decision: what follows from it is differentiated at the place it chose.
        found = bounded.arg_largest if op == "argmax" else bounded.arg_smallest
        return found(bounded.Bounded(value.detach().numpy()), axes, mask).value.astype(np.int64)
    if mask is not None:
        m = torch.as_tensor(np.array(Truth.of(mask).value))
        value, m = torch.broadcast_tensors(value, m)
        neutral = {"sum": 0.0, "mean": 0.0, "prod": 1.0, "max": -np.inf, "min": np.inf}[op]
        value = torch.where(m, value, torch.tensor(neutral, dtype=torch.float64))
        if op == "mean":
            return Traced(value.sum(dim=axes, keepdim=True) / m.sum(dim=axes, keepdim=True))
    match op:
        case "sum":
            return Traced(value.sum(dim=axes, keepdim=True))
        case "mean":
            return Traced(value.mean(dim=axes, keepdim=True))
        case "prod":
            for axis in axes:
                value = value.prod(dim=axis, keepdim=True)
            return Traced(value)
        case "max":
            return Traced(value.amax(dim=axes, keepdim=True))
        case "min":
            return Traced(value.amin(dim=axes, keepdim=True))
    raise TypeError(f"{op} has no derivative")


def dot(factors: Sequence[Any], axes: tuple[int, ...]) -> Traced:
    values = [torch.as_tensor(_tensor(f), dtype=torch.float64) for f in factors]
    return Traced(bounded.sum_of_products(values, axes, torch.einsum))


def gradients(
    function: Any, arguments: dict[str, Any], wrt: Sequence[str], cotangents: Sequence[Any]
) -> list[np.ndarray]:
    """Vector-Jacobian product of a definition by autograd in float64.

    `cotangents` has one entry for each output of the function: an array, a number, or None for "not used".
    """
    traced: dict[str, Any] = {}
    leaves = []
    for name, value in arguments.items():
        plain = value.value if isinstance(value, bounded.Bounded) else value
        if name in wrt:
            leaf = torch.tensor(np.array(plain, dtype=np.float64), requires_grad=True)
            leaves.append(leaf)
            traced[name] = Traced(leaf)
        elif isinstance(plain, np.ndarray) and plain.dtype.kind == "f":
            traced[name] = Traced(torch.tensor(np.array(plain)))
        else:
            traced[name] = plain
    outputs = function(**traced)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    total: Any = torch.zeros((), dtype=torch.float64)
    for output, cotangent in zip(outputs, cotangents, strict=True):
        if cotangent is not None and isinstance(output, Traced):
            weight = cotangent.value if isinstance(cotangent, bounded.Bounded) else cotangent
            total = total + (output.value * torch.as_tensor(np.array(weight, dtype=np.float64))).sum()
    if not total.requires_grad:
        return [np.zeros(tuple(leaf.shape)) for leaf in leaves]
    found = torch.autograd.grad(total, leaves, allow_unused=True)
    return [np.zeros(tuple(leaf.shape)) if g is None else g.numpy() for g, leaf in zip(found, leaves, strict=True)]
