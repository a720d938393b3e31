"""Interpreted programs that do what one did before them, without the interpreter.

Nine tenths of the time of an interpreted program go into finding out what is to be done: types, shapes, which function
of NumPy. All of that is the same for every program of a grid, and for most launches of a kernel. So one program is
interpreted and recorded (`recording`), and the others do the same operations on their own numbers, in the same order,
by the same functions of NumPy (`steps`). What depends on no program's place is worked out once in a launch.

Where an operation fails, its program is taken up by the interpreter at that place, so that the error comes from the
line of the kernel that made it.
"""

from __future__ import annotations

import contextlib
import importlib
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from . import interpret, libdevice
from .recording import Exchanged, Level, Recording, Stretch, Tree, following
from .repaired import Memory
from .steps import Steps

KEPT = 512  # trees; the one used longest ago goes first
LARGE = 50_000  # values of a tree that is begun anew
PATIENCE = 32  # programs recorded, and hardly any replayed: what this kernel does cannot be foreseen
_FIRST = 1  # place of the first argument; before it the launch itself

# Imported during a launch, as Triton does it, the compiler would keep what is exchanged then: `static_assert`, `min`.
importlib.import_module("triton.compiler.code_generator")

_stock = interpret.launch
_trees: OrderedDict[Any, Tree] = OrderedDict()


def install() -> None:
    """From now on, in this process, launches of kernels of this package replay what they know."""
    interpret.launch = launch


@contextlib.contextmanager
def off() -> Iterator[None]:
    """While active, every program is interpreted."""
    before, interpret.launch = interpret.launch, _stock
    try:
        yield
    finally:
        interpret.launch = before


class Under:
    """A launch under way: the memory that it may touch, and Triton's language once something needs it."""

    def __init__(self, memory: Memory, stack: contextlib.ExitStack) -> None:
        self.memory, self.stack = memory, stack
        self.starts, self.ends = memory.starts.tolist(), memory.ends.tolist()
        self.worked_out: set[int] = set()  # stretches of which is there what depends on the launch alone
        self.interpreting = False
        self.given: dict[str, Any] | None = None

    def language(self) -> None:
        """Exchange the functions of `triton.language` for the rest of the launch."""
        if not self.interpreting:
            self.stack.enter_context(interpret._interpreting())
            self.interpreting = True

    def interpret(self, fn: Callable, constexprs: Sequence[str], arguments: Mapping[str, Any]) -> None:
        """One program, as without any of this."""
        self.language()
        if self.given is None:
            self.given = {n: v if n in constexprs else interpret._argument(v) for n, v in arguments.items()}
        interpret.rewrite(fn)(**self.given)

    def check(self, live: np.ndarray, width: int, what: str) -> None:
        """`Memory.check`, where all of `live` is accessed."""
        low = int(np.minimum.reduce(live, axis=None))
        place = bisect_right(self.starts, low) - 1
        if place < 0 or int(np.maximum.reduce(live, axis=None)) + width > self.ends[place]:
            self.memory.check(live, np.ones(1, dtype=bool), width, what)


def launch(
    fn: Callable,
    constexprs: Sequence[str],
    arguments: Mapping[str, Any],
    grid: tuple[int, ...],
    reachable: Sequence[torch.Tensor] = (),
) -> None:
    """Run every program of `grid`, one after the other, on the tensors where they are: `interpret.launch`, sooner."""
    with interpret.LOCK:
        tree, values = _known(fn, constexprs, arguments)
        if tree is None:
            return _stock(fn, constexprs, arguments, grid, reachable)
        # As in `interpret.launch`: that cannot lend it without becoming another, and with it the hash of every kernel.
        builder = interpret._builder
        spans = [interpret.extent(v, name) for name, v in arguments.items() if isinstance(v, torch.Tensor)]
        spans += [interpret.extent(tensor, f"reachable[{k}]") for k, tensor in enumerate(reachable)]
        outer = builder.memory, builder.grid_idx, builder.grid_dim
        builder.memory = Memory(spans)
        builder.set_grid_dim(*(*grid, 1, 1, 1)[:3])
        place = (0, 0, 0)
        with contextlib.ExitStack() as stack:
            stack.enter_context(np.errstate(all="ignore"))
            under = values[0] = Under(builder.memory, stack)
            try:
                for place in np.ndindex(*builder.grid_dim):
                    builder.set_grid_idx(*place)
                    if tree.hopeless:
                        under.interpret(fn, constexprs, arguments)
                    else:
                        _program(tree, under, values, constexprs, arguments)
            except Exception as error:
                error.add_note(f"in program {place} of kernel {fn.__name__}, interpreted")
                raise
            finally:
                builder.memory, builder.grid_idx, builder.grid_dim = outer


def _known(fn: Callable, constexprs: Sequence[str], arguments: Mapping[str, Any]) -> tuple[Tree | None, list[Any]]:
    """The tree for these arguments and the values it begins with; None where the kernel is to be interpreted: where
    arithmetic is watched for overflow, or an operation of the interpreter was exchanged for one that says not how it
    can be repeated."""
    others = [value for name, value in vars(interpret._builder).items() if name.startswith("create_")]
    if interpret._builder.options.sanitize_overflow or not all(isinstance(value, Exchanged) for value in others):
        return None, []
    key: list[Any] = [fn, *others, libdevice.launched.warps]
    given: list[np.ndarray] = []
    for name, value in arguments.items():
        if name in constexprs:
            key += [type(value), repr(value) if isinstance(value, float) else value]  # 0.0 is not -0.0
            continue
        kind, data = _argument(value)
        if kind is None:
            return None, []
        key.append(kind)
        if data is not None:
            given.append(data)
    try:
        tree = _trees.pop(tuple(key), None)
    except TypeError:  # a constant without a hash
        return None, []
    if tree is None or not tree.current or len(tree.levels) > LARGE:
        tree = Tree(fn)
        for level in (Level.LAUNCH,) * (_FIRST + len(given)):
            tree.place(level, np.empty(0))
    _trees[tuple(key)] = tree
    if len(_trees) > KEPT:
        _trees.popitem(last=False)
    if tree.hopeless:
        return None, []
    values = tree.values.copy()
    values[_FIRST : _FIRST + len(given)] = given
    return tree, values


def _argument(value: Any) -> tuple[Any, np.ndarray | None]:
    """What `interpret._argument` makes of a launch argument: what its type depends on, and its number."""
    if isinstance(value, torch.Tensor):
        return value.dtype, np.array([value.data_ptr()], dtype=np.uint64)
    if value is None:
        return "none", None
    if isinstance(value, bool):
        return "bool", np.array([value])
    if type(value) is float:
        return "float", np.array([value], dtype=np.float32)
    if type(value) is int:
        for kind, low, high in _INTEGERS:
            if low <= value < high:
                return kind, np.array([value], dtype=kind)
    return None, None


_INTEGERS = (
    (np.int32, -(2**31), 2**31),
    (np.uint32, 2**31, 2**32),
    (np.int64, -(2**63), 2**63),
    (np.uint64, 2**63, 2**64),
)


def _program(tree: Tree, under: Under, values: list[Any], constexprs: Any, arguments: Mapping[str, Any]) -> None:
    """One program: as far as it is known, then interpreted."""
    way: list[Stretch] = []
    stretch = tree.root
    while stretch is not None:
        way.append(stretch)
        done = stretch.steps.run(under, values)
        if done is not None:  # an operation failed
            _interpret(tree, Recording(tree, way, values, done), under, constexprs, arguments)
            tree.hopeless = True  # it did not fail again
            return
        if stretch.asked is None:
            tree.replayed += 1
            return
        stretch = stretch.answers.get(values[stretch.asked].tobytes())
    recording = Recording(tree, way, values)
    answer = values[way[-1].asked].tobytes() if way else b""
    _interpret(tree, recording, under, constexprs, arguments)
    if not recording.alive:
        tree.hopeless = True
        return
    tree.recorded += 1
    tree.hopeless = tree.recorded >= PATIENCE and tree.replayed < tree.recorded
    _prepare(recording.first, under, values)
    if way:
        way[-1].answers[answer] = recording.first
    else:
        tree.root = recording.first


def _interpret(tree: Tree, recording: Recording, under: Under, constexprs: Any, arguments: Mapping[str, Any]) -> None:
    under.language()
    given: dict[str, Any] = {}
    place = _FIRST
    for name, value in arguments.items():
        if name in constexprs or value is None:
            given[name] = value
            continue
        given[name] = recording.argument(place, interpret._argument(value))
        place += 1
    with following(recording):
        interpret.rewrite(tree.fn)(**given)


def _prepare(stretch: Stretch, under: Under, values: list[Any]) -> None:
    """Make steps of what was recorded just now, in the program that `values` are of."""
    while True:
        stretch.steps = Steps(stretch, values)
        under.worked_out.add(id(stretch.steps))
        if stretch.asked is None:
            return
        (stretch,) = stretch.answers.values()
