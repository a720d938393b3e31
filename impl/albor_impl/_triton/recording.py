"""What a program of a grid does, written down while it is interpreted.

A program is Python that calls Triton's operations one after the other; which ones follows from the types of its
arguments, its constants, and the numbers it branches on. A `Recording` stands where the operations are looked up: each
is carried out and written down with where its operands came from (`Operation`). A number that the program itself looks
at, in an `if` or as the end of a `range`, is written down too (`Stretch.asked`): another program that finds the same
number there does the same until the next such question. So what is known of a kernel is a tree: stretches of operations
(`Stretch`), a question at the end of each, and a stretch for every answer that was seen.

Whatever cannot be followed ends the recording for good (`Tree.hopeless`), never the program: it is interpreted anyway.
"""

from __future__ import annotations

import contextlib
import enum
import operator
import re
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import triton.language as tl
from triton.runtime import interpreter
from triton.runtime.jit import JITFunction

from . import interpret

TensorHandle = interpreter.TensorHandle
_OPERATION = re.compile(r"create_\w+|get_(u?int|fp)\d+|get_bf16|get_null_value|get_all_ones_value")
# What these give follows from their operands alone; of an operation that stands not here nothing is assumed.
_PURE = re.compile(
    r"get_\w+|create_(make_range|splat|unsplat|broadcast|expand_dims|addptr|reshape|trans|cat|join|split|gather|fma|dot"
    r"|bitcast|int_to_ptr|ptr_to_int|fp_to_fp|fp_ext|fp_trunc|int_cast|[su]i_to_fp|fp_to_[su]i|[fi]?(add|sub|mul|neg)"
    r"|[fsu]?(div|rem)|idiv|precise_divf|approx_divf|shl|[la]shr|(min|max)(si|ui|imumf|numf)|[fi]cmp\w+|and|or|xor"
    r"|umulhi|clampf|select|[fi]abs|cos|sin|exp2?|log2?|floor|ceil|(precise_)?sqrt|rsqrt|erf|get_num_programs)"
)
_APPLIED = ("unary", "binary", "ternary")
_PLAIN = (type(None), bool, int, float, str, tl.dtype, types.FunctionType, JITFunction)
MAX_VALUES = 5_000  # of one program: one that does more goes through a loop for long, and is like no other
MAX_BYTES = 1 << 26  # of these values, which are all there until the program ends


class Level(enum.IntEnum):
    """How often a value has to be worked out."""

    ONCE = 0
    LAUNCH = 1
    PROGRAM = 2


class Ref(NamedTuple):
    """An operand: the value in a place of the list of values. `wrapped` is the type of the tensor around it."""

    place: int
    dtype: Any
    wrapped: Any = None


class Operation(NamedTuple):
    """One operation: `function` called with `args` and `kwargs`, in which `Ref`s stand for values.

    `results` are the places of what comes out, `several` says whether it comes as a tuple. `kernel` is the NumPy
    function that did the work, where it was applied to the operands and that is all there was.
    """

    name: str
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    results: tuple[Ref, ...]
    several: bool
    level: Level
    kernel: Any = None


@dataclass(frozen=True)
class Exchanged:
    """What stands in the place of an operation, for kernels of others. Where it looks at more than its operands,
    `settled` gives, for operands, the function of these alone that it is just now: that can be called again."""

    settled: Callable[..., Callable[..., Any]]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.settled(*args, **kwargs)(*args, **kwargs)


class _Applied(NamedTuple):
    """A function of NumPy applied to operands."""

    function: Any
    args: tuple[Any, ...]
    result: Any


@dataclass(eq=False)
class Stretch:
    """Operations without a question between them; then the place that is asked, and what follows each answer."""

    operations: list[Operation] = field(default_factory=list)
    asked: int | None = None
    answers: dict[bytes, Stretch] = field(default_factory=dict)
    steps: Any = None  # what `steps` made of the operations


class Tree:
    """All that is known of a kernel for arguments of certain types."""

    def __init__(self, fn: Callable) -> None:
        self.fn = fn
        self.root: Stretch | None = None
        self.levels: list[Level] = []
        self.values: list[np.ndarray | None] = []  # what is worked out once; None for the rest
        self.hopeless = False
        self.recorded = self.replayed = 0
        self.named = _named(fn)

    @property
    def current(self) -> bool:
        """Whether the names in the kernel's source stand for what they stood for: a helper may be exchanged."""
        return all(space.get(name) is value for space, name, value in self.named)

    def place(self, level: Level, value: np.ndarray) -> int:
        self.levels.append(level)
        self.values.append(value if level is Level.ONCE else None)
        return len(self.levels) - 1


def _named(fn: Callable) -> list[tuple[dict[str, Any], str, Any]]:
    """(namespace, name, value) for the names in the source of `fn` and of the device functions that it reaches."""
    found: dict[tuple[int, str], tuple[dict[str, Any], str, Any]] = {}
    waiting, seen = [fn], set()
    while waiting:
        one = waiting.pop()
        if id(one) in seen or not isinstance(one, types.FunctionType) or one.__module__.startswith("triton."):
            continue
        seen.add(id(one))
        spaces = [one.__globals__]
        for space in spaces:
            for name in one.__code__.co_names:
                value = space.get(name)
                if value is None:
                    continue
                found[id(space), name] = space, name, value
                if isinstance(value, types.ModuleType) and not value.__name__.startswith(("triton", "torch")):
                    spaces.append(vars(value))
                if isinstance(value, JITFunction):
                    waiting.append(value.fn)
        waiting += [c.cell_contents.fn for c in one.__closure__ or () if isinstance(c.cell_contents, JITFunction)]
    return list(found.values())


class Watched(TensorHandle):
    """A value of a program that is recorded. Looking at it outside of an operation is a question."""

    def __init__(self, recording: Recording, place: int, value: np.ndarray, dtype: Any) -> None:
        self.__dict__.update(recording=recording, place=place, value=value, dtype=dtype, attr={})

    @property
    def data(self) -> np.ndarray:
        if not self.recording.inside:
            self.recording.ask(self)
        return self.value

    @data.setter
    def data(self, value: np.ndarray) -> None:
        self.recording.give_up()  # what holds it otherwise would not know
        self.__dict__["value"] = value


class Recording:
    """One program under way. `known` are the stretches that it went through already, with `values` as their results:
    their operations are answered from there, and not carried out again."""

    def __init__(self, tree: Tree, known: list[Stretch], values: list[Any], done: int | None = None) -> None:
        self.tree, self.values = tree, values
        self.inside = 0
        self.alive = True
        self.told: list[Operation | int] = []  # what is known to come: operations, and the places of questions
        for stretch in known:
            self.told += stretch.operations if done is None or stretch is not known[-1] else stretch.operations[:done]
            if stretch.asked is not None and (done is None or stretch is not known[-1]):
                self.told.append(stretch.asked)
        self.at = self.made = self.bytes = 0
        self.answered: set[int] = set()
        self.first = self.stretch = Stretch()
        self.builder = interpret._builder
        self.noted: list[_Applied] = []  # by the operation under way

    def give_up(self) -> None:
        """Record no further; the program goes on."""
        self.alive = False
        self.inside = 1

    def argument(self, place: int, value: Any) -> Any:
        """A launch argument, whose value is in `place`."""
        return tl.tensor(Watched(self, place, self.values[place], value.handle.dtype), value.type)

    def ask(self, value: Watched) -> None:
        if value.place in self.answered or self.tree.levels[value.place] is Level.ONCE:
            return
        if value.value.size != 1:
            self.give_up()
            return
        self.answered.add(value.place)
        if self.at < len(self.told):
            self._expect(value.place)
            return
        self.stretch.asked = value.place
        following = self.stretch.answers[value.value.tobytes()] = Stretch()
        self.stretch = following

    def _expect(self, entry: Any) -> Any:
        found = self.told[self.at]
        self.at += 1
        same = found == entry if isinstance(entry, int) else isinstance(found, Operation) and found.name == entry
        if not same:
            raise RuntimeError(f"{self.tree.fn.__name__} took another way than before: {entry!r} instead of {found!r}")
        return found

    def __getattr__(self, name: str) -> Any:
        """An operation of the builder, followed; anything else of it as it is."""
        value = getattr(self.builder, name)
        if not _OPERATION.fullmatch(name):
            return value
        return self.followed(name, value)

    def followed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if self.inside:
                return function(*args, **kwargs)
            if self.at < len(self.told):
                return self._results(self._expect(name))
            return self._carry_out(name, function, args, kwargs)

        return call

    def applying(self, how: str) -> Callable[..., Any]:
        """A function that applies one of NumPy's for an operation, and notes it."""
        stock, builder, noted = getattr(type(self.builder), f"{how}_op"), self.builder, self.noted

        def apply(*args: Any) -> Any:
            result = stock(builder, *args)
            noted.append(_Applied(args[-1], args[:-1], result))
            return result

        return apply

    def _results(self, operation: Operation) -> Any:
        found = [self._wrapped(ref) for ref in operation.results]
        if operation.several:
            return tuple(found)
        return found[0] if found else None

    def _wrapped(self, ref: Ref) -> Any:
        handle = Watched(self, ref.place, self.values[ref.place], ref.dtype)
        return handle if ref.wrapped is None else tl.tensor(handle, ref.wrapped)

    def _carry_out(self, name: str, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        if isinstance(function, Exchanged):
            function = function.settled(*args, **kwargs)
        noted = self.noted
        noted.clear()
        self.inside = 1
        try:
            result = function(*args, **kwargs)
        finally:
            self.inside = 0 if self.alive else 1
        if not self.alive:
            return result
        refs: list[Ref] = []
        packed = self._packed(args, refs)
        packed_names = {key: self._packed(value, refs) for key, value in kwargs.items()}
        several = isinstance(result, (tuple, list))
        parts = list(result) if several else [] if result is None else [result]
        if not self.alive or not all(isinstance(part, (TensorHandle, tl.tensor)) for part in parts):
            self.give_up()
            return result
        level = max((self.tree.levels[ref.place] for ref in refs), default=Level.ONCE)
        if name == "create_get_num_programs":
            level = Level.LAUNCH
        elif not _PURE.fullmatch(name) and name not in LANGUAGE:
            level = Level.PROGRAM
        results = tuple(self._new(part, level) for part in parts)
        applied = noted[0] if len(noted) == 1 and noted[0].result is result else None
        as_they_are = applied and len(applied.args) == len(args) and all(map(operator.is_, applied.args, args))
        kernel = applied.function if as_they_are else None
        operation = Operation(name, function, packed, packed_names, results, several, level, kernel)
        self.stretch.operations.append(operation)
        return self._results(operation)

    def _new(self, part: Any, level: Level) -> Ref:
        handle = part.handle if isinstance(part, tl.tensor) else part
        value = handle.value if isinstance(handle, Watched) else handle.data
        place = self.tree.place(level, value)
        self.values.append(value)
        self.made += 1
        self.bytes += value.nbytes
        if self.made > MAX_VALUES or self.bytes > MAX_BYTES:
            self.give_up()
        return Ref(place, handle.dtype, part.type if isinstance(part, tl.tensor) else None)

    def _packed(self, value: Any, refs: list[Ref]) -> Any:
        """`value` with `Ref`s, which `refs` is told of, for what is worked out."""
        if isinstance(value, Watched):
            refs.append(Ref(value.place, value.dtype))
            return refs[-1]
        if isinstance(value, tl.tensor):
            if not isinstance(value.handle, Watched):
                self.give_up()
                return None
            refs.append(Ref(value.handle.place, value.handle.dtype, value.type))
            return refs[-1]
        if isinstance(value, TensorHandle):
            self.give_up()
            return None
        if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
            return type(value)(self._packed(part, refs) for part in value)
        constant = value.value if isinstance(value, tl.constexpr) else value
        if not isinstance(constant, _PLAIN) and not type(constant).__module__.startswith("triton._C"):
            self.give_up()  # who knows what is in it
        return value


# Functions of the language that the interpreter carries out without the builder.
LANGUAGE = ("reduce", "associative_scan")


def _truth(self: Any) -> bool:
    """Of blocks Triton's language asks whether they are there, not what they hold."""
    value = self.handle.value if isinstance(self.handle, Watched) else self.handle.data
    return bool(self.handle.data) if value.size == 1 else True


@contextlib.contextmanager
def following(recording: Recording) -> Iterator[None]:
    """While active, what a program does goes through `recording`. To be used inside of `interpret._interpreting`."""
    spaces = (tl, tl.core)
    before = [(space, name, getattr(space, name)) for space in spaces for name in LANGUAGE]
    truth = tl.core.tensor.__bool__
    own = vars(recording.builder)
    own.update({f"{how}_op": recording.applying(how) for how in _APPLIED})
    interpret._semantic.builder = recording
    for space, name, function in before:
        setattr(space, name, recording.followed(name, function))
    tl.core.tensor.__bool__ = _truth
    try:
        yield
    finally:
        interpret._semantic.builder = recording.builder
        for how in _APPLIED:
            del own[f"{how}_op"]
        for space, name, function in before:
            setattr(space, name, function)
        tl.core.tensor.__bool__ = truth
