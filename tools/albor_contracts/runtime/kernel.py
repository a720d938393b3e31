"""The kernel under test: called with values, judged on structure, answered with its derived tolerance.

`kernel.rmsnorm(x, w, eps)` presents the inputs in the layout of the case, runs the bound callable on buffers that
are poisoned, checks what came back (type, shape, dtype, device, inputs unchanged), and returns each output as a
`Bounded`: what the kernel computed, with

    u_out |y*| + e + smallest subnormal

as its error, where y* and e are value and bound of the definition on the inputs as the kernel received them. The
bound is computed only when something asks for it.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np

from ..errors import from_here, said
from ..inputs.layouts import NUMPY, Presented, present
from ..lang.signature import Signature
from ..lang.types import Type
from .bounded import Bounded, accumulating, all_finite
from .claims import not_judged
from .deviation import Deviation
from .device import DeviceLost, check_device
from .dtypes import ACCUMULATES_IN, FORMATS, holds, round_to
from .each import one_by_one, varies
from .elsewhere import Asked, RaisedElsewhere
from .functions import carrying_bounds
from .host_waits import counting_waits
from .missing import Missing, NotOffered
from .poison import poisoned
from .quiet import quiet
from .repeated import Repeated, difference, kept, other_values
from .shared_state import left_alone
from .truth import Truth

# What a single value of each type may be in Python.
SINGLE: dict[str, Any] = {
    "int": (int, np.integer),
    "bool": (bool, np.bool_),
    "real": (float, int, np.floating, np.integer),
}
MANY = 6  # outputs of which a message tells what they are
NO_TYPES: Mapping[str, str] = MappingProxyType({})
_NOT_WATCHED = contextlib.nullcontext()
# Whatever else a call raises is the kernel's own, what is no Exception included: who skips a test judges itself.
NOT_ITS_OWN = (KeyboardInterrupt, DeviceLost)
OPAQUE: dict[str, type] = {"text": str, "bytes": bytes, "nothing": type(None)}


class KernelFault(AssertionError):
    """The kernel raised, or returned something of the wrong structure. `kind` says which."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class InputNotMade(Exception):
    """The kernel was not called: an input cannot be had on this device or in this dtype. That is not its failure."""


class Refused(Exception):
    """The kernel raised where a rejection is expected. `error` is what it raised."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(said(error))
        self.error = error


class Received(Bounded):
    """An input exactly as the kernel gets it, with the layout it is presented in."""

    __slots__ = ("layout",)

    def __init__(self, value: Any, layout: str = "contiguous") -> None:
        super().__init__(value)
        self.layout = layout


class Whole(np.ndarray):
    """An input of whole numbers or truth values, with the layout it is presented in. What is made of it is plain."""

    layout: str

    def __array_finalize__(self, obj: object) -> None:
        self.layout = "contiguous"

    def __array_wrap__(self, array: np.ndarray, context: Any = None, return_scalar: bool = False) -> Any:
        return np.asarray(array)


class Output(Bounded):
    """A kernel's output. Its error bound is derived when it is first needed."""

    __slots__ = ("_derive", "made_by", "name")

    def __init__(self, value: Any, derive: Callable[[], Any], name: str, made_by: str) -> None:
        super().__init__(value)
        del self.error  # until it is looked for
        self._derive = derive
        self.name, self.made_by = name, made_by  # the equation's output, and the equation

    def __getattr__(self, name: str) -> Any:
        if name != "error":
            raise AttributeError(f"an output has no attribute {name!r}")
        self.error = self._derive()
        return self.error


class OutputTruth(Truth):
    """A kernel's truth values; undecided where the definition is."""

    __slots__ = ("_derive", "_unsure")

    def __init__(self, value: np.ndarray, derive: Callable[[], Any]) -> None:
        self._unsure: Any = None
        self._derive = derive
        super().__init__(value, None)  # type: ignore[arg-type]

    @property
    def unsure(self) -> Any:  # type: ignore[override]
        if self._unsure is None:
            self._unsure = self._derive()
        return self._unsure

    @unsure.setter
    def unsure(self, value: Any) -> None:
        self._unsure = value


@dataclass(frozen=True)
class Target:
    """A callable and how to call it: `arguments` maps each of its parameters (or positions) to a function of the
    equation's inputs and dims; None passes the inputs as they are."""

    call: Callable[..., Any]
    name: str
    arguments: Mapping[str | int, Callable[[Mapping[str, Any]], Any]] | None = None
    returns: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ()

    def place(self) -> str:
        """file:line of the callable's source; empty for what has none, such as functions of a library in C."""
        found: Any = inspect.unwrap(self.call)
        if inspect.ismethod(found) and found.__name__ == "apply" and hasattr(found.__self__, "forward"):
            found = found.__self__.forward  # of a torch.autograd.Function
        code = getattr(found, "__code__", None) or getattr(type(found).__call__, "__code__", None)
        if code is None or code.co_filename.startswith("<"):
            return ""
        return f"{from_here(code.co_filename)}:{code.co_firstlineno}"


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
        self.recent: list[tuple[str, tuple[Any, ...], _Lazy, bool]] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        try:
            function = self.functions[name]
        except KeyError:
            raise AttributeError(f"{self.contract} has no definition of {name!r}") from None

        signature = self.signatures[name]

        def call(*arguments: Any) -> Any:
            arguments = tuple(_counted(a, p.type) for a, p in zip(arguments, signature.inputs, strict=True))
            if varies(signature, arguments):
                return one_by_one(signature, arguments, call)
            exact = all(_exact(a) for a in arguments)
            known = self._known(name, arguments, exact)
            if known is not None:
                return known
            if exact:
                with quiet:
                    return function(*(_plain(a) for a in arguments))
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
        for a in map(_wide, arguments):
            if isinstance(a, float):
                # A kernel may hold a scalar in its own precision, where it may have to be rounded.
                given.append(Bounded(a, 0.0 if holds(a, precision) else unit * abs(a)))
            else:
                given.append(a)
        with accumulating(precision, under_test), carrying_bounds(), quiet:
            outputs = self.functions[name](*given)
        return outputs if isinstance(outputs, tuple) else (outputs,)


def _wide(a: Any) -> Any:
    """Whole numbers of a contract have no largest value: arrays of bytes are computed with as int64."""
    return a.astype(np.int64, copy=False) if isinstance(a, np.ndarray) and a.dtype.kind in "iu" else a


def _counted(a: Any, type_: Type) -> Any:
    """Whole numbers that a kernel returned, as such: a definition may take bits from them, or use them as indices."""
    if (
        type_.is_array
        and not type_.is_floating
        and type_.dtype != "bool"
        and isinstance(a, Bounded)
        and not np.any(a.error)
    ):
        return a.value.astype(np.int64)
    return _wide(a)


def _exact(a: Any) -> bool:
    if isinstance(a, Output):
        return False
    return not isinstance(a, Bounded) or (isinstance(a.error, float) and a.error == 0.0)


def _plain(a: Any) -> Any:
    return a.value if isinstance(a, (Bounded, Truth)) else a


@dataclass
class Kernel:
    """One binding of one contract, at one dtype on one device."""

    contract: str
    binding: str
    framework: str
    dtype: str
    device: str
    targets: Mapping[str, Target]
    spec: Definitions
    deviates: Mapping[str, str] = field(default_factory=dict)  # obligation -> the documented convention that differs
    calls: int = 0
    called: str = ""  # the equation whose kernel was called last
    log: list[tuple[str, Mapping[str, Any], tuple[Any, ...]]] = field(default_factory=list)
    on_case: Callable[[Any], None] | None = None
    on_step: Callable[[Any], None] | None = None
    on_reject: Callable[[], None] | None = None
    deviation: Deviation | None = None  # where it is to be noted
    simulated: bool = False  # equations with arrays on the device are programs for the simulated one
    repeated: Repeated | None = None  # where it is there, every call is made twice
    asked: Asked | None = None  # where it is there, the first calls are made in another process, too
    watched: bool = False  # whether calls must leave generators and settings of the process as they were

    @property
    def signatures(self) -> Mapping[str, Signature]:
        return self.spec.signatures

    def __repr__(self) -> str:
        return f"{self.binding}-{self.dtype}" + ("" if self.device == "cpu" else f"-{self.device}")

    @property
    def precision(self) -> str:
        """The dtype this kernel accumulates in."""
        return ACCUMULATES_IN[self.dtype]

    def receives(self, case: Any, names: str, step: bool = False) -> Any:
        """The named inputs of a case, rounded to the dtype under test: `x, w, eps = kernel.receives(case, "x w eps")`.

        `step` marks inputs of a later step of a run, which is one case as a whole."""
        received = case.received(self.dtype)
        told = self.on_step if step else self.on_case
        if told is not None:
            told(received)
        self.log.clear()
        self.spec.recent.clear()
        self.calls = received.stream  # which poison a call gets is a property of the case, not of the history
        values = []
        for name in names.split():
            value = received.values[name]
            layout = received.layouts.get(name, "contiguous")
            if isinstance(value, np.ndarray) and value.dtype.kind == "f":
                values.append(Received(value, layout))
            elif isinstance(value, np.ndarray):
                values.append(_wide(value).view(Whole))
                values[-1].layout = layout
            else:
                values.append(value)
        return values[0] if len(values) == 1 else values

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_") or name not in self.signatures:
            raise AttributeError(name)
        return lambda *arguments: self.run(name, arguments)

    def run(self, name: str, arguments: Sequence[Any], judged: bool = True, types: Mapping[str, str] = NO_TYPES) -> Any:
        """Call an equation's kernel. `judged=False` returns nothing, and what the kernel raises comes as `Refused`.
        Arrays whose names are in `types` are passed with those elements instead of the equation's."""
        self.called = name
        try:
            return self._run(name, arguments, judged, types)
        except Exception:
            check_device(self.device)  # whatever was raised, a device that is lost is what matters
            raise

    def _run(self, name: str, arguments: Sequence[Any], judged: bool, types: Mapping[str, str]) -> Any:
        signature = self.signatures[name]
        if types:
            signature = signature.with_elements(types)
        target = self.targets.get(name)
        if target is None:
            return _not_offered(signature, f"{self.binding} has no kernel for {name}", judged)
        if target.dtypes and self.dtype not in target.dtypes:
            reason = f"{self.binding} offers {name} in {', '.join(target.dtypes)} only"
            return _not_offered(signature, reason, judged)
        if judged and varies(signature, arguments):
            return one_by_one(signature, arguments, self._of_single_values(target, signature))
        received = [self._received(a, p.type) for a, p in zip(arguments, signature.inputs, strict=True)]
        presented = [
            self._present(r, p.type, p.name)
            if p.type.is_array and (p.type.shape or isinstance(r, (np.ndarray, Bounded)))
            else _plain(r)
            for r, p in zip(received, signature.inputs, strict=True)
        ]
        raw = [p.view if isinstance(p, Presented) else p for p in presented]
        self.calls += 1
        try:
            with self._watched(target):
                outputs = self._call(target, signature, raw, judged)
        except Refused:
            self._unchanged(signature, presented)
            raise
        except NotOffered as why:
            return _not_offered(signature, str(why), judged)
        if not judged:
            self._unchanged(signature, presented)
            return None
        bounds = _Lazy(lambda: self._bounds(signature, received))
        if signature.only_floats:
            self.spec.recent.append((name, tuple(arguments), bounds, self.dtype == "f64"))
        values = self._outputs(target, signature, outputs, received, bounds)
        self._unchanged(signature, presented)
        if self.repeated is not None:
            self._repeat(self.repeated, target, signature, raw, outputs, values, received)
        if self.asked is not None and self.asked.takes(signature, target.name, target.call, raw):
            self._ask(self.asked, target, signature, raw, values, received)
        self.log.append((name, {p.name: r for p, r in zip(signature.inputs, received, strict=True)}, values))
        return values if len(values) != 1 else values[0]

    def _watched(self, target: Target) -> contextlib.AbstractContextManager[None]:
        """Around a call: what other code shares with the kernel stays as it is."""
        if not self.watched:
            return _NOT_WATCHED

        def changed(what: str, advice: str) -> KernelFault:
            return KernelFault("changes shared state", f"{target.name} changed the state of {what}; {advice}")

        return left_alone(changed)

    def _ask(
        self,
        asked: Asked,
        target: Target,
        signature: Signature,
        raw: Sequence[Any],
        values: Sequence[Any],
        received: Sequence[Any],
    ) -> None:
        """Make the same call in another process, where Python hashes texts in another way."""
        asked.calls -= 1
        positional, keywords = self._arranged(target, signature, raw)
        try:
            outputs = asked.other.call(target.name, positional, keywords)
        except RaisedElsewhere as raised:
            raise KernelFault("not repeatable", f"{target.name} has no result in another process: {raised}") from None
        there = self._outputs(target, signature, outputs, received, _Lazy(lambda: None))
        if words := difference(signature, kept(values), there):
            raise KernelFault(
                "not repeatable",
                f"{target.name} was called on the same inputs in another process, and not the same came back: {words}. "
                "Every process hashes texts in its own way (PYTHONHASHSEED): take hashlib or zlib in place of hash(), "
                "and sort sets",
            )

    def _repeat(
        self,
        repeated: Repeated,
        target: Target,
        signature: Signature,
        raw: Sequence[Any],
        outputs: Any,
        values: Sequence[Any],
        received: Sequence[Any],
    ) -> None:
        """Call the kernel again on the same inputs, then on others, and look at what came back first once more."""

        def read(outputs: Any) -> tuple[Any, ...]:
            return self._outputs(target, signature, outputs, received, _Lazy(lambda: None))

        first = kept(values)
        self.calls += 1
        if words := difference(signature, first, read(self._call(target, signature, raw, True))):
            raise _unrepeatable(target, words)
        if not repeated.others or not signature.has_arrays or (self.simulated and signature.on_device):
            return
        repeated.others -= 1
        others = other_values(signature, received, self.device == "cpu")
        if others is None:
            return
        given = [
            a if other is r else self._present(other, p.type, p.name).view
            for a, r, other, p in zip(raw, received, others, signature.inputs, strict=True)
        ]
        with contextlib.suppress(KernelFault, NotOffered):  # it need not take these
            self._call(target, signature, given, True)
        if words := difference(signature, first, read(outputs)):
            raise KernelFault(
                "changes earlier results",
                f"{target.name} was called again on other inputs, and what it had returned before changed: {words}",
            )

    def _of_single_values(self, target: Target, signature: Signature) -> Callable[..., Any]:
        """The kernel as a function that is called many times: without buffers and layouts there is less to look at."""
        exactly = not any(p.type.is_array for p in signature.inputs) and all(
            p.type.is_opaque or p.type.dtype in ("bool", "int") for p in signature.outputs
        )
        if not exactly or target.returns:
            return lambda *arguments: self.run(signature.name, arguments)

        places = [(p.name, p.type, OPAQUE.get(p.type.dtype)) for p in signature.outputs]

        def call(*arguments: Any) -> tuple[Any, ...]:
            plain = [a.value if isinstance(a, (Bounded, Truth)) else a for a in arguments]
            if target.arguments is None:
                try:
                    outputs = target.call(*plain)
                except NOT_ITS_OWN:
                    raise
                except BaseException as error:
                    raise _raised(target, error) from error
            else:
                outputs = self._call(target, signature, plain, True)
            given = outputs if isinstance(outputs, tuple) else (outputs,)
            if len(given) != len(places):
                raise miscounted(target, given, [name for name, _, _ in places])
            if self.repeated is not None and (again := self._call(target, signature, plain, True)) != outputs:
                raise _unrepeatable(target, f"the results are {outputs!r} and {again!r}")
            return tuple(
                got if type(got) is expected else self._value(target, name, type_, got, {})
                for (name, type_, expected), got in zip(places, given, strict=True)
            )

        return call

    # Inputs

    def _dtype_of(self, type_: Type) -> str:
        word = type_.dtype
        return self.dtype if word == "float" else self.precision if word == "accum" else word

    def _received(self, a: Any, type_: Type) -> Any:
        if isinstance(a, Received):
            return a
        if not type_.is_array or not type_.is_floating:
            if isinstance(a, Bounded) and type_.dtype in ("int", "real"):
                return float(a.value) if type_.dtype == "real" else int(a.value)
            if isinstance(a, np.generic) or (isinstance(a, np.ndarray) and not a.ndim and not type_.is_array):
                return a.item()
            return _counted(a, type_) if isinstance(a, Bounded) else a
        # Made by the test or by another kernel: rounded on the way in, and that rounding is carried along.
        value = np.asarray(_plain(a), dtype=np.float64)
        rounded = round_to(value, self._dtype_of(type_))
        error = a.error if isinstance(a, Bounded) else 0.0
        if (rounded == value).all():
            return Bounded(rounded, error)
        with quiet:
            moved = np.where(rounded == value, 0.0, np.abs(rounded - value))
        return Bounded(rounded, error + moved if moved.any() else error)

    def _present(self, r: Any, type_: Type, name: str) -> Presented:
        layout = r.layout if isinstance(r, (Received, Whole)) else "contiguous"
        value = np.asarray(_plain(r))
        if type_.is_floating:
            value = value.astype(np.float64, copy=False)
        elif type_.dtype == "bool":
            value = value.astype(bool)
        dtype = self._dtype_of(type_)
        try:
            return present(value, layout, self.framework, dtype, self.device)
        except (RuntimeError, OverflowError) as error:
            raise InputNotMade(
                f"the input {name} cannot be made as {dtype} on {self.device}, so nothing was called: "
                f"{type(error).__name__}: {error}"
            ) from error

    def _unchanged(self, signature: Signature, presented: Sequence[Any]) -> None:
        for p, parameter in zip(presented, signature.inputs, strict=True):
            if isinstance(p, Presented):
                damage = _fetched(p.damage, f"its input {parameter.name}", signature.name)
                if damage:
                    raise KernelFault(
                        "writes to its inputs", f"{signature.name} changed its input {parameter.name}: {damage}"
                    )

    # The call

    def _arranged(self, target: Target, signature: Signature, raw: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
        return arranged(
            target,
            raw,
            lambda: {p.name: r for p, r in zip(signature.inputs, raw, strict=True)} | sizes_in(signature, raw),
        )

    def _call(self, target: Target, signature: Signature, raw: Sequence[Any], judged: bool) -> Any:
        program = None
        if self.simulated and signature.on_device:
            from .program import Program

            program = Program(self, signature, target.returns, raw)
            raw = program.inputs
        positional, keywords = self._arranged(target, signature, raw)
        if program is not None:
            if target.arguments is None or positional:
                positional = [program.device, *positional]
            else:
                keywords = {"device": program.device, **keywords}
        try:
            if not signature.has_arrays:
                return target.call(*positional, **keywords)  # single values and texts: there are no buffers to poison
            with poisoned(self.framework, self.calls), counting_waits(self.framework), quiet:
                outputs = target.call(*positional, **keywords)
                return outputs if program is None else program.finished(outputs)
        except (KernelFault, NotOffered, *NOT_ITS_OWN):
            raise
        except BaseException as error:
            if not judged:
                raise Refused(error) from error
            raise _raised(target, error) from error

    # Outputs

    def _outputs(
        self, target: Target, signature: Signature, outputs: Any, received: Sequence[Any], bounds: _Lazy
    ) -> tuple[Any, ...]:
        wanted = target.returns or tuple(p.name for p in signature.outputs)
        given = list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]
        if len(given) != len(wanted):
            raise miscounted(target, given, wanted)
        by_name = dict(zip(wanted, given, strict=True))
        sizes = sizes_in(signature, [_plain(r) for r in received])
        values: list[Any] = []
        for k, p in enumerate(signature.outputs):
            if p.name not in by_name:
                values.append(Missing(f"{self.binding} does not return {p.name}"))
                continue
            if isinstance(by_name[p.name], Missing):
                values.append(by_name[p.name])
                continue
            value = self._value(target, p.name, p.type, by_name[p.name], sizes)
            if p.type.is_opaque or isinstance(value, (bool, int, str, bytes)):
                values.append(value)
            elif p.type.dtype == "bool":
                values.append(OutputTruth(value, partial(bounds.unsure, k)))
            else:
                label = f"{target.name.rpartition(':')[2] or target.name}: {p.name}"
                tolerance = partial(self._tolerance, bounds, k, p.type, value, label)
                values.append(Output(value, tolerance, p.name, signature.name))
        return tuple(values)

    def _value(self, target: Target, name: str, type_: Type, got: Any, sizes: Mapping[str, int]) -> Any:
        """The output as float64 (or integers, truth values), after checking what it is."""
        if type_.is_opaque:
            if not isinstance(got, OPAQUE.get(type_.dtype, object)):
                raise KernelFault(
                    "wrong type", f"{target.name} returned {type(got).__name__} for {name}, expected {type_}"
                )
            return got
        if not type_.is_array:
            if not isinstance(got, SINGLE[type_.dtype]) or (type_.dtype != "bool" and isinstance(got, bool)):
                raise KernelFault(
                    "wrong type", f"{target.name} returned {type(got).__name__} for {name}, expected {type_}"
                )
            return float(got) if type_.dtype == "real" else got if type_.dtype == "bool" else int(got)
        shape = tuple(sizes.get(d, -1) if isinstance(d, str) else d for d in type_.shape or ())
        found = getattr(
            got, "shape", None
        )  # before anything is copied: it may be one number, told to be a million rows
        if -1 not in shape and isinstance(found, tuple) and tuple(found) != shape:
            raise KernelFault(
                "wrong shape", f"{target.name} returned {name} of shape {tuple(found)}, expected {shape} ({type_})"
            )
        return self._as_array(target, name, type_, got)

    def _as_array(self, target: Target, name: str, type_: Type, got: Any) -> np.ndarray:
        expected = self._dtype_of(type_)
        if self.framework == "torch":
            import torch

            if not isinstance(got, torch.Tensor):
                raise KernelFault(
                    "wrong type",
                    f"{target.name} returned {type(got).__name__} for {name}, expected a tensor ({type_})",
                )
            if got.device.type != self.device:
                raise KernelFault(
                    "wrong device", f"{target.name} returned {name} on {got.device}, expected {self.device}"
                )
            names = {
                torch.float64: "f64", torch.float32: "f32", torch.float16: "f16", torch.bfloat16: "bf16",
                torch.int64: "i64", torch.int32: "i32", torch.int8: "i8", torch.uint8: "u8", torch.bool: "bool",
            }  # fmt: skip
            found = names.get(got.dtype, str(got.dtype))
            if found != expected:
                raise KernelFault("wrong dtype", f"{target.name} returned {name} as {found}, expected {expected}")
            held = _fetched(lambda: got.detach().cpu(), f"its output {name}", target.name)
            return (held.to(torch.float64) if type_.is_floating else held).numpy()
        if type_.shape == () and isinstance(got, (float, int)) and isinstance(got, bool) == (type_.dtype == "bool"):
            return np.asarray(got, dtype=np.bool_ if type_.dtype == "bool" else np.float64)
        if not isinstance(got, (np.ndarray, np.generic)):
            raise KernelFault(
                "wrong type", f"{target.name} returned {type(got).__name__} for {name}, expected an array ({type_})"
            )
        array = np.asarray(got)
        wanted = np.dtype(NUMPY[expected])
        if array.dtype != wanted and array.dtype.name != wanted.name:  # in another byte order it is accepted
            found = array.dtype.name
            raise KernelFault("wrong dtype", f"{target.name} returned {name} as {found}, expected {wanted.name}")
        return array.astype(np.float64) if type_.is_floating else array

    def _bounds(self, signature: Signature, received: Sequence[Any]) -> tuple[Any, ...] | None:
        if signature.name not in self.spec.functions:
            return None
        return self.spec.bounds(signature.name, received, self.precision, self.dtype)

    def _tolerance(self, bounds: _Lazy, k: int, type_: Type, value: np.ndarray, name: str) -> Any:
        form = FORMATS.get(self._dtype_of(type_)) if type_.is_floating else None
        outputs = bounds.outputs()
        if type_.is_floating and form is None:
            form = FORMATS[self.precision]  # a scalar `real`
        if outputs is None:
            return form.unit * np.abs(value) + form.smallest if form else 0.0
        exact = Bounded.of(outputs[k])
        # The expected value is computed in float64 itself, and may be as wrong as such a computation is.
        share = 1.0 + FORMATS["f64"].unit / FORMATS[self.precision].unit
        error = share * np.asarray(exact.error)
        if form is None:
            return error
        if self.deviation is not None:
            self.deviation.note(name, value, exact.value, error, form, form.digits < FORMATS[self.precision].digits)
        with quiet:
            # What is rounded is what was computed, at most size + error.
            reach = exact.magnitude + error
            tolerance = reach * form.unit
            tolerance += error
            tolerance += form.smallest
            if np.add.reduce(reach, axis=None) < form.largest / 2:
                return tolerance  # the usual case: everything is finite, and nothing comes near the end of the format
            beyond = exact.magnitude + tolerance >= form.largest
        if beyond.any():
            overflows = beyond & np.isinf(value) & (np.signbit(value) == np.signbit(exact.value))
            tolerance = np.where(overflows & np.isfinite(exact.value), np.inf, tolerance)
        if all_finite(exact.value):
            return tolerance
        return np.where(np.isfinite(exact.value) | np.isposinf(error), tolerance, 0.0)


def _not_offered(signature: Signature, reason: str, judged: bool) -> Any:
    """The outputs of a kernel that is not there: laws about several kernels are judged without them, in part."""
    if not judged:
        raise NotOffered(reason)
    not_judged(reason)
    outputs = tuple(Missing(reason) for _ in signature.outputs)
    return outputs if len(outputs) != 1 else outputs[0]


def arranged(
    target: Target, raw: Sequence[Any], known: Callable[[], Mapping[str, Any]]
) -> tuple[list[Any], dict[str, Any]]:
    """Positional and keyword arguments for a target: the inputs in their order, or what its `arguments` make of the
    inputs and dims that are `known` by name."""
    if target.arguments is None:
        return list(raw), {}
    values = known()
    positions = sorted((k, f) for k, f in target.arguments.items() if isinstance(k, int))
    return [f(values) for _, f in positions], {k: f(values) for k, f in target.arguments.items() if isinstance(k, str)}


def miscounted(target: Target, given: Sequence[Any], wanted: Sequence[str]) -> KernelFault:
    kinds = ", ".join("None" if g is None else type(g).__name__ for g in given[:MANY])
    values = f"{len(given)} value{'' if len(given) == 1 else 's'} ({kinds}{', ...' if len(given) > MANY else ''})"
    hint = "; `returns` in a binding file says which of them it has" if len(given) < len(wanted) else ""
    return KernelFault(
        "wrong type", f"{target.name} returned {values}, expected {len(wanted)}: {', '.join(wanted)}{hint}"
    )


def _fetched(fetch: Callable[[], Any], what: str, kernel: str) -> Any:
    """What comes back from the device after a call. An error that comes with it was made by what the kernel left
    running there."""
    try:
        return fetch()
    except RuntimeError as error:
        raise KernelFault(
            "raises", f"{kernel}: after the call {what} cannot be read: {type(error).__name__}: {error}"
        ) from error


def _unrepeatable(target: Target, difference: str) -> KernelFault:
    return KernelFault(
        "not repeatable", f"{target.name} was called twice on the same inputs, and not the same came back: {difference}"
    )


def _raised(target: Target, error: BaseException) -> KernelFault:
    return KernelFault("raises", f"{target.name} raised {type(error).__name__}: {said(error)}")


class _Lazy:
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


def sizes_in(signature: Signature, values: Sequence[Any]) -> dict[str, int]:
    """Dimensions as found in the shapes of the inputs."""
    sizes: dict[str, int] = {}
    for value, p in zip(values, signature.inputs, strict=True):
        for k, d in enumerate(p.type.shape or ()):
            if isinstance(d, str) and hasattr(value, "shape"):
                sizes.setdefault(d, int(value.shape[k]))
    return sizes
