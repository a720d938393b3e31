"""Whether Triton's compiler takes what the interpreter runs: kernels of users, compiled before they are interpreted.

The interpreter is Python. A variable that changes its type in a loop, a block of 48 elements, more shared memory than
there is: it runs all of these and returns what was meant, and no GPU would. So the first launch of a kernel with other
types or constants compiles it for one architecture, sm_90. Where the compiler itself cannot run (a full disk), nothing
is said of the kernel.
"""

from __future__ import annotations

import inspect
import math
import re
import warnings
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import triton
from albor_impl._triton.plain import Unsuitable
from triton._C.libtriton import ir
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from triton.compiler.compiler import make_backend
from triton.compiler.errors import CompilationError, CompileTimeAssertionFailure
from triton.runtime.errors import PTXASError
from triton.runtime.jit import JITFunction, create_function_from_signature

from .aot import SHARED_LIMITS
from .errors import from_here, said

TARGET = 90
# A kernel whose sizes are constants is another one for each case. After so many of them only its types are looked at,
# in a hundredth of a second instead of a tenth: that finds whatever does not depend on sizes.
WHOLE = 24
WARPS = 32  # of a block (CUDA programming guide, "maximum number of threads per block")

_GPU = GPUTarget("cuda", TARGET, 32)
_FATAL = re.compile(r"^ptxas.*?(?:fatal|error)\s*:\s*(.*)$", re.M)
_QUOTED = re.compile(r"^\w+\((['\"])(.*)\1\)$", re.S)
_seen: weakref.WeakKeyDictionary[Callable[..., Any], dict[Any, NotCompiled | None]] = weakref.WeakKeyDictionary()


class NotCompiled(Exception):
    """The compiler does not take this launch, or a GPU does not take what the compiler made of it."""


class NotTuned(NotCompiled, Unsuitable):
    """The same, in a way that tuning passes over: it takes another configuration of its list."""


def must_compile(kernel: JITFunction, args: Sequence[Any], options: Mapping[str, Any]) -> None:
    """Raises NotCompiled when a GPU could not run this launch, had its tensors been there.

    `args` and `options` are those of the launch. What was compiled once is not compiled again: two launches are the
    same when the types of their arguments, their constants and their options are, and which whole numbers are 1 (the
    compiler puts these in as constants). Of constants that are real numbers one stands for all others.
    """
    backend = make_backend(_GPU)
    known = _seen.setdefault(kernel.fn, {})
    try:
        signature, constants, attributes, parsed = _specialized(kernel, backend, args, options)
    except Exception as problem:  # an argument of a type that no kernel takes
        raise _refused(kernel, problem) from None
    kinds = sorted((place, _kind(value)) for place, value in constants.items())
    key = (tuple(signature.items()), repr(kinds), repr(parsed))
    if key not in known:
        source = ASTSource(kernel, signature, constants, attributes)
        known[key] = _problem(kernel, source, parsed, backend, whole=len(known) < WHOLE)
    if (found := known[key]) is not None:
        raise type(found)(*found.args)


def _kind(constant: Any) -> Any:
    """What it may change in compiled code: a learning rate, or eps, is a constant in another place of the same code."""
    ordinary = isinstance(constant, float) and math.isfinite(constant) and constant not in (0.0, 1.0)
    return float if ordinary else constant


def _specialized(kernel: JITFunction, backend: Any, args: Sequence[Any], options: Mapping[str, Any]) -> Any:
    """Types, constants, attributes and options, as a launch of compiled code finds them."""
    given = {"enable_fp_fusion": True, **options}  # said here, since the default differs between versions of Triton
    binder = create_function_from_signature(kernel.signature, kernel.params, backend)
    bound, types, rest = binder(*args, **given)
    parsed, signature, constants, attributes = kernel._pack_args(backend, given, bound, types, rest)
    return signature, constants, attributes, parsed


def _problem(kernel: JITFunction, source: ASTSource, options: Any, backend: Any, whole: bool) -> NotCompiled | None:
    """Why it cannot be compiled; None when it can."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if not whole:
                _translated(source, options, backend)
                return None
            wanted = triton.compile(source, target=_GPU, options=vars(options)).metadata
    except OSError as problem:  # of this machine: a full disk, a folder that cannot be written
        warnings.warn(f"Triton's compiler could not run: {said(problem)}", stacklevel=2)
        return None
    except Exception as problem:
        return _refused(kernel, problem)
    resources = (
        ("bytes of shared memory", int(wanted.shared), SHARED_LIMITS[TARGET]),
        ("warps", int(wanted.num_warps), WARPS),
    )
    large = (NotTuned(f"{n} {what} are wanted, a block has {there}") for what, n, there in resources if n > there)
    return next(large, None)


def _translated(source: ASTSource, options: Any, backend: Any) -> None:
    context = ir.context()
    ir.load_dialects(context)
    backend.load_dialects(context)
    source.make_ir(_GPU, options, backend.get_codegen_implementation(options), backend.get_module_map(), context)


def _refused(kernel: JITFunction, problem: BaseException) -> NotCompiled:
    """In the words of the innermost function, at the line of the kernel."""
    words, line = f"{type(problem).__name__}: {said(problem)}", _line(kernel, problem)
    kind = NotTuned if isinstance(problem, (CompileTimeAssertionFailure, PTXASError)) else NotCompiled
    while isinstance(problem, CompilationError):
        if not isinstance(problem.__cause__, CompilationError):
            words = problem.error_message or said(problem.__cause__ or problem)
            break
        problem = problem.__cause__
    if by_assembler := _FATAL.search(words):  # without the paths of files that are gone
        words = by_assembler[1]
    if quoted := _QUOTED.match(words):  # the text of AssertionError('text')
        words = quoted[2]
    return kind(" ".join(words.split()) + line)


def _line(kernel: JITFunction, problem: BaseException) -> str:
    line = getattr(getattr(problem, "node", None), "lineno", None)
    if line is None:
        return ""
    source, first = inspect.getsourcelines(kernel.fn)
    before = next(k for k, text in enumerate(source) if text.lstrip().startswith("def "))
    return f" (at {from_here(inspect.getfile(kernel.fn))}:{first + before + line - 1})"
