"""Names an author may choose, and those that are taken: by the language, by Python, and by generated files.

A generated test imports the words of the language and a few more; a name of the contract that equals one of them
would hide it. The lists are data, so that checking a contract imports nothing heavy; a test compares them with the
modules they describe.
"""

from __future__ import annotations

import keyword
from functools import lru_cache

from .functions import RESERVED

MAX_NAME = 64

# What generated files import besides the words of the language, and the builtins they use.
GENERATED = frozenset([
    "CONTRACT", "Steps", "cases", "defines", "definitions", "dict", "drawing", "example", "float", "given",
    "gradient", "independent", "initialize", "no_fallback", "obligation", "ratio", "rejects", "rule", "run_steps",
    "same_twice", "self", "single", "statistically", "supposing", "take", "truth", "uses_at_most", "whole", "within",
    "IndexError", "FloatingPointError", "KeyError", "OverflowError", "RuntimeError", "TypeError", "ValueError",
    "ZeroDivisionError",
])  # fmt: skip
TAKEN = frozenset({*RESERVED, *GENERATED, *keyword.kwlist, "_"})

# `case.N` and `case.x` read dimensions and inputs; these attributes of a case mean something else.
OF_CASES = frozenset([
    "describe", "dims", "dtype", "kinds", "layouts", "received", "recipes", "regions", "rows", "stream", "values",
    "with_values",
])  # fmt: skip
# `cases(x="float[N]", ...)` declares inputs; these keywords of it mean something else.
OF_STRATEGIES = frozenset(["assume", "elements", "inputs", "such_that", "work"])
# `kernel.softmax(x)` and `spec.softmax(x)` call equations; these attributes mean something else.
OF_KERNELS = frozenset([
    "adapted", "advice", "answered", "arranged", "asked", "binding", "bounds", "called", "calls", "contract",
    "deviates", "deviation", "device", "dtype", "framework", "functions", "given", "lent", "log", "not_compiled",
    "not_interpreted", "on_case", "on_reject", "on_step", "precision", "receives", "recent", "repeated", "run",
    "signatures", "simulated", "sizes", "spec", "targets", "undefined", "watched",
])  # fmt: skip


_OF_A_CASE = ("input", "output", "dimension")


@lru_cache(maxsize=20_000)
def why_not(name: str, role: str = "name") -> str:
    """Why `name` cannot be used, or the empty text. Roles: name, input, output, dimension,
    equation; the state of a protocol is named like an output."""
    if not name.isascii():
        return f"{name!a} is not plain ASCII: look-alikes confuse readers"
    if not name.isidentifier():
        return f"{name!r} is not a name: letters, digits and _, not beginning with a digit"
    if len(name) > MAX_NAME:
        return f"{name[:20]!r}... has {len(name)} characters; a name has at most {MAX_NAME}"
    if keyword.iskeyword(name):
        return f"{name!r} is a word of Python"
    if name in TAKEN:
        return f"{name!r} is a word of the language, or of generated tests"
    if name.startswith("__") or (role in _OF_A_CASE and name.startswith("_")):
        return f"{name!r} begins with an underscore"
    if role in _OF_A_CASE and name in OF_CASES:
        return f"{name!r} is taken: a case has an attribute of this name"
    if role == "input" and name in OF_STRATEGIES:
        return f"{name!r} is taken: `cases`, which draws the inputs, has a keyword of this name"
    if role == "equation" and name in OF_KERNELS:
        return f"{name!r} is taken: a kernel has an attribute of this name"
    if role == "equation" and (name.startswith(("test", "supposed_")) or name.endswith(("_inputs", "Run"))):
        return f"{name!r} is taken: generated tests, strategies and runs are named so"
    return ""
