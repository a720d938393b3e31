"""Values with error bounds: how wrong may a careful computation in the accumulation precision be?

`Bounded(value, error)` says: the exact result is `value`, and a kernel that evaluates the same formula with unit
roundoff u, in any order of summation, computes something within `error` of it. An infinite error says that nothing
can be known: a divisor or a logarithm's argument may be zero. Every rule is first order in u and keeps the products
of errors; the constants stand in `lang.functions` and nowhere else.

    a + b      ea + eb + u |a + b|
    a * b      |a| eb + |b| ea + ea eb + u |ab|
    a / b      (ea + |a/b| eb) / (|b| - eb) + 4 u |a/b|
    sum of k   sum of errors + growth(k) u sum |a|
    f(a)       |f'| ea + ulp(f) u |f(a)|, and where hardware rounds the argument first, |f'| u |a| each time
    max        the ends of the interval it may lie in
    discrete   0, or the whole difference where the decision falls inside the bound

growth(k) is k - 1, the worst case, while that is less than 8 sqrt(k), and 8 sqrt(k + m k) from there on, where m
counts terms that are alike: roundings are independent only as long as the terms differ by something like the unit in
the last place of their sum, and thousands of equal terms, added one by one, are all rounded in the same direction.

Where the magnitude of a result counts, it is that of a computed one, |value| + error. Underflow may be flushed to
zero: each product, quotient and function adds min(|value|, smallest normal number). Overflow inside a formula is not
modelled: domains keep inputs away from it.

Source: N. J. Higham, Accuracy and Stability of Numerical Algorithms (2002), chapters 2-4; Higham and Mary, A new
approach to probabilistic rounding error analysis (2019) for the factor sqrt(k) and for its failure on equal terms.
"""

from .functions import (
    atan2,
    cast,
    ceil,
    cos,
    erf,
    exp,
    expm1,
    floor,
    log,
    log1p,
    maximum,
    minimum,
    round_half_even,
    rounded,
    rsqrt,
    sigmoid,
    sign,
    sin,
    sqrt,
    tanh,
    where,
)
from .reductions import (
    ALIKE,
    LAMBDA,
    PRODUCTS,
    arg_largest,
    arg_smallest,
    count,
    dot,
    largest,
    mean,
    product,
    smallest,
    sum_of_products,
    total,
)
from .value import Bounded, accumulating, all_finite, approx, whole_axes

__all__ = [
    "ALIKE", "LAMBDA", "PRODUCTS", "Bounded", "accumulating", "all_finite", "approx", "arg_largest", "arg_smallest",
    "atan2", "cast", "ceil", "cos", "count", "dot", "erf", "exp", "expm1", "floor", "largest", "log", "log1p",
    "maximum", "mean", "minimum", "product", "round_half_even", "rounded", "rsqrt", "sigmoid", "sign", "sin",
    "smallest", "sqrt", "sum_of_products", "tanh", "total", "where", "whole_axes",
]  # fmt: skip
