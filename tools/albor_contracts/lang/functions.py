"""The closed list of functions and reductions, with one line of truth about each.

`ulp` is the error constant of the derived bounds: how many units roundoff of the accumulation dtype one careful
evaluation may be wrong by, relative to the result, once its argument is exact. `argument` counts how often hardware
rounds the argument before it evaluates: exp(x) is computed as 2^(x log2 e), with a rounded constant and a rounded
product. The constants are those of the CUDA and libm documentation rounded up, fixed here once and never per kernel.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Function:
    name: str
    arity: tuple[int, int]
    result: str  # real | int | bool | same
    latex: str
    ulp: float = 0.0
    note: str = ""
    argument: float = 0.0


# The same for the operators: sums and products are rounded once; a quotient may be a multiplication by an approximate
# reciprocal, a power 2^(b log2 a).
OPERATORS: dict[str, float] = {"+": 1.0, "*": 1.0, "/": 4.0, "**": 8.0}

FUNCTIONS: dict[str, Function] = {
    f.name: f
    for f in (
        Function("where", (3, 3), "same", r"\begin{cases}%s & %s\\%s\end{cases}", 0, "where(condition, a, b)"),
        Function("abs", (1, 1), "same", r"\left|%s\right|", 0, "exact"),
        Function("sign", (1, 1), "same", r"\operatorname{sign}(%s)", 0, "-1, 0 or 1; undecided within the bound of 0"),
        Function(
            "exp",
            (1, 1),
            "real",
            r"e^{%s}",
            4,
            "and two roundings of the argument: hardware computes 2^(x log2 e)",
            argument=2,
        ),
        Function("expm1", (1, 1), "real", r"(e^{%s}-1)", 4, "and two roundings of the argument", argument=2),
        Function("log", (1, 1), "real", r"\log(%s)", 4, "absolute near 1: 4 u"),
        Function("log1p", (1, 1), "real", r"\log(1+%s)", 4),
        Function("sqrt", (1, 1), "real", r"\sqrt{%s}", 4),
        Function("rsqrt", (1, 1), "real", r"\frac{1}{\sqrt{%s}}", 4),
        Function("sin", (1, 1), "real", r"\sin(%s)", 4, "absolute: 4 u, and one rounding of the argument", argument=1),
        Function("cos", (1, 1), "real", r"\cos(%s)", 4, "absolute: 4 u, and one rounding of the argument", argument=1),
        Function(
            "atan2",
            (2, 2),
            "real",
            r"\operatorname{atan2}(%s, %s)",
            6,
            "atan2(y, x): the angle of the point (x, y), in [-pi, pi]",
        ),
        Function("tanh", (1, 1), "real", r"\tanh(%s)", 4, "and two roundings of the argument", argument=2),
        Function("erf", (1, 1), "real", r"\operatorname{erf}(%s)", 4),
        Function(
            "sigmoid",
            (1, 1),
            "real",
            r"\sigma(%s)",
            9,
            "1 / (1 + exp(-x)): an exponential (4), a sum (1) and a quotient (4)",
            argument=2,
        ),
        Function(
            "floor", (1, 1), "int", r"\lfloor %s\rfloor", 0, "undecided when a whole number lies within the bound"
        ),
        Function("ceil", (1, 1), "int", r"\lceil %s\rceil", 0, "undecided when a whole number lies within the bound"),
        Function("round", (1, 1), "int", r"\operatorname{round}(%s)", 0, "half to even; undecided near a half"),
        Function("clip", (3, 3), "same", r"\operatorname{clip}(%s, %s, %s)", 0, "clip(x, low, high)"),
        Function("min", (2, 8), "same", r"\min(%s)", 0),
        Function("max", (2, 8), "same", r"\max(%s)", 0),
        Function(
            "cast",
            (1, 1),
            "real",
            r"\operatorname{cast}(%s)",
            0,
            "x itself; a kernel may round it to the dtype under test here",
        ),
        Function("isfinite", (1, 1), "bool", r"\operatorname{finite}(%s)", 0),
        Function("real", (1, 1), "real", r"%s", 0, "an integer or truth value as a real number"),
        Function("int", (1, 1), "int", r"%s", 0, "a truth value as 0 or 1"),
        Function("length", (1, 1), "int", r"|%s|", 0, "characters of a text, or bytes of a byte string"),
        Function(
            "occurrences",
            (2, 2),
            "int",
            r"\operatorname{occurrences}(%s, %s)",
            0,
            "how often the second text stands in the first, without overlap",
        ),
        Function("join", (2, 8), "text", r"\operatorname{join}(%s)", 0, "the texts, or byte strings, in this order"),
    )
}

# Functions whose arguments are texts.
ON_TEXTS = ("length", "occurrences", "join")

REDUCTIONS: dict[str, str] = {
    "sum": r"\sum",
    "prod": r"\prod",
    "mean": r"\operatorname{mean}",
    "max": r"\max",
    "min": r"\min",
    "argmax": r"\operatorname{argmax}",
    "argmin": r"\operatorname{argmin}",
    "count": r"\#",
    "all": r"\forall",
    "any": r"\exists",
}

# Only in checks: comparisons that use the derived bounds of both sides, and the bitwise one.
CLAIMS = ("approx", "equal", "exact")

ROUND_DTYPES = ("bf16", "f16", "f32")

RESERVED = {
    *FUNCTIONS, *REDUCTIONS, *CLAIMS, "spec", "round_to", "inf", "pi", "nan", "True", "False", "array", "dot", "grid",
    "claim", "case", "kernel",
}  # fmt: skip

CONSTANTS = {"pi": 3.141592653589793, "inf": float("inf")}
