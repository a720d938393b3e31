"""Wrong kernels: a wrong definition made callable, or a substitution in the source of a kernel."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import linecache
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from ..checked import CheckedContract, CheckedFault
from ..emit.definitions import definition_lines
from ..errors import Text, problem
from ..inputs.layouts import NUMPY
from ..lang.signature import Signature
from ..runtime.bounded import Bounded
from ..runtime.definitions import Definitions
from ..runtime.dtypes import ACCUMULATES_IN, round_to
from ..runtime.kernel import Kernel
from ..runtime.target import Target
from ..runtime.truth import Truth


def wrong_definitions(
    contract: CheckedContract, fault: CheckedFault, spec: Definitions
) -> dict[str, Callable[..., Any]]:
    """The fault's definitions, compiled in the same way as the right ones."""
    import albor_contracts.testing as names

    found = {}
    for equation, block in fault.defines.items():
        lines, _ = definition_lines(contract.equations[equation], block)
        space = {n: getattr(names, n) for n in names.__all__} | {"spec": spec, "defines": names.defines}
        code = "\n".join(lines)
        exec(compile(code, f"<fault {fault.model.id}>", "exec"), space)
        found[equation] = space[equation]
    return found


def wrong_kernel(contract: CheckedContract, fault: CheckedFault, spec: Definitions) -> Kernel:
    """A kernel that computes the fault's definitions, correctly rounded to the dtype under test."""
    dtype = str(fault.model.dtype or "f32")
    functions = {**spec.functions, **wrong_definitions(contract, fault, spec)}
    return definition_kernel(f"fault {fault.model.id}", functions, spec, dtype)


def definition_kernel(name: str, functions: Mapping[str, Callable[..., Any]], spec: Definitions, dtype: str) -> Kernel:
    """A kernel made of definitions: evaluated in float64, each output rounded once to its dtype."""
    targets = {
        equation: Target(rounded_to(function, spec.signatures[equation], dtype), f"{name}:{equation}")
        for equation, function in functions.items()
    }
    return Kernel(spec.contract, name, "numpy", dtype, "cpu", targets, spec)


def rounded_to(function: Callable[..., Any], signature: Signature, dtype: str) -> Callable[..., Any]:
    def run(*arguments: Any) -> Any:
        given = [
            np.asarray(a, dtype=np.float64) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else _whole(a)
            for a in arguments
        ]
        outputs = function(*given)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        rounded = []
        for value, p in zip(map(_plain, outputs), signature.outputs, strict=True):
            if p.type.is_floating and p.type.is_array:
                form = {"float": dtype, "accum": ACCUMULATES_IN[dtype]}.get(p.type.dtype, p.type.dtype)
                with np.errstate(all="ignore"):
                    rounded.append(round_to(value, form).astype(NUMPY[form]))
            elif p.type.is_array:
                rounded.append(np.asarray(value).astype(NUMPY[p.type.dtype]))
            elif p.type.dtype in ("int", "bool", "real"):
                rounded.append({"int": int, "bool": bool, "real": float}[p.type.dtype](np.asarray(value).reshape(())))
            else:
                rounded.append(value)
        return tuple(rounded) if len(rounded) != 1 else rounded[0]

    return run


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Bounded | Truth) else value


def _whole(a: Any) -> Any:
    return a.astype(np.int64) if isinstance(a, np.ndarray) and a.dtype.kind == "u" else a


@contextlib.contextmanager
def planted(target: Text | str, find: str, put: str) -> Iterator[None]:
    """While active, the source of `module:function` has `put` where `find` stood; exactly one place must match.

    The function is compiled again inside the module that it was written in, where it finds its names. Everything that
    reaches it through that module, or through the one named here, sees the fault. Code that does not compile raises
    `ContractError`: it would prove nothing.
    """
    where = target if isinstance(target, Text) else Text(target)
    module_name, _, attribute = str(target).partition(":")
    try:
        module = importlib.import_module(module_name)
        owner = getattr(module, attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise problem("E507", f"cannot find {target}: {error}", where, "module:function") from None
    source = textwrap.dedent(inspect.getsource(getattr(owner, "fn", owner)))
    if source.count(find) != 1:
        raise problem(
            "E511",
            f"{find!r} occurs {source.count(find)} times in {target}",
            where,
            "a substitution matches exactly once: the fault has drifted from the source",
        )
    code = source.replace(find, put)
    name = f"<fault in {module_name}:{attribute}>"
    try:
        compiled = compile(code, name, "exec")
    except SyntaxError as error:
        raise problem("E512", f"the changed source of {target} does not compile: {error.msg}", where) from None
    linecache.cache[name] = (len(code), None, code.splitlines(True), name)
    home = sys.modules[getattr(owner, "fn", owner).__module__]
    saved = [(m, dict(vars(m))) for m in (module, home)]
    try:
        exec(compiled, vars(home))
        setattr(module, attribute, vars(home)[getattr(owner, "__name__", attribute)])
        yield
    finally:
        for changed, before in saved:
            vars(changed).clear()
            vars(changed).update(before)
        linecache.cache.pop(name, None)
