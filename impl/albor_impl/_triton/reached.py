"""What a kernel of others can reach by name: the modules of it and of the device functions that it calls, and what
stands there for something else while it is interpreted."""

from __future__ import annotations

import contextlib
import types
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from triton.runtime.jit import JITFunction

_namespaces: weakref.WeakKeyDictionary[Callable, list[dict[str, Any]]] = weakref.WeakKeyDictionary()


def namespaces(fn: Callable) -> list[dict[str, Any]]:
    """The globals of a kernel and of each device function that it reaches, from one to the next; every one once."""
    if fn not in _namespaces:
        spaces: list[dict[str, Any]] = []
        waiting, seen = [fn], set()
        while waiting:
            one = waiting.pop()
            if id(one) in seen or not isinstance(one, types.FunctionType):
                continue
            seen.add(id(one))
            if not any(one.__globals__ is space for space in spaces):
                spaces.append(one.__globals__)
            waiting += [value.fn for value in _named(one) if isinstance(value, JITFunction)]
        _namespaces[fn] = spaces
    return _namespaces[fn]


@contextlib.contextmanager
def exchanged_in(spaces: Sequence[dict[str, Any]], others: Mapping[int, tuple[Any, Any]]) -> Iterator[None]:
    """While active, whatever name stands for something of which `others` has the id stands for what goes with it:
    id -> (it, other)."""
    uses = [(s, name, *others[id(value)]) for s in spaces for name, value in s.items() if id(value) in others]
    try:
        for space, name, _, other in uses:
            space[name] = other
        yield
    finally:
        for space, name, own, _ in uses:
            space[name] = own


def _named(fn: types.FunctionType) -> list[Any]:
    """What the names in the source of `fn` stand for: in its module, in what encloses it, in modules that it names."""
    named = [fn.__globals__.get(name) for name in fn.__code__.co_names]
    named += [cell.cell_contents for cell in fn.__closure__ or ()]
    modules = [value for value in named if isinstance(value, types.ModuleType)]
    return named + [vars(module).get(name) for module in modules for name in fn.__code__.co_names]
