"""Everything a generated test imports.

Index notation (`grid`, `array`, `sum[i](...)`, `exp`, ...) from `runtime.functions`; inputs (`cases`, `given`);
claims (`claim`, `approx`, `exact`); and the actions of obligation types that are more than one formula.
"""

from __future__ import annotations

import builtins
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import hypothesis
import numpy as np
from hypothesis.strategies import SearchStrategy

from .inputs import Case, cases
from .lang.signature import parse_signature
from .model import DTYPES
from .runtime.bounded import Bounded
from .runtime.claims import Falsified, approx, claim, equal, exact, truth
from .runtime.functions import (
    abs,
    all,
    any,
    argmax,
    argmin,
    atan2,
    cast,
    ceil,
    clip,
    cos,
    count,
    dot,
    erf,
    exp,
    expm1,
    floor,
    int,
    isfinite,
    join,
    length,
    log,
    log1p,
    max,
    mean,
    min,
    occurrences,
    prod,
    ratio,
    real,
    round,
    round_to,
    rsqrt,
    sigmoid,
    sign,
    sin,
    sqrt,
    sum,
    tanh,
    where,
)
from .runtime.grid import array, grid, single
from .runtime.kernel import Definitions, Kernel, KernelFault, NotOffered, Received
from .runtime.session import Recorder, session

inf = math.inf

__all__ = [
    "abs", "all", "any", "approx", "argmax", "argmin", "array", "atan2", "cases", "cast", "ceil", "claim", "clip", "cos", "count",
    "defines", "definitions", "dot", "equal", "erf", "exact", "example", "exp", "expm1", "floor", "given", "gradient", "grid",
    "independent", "inf", "int", "isfinite", "join", "length", "log", "log1p", "max", "mean", "min", "obligation", "occurrences", "prod", "ratio", "real",
    "rejects", "round", "round_to", "rsqrt", "same_twice", "sigmoid", "sign", "sin", "single", "sqrt",
    "statistically", "sum", "supposing", "tanh", "truth", "uses_at_most", "where",
]  # fmt: skip


def defines(signature: str) -> Callable[[Any], Any]:
    """Marks a function as the definition of an equation with this signature."""

    def mark(function: Any) -> Any:
        function.signature = parse_signature(signature)
        return function

    return mark


def definitions(contract: str, *equations: Any) -> Definitions:
    """The equations of a contract: functions marked by `defines`, and signatures of equations without a definition."""
    functions: dict[str, Callable[..., Any]] = {}
    signatures = {}
    for equation in equations:
        signature = parse_signature(equation) if isinstance(equation, str) else equation.signature
        signatures[signature.name] = signature
        if not isinstance(equation, str):
            functions[signature.name] = equation
    return Definitions(contract, functions, signatures)


def given(*, case: SearchStrategy[Case]) -> Callable[[Callable[..., None]], Callable[[Kernel], None]]:
    """Hypothesis' `given`, under the profile of the run: it is read when the test runs, not when it is imported."""

    def wrap(test: Callable[..., None]) -> Callable[[Kernel], None]:
        def run(kernel: Kernel) -> None:
            session.settings()(hypothesis.given(case=case)(test))(kernel)

        run.__doc__ = test.__doc__
        run.__name__ = test.__name__
        return run

    return wrap


def supposing(*conditions: Callable[[Case], Any]) -> Callable[[Case], bool]:
    """Conditions over the arrays of a case. They hold for its values as drawn and as every dtype rounds them."""

    def hold(case: Case) -> bool:
        rounded = (case.received(dtype) for dtype in DTYPES)
        return builtins.all(bool(truth(condition(c)).value.all()) for c in rounded for condition in conditions)

    return hold


def obligation(identifier: str, *, type: str, equation: str = "", rule: str = "") -> Callable[..., Any]:
    """Marks a test as the test of an obligation: it is recorded, and a failure explains itself."""

    def wrap(test: Callable[..., None]) -> Callable[[Kernel], None]:
        words = " ".join((test.__doc__ or "").split())

        def run(kernel: Kernel) -> None:
            Recorder(kernel, identifier, equation, type, words).run(test)

        run.__doc__, run.__name__ = test.__doc__, test.__name__
        for name, value in (("obligation", identifier), ("equation", equation), ("rule", rule), ("kind", type)):
            setattr(run, name, value)
        return run

    return wrap


def example(specs: Mapping[str, str], **given_values: Any) -> Case:
    """A case with these concrete inputs."""
    from .lang.types import parse_type

    dims: dict[str, Any] = {}
    values: dict[str, Any] = {}
    kinds: dict[str, str] = {}
    for name, given_value in given_values.items():
        value: Any = given_value
        declared, _ = parse_type(specs[name])
        kinds[name] = declared.dtype
        if declared.is_array:
            kind = np.float64 if declared.is_floating else {"bool": bool, "u8": np.uint8}.get(declared.dtype, np.int64)
            value = np.array(value, dtype=kind)
            for d, n in zip(declared.shape or (), value.shape, strict=True):
                if isinstance(d, str):
                    dims.setdefault(d, builtins.int(n))
        elif declared.dtype == "real":
            value = float(value)
        values[name] = value
    return Case(dims=dims, values=values, kinds=kinds, recipes={n: "given" for n in values})


def gradient(spec: Definitions, equation: str, at: Mapping[str, Any], *, wrt: str, cotangents: Sequence[Any]) -> list[Bounded]:
    """The vector-Jacobian product of a definition, by torch autograd in float64."""
    from .runtime.traced import gradients

    found = gradients(spec.functions[equation], dict(at), wrt.split(), cotangents)
    return [Bounded(g) for g in found]


def same_twice(call: Callable[[], Any]) -> None:
    """Two runs on the same inputs give bitwise the same outputs."""
    first, second = (r if isinstance(r, tuple) else (r,) for r in (call(), call()))
    for a, b in zip(first, second, strict=True):
        claim(exact(a, b))


def rejects(kernel: Kernel, equation: str, arguments: Sequence[Any], error: type[Exception], mentions: Sequence[str] = ()) -> None:
    """The kernel refuses these inputs with this error, says why, and changes nothing."""
    try:
        kernel.run(equation, arguments, judged=False)
    except error as caught:
        missing = [m for m in mentions if m not in str(caught)]
        if missing:
            raise KernelFault("unclear error", f"the message {str(caught)!r} does not mention {', '.join(missing)}") from None
    except KernelFault:
        raise
    except Exception as other:
        raise KernelFault("wrong error", f"expected {error.__name__}, got {other.__class__.__name__}: {other}") from None
    else:
        raise KernelFault("no error", f"{equation} accepted inputs that it must reject with {error.__name__}")


def uses_at_most(limit: float, what: str, call: Callable[[], Any]) -> None:
    """Counts launches or allocations of the implementation's kernels during one call."""
    layer = sys.modules.get("albor_impl._triton")
    if layer is None:
        raise NotOffered(f"nothing here counts {what}: the kernel does not use the instrumented Triton layer")
    recorder = layer.record_launches if what == "launches" else layer.record_allocations
    with recorder() as log:
        call()
    if not log and what == "launches":
        raise NotOffered("no instrumented kernel was launched")
    used = builtins.sum(getattr(entry, "bytes", 0) for entry in log) if what == "bytes" else len(log)
    if used > limit:
        raise Falsified(f"{used} {what}, at most {limit:g} are allowed")


def independent(
    run: Callable[[Any], Any], value: Any, *, when: Any, output: Sequence[Any], input: Sequence[Any], case: Case
) -> None:
    """Changing input elements that must not matter leaves the output elements bitwise the same.

    `when` relates indices of the output to indices of the input. For one place of the indices they share a condition
    with, every input element the condition names is replaced at once.
    """
    from .runtime.truth import Truth

    condition = Truth.of(when).value
    rng = np.random.default_rng(case.stream)
    ndim = output[0].ndim
    sizes = [1] * ndim
    for index in (*output, *input):
        sizes[index.axis] = index.size
    condition = np.broadcast_to(condition, sizes)
    # Fix the place of every output axis that the input does not have; shared axes stay free.
    shared = {i.axis for i in input}
    chosen = {i.axis: builtins.int(rng.integers(i.size)) for i in output if i.axis not in shared}
    where_ = tuple(slice(chosen[k], chosen[k] + 1) if k in chosen else slice(None) for k in range(ndim))
    mask = np.broadcast_to(condition[where_], [1 if k in chosen else sizes[k] for k in range(ndim)])
    rest = tuple(k for k in range(ndim) if k not in shared)
    mask = mask.any(axis=rest, keepdims=True)
    order = [i.axis for i in input] + list(rest)
    mask = mask.transpose(order).reshape([i.size for i in input])
    plain = value.value if isinstance(value, Bounded) else np.asarray(value)
    # Both runs get the same layout, since NumPy's order of summation follows it. Replaced elements cannot be expanded.
    layout = getattr(value, "layout", "contiguous")
    layout = "contiguous" if layout == "expanded" else layout

    def laid(x: np.ndarray) -> Any:
        return Received(x, layout) if isinstance(value, Bounded) else x

    before = run(laid(plain))
    other = rng.permuted(plain.reshape(-1)).reshape(plain.shape) if plain.size > 1 else plain
    other = np.where(rng.random(plain.shape) < 0.5, other, -plain) if plain.dtype.kind == "f" else other
    changed = np.where(mask, other, plain)
    after = run(laid(changed))
    # Only those output elements for which every replaced element is one that must not matter.
    looked = tuple(chosen.get(i.axis, slice(None)) if i.axis not in shared else slice(None) for i in output)
    claim(exact(before[looked], after[looked]))


def statistically(
    *, statistic: Any, expect: Any, variance: Any, observations: Any, detects: Any, trials: int, false_alarm: float
) -> None:
    """A mean over observations lies where its law puts it, at a stated probability of a false alarm.

    z = (statistic - expect) / sqrt(variance / observations) is compared with the two-sided normal quantile of the
    false-alarm probability (shared over the trials), plus Bernstein's correction for few observations.
    """
    from statistics import NormalDist

    def number(x: Any) -> float:
        return float(np.asarray(x.value if isinstance(x, Bounded) else x).reshape(-1)[0])

    n, v = number(observations), number(variance)
    if n < 1:
        return
    quantile = NormalDist().inv_cdf(1 - false_alarm / (2 * trials))
    limit = quantile * math.sqrt(v / n) + quantile**2 / (3 * n)
    seen, wanted = number(statistic), number(expect)
    if builtins.abs(seen - wanted) > limit:
        raise Falsified(f"the statistic is {seen:.6g}, expected {wanted:.6g} +- {limit:.3g} over {n:g} observations (false alarms: {false_alarm:g})")
