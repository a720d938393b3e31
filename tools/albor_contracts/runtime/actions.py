"""Obligation types that are actions: running twice, expecting an error, counting launches, refusing kernels,
replacing inputs."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import hypothesis
import numpy as np

from ..simulate import COUNTS, refusing, watching
from .bounded import Bounded
from .claims import Falsified, claim, exact
from .counted import forgetting
from .grid import lay_out
from .host_waits import watching_waits
from .kernel import NO_TYPES, Kernel
from .kernel_fault import KernelFault, Refused
from .missing import Missing, NotOffered
from .repeated import Repeated
from .target import line_of
from .truth import Truth
from .values import Received


def same_twice(call: Callable[[], Any]) -> None:
    """Two runs on the same inputs give bitwise the same outputs."""
    first = call()
    with Repeated.another_order():
        second = call()
    first, second = (r if isinstance(r, tuple) else (r,) for r in (first, second))
    returned = [(a, b) for a, b in zip(first, second, strict=True) if not isinstance(a, Missing)]
    if not returned:
        raise NotOffered("the binding returns none of the outputs")
    for a, b in returned:
        claim(exact(a, b))


_ANOTHER_CONVENTION = "; if these kernels refuse so on purpose, `deviates` in a binding file says it of this obligation"


def rejects(
    kernel: Kernel,
    equation: str,
    arguments: Sequence[Any],
    error: type[Exception],
    mentions: Sequence[str] = (),
    types: Mapping[str, str] = NO_TYPES,
) -> None:
    """The kernel refuses these inputs with this error, says why, and changes nothing. `types` has the elements of
    those inputs that are not what the equation wants."""
    try:
        kernel.run(equation, arguments, judged=False, types=types)
    except Refused as refused:
        found = refused.error
        if not isinstance(found, error):
            said = f": {refused}" if str(refused) else " without a message"
            where = line_of(found, kernel.targets[equation])
            words = f"expected {error.__name__}, got {type(found).__name__}{said}{where}"
            chosen = type(found).__module__ == "builtins"  # an access out of bounds is no convention
            raise KernelFault("wrong error", words + _ANOTHER_CONVENTION * chosen) from None
        missing = [m for m in mentions if not _mentioned(m, str(refused))]
        if missing:
            raise KernelFault(
                "unclear error", f"the message {str(refused)!r} does not mention {', '.join(missing)}"
            ) from None
    else:
        raise KernelFault("no error", f"{equation} accepted inputs that it must reject with {error.__name__}")


def _mentioned(words: str, message: str) -> bool:
    """A name of one or two letters counts as a word of its own, or of a longer name: `k` is no part of `token`, and is
    one of `top_k`, as this argument is called elsewhere."""
    short = words.isidentifier() and len(words) <= 2
    return re.search(rf"(?<![^\W_]){words}(?![^\W_])", message) is not None if short else words in message


def uses_at_most(limit: Any, what: str, call: Callable[[], Any]) -> None:
    """Counts what one call uses: on the simulated device everything in `simulate.COUNTS`, of the implementation's
    Triton kernels launches, allocations and allocated bytes, of PyTorch kernels the calls that make the host wait."""
    with (
        watching() as records,
        watching_waits() as waits,
        _instrumented() as (launches, allocations),
        forgetting(waits.found, launches, allocations),
    ):
        call()
    where: Sequence[str]
    if records:
        used = sum(r.count(what) for r in records)
        where = list(dict.fromkeys(str(e) for r in records for e in r.entries if e.kind in COUNTS[what]))
    elif what in ("synchronisations", "downloads"):  # of PyTorch they are the same calls
        if not waits.operators:
            raise NotOffered(f"nothing here counts {what}: no device program, and no operator of PyTorch")
        used, where = len(waits.found), list(dict.fromkeys(waits.found))
    elif what in ("launches", "allocations", "bytes"):
        if launches is None or allocations is None:
            raise NotOffered(f"nothing here counts {what}: the kernel does not use the instrumented Triton layer")
        if not launches:
            raise NotOffered("no instrumented kernel was launched")
        if what != "launches" and any(launch.mode == "plain" for launch in launches):
            raise NotOffered(f"nothing here counts {what} of a kernel outside the instrumented Triton layer")
        nbytes = sum(a.nbytes for a in allocations)
        used = {"launches": len(launches), "allocations": len(allocations), "bytes": nbytes}[what]
        where = ()
    else:
        raise NotOffered(f"nothing here counts {what}: the kernel is no program for the simulated device")
    most = float(np.asarray(limit))
    if used > most:
        told = f": {', '.join(where[:6])}{', ...' if len(where) > 6 else ''}" if where else ""
        raise Falsified(f"{used} {what}, at most {most:g} are allowed{told}")


@contextlib.contextmanager
def _instrumented() -> Iterator[tuple[list[Any] | None, list[Any] | None]]:
    """Launches and allocations of the implementation's Triton layer; None where it is not in use."""
    layer = sys.modules.get("albor_impl._triton")
    if layer is None:
        yield None, None
        return
    with layer.record_launches() as launches, layer.record_allocations() as allocations:
        yield launches, allocations


def no_fallback(call: Callable[[], Any]) -> None:
    """Each kernel that serves the call is refused in turn, and the call fails for it: nothing else takes its place.

    On the simulated device a kernel is also let fail in the queue, where the error comes with a later call.
    """
    with watching() as records, _instrumented() as (launches, _):
        call()
    if records:
        refusals = [(name, when, refusing(name, when)) for r in records for name in r.served() for when in _WHEN]
    elif launches:
        names = dict.fromkeys(launch.kernel for launch in launches)
        refusals = [(name, "launch", _launch_refused(name)) for name in names]
    else:
        raise NotOffered("no kernel of the simulated device or of the instrumented Triton layer was launched")
    for name, when, refused in refusals:
        with refused, watching() as after, _instrumented() as (others, _):
            try:
                call()
            except KernelFault as fault:
                if fault.kind not in ("raises", "device error"):
                    raise
                if name not in str(fault):
                    raise KernelFault(
                        "unclear error", f"kernel {name} was refused, and the error does not mention it: {fault}"
                    ) from None
                continue
        served = [s for r in after for s in r.served()] or [launch.kernel for launch in others or ()]
        by = f" by {', '.join(dict.fromkeys(served))}" if served else ""
        raise Falsified(
            f"kernel {name} {_WHEN[when]}, and the call was served all the same{by}: a silent fallback, or an error "
            "that was swallowed"
        )


_WHEN = {"launch": "was refused by the device", "run": "failed on the device"}


@contextlib.contextmanager
def _launch_refused(name: str) -> Iterator[None]:
    """Launches of this Triton kernel raise, as they do where it does not compile."""
    layer = sys.modules["albor_impl._triton"]
    original = layer.Kernel.run

    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.__name__ == name:
            raise RuntimeError(f"kernel {name}: no image of it for this device")
        return original(self, *args, **kwargs)

    layer.Kernel.run = run
    try:
        yield
    finally:
        layer.Kernel.run = original


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
    return np.asarray(x.value if isinstance(x, (Bounded, Truth)) else x)
