"""Every rule of the derived bounds against truth: mpmath, and computations that round after each step."""

from __future__ import annotations

import math
from collections.abc import Callable

import mpmath
import numpy as np
import pytest
from albor_contracts.lang.functions import FUNCTIONS, OPERATORS
from albor_contracts.runtime import bounded
from albor_contracts.runtime.bounded import Bounded, accumulating, approx
from albor_contracts.runtime.claims import claim, watching
from albor_contracts.runtime.dtypes import FORMATS, round_to
from albor_contracts.runtime.grid import grid
from albor_contracts.runtime.rounded import Arithmetic, add_up, computing
from albor_contracts.runtime.truth import Truth

FORMS = ("f32", "bf16", "f16")
COUNT = 400
mpmath.mp.prec = 160


def stored(x, form):
    return round_to(np.asarray(x, dtype=np.float64), form)


def injected(rng, size, errors):
    """A computed operand: the exact one off by its whole error, upwards or downwards, or by some of it."""
    return errors * rng.choice([-1.0, 1.0, -0.3, 0.7, 0.0], size)


def truth(function: Callable, *operands):
    """The function of every element, in 160 bits, and as float64."""
    found = []
    for each in zip(*(np.broadcast_arrays(*operands)), strict=True):
        try:
            found.append(function(*(mpmath.mpf(float(v)) for v in each)))
        except (ZeroDivisionError, ValueError):
            found.append(mpmath.nan)
    return found


def inside(result: Bounded, computed, exact, slack=1e-9):
    """No computed value is further from the exact one than the bound, but for the roundings of float64 itself."""
    bounds = result.errors()
    for k, (c, y, e) in enumerate(zip(np.ravel(computed), exact, np.ravel(bounds), strict=True)):
        if not mpmath.isfinite(y) or e == math.inf or math.isinf(c):  # overflow is not modelled
            continue
        distance = abs(mpmath.mpf(float(c)) - y)
        assert distance <= e * (1 + slack) + abs(y) * mpmath.mpf(2) ** -52, (k, float(c), float(y), float(e))


def tight(result: Bounded, computed, exact):
    """The bound is no more than 200 times what rounding does to random data."""
    shares = []
    for c, y, e in zip(np.ravel(computed), exact, np.ravel(result.errors()), strict=True):
        if mpmath.isfinite(y) and 0 < e < math.inf:
            shares.append(float(abs(mpmath.mpf(float(c)) - y) / e))
    assert len(shares) > 10
    assert np.median(shares) > 1 / 200


# Operands: random, and the ones that hurt.

HOSTILE = np.array(
    [0.0, -0.0, 1.0, -1.0, 1 + 2.0**-7, 1 - 2.0**-8, 3.0, 1 / 3, -2.5, 0.5, 1e-3, 1e-6, 123.456, -4096.0, 6e4]
)


def _within(low, high):
    return np.array([x for x in HOSTILE if low <= x <= high])


def _operands(rng, form, low=-8.0, high=8.0):
    random = np.concatenate(
        [rng.uniform(low, high, COUNT), rng.normal(size=COUNT) * np.exp(rng.normal(size=COUNT) * 2)]
    )
    values = np.concatenate([np.clip(random, low, high), _within(low, high)])
    return stored(values, form)


def _errors(rng, form, values):
    """None, a few units roundoff, and far more than that."""
    unit = FORMATS[form].unit
    return np.abs(values) * rng.choice([0.0, unit, 8 * unit, 0.03], values.shape) + rng.choice(
        [0.0, 0.0, unit], values.shape
    )


BINARY = {
    "+": (lambda a, b: a + b, lambda a, b: a + b),
    "-": (lambda a, b: a - b, lambda a, b: a - b),
    "*": (lambda a, b: a * b, lambda a, b: a * b),
    "/": (lambda a, b: a / b, lambda a, b: a / b),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", BINARY)
class TestOperators:
    def pair(self, rng, form):
        a, b = _operands(rng, form), rng.permutation(_operands(rng, form))
        b[:20] = a[:20]  # complete cancellation
        b[20:40] = stored(a[20:40] * (1 + 2.0**-6), form)
        return a, b

    def test_rounding_of_exact_operands(self, name, form):
        rng = np.random.default_rng(1)
        a, b = self.pair(rng, form)
        ours, exact = BINARY[name]
        with accumulating(form), np.errstate(all="ignore"):
            result = ours(Bounded(a), Bounded(b))
            computed = stored(ours(a, b), form)
        right = truth(exact, a, b)
        inside(result, computed, right)
        tight(result, computed, right)

    def test_errors_of_operands(self, name, form):
        rng = np.random.default_rng(2)
        a, b = self.pair(rng, form)
        ea, eb = _errors(rng, form, a), _errors(rng, form, b)
        ours, exact = BINARY[name]
        with accumulating(form), np.errstate(all="ignore"):
            result = ours(Bounded(a, ea), Bounded(b, eb))
            right = truth(exact, a, b)
            for _ in range(3):
                wrong = ours(a + injected(rng, a.shape, ea), b + injected(rng, b.shape, eb))
                inside(result, stored(wrong, form), right)

    def test_one_operand_with_an_error_that_is_a_single_number(self, name, form):
        rng = np.random.default_rng(3)
        a, b = self.pair(rng, form)
        ours, exact = BINARY[name]
        with accumulating(form), np.errstate(all="ignore"):
            result = ours(Bounded(a, np.float64(0.01)), 3.0)
            inside(result, stored(ours(a + 0.01, 3.0), form), truth(exact, a, np.full(a.shape, 3.0)))
            result = ours(2, Bounded(b, np.float64(0.01)))
            inside(result, stored(ours(2.0, b - 0.01), form), truth(exact, np.full(b.shape, 2.0), b))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("power", [1, 2, 3, 4, 0.5, -1, 2.5, -3])
def test_powers(form, power):
    rng = np.random.default_rng(4)
    a = stored(np.concatenate([rng.uniform(0.25, 3, COUNT), [1.0, 0.5, 2.0]]), form)
    ea = _errors(rng, form, a) * 0.5
    with accumulating(form):
        result = Bounded(a, ea) ** power
        rough = np.abs(a + injected(rng, a.shape, ea)) ** power
        # A library's power: within the constant of the right one. The first power is the operand itself.
        off = 0.0 if power in (1, 2, 3, 4) else 7 * FORMATS[form].unit
        computed = rough if power == 1 else stored(rough * (1 + off * rng.choice([-1, 0, 1], a.shape)), form)
    inside(result, computed, truth(lambda x: x ** mpmath.mpf(power), a))


def test_a_power_of_an_exact_zero_is_exact_and_a_varying_exponent_is_not():
    with accumulating("f32"):
        assert (Bounded(np.zeros(2)) ** 2.5).errors().max() == 0
        n = Bounded(np.arange(1.0, 2000.0))
        result = Bounded(np.asarray(0.999), np.asarray(2.0**-25)) ** n
    right = truth(lambda k: mpmath.mpf(0.999) ** k, n.value)
    inside(result, (0.999 + 2.0**-25) ** n.value, right)
    inside(result, (0.999 - 2.0**-25) ** n.value, right)


# Functions: name -> exact function, range of arguments

UNARY: dict[str, tuple[Callable, float, float]] = {
    "exp": (mpmath.exp, -60, 9),
    "expm1": (mpmath.expm1, -20, 9),
    "log": (mpmath.log, 1e-4, 6e4),
    "log1p": (mpmath.log1p, -0.9, 100),
    "sqrt": (mpmath.sqrt, 0, 6e4),
    "rsqrt": (lambda x: 1 / mpmath.sqrt(x), 1e-4, 6e4),
    "sin": (mpmath.sin, -30, 30),
    "cos": (mpmath.cos, -30, 30),
    "tanh": (mpmath.tanh, -12, 12),
    "erf": (mpmath.erf, -5, 5),
    "sigmoid": (lambda x: 1 / (1 + mpmath.exp(-x)), -60, 60),
}
IN_FLOAT64 = {name: getattr(np, name) for name in ("exp", "expm1", "log", "log1p", "sqrt", "sin", "cos", "tanh")}
IN_FLOAT64 |= {"rsqrt": lambda x: 1 / np.sqrt(x), "sigmoid": lambda x: 1 / (1 + np.exp(-x))}
IN_FLOAT64["erf"] = np.vectorize(math.erf)
CHECKED_ELSEWHERE = {
    "where", "abs", "sign", "atan2", "floor", "ceil", "round", "clip", "min", "max", "isfinite", "real", "int",
    "length", "occurrences", "join", "cast",
}  # fmt: skip


def test_no_function_is_forgotten():
    assert set(UNARY) | CHECKED_ELSEWHERE >= set(FUNCTIONS)


def test_what_is_evaluated_through_powers_of_two_rounds_its_argument_twice():
    rounded = {name: f.argument for name, f in FUNCTIONS.items() if f.argument}
    assert rounded == {"exp": 2, "expm1": 2, "tanh": 2, "sigmoid": 2, "sin": 1, "cos": 1}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", UNARY)
class TestFunctions:
    def arguments(self, name, form, rng):
        _, low, high = UNARY[name]
        a = np.concatenate([
            rng.uniform(low, high, COUNT // 2), np.clip(rng.normal(size=COUNT // 2), low, high),
            _within(low, high), [low, high],
        ])  # fmt: skip
        a = stored(a, form)
        return a[(a >= low) & (a <= high)]

    def test_rounded_once(self, name, form):
        a = self.arguments(name, form, np.random.default_rng(6))
        with accumulating(form):
            result = getattr(bounded, name)(Bounded(a))
        right = truth(UNARY[name][0], a)
        with np.errstate(all="ignore"):
            computed = stored(IN_FLOAT64[name](a), form)
        inside(result, computed, right)
        tight(result, computed, right)

    def test_approximate_instructions(self, name, form):
        """As wrong as the constants of the function allow, on an argument as wrong as its bound."""
        rng = np.random.default_rng(7)
        unit = FORMATS[form].unit
        a = self.arguments(name, form, rng)
        ea = _errors(rng, form, a)
        _, low, _ = UNARY[name]
        roundings = FUNCTIONS[name].argument
        with accumulating(form), np.errstate(all="ignore"):
            result = getattr(bounded, name)(Bounded(a, ea))
            right = truth(UNARY[name][0], a)
            for _ in range(3):
                moved = a + injected(rng, a.shape, ea)
                moved = moved * (1 + roundings * unit * rng.uniform(-1, 1, a.shape))
                y = IN_FLOAT64[name](moved if roundings else np.maximum(moved, low))
                # The constants of sin, cos and, near 1, log are absolute.
                scale = np.maximum(np.abs(y), 1 if name in ("sin", "cos", "log") else 0)
                computed = y + (FUNCTIONS[name].ulp - 1) * unit * scale * rng.choice([-1, 0, 1], a.shape)
                inside(result, stored(computed, form), right)

    def test_exact_arguments_are_not_charged_for_errors(self, name, form):
        a = self.arguments(name, form, np.random.default_rng(8))
        with accumulating(form):
            exact, zero = (getattr(bounded, name)(Bounded(a, e)) for e in (0.0, np.zeros(a.shape)))
        assert np.array_equal(exact.value, zero.value, equal_nan=True)
        assert np.allclose(exact.errors(), zero.errors(), rtol=1e-12, atol=0)


@pytest.mark.parametrize("form", FORMS)
def test_atan2(form):
    rng = np.random.default_rng(9)
    unit = FORMATS[form].unit
    angle = np.concatenate([rng.uniform(-np.pi, np.pi, COUNT), np.linspace(-np.pi, np.pi, 33)])
    y, x = stored(np.sin(angle) * 3, form), stored(np.cos(angle) * 3, form)
    ey, ex = _errors(rng, form, y), _errors(rng, form, x)
    with accumulating(form):
        result = bounded.atan2(Bounded(y, ey), Bounded(x, ex))
    right = truth(mpmath.atan2, y, x)
    for _ in range(4):
        found = np.arctan2(y + injected(rng, y.shape, ey), x + injected(rng, x.shape, ex))
        inside(result, stored(found * (1 + 5 * unit * rng.uniform(-1, 1, y.shape)), form), right)
    assert (result.errors() < 0.1).mean() > 0.8


def test_atan2_at_the_cut_and_at_the_origin():
    with accumulating("f32"):
        across = bounded.atan2(Bounded(np.asarray(1e-9), np.asarray(1e-8)), Bounded(-1.0))
        assert across.errors() >= 2 * np.pi - 1e-6
        origin = bounded.atan2(Bounded(np.asarray(0.0), np.asarray(1e-8)), Bounded(np.asarray(0.0), np.asarray(1e-8)))
        assert origin.errors() >= np.pi
        exact = bounded.atan2(Bounded(0.0), Bounded(-1.0))
        assert exact.errors() < 1e-5


@pytest.mark.parametrize("name", UNARY)
def test_infinite_undefined_and_subnormal_arguments(name):
    a = np.array([np.inf, -np.inf, np.nan, 1e-310, -1e-310, 1e-40, 0.0, 1.0])
    with accumulating("f32"), np.errstate(all="ignore"):
        result = getattr(bounded, name)(Bounded(a, np.where(np.isfinite(a), 1e-7, 0.0)))
        plain = IN_FLOAT64[name](a)
    assert np.array_equal(result.value[:3], plain[:3], equal_nan=True)
    errors = result.errors()
    assert not np.isnan(errors).any()
    assert (errors[:3][~np.isfinite(result.value[:3])] == 0).all()
    assert np.isfinite(errors[-1])


@pytest.mark.parametrize("form", FORMS)
def test_exp_far_below_where_it_underflows(form):
    """Masked logits of -1e30: the argument's rounding error is enormous, the result is still nothing."""
    with accumulating(form):
        for result in (
            bounded.exp(Bounded(np.array([-1e30, -3e4]))),
            bounded.sigmoid(Bounded(np.array([-1e30, -3e4]))),
        ):
            assert (result.value == 0).all()
            assert (result.errors() == 0).all()
        near_one = bounded.expm1(Bounded(np.array([-1e30])))
        assert near_one.errors()[0] < 7 * FORMATS[form].unit
        big = bounded.sigmoid(Bounded(np.array([1e30])))
        assert big.errors()[0] < 10 * FORMATS[form].unit


def test_flushing_to_zero_is_allowed_and_no_more():
    tiny = FORMATS["f32"].smallest_normal
    with accumulating("f32"):
        a = Bounded(np.array([1e-20, 1e-30, 1e-19, 2.0]))
        result = a * a
        e = bounded.exp(Bounded(np.array([-88.0, -104.0])))
    for value, error in zip(result.value, result.errors(), strict=True):
        assert error >= (value if value < tiny else 0)
        assert error <= min(value, tiny) + value * 1e-6
    assert e.errors()[1] >= e.value[1]
    assert e.errors()[0] >= e.value[0]  # exp(-88) is subnormal in float32


def test_constants_that_binary32_cannot_hold():
    with accumulating("f32"):
        assert Bounded.of(0.5).error == 0
        assert Bounded.of(0.1).error == 2.0**-24 * 0.1
        assert Bounded.of(2**24).error == 0
        assert Bounded.of(2**24 + 1).error > 0
        assert Bounded.of(math.inf).error == 0
        with pytest.raises(TypeError):
            Bounded.of(Truth(np.array(True)))
    assert Bounded.of(0.1).error <= 0.1 * 2.0**-53


# Poles


def test_a_divisor_that_may_be_zero_decides_nothing():
    with accumulating("f32"), np.errstate(all="ignore"):
        result = Bounded(1.0) / Bounded(np.array([0.0, 1e-9, 1.0, 0.0]), np.array([1e-8, 1e-8, 1e-8, 0.0]))
    assert result.errors()[0] == np.inf
    assert result.errors()[1] == np.inf
    assert result.errors()[2] < 1e-6
    assert result.value[3] == np.inf
    assert result.errors()[3] == 0  # an exact zero is a pole that every kernel has
    for answer in (math.inf, -7.0, math.nan):
        claim(approx(answer, result[0:1]))
    assert not approx(5.0, result[3:4]).possible.any()


def test_what_comes_of_anything_may_be_anything():
    with accumulating("f32"), np.errstate(all="ignore"):
        anything = Bounded(1.0) / Bounded(np.array([0.0]), np.array([1e-8]))
        for result in (
            anything + 1, 2 * anything, 1 / anything, anything - anything, bounded.total(anything, (0,)),
            bounded.dot([anything, Bounded(np.ones(1))], (0,)), bounded.largest(anything, (0,)), -anything,
            bounded.where(np.array([True]), anything, 0.0), bounded.maximum(anything, 0.0), bounded.exp(anything),
            bounded.product(anything, (0,)), bounded.mean(anything, (0,)),
        ):  # fmt: skip
            assert np.isposinf(result.errors()).all()
        assert bounded.sin(anything).errors()[0] <= 2.1
        assert bounded.where(np.array([False]), anything, 0.0).errors()[0] == 0
        assert (anything < 0).unsure.all()
        assert (anything == 0).unsure.all()


@pytest.mark.parametrize("name", ["log", "rsqrt", "log1p"])
def test_poles_of_functions(name):
    pole = -1.0 if name == "log1p" else 0.0
    with accumulating("f32"), np.errstate(all="ignore"):
        near = getattr(bounded, name)(Bounded(np.array([pole, pole + 1e-9]), np.array([1e-8, 1e-8])))
        at = getattr(bounded, name)(Bounded(np.array([pole])))
    assert np.isposinf(near.errors()).all()
    assert np.isinf(at.value[0])
    assert at.errors()[0] == 0


def test_infinite_and_undefined_values_are_compared_as_such():
    values = np.array([np.inf, -np.inf, np.nan, 1.0])
    b = Bounded(values, np.array([0.0, 0.0, 0.0, 1e-3]))
    assert approx(values, b).value.all()
    for wrong in ([1.0, -np.inf, np.nan, 1.0], [np.inf, np.inf, np.nan, 1.0], [np.inf, -np.inf, 0.0, 1.0]):
        assert not approx(np.array(wrong), b).value.all()
    with accumulating("f32"), np.errstate(all="ignore"):
        assert np.isnan((Bounded(values) - Bounded(values)).value[:3]).all()
        assert ((Bounded(values) * 2.0).errors()[:3] == 0).all()


# Decisions


@pytest.mark.parametrize("relation", ["<", "<=", ">", ">=", "==", "!="])
def test_comparisons_are_undecided_exactly_within_the_bounds(relation):
    compare = {
        "<": np.less,
        "<=": np.less_equal,
        ">": np.greater,
        ">=": np.greater_equal,
        "==": np.equal,
        "!=": np.not_equal,
    }
    rng = np.random.default_rng(12)
    a, b = rng.integers(-3, 4, 500) / 4.0, rng.integers(-3, 4, 500) / 4.0
    ea, eb = rng.choice([0.0, 0.1, 0.3], 500), rng.choice([0.0, 0.1, 0.3], 500)
    t = {"<": lambda x, y: x < y, "<=": lambda x, y: x <= y, ">": lambda x, y: x > y, ">=": lambda x, y: x >= y,
         "==": lambda x, y: x == y, "!=": lambda x, y: x != y}[relation](Bounded(a, ea), Bounded(b, eb))  # fmt: skip
    assert np.array_equal(t.value, compare[relation](a, b))
    # Interval arithmetic by the corners, and touching ends count as reachable.
    corners = [compare[relation](a + s * ea, b + r * eb) for s in (-1, 0, 1) for r in (-1, 0, 1)]
    both = np.any(corners, axis=0) & ~np.all(corners, axis=0)
    meet = (np.abs(a - b) <= ea + eb) & (ea + eb > 0)
    assert (~both | np.broadcast_to(t.unsure, both.shape)).all()
    assert np.array_equal(np.broadcast_to(t.unsure, meet.shape), meet)


def test_exact_ties_are_decided_even_among_arrays_of_bounds():
    tie = Bounded(np.array([1.0, 1.0]), np.array([0.0, 0.1])) < Bounded(np.array([1.0, 1.0]), np.zeros(2))
    assert np.array_equal(tie.value, [False, False])
    assert np.array_equal(tie.unsure, [False, True])


def test_logic_is_undecided_where_either_answer_is_possible():
    undecided = Truth(np.array([True, True, False, False]), np.array([False, True, False, True]))
    for value in (True, False):
        other = Truth(np.full(4, value))
        assert np.array_equal((undecided & other).unsure, undecided.unsure & value)
        assert np.array_equal((undecided | other).unsure, undecided.unsure & (not value))
        assert np.array_equal((undecided == other).unsure, undecided.unsure)
    assert np.array_equal((~undecided).value, [False, False, True, True])
    assert not undecided.all((0,)).possible.any()
    assert undecided.any((0,)).value.all()
    assert Truth(np.array([True, True]), np.array([False, True])).all((0,)).unsure.all()


def test_sign_near_zero():
    s = bounded.sign(Bounded(np.array([1.0, 1e-9, 0.0, 0.0, -1e-9]), np.array([0.1, 1e-8, 1e-8, 0.0, 0.0])))
    assert np.array_equal(s.value, [1, 1, 0, 0, -1])
    assert np.array_equal(s.errors(), [0, 2, 2, 0, 0])


@pytest.mark.parametrize(("name", "step"), [("floor", np.floor), ("ceil", np.ceil), ("round_half_even", np.rint)])
def test_steps(name, step):
    rng = np.random.default_rng(13)
    a = np.concatenate([rng.uniform(-4, 4, 400), np.arange(-4, 4.5, 0.5), np.arange(-4, 5) - 1e-9])
    ea = rng.choice([0.0, 1e-8, 0.2, 1.7], a.shape)
    result = getattr(bounded, name)(Bounded(a, ea))
    assert np.array_equal(result.value, step(a))
    for s in np.linspace(-1, 1, 41):
        assert (np.abs(step(a + s * ea) - result.value) <= result.errors()).all()
    assert (result.errors()[ea == 0] == 0).all()
    reached = [np.abs(step(a + s * ea) - result.value) for s in (-1, 1)]
    assert np.array_equal(result.errors(), np.maximum(*reached))


@pytest.mark.parametrize("dtype", ["bf16", "f16", "f32"])
def test_declared_roundings(dtype):
    rng = np.random.default_rng(14)
    a = np.concatenate(
        [rng.normal(size=500) * np.exp(3 * rng.normal(size=500)), [0.0, 1e-8, 65519.9, 65520.0, 1e39, -1e39]]
    )
    ea = np.abs(a) * rng.choice([0.0, 1e-7, 1e-3], a.shape)
    with accumulating("f32"):
        result = bounded.rounded(Bounded(a, ea), dtype)
    assert np.array_equal(result.value, round_to(a, dtype))
    for s in np.linspace(-1, 1, 21):
        with np.errstate(invalid="ignore"):
            moved = round_to(a + s * ea, dtype)
            off = np.where(moved == result.value, 0.0, np.abs(moved - result.value))
        fine = np.isfinite(result.value)
        assert (off[fine] <= result.errors()[fine]).all()
    assert (bounded.rounded(Bounded(a), dtype).errors() == 0).all()


def test_allowed_roundings():
    a = np.random.default_rng(15).normal(size=300)
    with accumulating("f32", "bf16"):
        result = bounded.cast(Bounded(a, np.full(300, 1e-7)))
    assert (np.abs(round_to(a, "bf16") - a) <= result.errors()).all()
    assert (result.errors() <= 1.01 * 2.0**-8 * np.abs(a) + 2e-7).all()
    with accumulating("f32", "f32"):
        assert bounded.cast(Bounded(a)).error == 0


def test_choices():
    rng = np.random.default_rng(16)
    c, ec = rng.normal(size=300), rng.choice([0.0, 0.5], 300)
    a, b = rng.normal(size=300), rng.normal(size=300)
    ea, eb = rng.choice([0.0, 0.1], 300), rng.choice([0.0, 0.2], 300)
    condition = Bounded(c, ec) > 0
    result = bounded.where(condition, Bounded(a, ea), Bounded(b, eb))
    assert np.array_equal(result.value, np.where(c > 0, a, b))
    for s in (-1, -0.4, 0.4, 1):
        for ra in (-1, 1):
            computed = np.where(c + s * ec > 0, a + ra * ea, b - ra * eb)
            assert (np.abs(computed - result.value) <= result.errors() + 1e-15).all()
    certain = ~np.broadcast_to(condition.unsure, (300,))
    assert np.array_equal(result.errors()[certain], np.where(c > 0, ea, eb)[certain])


def test_choices_between_infinities():
    undecided = Truth(np.array([True, True, True]), np.array([True, True, True]))
    result = bounded.where(
        undecided, Bounded(np.array([-np.inf, 1.0, -np.inf])), Bounded(np.array([-np.inf, 2.0, 0.0]))
    )
    assert np.array_equal(result.errors(), [0, 1, np.inf])


@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_extremes_of_several(name):
    rng = np.random.default_rng(17)
    values = [rng.normal(size=400) for _ in range(3)]
    errors = [rng.choice([0.0, 0.05, 1.0], 400) for _ in range(3)]
    result = getattr(bounded, name)(*(Bounded(v, e) for v, e in zip(values, errors, strict=True)))
    function = np.maximum if name == "maximum" else np.minimum
    assert np.array_equal(result.value, function(function(*values[:2]), values[2]))
    worst = np.zeros(400)
    for _ in range(200):
        moved = [v + injected(rng, 400, e) for v, e in zip(values, errors, strict=True)]
        worst = np.maximum(worst, np.abs(function(function(*moved[:2]), moved[2]) - result.value))
    assert (worst <= result.errors() + 1e-15).all()
    assert np.median(worst[worst > 0] / result.errors()[worst > 0]) > 0.9


# Reductions

ORDERS = [
    Arithmetic("naive"), Arithmetic("reversed"), Arithmetic("pairwise"), Arithmetic("blocks of 32"),
    Arithmetic("blocks of 128"), Arithmetic("blocks of 8", fused=True),
]  # fmt: skip


def _rows(rng, n):
    """Terms of sums: random, equal, nearly equal, alternating, swallowed by a large one, cancelling, of few values."""
    k = np.arange(n)
    spike = np.abs(rng.normal(size=n))
    spike[0] = 4e6
    cancel = rng.normal(size=n)
    cancel[n // 2 : 2 * (n // 2)] = -cancel[: n // 2]
    rows = [
        rng.normal(size=n),
        rng.uniform(0, 1, n),
        np.full(n, 0.1),
        np.full(n, rng.uniform(1, 2)),
        1 + 1e-6 * rng.normal(size=n),
        np.where(k % 2, 1.1, -1.1),
        spike,
        spike[::-1],
        cancel,
        rng.choice([0.1, 0.7, 0.3], n),
        np.where(rng.random(n) < 0.01, 3.0, 0.0),
        np.exp(-k / 9.0),
        rng.standard_cauchy(n),
        k * 0.1,
        np.where(k == n - 1, 1e6, 0.1),
    ]
    return np.stack(rows)


def _sums(terms, order, form):
    with computing(Arithmetic(order.order, order.fused, precision=form)):
        given = terms.astype(np.float32) if form == "f32" and not order.fused else terms
        return add_up(given, (1,)).astype(np.float64)


@pytest.mark.parametrize("order", ORDERS, ids=lambda a: a.order + " fused" * a.fused)
@pytest.mark.parametrize("n", [1, 2, 3, 17, 64, 67, 257, 1025, 4097, 20001])
def test_sums_in_every_order(n, order):
    rng = np.random.default_rng(n)
    terms = stored(np.concatenate([_rows(rng, n), rng.uniform(1, 2, 40)[:, None] * np.ones(n)]), "f32")
    with accumulating("f32"):
        result = bounded.total(Bounded(terms), (1,))
    right = [math.fsum(row) for row in terms]
    off = np.abs(_sums(terms, order, "f32")[:, 0] - right)
    assert (off <= result.errors()[:, 0] * (1 + 1e-9)).all(), off / result.errors()[:, 0]


@pytest.mark.parametrize("order", ORDERS[:4], ids=lambda a: a.order)
@pytest.mark.parametrize("form", ["bf16", "f16"])
@pytest.mark.parametrize("n", [3, 67, 300])
def test_sums_in_narrow_formats(n, form, order):
    rng = np.random.default_rng(n)
    terms = stored(_rows(rng, n)[[0, 1, 2, 3, 4, 5, 8, 9, 11]], form)
    with accumulating(form):
        result = bounded.total(Bounded(terms), (1,))
    right = [math.fsum(row) for row in terms]
    off = np.abs(_sums(terms, order, form)[:, 0] - right)
    assert (off <= result.errors()[:, 0] * (1 + 1e-9)).all(), off / result.errors()[:, 0]


def test_sums_of_random_terms_are_not_charged_for_the_worst_case():
    rng = np.random.default_rng(20)
    for n in (257, 1025, 4097, 20001):
        terms = stored(rng.uniform(0, 1, (20, n)), "f32")
        with accumulating("f32"):
            result = bounded.total(Bounded(terms), (1,))
        unit = 2.0**-24 * np.abs(terms).sum(axis=1, keepdims=True)
        assert (result.errors() < 24 * math.sqrt(n) * unit).all()
        off = np.abs(_sums(terms, ORDERS[0], "f32") - np.array([[math.fsum(row)] for row in terms]))
        assert np.median(off / result.errors()) > 1 / 200


def test_sums_of_terms_with_errors_and_masks():
    rng = np.random.default_rng(21)
    a, ea = rng.normal(size=(50, 40)), rng.choice([0.0, 1e-3, 0.1], (50, 40))
    keep, doubt = rng.random((50, 40)) < 0.6, rng.random((50, 40)) < 0.1
    with accumulating("f32"):
        plain = bounded.total(Bounded(a, ea), (1,), keep)
        unsure = bounded.total(Bounded(a, ea), (1,), Truth(keep, doubt))
    assert np.array_equal(plain.value, np.where(keep, a, 0).sum(axis=1, keepdims=True))
    for _ in range(50):
        moved = a + injected(rng, a.shape, ea)
        off = np.abs(np.where(keep, moved, 0).sum(axis=1, keepdims=True) - plain.value)
        assert (off <= plain.errors()).all()
        chosen = np.where(doubt & (rng.random(a.shape) < 0.5), ~keep, keep)
        off = np.abs(np.where(chosen, moved, 0).sum(axis=1, keepdims=True) - unsure.value)
        assert (off <= unsure.errors()).all()
    assert (unsure.errors() > plain.errors()).any()


def test_means():
    rng = np.random.default_rng(22)
    a = stored(rng.normal(size=(40, 33)), "f32")
    keep = rng.random(a.shape) < 0.7
    keep[:, 0] = True
    with accumulating("f32"):
        whole, part = bounded.mean(Bounded(a), (1,)), bounded.mean(Bounded(a), (1,), keep)
    short = a.astype(np.float32)
    by_inverse = np.add.accumulate(short, axis=1)[:, -1:] * np.float32(1 / 33)
    inside(whole, by_inverse, [mpmath.mpf(math.fsum(row)) / 33 for row in a])
    counted = keep.sum(axis=1, keepdims=True)
    masked = np.add.accumulate(np.where(keep, short, np.float32(0)), axis=1)[:, -1:] / counted.astype(np.float32)
    exact = [mpmath.mpf(math.fsum(row[k])) / int(k.sum()) for row, k in zip(a, keep, strict=True)]
    inside(part, masked, exact)
    tight(whole, by_inverse, [mpmath.mpf(math.fsum(row)) / 33 for row in a])


def test_a_mean_whose_count_is_undecided():
    a, doubt = np.array([[1.0, 2.0, 6.0]]), np.array([[False, False, True]])
    with accumulating("f32"):
        result = bounded.mean(Bounded(a), (1,), Truth(np.array([[True, True, True]]), doubt))
    assert abs(1.5 - result.value[0, 0]) <= result.errors()[0, 0]


@pytest.mark.parametrize("form", FORMS)
def test_products(form):
    rng = np.random.default_rng(23)
    a = stored(rng.uniform(0.5, 1.6, (30, 12)) * rng.choice([-1, 1], (30, 12)), form)
    ea = np.abs(a) * rng.choice([0.0, FORMATS[form].unit, 0.01], a.shape)
    with accumulating(form):
        exact, result = bounded.product(Bounded(a), (1,)), bounded.product(Bounded(a, ea), (1,))
    right = [mpmath.fprod(map(mpmath.mpf, row.tolist())) for row in a]

    def multiplied(rows):
        total = rows[:, 0]
        for k in range(1, rows.shape[1]):
            total = stored(total * rows[:, k], form)
        return total

    inside(exact, multiplied(a), right)
    tight(exact, multiplied(a), right)
    for _ in range(4):
        inside(result, multiplied(a + injected(rng, a.shape, ea)), right)


def test_products_with_zeros_and_masks():
    a, ea = np.array([[0.0, 3.0], [0.0, 3.0], [2.0, 0.1]]), np.array([[0.0, 0.5], [0.1, 0.0], [0.0, 0.0]])
    with accumulating("f32"):
        result = bounded.product(Bounded(a, ea), (1,))
        assert result.errors()[0, 0] == 0  # nothing times an exact zero
        assert 0.3 <= result.errors()[1, 0] < 0.31
        excluded = bounded.product(Bounded(a[2:]), (1,), Truth(np.array([[True, True]]), np.array([[False, True]])))
    assert abs(2.0 - excluded.value[0, 0]) <= excluded.errors()[0, 0]


@pytest.mark.parametrize("name", ["largest", "smallest"])
def test_extremes_of_rows(name):
    rng = np.random.default_rng(24)
    a, ea = rng.normal(size=(200, 6)), rng.choice([0.0, 0.1, 1.0], (200, 6))
    keep, doubt = rng.random(a.shape) < 0.7, rng.random(a.shape) < 0.15
    keep[:, 0], doubt[:, 0] = True, False
    result = getattr(bounded, name)(Bounded(a, ea), (1,), Truth(keep, doubt))
    pick, none = (np.max, -np.inf) if name == "largest" else (np.min, np.inf)
    assert np.array_equal(result.value, pick(np.where(keep, a, none), axis=1, keepdims=True))
    worst = np.zeros((200, 1))
    for _ in range(300):
        chosen = np.where(doubt & (rng.random(a.shape) < 0.5), ~keep, keep)
        moved = np.where(chosen, a + injected(rng, a.shape, ea), none)
        worst = np.maximum(worst, np.abs(pick(moved, axis=1, keepdims=True) - result.value))
    assert (worst <= result.errors() + 1e-15).all()
    assert np.median(worst[result.errors() > 0] / result.errors()[result.errors() > 0]) > 0.9


def test_extremes_of_nothing_and_of_infinities():
    masked = bounded.largest(Bounded(np.array([[1.0, 2.0]])), (1,), np.array([[False, False]]))
    assert masked.value[0, 0] == -np.inf
    assert masked.errors()[0, 0] == 0
    doubtful = bounded.largest(
        Bounded(np.array([[1.0, 2.0]])), (1,), Truth(np.zeros((1, 2), bool), np.array([[False, True]]))
    )
    assert doubtful.errors()[0, 0] == np.inf
    logits = Bounded(np.array([[-np.inf, 3.0, -np.inf]]), np.array([[0.0, 0.25, 0.0]]))
    assert bounded.largest(logits, (1,)).errors()[0, 0] == 0.25


@pytest.mark.parametrize("name", ["arg_largest", "arg_smallest"])
def test_places_of_extremes(name):
    rng = np.random.default_rng(25)
    a = rng.integers(0, 5, (300, 5)).astype(float)
    ea = rng.choice([0.0, 0.0, 0.6], a.shape)
    keep, doubt = rng.random(a.shape) < 0.8, rng.random(a.shape) < 0.1
    keep[:, 2], doubt[:, 2] = True, False
    pick, none = (np.argmax, -np.inf) if name == "arg_largest" else (np.argmin, np.inf)
    result = getattr(bounded, name)(Bounded(a, ea), (1,), Truth(keep, doubt))
    assert np.array_equal(result.value, pick(np.where(keep, a, none), axis=1, keepdims=True))
    reached = np.zeros(result.value.shape)
    for _ in range(300):
        chosen = np.where(doubt & (rng.random(a.shape) < 0.5), ~keep, keep)
        moved = np.where(chosen, a + injected(rng, a.shape, ea), none)
        place = pick(moved, axis=1, keepdims=True)
        reached = np.maximum(reached, np.abs(place - result.value))
    assert (reached <= result.errors()).all()
    exact = getattr(bounded, name)(Bounded(a), (1,))
    assert (exact.errors() == 0).all()  # ties follow the rule of the first place
    array_of_zeros = getattr(bounded, name)(Bounded(a, np.zeros(a.shape)), (1,))
    assert (array_of_zeros.errors() == 0).all()


def test_counts():
    t = Truth(np.array([[True, False, True]]), np.array([[False, True, True]]))
    result = bounded.count(t, (1,))
    assert result.value[0, 0] == 2
    assert result.errors()[0, 0] == 2
    assert bounded.count(Truth(t.value), (1,)).error == 0


# Sums of products


@pytest.mark.parametrize("factors", [1, 2, 3])
def test_dot_is_the_sum_of_the_products(factors):
    rng = np.random.default_rng(26)
    shapes = [(4, 1, 9), (1, 5, 9), (4, 5, 1)][:factors]
    values = [rng.normal(size=s) for s in shapes]
    errors = [np.abs(v) * rng.choice([0.0, 1e-3], v.shape) for v in values]
    with accumulating("f32"):
        parts = [Bounded(v, e) for v, e in zip(values, errors, strict=True)]
        result = bounded.dot(parts, (2,))
        by_terms = parts[0]
        for p in parts[1:]:
            by_terms = by_terms * p
        by_terms = bounded.total(by_terms, (2,))
    assert np.allclose(result.value, by_terms.value, rtol=1e-12)
    assert np.allclose(result.errors(), by_terms.errors(), rtol=1e-2)
    for _ in range(100):
        moved = [v + injected(rng, v.shape, e) for v, e in zip(values, errors, strict=True)]
        product = moved[0]
        for m in moved[1:]:
            product = product * m
        assert (np.abs(product.sum(axis=2, keepdims=True) - result.value) <= result.errors()).all()


@pytest.mark.parametrize("order", ORDERS, ids=lambda a: a.order + " fused" * a.fused)
@pytest.mark.parametrize("n", [5, 257, 4097])
def test_dot_in_every_order(n, order):
    rng = np.random.default_rng(n)
    rows = stored(_rows(rng, n), "f32")
    other = stored(np.concatenate([_rows(rng, n)[:1], np.full((1, n), 1.3), rows[1:2]]), "f32")
    a, b = rows[:, None, :], other[None, :, :]
    with accumulating("f32"):
        result = bounded.dot([Bounded(a), Bounded(b)], (2,))
    for column in range(other.shape[0]):
        terms = rows * other[column]
        if not order.fused:
            terms = stored(terms, "f32")
        off = np.abs(_sums(terms, order, "f32")[:, 0] - [math.fsum(row) for row in rows * other[column]])
        assert (
            off <= result.errors()[:, column, 0] * (1 + 1e-9) + 1e-13 * np.abs(rows * other[column]).sum(axis=1)
        ).all()


def test_dot_too_large_to_be_formed_still_sees_equal_terms():
    n = 4097
    a, b = np.full((40, 1, n), 0.1), np.full((1, 3, n), 0.7)
    assert 40 * 3 * n > bounded.PRODUCTS
    with accumulating("f32"):
        alike = bounded.dot([Bounded(a), Bounded(b)], (2,))
        rng = np.random.default_rng(27)
        random = bounded.dot([Bounded(rng.normal(size=a.shape)), Bounded(b)], (2,))
    assert alike.errors().max() >= (n - 1) * 2.0**-24 * n * 0.07
    assert random.errors().max() < 0.2 * alike.errors().max() * np.sqrt(2) * 15


# The shape of things


def test_views_are_those_of_fancy_indexing():
    rng = np.random.default_rng(28)
    value, error = rng.normal(size=(3, 4, 5)), rng.random((3, 4, 5))
    b = Bounded(value, error)
    i, j, k = grid(3, 4, 5)
    cases = [((i, j, k), (i, j, k))]
    k2, i2, _, j2 = grid(5, 3, 7, 4)
    cases += [((i2, j2, k2), (i2, j2, k2)), ((i2, j2, (k2 + 1) % 5), (i2, j2, (k2 + 1) % 5)), ((i, j, 0), (i, j, 0))]
    r, s = grid(3, 3)
    cases += [((r, s + 1, s), (r, s + 1, s)), ((r, s, s), (r, s, s))]
    for ours, plain in cases:
        index = tuple(np.asarray(p) for p in plain)
        assert np.array_equal(b[ours].value, value[index])
        assert np.array_equal(b[ours].errors(), error[index])
    square = Bounded(rng.normal(size=(3, 3)))
    assert np.array_equal(square[r, r].value, square.value[np.asarray(r), np.asarray(r)])


def test_laid_out_keeps_value_and_error_together():
    rng = np.random.default_rng(29)
    value = rng.normal(size=(2, 1, 4))
    for b in (Bounded(value, rng.random((2, 1, 4))), Bounded(value, rng.random((1, 1, 4))), Bounded(value, 0.0)):
        for full, order in (((2, 1, 4), (0, 2)), ((2, 1, 4), (2, 0)), ((2, 3, 4), (0, 1, 2)), ((2, 3, 4), (2, 1, 0))):
            found = b.laid_out(full, order)
            wanted = np.broadcast_to(value, full).transpose((*order, *(k for k in range(3) if k not in order)))
            assert np.array_equal(found.value, wanted.reshape([full[k] for k in order]))
            wanted = np.broadcast_to(b.errors(), full).transpose((*order, *(k for k in range(3) if k not in order)))
            assert np.array_equal(found.errors(), wanted.reshape([full[k] for k in order]))


def test_operators_have_constants():
    assert set(OPERATORS) == {"+", "*", "/", "**"}
    assert all(1 <= v <= 8 for v in OPERATORS.values())


def test_a_smaller_accumulator_has_larger_bounds():
    a = Bounded(np.random.default_rng(30).normal(size=(4, 50)))
    errors = []
    for form in ("f64", "f32", "f16", "bf16"):
        with accumulating(form):
            errors.append(bounded.total(a * a, (1,)).errors().max())
    assert errors == sorted(errors)
    assert errors[1] / errors[0] == pytest.approx(2.0**29, rel=0.01)


def test_a_comparison_that_a_true_claim_does_not_rest_on_is_no_worst_error() -> None:
    """`a or b` holds by b alone: how far a misses its bound says nothing about the kernel."""
    near, far = Bounded(np.array([1.0]), np.array([0.5])), np.array([1.25])
    apart = Bounded(np.array([0.0]), np.array([1e-16]))
    with watching() as seen:
        claim(approx(apart, far) | Truth.of(True))
        assert seen.worst == 0.0
        claim(approx(near, far) & (approx(apart, far) | Truth.of(True)))
    assert seen.worst == 0.5


def test_a_maximum_under_a_mask_that_varies_where_the_body_does_not():
    body = Bounded(np.array([[1.0, 5.0, 3.0]]), np.array([[0.25, 0.5, np.inf]]))
    found = bounded.largest(body, (1,), np.array([[True, True, False], [True, False, False], [True, False, True]]))
    assert found.value.tolist() == [[5.0], [1.0], [3.0]]
    assert found.error.tolist() == [[0.5], [0.25], [np.inf]]
