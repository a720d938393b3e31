"""Correct code: kernels made from the definitions, which accumulate in float32 in several ways."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..inputs.layouts import Presented
from ..lang.signature import Signature
from ..lang.types import Type
from ..runtime.bounded import Bounded
from ..runtime.definitions import Definitions
from ..runtime.dtypes import FORMATS, round_to
from ..runtime.kernel import NO_TYPES, Kernel
from ..runtime.rounded import Arithmetic, implementations, in_float64, overflowed
from ..runtime.target import Target
from ..runtime.truth import Truth
from ..runtime.values import Output

NUMPY = {"f64": np.float64, "f32": np.float32, "f16": np.float16, "bf16": np.float32}
DTYPES = ("f32", "bf16", "f16")
ORDERS = {
    "in pairs": Arithmetic("pairwise"),
    "one by one": Arithmetic("naive"),
    "reversed, casts": Arithmetic("reversed", casts=True),
    "blocks of 32, fused": Arithmetic("blocks of 32", fused=True),
    "blocks of 128, fast": Arithmetic("blocks of 128", fast=True),
    "blocks of 128, fused, fast, casts": Arithmetic("blocks of 128", fused=True, fast=True, casts=True),
}
ORDER_NAMES = tuple(ORDERS)


@dataclass
class Sample:
    """One call of correct code, kept to be made wrong."""

    arguments: tuple[Any, ...]
    stream: int
    computed: list[Any]  # outputs in the accumulation precision
    bounds: tuple[Any, ...]  # of the definition


class Trial(Kernel):
    """A kernel made of the honest implementations. Which of `ORDERS` computes a case is a property of the case."""

    def __init__(self, spec: Definitions, dtype: str, sampling: str = "", keep: int = 0) -> None:
        self.stream = 0
        self.counted = 0
        self.changed: dict[str, Any] = {}  # fields of the arithmetic that are made wrong
        self.cases: dict[str, int] = dict.fromkeys(ORDER_NAMES, 0)
        self.worst: dict[tuple[str, int, str], float] = {}  # equation, output, order -> largest error / bound
        self.sampling = sampling  # equation of which the first `keep` calls are kept
        self.keep = keep
        self.samples: list[Sample] = []
        self.latest: list[Any] = []
        self.evaluated: tuple[Any, ...] | None = None  # bounds of the last call
        self.functions = implementations(spec, self._arithmetic)
        targets = {name: Target(self._implementation(name), f"trial:{name}") for name in self.functions}
        super().__init__(spec.contract, "trial", "numpy", dtype, "cpu", targets, spec)

    def __repr__(self) -> str:
        # Without one of its own, Hypothesis prints the fields of a dataclass, and with them every array of the case.
        return f"trial-{self.dtype}"

    @property
    def order(self) -> str:
        """How the case at hand is computed."""
        return ORDER_NAMES[self.stream % len(ORDER_NAMES)]

    def form(self, equation: str, k: int) -> str:
        """The dtype of an output."""
        found = self._dtype_of(self.signatures[equation].outputs[k].type)
        return found if found in FORMATS else self.precision

    def _arithmetic(self) -> Arithmetic:
        return replace(ORDERS[self.order], precision=self.precision, dtype=self.dtype, **self.changed)

    def receives(self, case: Any, names: str, step: bool = False) -> Any:
        self.stream = case.stream
        if not step:
            self.counted += 1
            self.cases[self.order] += 1
        return super().receives(case, names, step)

    def computed(self, name: str, arguments: Any) -> list[Any]:
        """The outputs in the accumulation precision."""
        overflowed()
        outputs = list(self.functions[name](*arguments))
        if overflowed():
            # The formula leaves the range of float32 on the way; a careful implementation scales.
            with in_float64():
                outputs = list(self.functions[name](*arguments))
        return outputs

    def _implementation(self, name: str) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            self.latest = self.computed(name, arguments)
            made = tuple([self._stored(name, k, value) for k, value in enumerate(self.latest)])
            return made if len(made) != 1 else made[0]

        return run

    def _stored(self, name: str, k: int, value: Any) -> Any:
        """The output in its dtype."""
        type_ = self.signatures[name].outputs[k].type
        if not type_.is_array:
            kind = {"int": int, "bool": bool, "real": float}.get(type_.dtype)
            return value if kind is None else kind(np.asarray(value).reshape(()))
        if not type_.is_floating:
            kinds = {"bool": bool, "u8": np.uint8, "i64": np.int64, "i32": np.int32, "i8": np.int8}
            return np.asarray(value.value if isinstance(value, Truth) else value).astype(kinds[type_.dtype])
        form = self._dtype_of(type_)
        with np.errstate(all="ignore"):
            return round_to(value, form).astype(NUMPY[form])

    def _present(self, r: Any, type_: Type, name: str) -> Presented:
        # An implementation made here reads no memory that is not its own, in whatever layout the case asks for.
        return r.value if isinstance(r, Bounded | Truth) else np.asarray(r)  # type: ignore[return-value]

    def run(self, name: str, arguments: Any, judged: bool = True, types: Mapping[str, str] = NO_TYPES) -> Any:
        self.evaluated = None
        found = super().run(name, arguments, judged, types)
        outputs = found if isinstance(found, tuple) else (found,)
        for k, value in enumerate(outputs):
            if isinstance(value, Output) and self.signatures[name].outputs[k].type.is_floating:
                self._note(name, k, value)
        if self.evaluated is not None and self.sampling == name and len(self.samples) < self.keep:
            plain = tuple(a.value if isinstance(a, Bounded) else a for a in arguments)
            self.samples.append(Sample(plain, self.stream, list(self.latest), self.evaluated))
        return found

    def _bounds(self, signature: Signature, received: Any) -> tuple[Any, ...] | None:
        self.evaluated = super()._bounds(signature, received)
        return self.evaluated

    def _note(self, name: str, k: int, value: Output) -> None:
        """Compare a correct output with the definition, whatever the obligation is about."""
        error = value.error
        if self.evaluated is None:
            return
        expected = Bounded.of(self.evaluated[k])
        with np.errstate(all="ignore"):
            distance = np.abs(value.value - expected.value)
            # What is flushed to zero is off by its own size, which is all that its bound says.
            counts = (distance > 0) & (expected.magnitude >= FORMATS[self.form(name, k)].smallest_normal)
            share = np.where(counts, distance / error, 0.0)
        most = float(share.max(initial=0.0))
        if not np.isfinite(most):
            most = float(share[np.isfinite(share)].max(initial=0.0))
        key = (name, k, self.order)
        self.worst[key] = max(self.worst.get(key, 0.0), most)
