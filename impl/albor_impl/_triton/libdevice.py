"""What CUDA has for a kernel, on the arrays of the interpreter and for kernels of others: functions of libdevice, and
what a program asks of its launch.

`triton.language.extra.libdevice` holds names without a body: the compiler puts the functions of the device in their
place, the interpreter does not, and returns None. Here they are PyTorch's, computed in float64 and rounded once to
the type of the arguments (float32 or float64, as on the device; whole numbers and truth values as they are). That is
more accurate than the device, whose errors are a few units in the last place.
What `triton.language.extra.cuda` says of a launch is there as well: its warps and threads, and the two signals between
kernels that overlap, which mean nothing where one ends before the next begins.
Errors: TypeError for other floating types, which no compiler takes either; NotImplementedError for a function that
has no counterpart here (other roundings, conversions, integers, the number of the multiprocessor, the time).
Source: NVIDIA, "libdevice User's Guide".
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import types
from collections.abc import Callable
from typing import Any, NoReturn

import torch
import triton.language as tl
from triton.runtime import interpreter

from .reached import exchanged_in, namespaces

MODULES = ("triton.language.extra.libdevice", "triton.language.extra.cuda.libdevice")
CUDA = "triton.language.extra.cuda"
DEFAULT_WARPS = 4
launched = types.SimpleNamespace(warps=DEFAULT_WARPS)  # of the launch that is being interpreted
_SAME = (
    *("abs", "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "ceil", "copysign", "cos", "cosh", "erf"),
    *("erfc", "erfinv", "exp", "exp2", "expm1", "floor", "fmod", "hypot", "isnan", "isinf", "lgamma", "log", "log10"),
    *("log1p", "log2", "pow", "rsqrt", "signbit", "sin", "sinh", "sqrt", "tan", "tanh", "trunc"),
)
_FAST = ("sin", "cos", "tan", "tanh", "exp", "exp10", "log", "log2", "log10", "pow")
_FUNCTIONS: dict[str, Callable[..., torch.Tensor]] = {
    **{name: getattr(torch, name) for name in _SAME},
    "cbrt": lambda x: x.sign() * x.abs() ** (1 / 3),
    "div_rn": torch.div,
    "add_rn": torch.add,
    "sub_rn": torch.sub,
    "mul_rn": torch.mul,
    "exp10": lambda x: 10.0**x,
    "fdim": lambda x, y: (x - y).clamp(min=0),
    "finitef": torch.isfinite,
    "isfinited": torch.isfinite,
    "cospi": lambda x: torch.cos(torch.pi * x),
    "cyl_bessel_i0": torch.special.i0,
    "cyl_bessel_i1": torch.special.i1,
    "erfcx": torch.special.erfcx,
    "fma": lambda x, y, z: x * y + z,
    "fma_rn": lambda x, y, z: x * y + z,
    "rcp_rn": torch.reciprocal,
    "remainder": lambda x, y: x - (x / y).round() * y,
    "rint": torch.round,
    "nearbyint": torch.round,
    "rsqrt_rn": torch.rsqrt,
    "sqrt_rn": torch.sqrt,
    "j0": torch.special.bessel_j0,
    "j1": torch.special.bessel_j1,
    "normcdf": torch.special.ndtr,
    "normcdfinv": torch.special.ndtri,
    "saturatef": lambda x: x.clamp(0, 1).nan_to_num(nan=0.0),
    "sinpi": lambda x: torch.sin(torch.pi * x),
    "y0": torch.special.bessel_y0,
    "y1": torch.special.bessel_y1,
    "round": lambda x: torch.trunc(x + torch.copysign(torch.full_like(x, 0.5), x)),  # halves away from zero
}
_FUNCTIONS |= {f"fast_{name}f": _FUNCTIONS[name] for name in _FAST}
_FUNCTIONS["fast_dividef"] = torch.div
_JUDGEMENTS = {"isnan", "isinf", "finitef", "isfinited", "signbit"}  # int32: 0 or not


def _called(name: str, *arguments: Any, **_: Any) -> Any:
    if name not in _FUNCTIONS:
        _absent(f"libdevice.{name}")
    semantic = interpreter.interpreter_semantic
    operands = [semantic.to_tensor(a) for a in arguments]
    compute = functools.partial(_computed, name)
    followed = getattr(semantic.builder, "followed", None)  # of a program that is recorded: see `recording`
    return compute(*operands) if followed is None else followed(f"libdevice.{name}", compute)(*operands)


def _computed(name: str, *operands: Any) -> Any:
    blocks = [x for x in operands if x.type.is_block()]
    kind = next((x for x in operands if x.dtype.is_floating()), operands[0]).dtype
    if kind not in (tl.float32, tl.float64) and name != "abs":
        raise TypeError(f"libdevice.{name} takes float32 or float64, not {kind}")
    wide = [torch.from_numpy(x.handle.data).to(torch.float64) for x in operands]
    found = _FUNCTIONS[name](*wide).numpy()
    result = tl.int32 if name in _JUDGEMENTS else kind
    shape = blocks[0].type.with_element_ty(result) if blocks else result
    return tl.tensor(interpreter.TensorHandle(found.astype(interpreter._get_np_dtype(result)), result), shape)


@functools.cache
def _replacements() -> dict[int, tuple[Any, Any]]:
    """id of a function -> the function, and what stands in for it."""
    found = {}
    for path in MODULES:
        for name, value in vars(importlib.import_module(path)).items():
            if callable(value) and getattr(value, "__module__", "") == path:
                found[id(value)] = value, functools.partial(_called, name)
    of_launch = {
        "num_warps": lambda: tl.constexpr(launched.warps),
        "num_threads": lambda: tl.constexpr(32 * launched.warps),
        "gdc_wait": lambda: None,
        "gdc_launch_dependents": lambda: None,
        "smid": functools.partial(_absent, f"{CUDA}.smid"),
        "globaltimer": functools.partial(_absent, f"{CUDA}.globaltimer"),
    }
    cuda = vars(importlib.import_module(CUDA))
    return found | {id(cuda[name]): (cuda[name], other) for name, other in of_launch.items() if name in cuda}


def _absent(name: str) -> NoReturn:
    raise NotImplementedError(f"{name} has no counterpart in Triton's interpreter")


def available(fn: Callable) -> contextlib.AbstractContextManager[None]:
    """While active, the functions of libdevice that a kernel and the device functions it reaches hold are those of this
    module."""
    own = [vars(importlib.import_module(path)) for path in (*MODULES, CUDA)]
    own.append(vars(tl.extra.cuda))  # Triton loads it twice
    spaces = own + [space for space in namespaces(fn) if not any(space is module for module in own)]
    return exchanged_in(spaces, _replacements())
