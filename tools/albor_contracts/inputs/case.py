"""One set of inputs: the record that a generated test receives."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..lang.types import FLOATING
from .domains import FloatRegion
from .layouts import told
from .rounding import DTYPES, round_to

_SHOWN_IN_FULL = 32
_SHOWN_FIRST = 4


@dataclass(frozen=True, eq=False, repr=False)
class Case:
    """Dimensions and values of one case; `case.x` is `case.values["x"]`, `case.N` is `case.dims["N"]`.

    Floating arrays are float64, integer arrays int64 (bytes uint8), and read-only. `layouts` names how each array
    should lie in memory (`layouts.present`), `recipes` how it was made, `stream` from which random numbers.
    """

    dims: Mapping[str, int]
    values: Mapping[str, Any]
    layouts: Mapping[str, str] = field(default_factory=dict)
    recipes: Mapping[str, str] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    dtype: str = "f64"
    stream: int = 0
    regions: Mapping[str, FloatRegion] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("__"):
            for table in ("values", "dims"):
                if name in (entries := self.__dict__.get(table, {})):
                    return entries[name]
        raise AttributeError(f"no input or dimension {name!r}; there are {', '.join([*self.values, *self.dims])}")

    def received(self, dtype: str) -> Case:
        """The case as a kernel of this dtype receives it: arrays rounded to it, and back in their domains.

        `float` arrays take `dtype`; `accum` arrays f32 (f64 when `dtype` is f64); arrays of a fixed dtype and
        scalars stay as they are.
        """
        if dtype not in DTYPES:
            raise ValueError(f"unknown dtype {dtype!r}: expected one of {', '.join(DTYPES)}")
        if dtype == "f64":
            return self
        values = dict(self.values)
        for name, kind in self.kinds.items():
            if kind in ("float", "accum") and isinstance(x := values[name], np.ndarray):
                word = dtype if kind == "float" else "f32"
                region = self.regions.get(name)  # none for the concrete inputs of a falsification test
                values[name] = frozen(region.received(x, word) if region else round_to(x, word))
        return replace(self, values=values, dtype=dtype)

    def with_values(self, **changed: Any) -> Case:
        """The case with some inputs replaced: for laws that compare two calls."""
        if unknown := sorted(changed.keys() - self.values.keys()):
            raise ValueError(f"no input {unknown[0]!r}; there are {', '.join(self.values)}")
        return replace(self, values={**self.values, **changed})

    def rows(self, name: str) -> int:
        """Independent rows of an array: the product of all dimensions but the last."""
        return math.prod(np.shape(self.values[name])[:-1])

    def describe(self) -> str:
        """Several lines: every dimension and input with its shape, recipe, layout and first values."""
        lines = []
        if self.dims:
            lines.append("dims  " + ", ".join(f"{k} = {v}" for k, v in self.dims.items()))
        for name, value in self.values.items():
            lines.append(f"{name} = {self._shown(name, value, full=True)}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        parts = [f"{k}={v}" for k, v in self.dims.items()]
        parts += [f"{name}={self._shown(name, value)}" for name, value in self.values.items()]
        if any(isinstance(v, np.ndarray) and v.size > _SHOWN_IN_FULL for v in self.values.values()):
            parts.append(f"stream={self.stream}")
        return f"Case({', '.join(parts)})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What Hypothesis prints: not every element."""
        printer.text(repr(self))

    def _shown(self, name: str, value: Any, full: bool = False) -> str:
        if not isinstance(value, np.ndarray):
            return repr(value)
        layout = self.layouts.get(name, "contiguous")
        notes = [] if layout == "contiguous" else [told(value, layout)]
        if full or value.size > _SHOWN_IN_FULL:
            notes.insert(0, self.recipes.get(name, "given"))
        kind = self.kinds.get(name, str(value.dtype))
        if value.size <= _SHOWN_IN_FULL:
            text = _numbers(value.tolist())
        else:
            text = "[" + ", ".join(_number(v) for v in value.reshape(-1)[:_SHOWN_FIRST].tolist()) + ", ...]"
        note = f" ({', '.join(notes)})" if notes else ""
        head = f"{kind}[{', '.join(map(str, value.shape))}]"
        if value.size <= _SHOWN_IN_FULL and not full:
            return f"{text}{note}"
        return f"{head}{note} {text}"


def frozen(x: np.ndarray) -> np.ndarray:
    """A read-only array of its own memory; a case is shared by everything that checks it."""
    x = np.asarray(x)  # without axes, NumPy gives numbers, which are always read-only
    if not x.flags.owndata or not x.flags.c_contiguous:
        x = np.array(x)
    x.flags.writeable = False
    return x


def _numbers(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_numbers(v) for v in value) + "]"
    return _number(value)


def _number(value: Any) -> str:
    return f"{value:.17g}" if isinstance(value, float) and repr(value).endswith(".0") else repr(value)


RESERVED = frozenset(f for f in dir(Case) if not f.startswith("_")) | set(Case.__dataclass_fields__)
FLOAT_KINDS = frozenset(FLOATING)
