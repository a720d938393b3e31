"""Everything a generated test imports.

Index notation (`grid`, `array`, `sum[i](...)`, `exp`, ...) from `runtime.functions`; inputs (`cases`, `given`);
claims (`claim`, `approx`, `exact`); and the actions of obligation types that are more than one formula.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import hypothesis
import numpy as np
from hypothesis.stateful import initialize, rule
from hypothesis.strategies import SearchStrategy
from hypothesis.strategies import data as drawing

from .inputs import Case, cases
from .inputs.profiles import fixed
from .inputs.strategy import Cases
from .lang.signature import parse_signature
from .model import DTYPES
from .runtime.actions import independent, no_fallback, rejects, same_twice, uses_at_most
from .runtime.bounded import LAMBDA, Bounded
from .runtime.claims import approx, claim, equal, exact, truth
from .runtime.definitions import Definitions
from .runtime.dtypes import FORMATS
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
    log,
    log1p,
    max,
    mean,
    min,
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
    take,
    tanh,
    where,
    whole,
    within,
)
from .runtime.grid import array, grid, single
from .runtime.kernel import Kernel
from .runtime.missing import NotOffered
from .runtime.no_case import said_of_the_law
from .runtime.session import Recorder, session
from .runtime.statistics import statistically
from .runtime.steps import Steps, run_steps
from .runtime.texts import join, length, occurrences

inf = math.inf

__all__ = [
    "Steps", "abs", "all", "any", "approx", "argmax", "argmin", "array", "atan2", "cases", "cast", "ceil", "claim",
    "clip", "cos", "count", "defines", "definitions", "dot", "drawing", "equal", "erf", "exact", "example", "exp",
    "expm1", "floor", "given", "gradient", "grid", "independent", "inf", "initialize", "int", "isfinite", "join",
    "length", "log", "log1p", "max", "mean", "min", "no_fallback", "obligation", "occurrences", "prod", "ratio", "real",
    "rejects", "round", "round_to", "rsqrt", "rule", "run_steps", "same_twice", "sigmoid", "sign", "sin", "single",
    "sqrt", "statistically", "sum", "supposing", "take", "tanh", "truth", "uses_at_most", "where", "whole", "within",
]  # fmt: skip


def defines(signature: str, on_device: str = "") -> Callable[[Any], Any]:
    """Marks a function as the definition of an equation with this signature; `on_device` names its arrays there."""

    def mark(function: Any) -> Any:
        function.signature = replace(parse_signature(signature), on_device=frozenset(on_device.split()))
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
        def once(kernel: Kernel, case: Case) -> None:
            session.again = partial(test, kernel)
            try:
                test(kernel, case)
            except hypothesis.errors.UnsatisfiedAssumption:
                if kernel.on_reject is not None:
                    kernel.on_reject()
                raise

        once.__name__, once.__qualname__, once.__module__ = test.__name__, test.__qualname__, test.__module__

        def run(kernel: Kernel) -> None:
            drawn = _of_sizes(case, kernel)
            if session.draw is not None:
                session.draw(drawn, partial(once, kernel))
                return
            settings = session.settings()
            session.cases = settings.max_examples
            with said_of_the_law():
                fixed(settings, test.__name__, hypothesis.given(case=drawn)(once))(kernel)

        run.__doc__ = test.__doc__
        run.__name__ = test.__name__
        return run

    return wrap


def _of_sizes(case: SearchStrategy[Case], kernel: Kernel) -> SearchStrategy[Case]:
    """The cases that a kernel takes which is limited to some sizes."""
    if not kernel.sizes or not isinstance(case, Cases):
        return case
    chosen = case.within(kernel.sizes)
    if chosen is None:
        sizes = ", ".join(f"{name} of {taken}" for name, taken in kernel.sizes.items())
        raise NotOffered(f"it is about other sizes than those that {kernel.binding} takes: {sizes}")
    return chosen


def supposing(*conditions: Callable[[Case], Any]) -> Callable[[Case], bool]:
    """Conditions over the arrays of a case. They hold for its values as drawn and as every dtype rounds them."""

    def hold(case: Case) -> bool:
        rounded = (case.received(dtype) for dtype in DTYPES)
        return builtins.all(bool(truth(condition(c)).value.all()) for c in rounded for condition in conditions)

    return hold


def obligation(
    identifier: str, *, type: str, equation: str = "", rule: str = "", cost: builtins.int = 1
) -> Callable[..., Any]:
    """Marks a test as the test of an obligation: it is recorded, and a failure explains itself.

    A case that costs as much as `cost` ordinary ones is tried so many times less often, at least once.
    """

    def wrap(test: Callable[..., None]) -> Callable[[Kernel], None]:
        words = " ".join((test.__doc__ or "").split())

        def fewer(kernel: Kernel) -> None:
            saved, usual = session.override, session.settings()
            cases = builtins.max(1, usual.max_examples // cost)
            session.override = hypothesis.settings(usual, max_examples=cases)
            try:
                test(kernel)
            finally:
                session.override = saved

        def run(kernel: Kernel) -> None:
            Recorder(kernel, identifier, equation, type, words).run(test if cost == 1 else fewer)

        run.__doc__, run.__name__ = test.__doc__, test.__name__
        for name, value in (("obligation", identifier), ("equation", equation), ("rule", rule), ("kind", type)):
            setattr(run, name, value)
        return run

    return wrap


def example(specs: Mapping[str, str], dims: Mapping[str, Any] | None = None, **given_values: Any) -> Case:
    """A case with these concrete inputs. `dims` holds the sizes that no shape shows."""
    from .lang.types import parse_type

    dims = dict(dims or {})
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
    return Case(dims=dims, values=values, kinds=kinds, recipes=dict.fromkeys(values, "given"))


def gradient(
    spec: Definitions, equation: str, at: Mapping[str, Any], *, wrt: str, cotangents: Sequence[Any]
) -> list[Bounded]:
    """The vector-Jacobian product of a definition, by torch autograd in float64.

    Autograd rounds too: terms that cancel exactly, such as those that reach a subtracted maximum, leave a remainder.
    Its error is bounded normwise, 8 sqrt(n) u of the largest number that is propagated, with n inputs and float64's u.
    Next to the bound of a kernel of any other dtype that is nothing.
    """
    from .runtime.traced import gradients

    found = gradients(spec.functions[equation], dict(at), wrt.split(), cotangents)
    inputs = [np.asarray(_value_of(a)) for a in at.values()]
    given = [np.asarray(_value_of(c), dtype=np.float64) for c in cotangents if c is not None]
    largest = builtins.max((float(np.max(np.abs(x), initial=0.0)) for x in (*given, *found)), default=0.0)
    noise = LAMBDA * math.sqrt(builtins.sum(x.size for x in inputs)) * FORMATS["f64"].unit * largest
    return [Bounded(g, np.full(g.shape, noise)) for g in found]


def _value_of(x: Any) -> Any:
    return x.value if isinstance(x, Bounded) else x
