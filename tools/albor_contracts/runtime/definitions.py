"""The contract's definitions, evaluated: values in float64, or values with the bounds of a precision."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..lang.signature import Signature
from .bounded import Bounded, accumulating
from .dtypes import FORMATS, holds
from .each import one_by_one, varies
from .functions import carrying_bounds
from .quiet import quiet
from .truth import Truth
from .values import Output, counted, plain, wide


class Definitions:
    """The contract's definitions by name: `spec.rmsnorm(x, w, eps)` evaluates one in float64.

    With inputs that carry errors, the result carries the error that follows from them.
    """

    def __init__(
        self, contract: str, functions: Mapping[str, Callable[..., Any]], signatures: Mapping[str, Signature]
    ) -> None:
        self.contract = contract
        self.functions = dict(functions)
        self.signatures = dict(signatures)
        # Calls of the kernel in this case, with their bounds; the last tells that these are bounds in float64.
        self.recent: list[tuple[str, tuple[Any, ...], LazyBounds, bool]] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        try:
            function = self.functions[name]
        except KeyError:
            raise AttributeError(f"{self.contract} has no definition of {name!r}") from None

        signature = self.signatures[name]

        def call(*arguments: Any) -> Any:
            arguments = tuple(counted(a, p.type) for a, p in zip(arguments, signature.inputs, strict=True))
            if varies(signature, arguments):
                return one_by_one(signature, arguments, call)
            exact = all(_exact(a) for a in arguments)
            known = self._known(name, arguments, exact)
            if known is not None:
                return known
            if exact:
                with quiet:
                    return function(*(plain(a) for a in arguments))
            with carrying_bounds(), quiet:
                return function(*arguments)

        return call

    def _known(self, name: str, arguments: tuple[Any, ...], exact: bool) -> Any:
        """The outputs of a definition that was just evaluated with bounds on the very same inputs.

        Of exact inputs the values are wanted. Inexact ones carry their errors through a computation in float64: that
        is what the bounds of a float64 kernel are."""
        for other, given, lazy, in_float64 in self.recent:
            if (
                other == name
                and (exact or in_float64)
                and len(given) == len(arguments)
                and all(a is b for a, b in zip(given, arguments, strict=True))
            ):
                outputs = lazy.outputs()
                if outputs is None or not all(isinstance(o, Bounded) for o in outputs):
                    return None
                values = tuple(o.value if exact else o for o in outputs)
                return values if len(values) != 1 else values[0]
        return None

    def bounds(
        self, name: str, arguments: Sequence[Any], precision: str, under_test: str | None = None
    ) -> tuple[Any, ...]:
        """The outputs of a definition, with the errors of a careful computation in `precision`; where the definition
        says `cast`, it may round to the dtype `under_test`."""
        unit = FORMATS[precision].unit
        given: list[Any] = []
        for a in map(wide, arguments):
            if isinstance(a, float):
                # A kernel may hold a scalar in its own precision, where it may have to be rounded.
                given.append(Bounded(a, 0.0 if holds(a, precision) else unit * abs(a)))
            else:
                given.append(a)
        with accumulating(precision, under_test), carrying_bounds(), quiet:
            outputs = self.functions[name](*given)
        return outputs if isinstance(outputs, tuple) else (outputs,)


def _exact(a: Any) -> bool:
    if isinstance(a, Output):
        return False
    return not isinstance(a, Bounded) or (isinstance(a.error, float) and a.error == 0.0)


class LazyBounds:
    """The definition's bounds for one call, evaluated at most once."""

    def __init__(self, evaluate: Callable[[], tuple[Any, ...] | None]) -> None:
        self.evaluate = evaluate
        self.done = False
        self.result: tuple[Any, ...] | None = None

    def outputs(self) -> tuple[Any, ...] | None:
        if not self.done:
            self.result, self.done = self.evaluate(), True
        return self.result

    def unsure(self, k: int) -> Any:
        outputs = self.outputs()
        return False if outputs is None else Truth.of(outputs[k]).unsure
