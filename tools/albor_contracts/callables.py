"""Callables that a binding names: found, and refused where they cannot be called with an equation's inputs."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import operator
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from .errors import Position, Text, problem, said
from .lang.signature import Signature
from .runtime.kernel import Kernel
from .runtime.repeated import Repeated
from .suggest import did_you_mean


def uses_torch(module: Any) -> bool:
    names = getattr(module, "__dict__", {}).values()  # what a module put in its place need not have
    return any(inspect.ismodule(v) and v.__name__.split(".")[0] in ("torch", "triton") for v in names)


def resolve(target: str, where: Position) -> Callable[..., Any]:
    """The callable `package.module:function` names."""
    module_name, _, path = target.partition(":")
    if not path or not all(part.isidentifier() for part in (*module_name.split("."), *path.split("."))):
        raise problem("E505", f"{target!r} does not name a callable", where, "package.module:function")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise problem(
            "E506", f"cannot import {module_name!r}: {error}", where, "is its folder the current one, or installed?"
        ) from None
    except (Exception, SystemExit) as error:
        words = f"importing {module_name!r} raised {type(error).__name__}: {said(error)}"
        raise problem("E506", words, where) from None
    for part in path.split("."):
        found = _attribute(found, part, module_name, path, where)
    if not callable(found):
        raise problem("E507", f"{target} is not callable", where)
    if inspect.isclass(found):
        differentiable = {"apply", "forward", "backward"} <= set(dir(found))
        raise problem(
            "E507", f"{target} is a class, not a function", where,
            f"name {target}.apply" if differentiable
            else "name a function that takes the equation's inputs, makes an object of it and calls that",
        )  # fmt: skip
    if "triton" in sys.modules:
        from albor_impl._triton import replay
        from albor_impl._triton.plain import NotInterpreted, backwards, interpret_plain_kernels, undefined

        replay.install()
        Repeated.another_order, Kernel.not_interpreted = staticmethod(backwards), (NotInterpreted,)
        if not module_name.startswith("albor_impl"):
            from .compilable import NotCompiled, must_compile

            Kernel.not_compiled, Kernel.undefined = (NotCompiled,), undefined
            interpret_plain_kernels(must_compile)  # so that kernels of users need no GPU
    return found


def _attribute(owner: Any, part: str, module: str, path: str, where: Position) -> Any:
    try:
        return getattr(owner, part)
    except AttributeError:
        names: list[str] = []
        with contextlib.suppress(Exception):  # a class may have another idea of what is in it
            names = [n for n in dir(owner) if not n.startswith("_")]
        raise problem("E507", f"{module} has no {path!r}", where, did_you_mean(part, names)) from None
    except (Exception, SystemExit) as error:
        words = f"looking up {path!r} in {module} raised {type(error).__name__}: {said(error)}"
        raise problem("E507", words, where) from None


def _parameters(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter] | None:
    try:
        return inspect.signature(function).parameters
    except Exception:
        return None  # built in, or without a readable signature: nothing is known before the call


def parameter_names(function: Callable[..., Any]) -> list[str]:
    """The parameters that can be given by name, as far as they are known."""
    found = (_parameters(function) or {}).values()
    return [p.name for p in found if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]


def _takes_device(signature: Signature, framework: str) -> bool:
    """Whether the kernel is a program for the simulated device, which is then its first argument."""
    return bool(signature.on_device) and framework == "numpy"


def check_call(function: Callable[..., Any], name: Text, signature: Signature, framework: str) -> None:
    """Refuse a callable that cannot be called with the inputs of the equation."""
    if error := misfit(function, signature, framework):
        given = _given(signature, framework)
        raise problem(
            "E508", f"{name} cannot be called with {len(given)} arguments ({', '.join(given)}): {error}", name.position,
            "a binding file adapts other names and another order with `args`; for anything else write a small "
            "function that takes these arguments and calls it",
        )  # fmt: skip


def _given(signature: Signature, framework: str) -> list[str]:
    return [*(["device"] if _takes_device(signature, framework) else []), *(p.name for p in signature.inputs)]


def misfit(function: Callable[..., Any], signature: Signature, framework: str) -> str:
    """Why the callable cannot take the inputs in their order; empty where it can, or nothing is known of it."""
    if _parameters(function) is None:
        return ""
    try:
        inspect.signature(function).bind(*_given(signature, framework))
    except TypeError as error:
        return str(error)
    return ""


def by_name(
    function: Callable[..., Any], signature: Signature, framework: str
) -> dict[str | int, Callable[[Mapping[str, Any]], Any]] | None:
    """The inputs under their own names, where the callable has all of these in another order; None elsewhere."""
    known = parameter_names(function)
    wanted = [p.name for p in signature.inputs]
    before = int(_takes_device(signature, framework))
    if not set(wanted) <= set(known) or known[before : before + len(wanted)] == wanted:
        return None
    return {n: operator.itemgetter(n) for n in wanted}
