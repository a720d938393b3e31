"""The named facts about exp, log, sqrt, cos, sin and erf that a proof over the reals may use.

To the solver these functions are symbols without meaning; an axiom gives them some, at the places where they occur.
Each axiom is true of the true function at every point where the function is defined. The tests evaluate every
instance numerically, and a proof names the axioms it was given, so that a reader sees what was assumed.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from .terms import Term, both, cos, erf, exp, implies, log, sin, sqrt, term

Polynomial = tuple[tuple[tuple[int, ...], Fraction], ...]
Arguments = Sequence[Term]

_MOST_MONOMIALS = 200


@dataclass(frozen=True)
class Axiom:
    """A true statement about `function`. `instances` yields it at the given arguments of that function."""

    name: str
    function: str
    statement: str
    why: str
    instances: Callable[[Arguments], Iterator[Term]]
    arity: int = 1  # how many terms an explicit instance takes


# Polynomial normal form: it recognises that two arguments differ by a third without asking the solver.

_monomials: dict[Term, dict[tuple[int, ...], Fraction]] = {}
_atoms: dict[int, Term] = {}


def polynomial(node: Term) -> dict[tuple[int, ...], Fraction]:
    """`node` as a sum of products of atoms: sorted atom ids -> coefficient. Anything not + or * is an atom."""
    known = _monomials.get(node)
    if known is None:
        known = _monomials[node] = _expand(node)
    return known


def _expand(node: Term) -> dict[tuple[int, ...], Fraction]:
    if node.op == "const":
        return {(): node.value} if node.value else {}
    if node.op == "add":
        total = dict(polynomial(node.args[0]))
        for key, factor in polynomial(node.args[1]).items():
            total[key] = total.get(key, Fraction(0)) + factor
        return {k: v for k, v in total.items() if v}
    left: dict[tuple[int, ...], Fraction]
    right: dict[tuple[int, ...], Fraction]
    if node.op == "mul":
        left, right = polynomial(node.args[0]), polynomial(node.args[1])
    elif node.op == "div" and not any(polynomial(node.args[1])):
        divisor = polynomial(node.args[1]).get((), Fraction(0))
        if not divisor:
            return _atom(node)
        left, right = polynomial(node.args[0]), {(): 1 / divisor}
    else:
        return _atom(node)
    if len(left) * len(right) > _MOST_MONOMIALS:
        return _atom(node)
    product: dict[tuple[int, ...], Fraction] = {}
    for (a, x), (b, y) in itertools.product(left.items(), right.items()):
        key = tuple(sorted(a + b))
        product[key] = product.get(key, Fraction(0)) + x * y
    return {k: v for k, v in product.items() if v}


def _atom(node: Term) -> dict[tuple[int, ...], Fraction]:
    _atoms[id(node)] = node
    return {(id(node),): Fraction(1)}


def form(node: Term) -> Polynomial:
    """The polynomial as a key: equal forms are equal terms."""
    return tuple(sorted(polynomial(node).items()))


def rebuilt(key: Polynomial) -> Term:
    """A term with this form."""
    total = term(0)
    for monomial, factor in key:
        product = term(factor)
        for number in monomial:
            product = _atoms[number] if product is term(1) else product * _atoms[number]
        total = product if total is term(0) else total + product
    return total


def _differences(arguments: Arguments) -> Iterator[tuple[Term, Term, Term]]:
    """Pairs (s, t) of arguments and their difference d = s - t, where d links more than one pair or is an argument.

    A difference that occurs once says nothing about the other terms, and only slows the solver down.
    """
    forms = {form(a): a for a in arguments}
    distinct = list(forms.values())
    pairs = [(s, t, form(s - t)) for s, t in itertools.permutations(distinct, 2)]
    shared = Counter(d for _, _, d in pairs)
    used: set[Polynomial] = set()
    for s, t, d in sorted(pairs, key=lambda pair: pair[2] not in forms):
        opposite = form(t - s)
        if (shared[d] > 1 or d in forms or len(distinct) == 2) and opposite not in used:
            used.add(d)
            yield s, t, forms.get(d, rebuilt(d))


def _pairs(arguments: Arguments) -> Iterator[tuple[Term, Term]]:
    return itertools.permutations({form(a): a for a in arguments}.values(), 2)


def _each(law: Callable[[Term], Term]) -> Callable[[Arguments], Iterator[Term]]:
    return lambda arguments: (law(a) for a in arguments)


def _each_pair(law: Callable[[Term, Term], Term]) -> Callable[[Arguments], Iterator[Term]]:
    return lambda arguments: (law(a, b) for a, b in _pairs(arguments))


def _exp_sum(arguments: Arguments) -> Iterator[Term]:
    for s, t, d in _differences(arguments):
        yield exp(s) == exp(t) * exp(d)


def _angle_sum(arguments: Arguments) -> Iterator[Term]:
    for s, t, d in _differences(arguments):
        yield cos(s) == cos(t) * cos(d) - sin(t) * sin(d)
        yield sin(s) == sin(t) * cos(d) + cos(t) * sin(d)


def _at_zero(function: Callable[[Term], Term], result: int) -> Callable[[Arguments], Iterator[Term]]:
    return lambda arguments: iter([function(term(0)) == result])


_ALL = (
    Axiom(
        "exp_positive", "exp", "exp(x) > 0", "exp(x) = exp(x/2)^2 and exp never vanishes", _each(lambda x: exp(x) > 0)
    ),
    Axiom("exp_zero", "exp", "exp(0) = 1", "definition", _at_zero(exp, 1), arity=0),
    Axiom("exp_negative", "exp", "exp(x) exp(-x) = 1", "exp(x - x) = exp(0)", _each(lambda x: exp(x) * exp(-x) == 1)),
    Axiom("exp_add", "exp", "exp(s) = exp(t) exp(s - t)", "functional equation of exp", _exp_sum, arity=2),
    Axiom(
        "exp_monotone",
        "exp",
        "s < t implies exp(s) < exp(t)",
        "exp' = exp > 0",
        _each_pair(lambda s, t: implies(s < t, exp(s) < exp(t))),
        arity=2,
    ),
    Axiom(
        "exp_at_least_one_plus_x",
        "exp",
        "exp(x) >= 1 + x",
        "exp is convex and this is its tangent at 0",
        _each(lambda x: exp(x) >= 1 + x),
    ),
    Axiom(
        "exp_at_most_one",
        "exp",
        "x <= 0 implies exp(x) <= 1",
        "exp is increasing and exp(0) = 1",
        _each(lambda x: implies(x <= 0, exp(x) <= 1)),
    ),
    Axiom("log_exp", "exp", "log(exp(x)) = x", "log is the inverse of exp", _each(lambda x: log(exp(x)) == x)),
    Axiom(
        "exp_log",
        "log",
        "x > 0 implies exp(log(x)) = x",
        "log is the inverse of exp",
        _each(lambda x: implies(x > 0, exp(log(x)) == x)),
    ),
    Axiom("log_one", "log", "log(1) = 0", "exp(0) = 1", _at_zero(lambda x: log(term(1)), 0), arity=0),
    Axiom(
        "log_le_x_minus_1",
        "log",
        "x > 0 implies log(x) <= x - 1",
        "log is concave and this is its tangent at 1",
        _each(lambda x: implies(x > 0, log(x) <= x - 1)),
    ),
    Axiom(
        "log_ge_1_minus_inverse",
        "log",
        "x > 0 implies log(x) >= 1 - 1/x",
        "log_le_x_minus_1 at 1/x",
        _each(lambda x: implies(x > 0, log(x) >= 1 - 1 / x)),
    ),
    Axiom(
        "log_difference",
        "log",
        "s, t > 0 implies log(s) - log(t) <= s/t - 1",
        "log_le_x_minus_1 at s/t",
        _each_pair(lambda s, t: implies(both(s > 0, t > 0), log(s) - log(t) <= s / t - 1)),
        arity=2,
    ),
    Axiom(
        "log_monotone",
        "log",
        "0 < s < t implies log(s) < log(t)",
        "log' = 1/x > 0",
        _each_pair(lambda s, t: implies(both(s > 0, s < t), log(s) < log(t))),
        arity=2,
    ),
    Axiom(
        "log_quotient",
        "log",
        "s, t > 0 implies log(s/t) = log(s) - log(t)",
        "functional equation of log",
        lambda arguments: (
            implies(both(x.args[0] > 0, x.args[1] > 0), log(x) == log(x.args[0]) - log(x.args[1]))
            for x in arguments
            if x.op == "div"
        ),
    ),
    Axiom(
        "log_product",
        "log",
        "s, t > 0 implies log(s t) = log(s) + log(t)",
        "functional equation of log",
        lambda arguments: (
            implies(both(x.args[0] > 0, x.args[1] > 0), log(x) == log(x.args[0]) + log(x.args[1]))
            for x in arguments
            if x.op == "mul"
        ),
    ),
    Axiom(
        "sqrt_squared",
        "sqrt",
        "x >= 0 implies sqrt(x) >= 0 and sqrt(x)^2 = x",
        "definition",
        _each(lambda x: implies(x >= 0, both(sqrt(x) >= 0, sqrt(x) * sqrt(x) == x))),
    ),
    Axiom(
        "sqrt_monotone",
        "sqrt",
        "0 <= s < t implies sqrt(s) < sqrt(t)",
        "squaring is increasing on x >= 0",
        _each_pair(lambda s, t: implies(both(s >= 0, s < t), sqrt(s) < sqrt(t))),
        arity=2,
    ),
    Axiom(
        "cos2_plus_sin2",
        "cos",
        "cos(x)^2 + sin(x)^2 = 1",
        "Pythagoras",
        _each(lambda x: cos(x) * cos(x) + sin(x) * sin(x) == 1),
    ),
    Axiom(
        "cos_sin_addition",
        "cos",
        "cos(t + d) = cos t cos d - sin t sin d, sin(t + d) = sin t cos d + cos t sin d",
        "a rotation by t + d is a rotation by d and then by t",
        _angle_sum,
        arity=2,
    ),
    Axiom(
        "cos_sin_zero",
        "cos",
        "cos(0) = 1 and sin(0) = 0",
        "definition",
        lambda arguments: iter([both(cos(0) == 1, sin(0) == 0)]),
        arity=0,
    ),
    Axiom(
        "cos_sin_negative",
        "cos",
        "cos(-x) = cos(x), sin(-x) = -sin(x)",
        "symmetry of the circle",
        _each(lambda x: both(cos(-x) == cos(x), sin(-x) == -sin(x))),
    ),
    Axiom(
        "erf_bounded",
        "erf",
        "-1 < erf(x) < 1",
        "erf is a probability, rescaled",
        _each(lambda x: both(erf(x) > -1, erf(x) < 1)),
    ),
    Axiom(
        "erf_odd",
        "erf",
        "erf(-x) = -erf(x)",
        "its derivative is even and erf(0) = 0",
        _each(lambda x: erf(-x) == -erf(x)),
    ),
    Axiom(
        "erf_monotone",
        "erf",
        "s < t implies erf(s) < erf(t)",
        "its derivative is positive",
        _each_pair(lambda s, t: implies(s < t, erf(s) < erf(t))),
        arity=2,
    ),
)

AXIOMS: dict[str, Axiom] = {axiom.name: axiom for axiom in _ALL}


def arguments_of(function: str, nodes: Sequence[Term]) -> list[Term]:
    """The arguments `function` is applied to among `nodes`; cos and sin count as one function of the angle."""
    functions = ("cos", "sin") if function == "cos" else (function,)
    return list(dict.fromkeys(n.args[0] for n in nodes if n.op in functions))
