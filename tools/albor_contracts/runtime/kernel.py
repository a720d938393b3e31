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
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from ..inputs.layouts import Presented, present
from ..lang.signature import Signature
from ..lang.types import DimRange, Type
from .bounded import Bounded
from .claims import not_judged
from .definitions import Definitions, LazyBounds
from .deviation import Deviation
from .device import DeviceLost, check_device
from .dtypes import ACCUMULATES_IN, FORMATS, round_to
from .each import one_by_one, varies
from .elsewhere import Asked, RaisedElsewhere
from .host_waits import counting_waits
from .kernel_fault import InputNotMade, KernelFault, Refused
from .missing import Missing, NotOffered
from .poison import poisoned
from .promised import OPAQUE, as_promised, fetched
from .quiet import quiet
from .repeated import Repeated, apart, changed_in_place, difference, kept, other_values
from .shared_state import left_alone
from .target import Target, arranged, miscounted, raised, sizes_in, uncompiled, unrepeatable
from .tolerance import carried, rounded_once, rounding
from .truth import Truth
from .values import Output, OutputTruth, Received, Whole, WholeOutput, counted, plain, wide

NO_TYPES: Mapping[str, str] = MappingProxyType({})
_NOT_WATCHED = contextlib.nullcontext()
# Whatever else a call raises is the kernel's own, what is no Exception included: who skips a test judges itself.
NOT_ITS_OWN = (KeyboardInterrupt, DeviceLost)


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
    answered: set[str] = field(default_factory=set)  # the equations whose kernels have returned something
    log: list[tuple[str, Mapping[str, Any], tuple[Any, ...]]] = field(default_factory=list)
    given: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)  # the call that nothing has come of yet
    on_case: Callable[[Any], None] | None = None
    on_step: Callable[[Any], None] | None = None
    on_reject: Callable[[], None] | None = None
    deviation: Deviation | None = None  # where it is to be noted
    simulated: bool = False  # equations with arrays on the device are programs for the simulated one
    repeated: Repeated | None = None  # where it is there, every call is made twice
    asked: Asked | None = None  # where it is there, the first calls are made in another process, too
    adapted: str = ""  # a hash of how a binding file has the targets called
    lent: frozenset[str] = frozenset()  # equations whose targets are not the binding's own
    advice: str = ""  # what to do about a kernel that the binding lacks
    not_interpreted: ClassVar[tuple[type[Exception], ...]] = ()  # says nothing of a kernel
    not_compiled: ClassVar[tuple[type[Exception], ...]] = ()  # says that no GPU would run it
    undefined: ClassVar[set[str]] = set()  # file:line of loads under a mask that did not say what lies outside of it
    watched: int = 0  # so many calls must leave generators and settings of the process as they were

    @property
    def signatures(self) -> Mapping[str, Signature]:
        return self.spec.signatures

    def __repr__(self) -> str:
        return f"{self.binding}-{self.dtype}" + ("" if self.device == "cpu" else f"-{self.device}")

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What Hypothesis prints: not what has been called so far."""
        printer.text(repr(self))

    @property
    def precision(self) -> str:
        """The dtype this kernel accumulates in."""
        return ACCUMULATES_IN[self.dtype]

    @functools.cached_property
    def sizes(self) -> Mapping[str, DimRange]:
        """The sizes that all its targets take, of the dimensions of which they do not take all."""
        found: dict[str, DimRange] = {}
        for target in self.targets.values():
            for name, taken in target.sizes.items():
                found[name] = found.get(name, taken).common(taken) or taken
        return found

    def receives(self, case: Any, names: str, step: bool = False) -> Any:
        """The named inputs of a case, rounded to the dtype under test: `x, w, eps = kernel.receives(case, "x w eps")`.

        `step` marks inputs of a later step of a run, which is one case as a whole."""
        received = case.received(self.dtype)
        self.log.clear()
        self.given = []
        self.spec.recent.clear()
        told = self.on_step if step else self.on_case
        if told is not None:
            told(received)
        self.calls = received.stream  # which poison a call gets is a property of the case, not of the history
        values = []
        for name in names.split():
            value = received.values[name]
            layout = received.layouts.get(name, "contiguous")
            if isinstance(value, np.ndarray) and value.dtype.kind == "f":
                values.append(Received(value, layout))
            elif isinstance(value, np.ndarray):
                values.append(wide(value).view(Whole))
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
            return _not_offered(signature, f"{self.binding} has no kernel for {name}{self.advice}", judged)
        if target.dtypes and self.dtype not in target.dtypes:
            reason = f"{self.binding} offers {name} in {', '.join(target.dtypes)} only"
            return _not_offered(signature, reason, judged)
        if judged and varies(signature, arguments):
            return one_by_one(signature, arguments, self._of_single_values(target, signature))
        received = [self._received(a, p.type) for a, p in zip(arguments, signature.inputs, strict=True)]
        if reason := target.refuses(signature, [plain(r) for r in received]):
            return _not_offered(signature, reason, judged)
        presented = [
            self._present(r, p.type, p.name)
            if p.type.is_array and (p.type.shape or isinstance(r, (np.ndarray, Bounded)))
            else plain(r)
            for r, p in zip(received, signature.inputs, strict=True)
        ]
        raw = [p.view if isinstance(p, Presented) else p for p in presented]
        arguments_by_name = {p.name: r for p, r in zip(signature.inputs, received, strict=True)}
        self.given = [(name, arguments_by_name)]
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
        bounds = LazyBounds(lambda: self._bounds(signature, received))
        if signature.only_floats:
            self.spec.recent.append((name, tuple(arguments), bounds, self.dtype == "f64"))
        values = self._outputs(target, signature, outputs, received, bounds)
        self._unchanged(signature, presented)
        if self.repeated is not None:
            self._repeat(self.repeated, target, signature, raw, outputs, values, received)
        if self.asked is not None and self.asked.takes(signature, target.name, target.call, raw):
            self._ask(self.asked, target, signature, raw, values, received)
        self.log.append((name, arguments_by_name, values))
        self.given = []
        return values if len(values) != 1 else values[0]

    def _watched(self, target: Target) -> contextlib.AbstractContextManager[None]:
        """Around a call: what other code shares with the kernel stays as it is."""
        if not self.watched:
            return _NOT_WATCHED
        self.watched -= 1

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
        positional, keywords = self.arranged(target, signature, raw)
        try:
            outputs = asked.other.call(target.name, positional, keywords)
        except RaisedElsewhere as raised:
            raise KernelFault("not repeatable", f"{target.name} has no result in another process: {raised}") from None
        there = self._outputs(target, signature, outputs, received, LazyBounds(lambda: None))
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
        """Call the kernel again on the same inputs, then on others, and look at what came back first once more; then
        on those others in the place of the first, as a step of an optimizer leaves its weights."""

        def read(outputs: Any) -> tuple[Any, ...]:
            return self._outputs(target, signature, outputs, received, LazyBounds(lambda: None))

        first = kept(values)
        self.calls += 1
        with Repeated.another_order():
            second = self._call(target, signature, raw, True)
        if words := difference(signature, first, read(second)):
            raise unrepeatable(target, words, self.framework == "torch")
        if not repeated.others or not signature.has_arrays or (self.simulated and signature.on_device):
            return
        others = other_values(signature, received, self.device == "cpu")
        if others is None:
            return
        repeated.others -= 1  # of the cases that can show something
        given = [
            a if other is r else self._present(other, p.type, p.name).view
            for a, r, other, p in zip(raw, received, others, signature.inputs, strict=True)
        ]
        typed = list(zip(others, signature.inputs, strict=True))
        bounds = LazyBounds(lambda: self._bounds(signature, [self._received(o, p.type) for o, p in typed]))
        of_others = None
        with contextlib.suppress(KernelFault, NotOffered):  # it need not take these
            of_others = self._outputs(target, signature, self._call(target, signature, given, True), received, bounds)
        if words := difference(signature, first, read(outputs)):
            raise KernelFault(
                "changes earlier results",
                f"{target.name} was called again on other inputs, and what it had returned before changed: {words}",
            )
        if of_others is None:
            return
        with changed_in_place(raw, given) as changed:
            again = read(self._call(target, signature, raw, True)) if changed else of_others
            if words := apart(signature, again, of_others):
                raise KernelFault(
                    "keeps what has changed",
                    f"the inputs of {target.name} were changed in place, as an optimizer changes weights, and it did "
                    f"not return what it does for the same values elsewhere: {words}",
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
                    self.answered.add(signature.name)
                except NOT_ITS_OWN:
                    raise
                except BaseException as error:
                    raise raised(target, error) from error
            else:
                outputs = self._call(target, signature, plain, True)
            given = outputs if isinstance(outputs, tuple) else (outputs,)
            if len(given) != len(places):
                raise miscounted(target, given, [name for name, _, _ in places])
            if self.repeated is not None and (again := self._call(target, signature, plain, True)) != outputs:
                raise unrepeatable(target, f"the results are {outputs!r} and {again!r}")
            return tuple(
                got if type(got) is expected else self._promised(target, name, type_, got, {})
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
            return counted(a, type_) if isinstance(a, Bounded) else a
        # Made by the test or by another kernel: rounded on the way in, and that rounding is carried along.
        value = np.asarray(plain(a), dtype=np.float64)
        rounded = round_to(value, self._dtype_of(type_))
        error = a.error if isinstance(a, Bounded) else 0.0
        if (rounded == value).all():
            return Bounded(rounded, error)
        with quiet:
            moved = np.where(rounded == value, 0.0, np.abs(rounded - value))
        return Bounded(rounded, error + moved if moved.any() else error)

    def _present(self, r: Any, type_: Type, name: str) -> Presented:
        layout = r.layout if isinstance(r, (Received, Whole)) else "contiguous"
        value = np.asarray(plain(r))
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
                damage = fetched(p.damage, f"its input {parameter.name}", signature.name)
                if damage:
                    raise KernelFault(
                        "writes to its inputs", f"{signature.name} changed its input {parameter.name}: {damage}"
                    )

    # The call

    def arranged(self, target: Target, signature: Signature, raw: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
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
        positional, keywords = self.arranged(target, signature, raw)
        if program is not None:
            if target.arguments is None or positional:
                positional = [program.device, *positional]
            else:
                keywords = {"device": program.device, **keywords}
        try:
            if not signature.has_arrays:  # single values and texts: there are no buffers to poison
                outputs = target.call(*positional, **keywords)
            else:
                with poisoned(self.framework, self.calls), counting_waits(self.framework), quiet:
                    outputs = target.call(*positional, **keywords)
                    outputs = outputs if program is None else program.finished(outputs)
            self.answered.add(signature.name)
            return outputs
        except (KernelFault, NotOffered, *NOT_ITS_OWN):
            raise
        except self.not_interpreted as why:
            raise NotOffered(f"{target.name}: {why}") from None
        except self.not_compiled as why:
            raise uncompiled(target, why) from None
        except BaseException as error:
            if not judged:
                raise Refused(error) from error
            raise raised(target, error) from error

    # Outputs

    def _outputs(
        self, target: Target, signature: Signature, outputs: Any, received: Sequence[Any], bounds: LazyBounds
    ) -> tuple[Any, ...]:
        wanted = target.returns or tuple(p.name for p in signature.outputs)
        given = list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]
        if len(given) != len(wanted):
            raise miscounted(target, given, wanted)
        by_name = dict(zip(wanted, given, strict=True))
        sizes = sizes_in(signature, [plain(r) for r in received])
        values: list[Any] = []
        for k, p in enumerate(signature.outputs):
            if p.name not in by_name:
                values.append(Missing(f"{self.binding} does not return {p.name}"))
                continue
            if isinstance(by_name[p.name], Missing):
                values.append(by_name[p.name])
                continue
            value = self._promised(target, p.name, p.type, by_name[p.name], sizes)
            if p.type.is_opaque or isinstance(value, (bool, int, str, bytes)):
                values.append(value)
            elif p.type.dtype == "bool":
                values.append(OutputTruth(value, partial(bounds.unsure, k)))
            else:
                label = f"{target.name.rpartition(':')[2] or target.name}: {p.name}"
                tolerance = partial(self._tolerance, bounds, k, p.type, value, label)
                kind = Output if p.type.is_floating or p.type.dtype == "real" else WholeOutput
                values.append(kind(value, tolerance, p.name, signature.name))
        return tuple(values)

    def _promised(self, target: Target, name: str, type_: Type, got: Any, sizes: Mapping[str, int]) -> Any:
        return as_promised(target, name, type_, got, sizes, self._dtype_of(type_), self.framework, self.device)

    def _bounds(self, signature: Signature, received: Sequence[Any]) -> tuple[Any, ...] | None:
        if signature.name not in self.spec.functions:
            return None
        return self.spec.bounds(signature.name, received, self.precision, self.dtype)

    def _tolerance(self, bounds: LazyBounds, k: int, type_: Type, value: np.ndarray, name: str) -> Any:
        form = FORMATS.get(self._dtype_of(type_)) if type_.is_floating else None
        outputs = bounds.outputs()
        if type_.is_floating and form is None:
            form = FORMATS[self.precision]  # a scalar `real`
        if outputs is None:
            return rounding(value, form)
        exact = Bounded.of(outputs[k])
        error = carried(exact, self.precision)
        if form is None:
            return error
        if self.deviation is not None:
            self.deviation.note(name, value, exact.value, error, form, form.digits < FORMATS[self.precision].digits)
        return rounded_once(value, exact, error, form)


def _not_offered(signature: Signature, reason: str, judged: bool) -> Any:
    """The outputs of a kernel that is not there: laws about several kernels are judged without them, in part."""
    if not judged:
        raise NotOffered(reason)
    not_judged(reason)
    outputs = tuple(Missing(reason) for _ in signature.outputs)
    return outputs if len(outputs) != 1 else outputs[0]
