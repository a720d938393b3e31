"""Obligation types that are actions: running twice, expecting an error, counting launches, replacing inputs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import hypothesis
import numpy as np

from .bounded import Bounded
from .claims import Falsified, claim, exact
from .grid import lay_out
from .kernel import Kernel, KernelFault, Missing, NotOffered, Received, Refused
from .truth import Truth


def same_twice(call: Callable[[], Any]) -> None:
    """Two runs on the same inputs give bitwise the same outputs."""
    first, second = (r if isinstance(r, tuple) else (r,) for r in (call(), call()))
    returned = [(a, b) for a, b in zip(first, second, strict=True) if not isinstance(a, Missing)]
    if not returned:
        raise NotOffered("the binding returns none of the outputs")
    for a, b in returned:
        claim(exact(a, b))


def rejects(
    kernel: Kernel, equation: str, arguments: Sequence[Any], error: type[Exception], mentions: Sequence[str] = ()
) -> None:
    """The kernel refuses these inputs with this error, says why, and changes nothing."""
    try:
        kernel.run(equation, arguments, judged=False)
    except Refused as refused:
        found = refused.error
        if not isinstance(found, error):
            raise KernelFault(
                "wrong error", f"expected {error.__name__}, got {type(found).__name__}: {found}"
            ) from None
        missing = [m for m in mentions if m not in str(found)]
        if missing:
            raise KernelFault(
                "unclear error", f"the message {str(found)!r} does not mention {', '.join(missing)}"
            ) from None
    else:
        raise KernelFault("no error", f"{equation} accepted inputs that it must reject with {error.__name__}")


def uses_at_most(limit: Any, what: str, call: Callable[[], Any]) -> None:
    """Counts launches, allocations or allocated bytes of the implementation's kernels during one call."""
    layer = sys.modules.get("albor_impl._triton")
    if layer is None:
        raise NotOffered(f"nothing here counts {what}: the kernel does not use the instrumented Triton layer")
    with layer.record_launches() as launches, layer.record_allocations() as allocations:
        call()
    if not launches:
        raise NotOffered("no instrumented kernel was launched")
    used = {"launches": len(launches), "allocations": len(allocations), "bytes": sum(a.nbytes for a in allocations)}[
        what
    ]
    most = float(np.asarray(limit))
    if used > most:
        raise Falsified(f"{used} {what}, at most {most:g} are allowed")


def independent(
    run: Callable[[Any], Any],
    value: Any,
    other: Any,
    *,
    when: Any,
    output: Sequence[Any],
    input: Sequence[Any],
    case: Any,
) -> None:
    """Input elements that must not matter are replaced; the output elements stay bitwise the same.

    `when` is a condition over indices of the output and of the input; an index that both have is the same place in
    both. One place of the output is chosen at random among those that some element must not matter for. All elements
    that must not matter for it are replaced by those of `other`, another array from the same domain; compared are the
    chosen element and all others that none of the replaced elements may matter for. A case in which nothing can be
    replaced is thrown away: it would show nothing.
    """
    rng = np.random.default_rng(case.stream)
    ndim = output[0].ndim
    condition = np.asarray(Truth.of(when).value)
    condition = condition.reshape((1,) * (ndim - condition.ndim) + condition.shape)
    outside = {i.axis: i.size for i in output}
    inside = {i.axis: i.size for i in input}
    free = tuple(axis for axis in inside if axis not in outside)
    places = np.argwhere(condition.any(axis=free, keepdims=True))
    if not len(places):
        hypothesis.reject()
    picked = places[rng.integers(len(places))]
    chosen = {
        axis: int(picked[axis] if condition.shape[axis] > 1 else rng.integers(size)) for axis, size in outside.items()
    }

    def at_chosen(axes: Sequence[int]) -> np.ndarray:
        """The condition where these axes are at the chosen place."""
        return condition[tuple(slice(picked[k], picked[k] + 1) if k in axes else slice(None) for k in range(ndim))]

    def only_chosen(sizes: dict[int, int], shared: dict[int, int]) -> np.ndarray:
        """True where the axes of `sizes` that are also in `shared` are at the chosen place."""
        grid = np.ones((1,) * ndim, dtype=bool)
        for axis in sizes.keys() & shared.keys():
            here = np.arange(sizes[axis]) == chosen[axis]
            grid = grid & here.reshape([-1 if k == axis else 1 for k in range(ndim)])
        return grid

    replaced = at_chosen(tuple(outside))
    mask = lay_out(replaced & only_chosen(inside, outside), tuple(inside.get(k, 1) for k in range(ndim)), tuple(inside))
    untouched = (at_chosen([k for k in outside if k in inside]) | ~replaced).all(axis=free, keepdims=True)
    look = lay_out(
        untouched & only_chosen(outside, inside), tuple(outside.get(k, 1) for k in range(ndim)), tuple(outside)
    )
    plain, fresh = _plain(value), _plain(other)
    changed = np.where(mask, fresh, plain)
    if changed.tobytes() == plain.tobytes():
        hypothesis.reject()
    # Both runs get the same layout, since the order of a summation may follow it; what was replaced is not expanded.
    layout = getattr(value, "layout", "contiguous")
    layout = "contiguous" if layout == "expanded" else layout

    def laid(x: np.ndarray) -> Any:
        return Received(x, layout) if isinstance(value, Bounded) else x

    before, after = _plain(run(laid(plain))), _plain(run(laid(changed)))
    claim(exact(before[look], after[look]))


def _plain(x: Any) -> np.ndarray:
    return np.asarray(x.value if isinstance(x, Bounded | Truth) else x)
