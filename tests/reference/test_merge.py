"""The reference merges against their definitions: closed forms, exact fractions, counted statistics."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from albor_reference.merge.dare import dare
from albor_reference.merge.slerp import slerp
from albor_reference.merge.ties import kept, ties
from hypothesis import given, settings
from hypothesis import strategies as st

U = 2.0**-53


def plane(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Two orthonormal directions in n dimensions."""
    q, _ = np.linalg.qr(rng.normal(size=(n, 2)))
    return q[:, 0], q[:, 1]


def slerp_bound(n: int, omega: float) -> float:
    """What rounding may do on unit vectors: the cosine is off by (n / 2 + 4) u, the angle by that over sin(Omega),
    each weight's slope in the angle is at most 2 / sin(Omega)^2; and a few operations on weights up to 1 / sin."""
    cosine = (n / 2 + 4) * U
    return 2 * cosine / math.sin(omega) * 2 / math.sin(omega) ** 2 + 16 * U / math.sin(omega)


@pytest.mark.parametrize("n", [2, 3, 17, 257])
@pytest.mark.parametrize("omega", [0.002, 0.1, math.pi / 2, 2.0, 3.1])
@pytest.mark.parametrize("t", [0.0, 0.25, 0.5, 0.9, 1.0])
def test_slerp_turns_unit_vectors_by_the_share_of_the_angle(n: int, omega: float, t: float) -> None:
    e1, e2 = plane(np.random.default_rng(n), n)
    a, b = e1, math.cos(omega) * e1 + math.sin(omega) * e2
    expected = math.cos(t * omega) * e1 + math.sin(t * omega) * e2
    # The inputs themselves are unit and at this angle to a few units in the last place only: + 8 u / sin.
    assert np.max(np.abs(slerp(a, b, t) - expected)) <= slerp_bound(n, omega) + 8 * U / math.sin(omega)


def test_slerp_keeps_the_lengths_of_its_vectors() -> None:
    a, b = np.array([1.0, 0.0]), np.array([0.0, 10.0])
    half = math.sqrt(0.5)
    assert slerp(a, b, 0.5) == pytest.approx([half, 10 * half], rel=8 * U)


@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
@settings(deadline=None, max_examples=50)
def test_slerp_is_symmetric(seed: int, t: float) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, 9))
    cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    bound = slerp_bound(9, math.acos(cosine)) * max(np.linalg.norm(a), np.linalg.norm(b))
    # 1 - t is rounded once, and the angle is multiplied by it: one more u of at most pi.
    assert np.max(np.abs(slerp(a, b, t) - slerp(b, a, 1 - t))) <= 2 * bound + 16 * U * np.linalg.norm(a) + 16 * U * (
        np.linalg.norm(b)
    )


def test_slerp_ends_are_bitwise_the_inputs() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 33))
    a[0], b[1] = -0.0, -0.0
    assert slerp(a, b, 0.0).tobytes() == a.tobytes()
    assert slerp(a, b, 1.0).tobytes() == b.tobytes()


@pytest.mark.parametrize("t", [0.0, 0.3, 0.5, 1.0])
def test_slerp_of_a_vector_with_itself_or_a_multiple_is_the_straight_line(t: float) -> None:
    a = np.array([3.0, -4.0, 12.0])
    assert np.max(np.abs(slerp(a, a, t) - a)) <= 4 * U * 12
    assert np.max(np.abs(slerp(a, 5 * a, t) - (1 + 4 * t) * a)) <= 8 * U * 60


@pytest.mark.parametrize("omega", [1e-9, 1e-4, 0.99e-3, 1.01e-3])
def test_slerp_has_no_step_where_the_arc_becomes_a_chord(omega: float) -> None:
    a, b = np.array([1.0, 0.0]), np.array([math.cos(omega), math.sin(omega)])
    arc = np.array([math.cos(0.3 * omega), math.sin(0.3 * omega)])
    # Each weight of the chord is off by t (1 - t^2) Omega^2 / 6 to first order, at most 0.0642 Omega^2.
    assert np.linalg.norm(slerp(a, b, 0.3) - arc) <= 2 * 0.065 * omega**2 + slerp_bound(2, max(omega, 1e-3))


@pytest.mark.parametrize("scale", [1e-200, 1e-160, 1e160, 1e300])
def test_slerp_survives_extreme_lengths(scale: float) -> None:
    c = slerp(np.array([scale, 0.0]), np.array([0.0, scale]), 0.5)
    assert c / scale == pytest.approx([math.sqrt(0.5)] * 2, rel=16 * U)


@pytest.mark.parametrize(
    ("a", "b", "t", "message"),
    [
        ([1.0, 2.0], [-1.0, -2.0], 0.5, "opposite"),
        ([1.0, 2.0], [-3.0, -6.0], 0.0, "opposite"),
        ([1.0, 0.0], [-1.0, 5e-4], 0.5, "opposite"),
        ([0.0, 0.0], [1.0, 2.0], 0.5, "a is the zero vector"),
        ([1.0, 2.0], [0.0, -0.0], 1.0, "b is the zero vector"),
        ([], [], 0.5, "zero vector"),
        ([1.0, np.nan], [1.0, 2.0], 0.5, "a holds NaN"),
        ([1.0, 2.0], [np.inf, 2.0], 0.5, "b holds NaN or infinity"),
        ([1.0, 2.0], [1.0], 0.5, "shapes"),
        ([[1.0, 2.0]], [[1.0, 2.0]], 0.5, "shapes"),
        ([1.0, 2.0], [2.0, 1.0], 1.5, "t must be"),
        ([1.0, 2.0], [2.0, 1.0], -0.1, "t must be"),
        ([1.0, 2.0], [2.0, 1.0], math.nan, "t must be"),
    ],
)
def test_slerp_refuses(a: list, b: list, t: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        slerp(np.array(a), np.array(b), t)


def test_slerp_accepts_the_angle_just_short_of_opposite() -> None:
    omega = math.pi - 1.1e-3  # 1 + cos = 6e-7
    c = slerp(np.array([1.0, 0.0]), np.array([math.cos(omega), math.sin(omega)]), 0.5)
    expected = [math.cos(omega / 2), math.sin(omega / 2)]
    assert np.max(np.abs(c - expected)) <= slerp_bound(2, omega) + 16 * U / math.sin(omega)


def test_slerp_is_never_a_chord_through_the_middle() -> None:
    cosine = -1 + 5.0000006e-7  # sin^2 is below 1e-6, and yet this is not opposite enough to be refused
    c = slerp(np.array([1.0, 0.0]), np.array([cosine, math.sqrt(1 - cosine * cosine)]), 0.5)
    assert abs(np.linalg.norm(c) - 1) <= slerp_bound(2, 1e-3)  # the chord passes the origin at 5e-4


def ties_exactly(base, models, weights, keep: int, lam) -> list[Fraction]:
    """The definition, element by element, over the rationals."""
    base, models, weights = [Fraction(x) for x in base], [[Fraction(x) for x in m] for m in models], list(weights)
    changes = []
    for model, weight in zip(models, weights, strict=True):
        tau = [x - y for x, y in zip(model, base, strict=True)]
        survivors = set(sorted(range(len(tau)), key=lambda i: (-abs(tau[i]), i))[:keep])
        changes.append([Fraction(weight) * tau[i] if i in survivors else Fraction(0) for i in range(len(tau))])
    merged = []
    for i, start in enumerate(base):
        elected = 1 if sum(change[i] for change in changes) >= 0 else -1
        voters = [(c[i], Fraction(w)) for c, w in zip(changes, weights, strict=True) if c[i] * elected > 0]
        share = sum((w for _, w in voters), Fraction(0))
        mass = sum((c for c, _ in voters), Fraction(0))
        merged.append(start + Fraction(lam) * mass / share if voters else start)
    return merged


quarters = st.integers(-8, 8).map(lambda k: k / 4)  # few values: ties and zero sums are common


@st.composite
def ties_problems(draw: st.DrawFn):
    n, m = draw(st.integers(1, 7)), draw(st.integers(1, 4))
    base = draw(st.lists(quarters, min_size=n, max_size=n))
    models = draw(st.lists(st.lists(quarters, min_size=n, max_size=n), min_size=m, max_size=m))
    weights = draw(st.lists(st.sampled_from([0.0, 0.5, 1.0, 3.0]), min_size=m, max_size=m))
    return base, models, weights, draw(st.integers(0, n)), draw(st.sampled_from([0.0, 0.5, 1.0, -2.0]))


@given(ties_problems())
@settings(deadline=None, max_examples=300)
def test_ties_is_its_definition(problem) -> None:
    base, models, weights, keep, lam = problem
    expected = ties_exactly(base, models, weights, keep, lam)
    merged = ties(np.array(base), np.array(models), np.array(weights), keep, lam)
    for got, want in zip(merged, expected, strict=True):
        # Sums of these quarters are exact; what rounds is one product, one quotient, one sum of numbers below 32.
        assert abs(Fraction(float(got)) - want) <= 3 * Fraction(U) * 32


def test_ties_keeps_the_lower_index_of_equal_changes() -> None:
    assert ties(np.zeros(4), np.array([[1.0, -1, 1, -1]]), np.ones(1), 2, 1.0).tolist() == [1, -1, 0, 0]


def test_ties_elects_plus_where_the_mass_cancels() -> None:
    assert ties(np.zeros(1), np.array([[2.0], [-2.0]]), np.ones(2), 1, 1.0).tolist() == [2]


def test_ties_elects_by_mass_not_by_count() -> None:
    assert ties(np.zeros(1), np.array([[-1.0], [-1.0], [5.0]]), np.ones(3), 1, 1.0).tolist() == [5]


def test_ties_divides_by_the_weights_of_those_who_agree() -> None:
    merged = ties(np.zeros(1), np.array([[4.0], [1.0], [-1.0], [0.0]]), np.array([1.0, 2.0, 1.0, 9.0]), 1, 1.0)
    assert merged.tolist() == [(4 + 2) / 3]


def test_ties_with_nothing_kept_is_the_base() -> None:
    base = np.array([1.5, -2.5, 0.0])
    assert ties(base, np.ones((2, 3)), np.ones(2), 0, 1.0).tolist() == base.tolist()


def test_ties_of_copies_of_one_model_is_that_model() -> None:
    base, model = np.array([1.0, 2.0, 3.0]), np.array([1.5, 0.0, -3.0])
    assert ties(base, np.stack([model] * 3), np.array([1.0, 2.0, 5.0]), 3, 1.0).tolist() == model.tolist()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"keep": -1}, "keep"),
        ({"keep": 4}, "keep"),
        ({"weights": np.array([1.0, -1.0])}, "weights"),
        ({"weights": np.array([1.0, np.nan])}, "weights"),
        ({"weights": np.ones(3)}, "weights"),
        ({"base": np.zeros(4)}, "ties needs"),
        ({"base": np.zeros((1, 3))}, "ties needs"),
        ({"models": np.zeros((0, 3)), "weights": np.zeros(0)}, "at least one model"),
    ],
)
def test_ties_refuses(changed: dict, message: str) -> None:
    arguments = {"base": np.zeros(3), "models": np.ones((2, 3)), "weights": np.ones(2), "keep": 1, "lam": 1.0}
    with pytest.raises(ValueError, match=message):
        ties(**(arguments | changed))


def test_kept_reads_the_density_as_it_prints() -> None:
    assert kept(0.7, 90) == 63  # int(0.7 * 90) is 62
    assert [kept("0.2", n) for n in (0, 4, 5, 9, 10)] == [0, 0, 1, 1, 2]
    assert (kept(0, 7), kept(1, 7), kept(1.0, 7), kept(Fraction(1, 3), 7)) == (0, 7, 7, 2)


@pytest.mark.parametrize("density", [-0.1, 1.1, "nan", math.inf, "half"])
def test_kept_refuses(density: float | str) -> None:
    with pytest.raises(ValueError):
        kept(density, 10)


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_dare_rescales_the_kept_and_leaves_the_rest_at_base(p: float) -> None:
    rng = np.random.default_rng(3)
    base, tuned = rng.normal(size=(2, 1000))
    merged, mask = dare(base, tuned, p, 5)
    assert mask.dtype == bool
    assert merged[~mask].tobytes() == base[~mask].tobytes()
    change = (tuned - base)[mask] / (1 - p)
    assert np.all(np.abs(merged[mask] - (base[mask] + change)) <= 4 * U * (np.abs(base[mask]) + np.abs(change)))


def test_dare_without_dropping_is_the_tuned_model() -> None:
    rng = np.random.default_rng(4)
    base, tuned = rng.normal(size=(2, 500))
    merged, mask = dare(base, tuned, 0.0, 0)
    assert mask.all()
    assert np.all(np.abs(merged - tuned) <= 2 * U * (np.abs(base) + np.abs(tuned)))


Z = 6.2  # P(|normal| > 6.2) < 1e-9


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dare_drops_the_share_p_and_keeps_the_mean(p: float) -> None:
    n, tau = 200_000, 3.0
    merged, mask = dare(np.zeros(n), np.full(n, tau), p, 11)
    assert abs(mask.sum() - n * (1 - p)) <= Z * math.sqrt(n * p * (1 - p))
    assert abs(merged.mean() - tau) <= Z * tau * math.sqrt(p / ((1 - p) * n))
    # Neighbours are independent: the share of kept pairs is the square of the share kept.
    pairs = (mask[:-1] & mask[1:]).mean()
    keep = 1 - p
    assert abs(pairs - keep**2) <= Z * math.sqrt((keep**2 + 2 * keep**3 - 3 * keep**4) / (n - 1))


def test_dare_depends_on_the_seed_only() -> None:
    base, tuned = np.zeros(4000), np.ones(4000)
    one, other = dare(base, tuned, 0.5, 1)[1], dare(base, tuned, 0.5, 2)[1]
    assert np.array_equal(one, dare(base, tuned * 7, 0.5, 1)[1])
    assert abs((one == other).sum() - 2000) <= Z * math.sqrt(1000)  # independent fair masks agree half of the time


@pytest.mark.parametrize(
    ("tuned", "p", "seed", "message"),
    [
        ([1.0], 0.5, 0, "shapes"),
        ([1.0, 2.0], 1.0, 0, "p must"),
        ([1.0, 2.0], -0.1, 0, "p must"),
        ([1.0, 2.0], math.nan, 0, "p must"),
        ([1.0, 2.0], 0.5, -1, "seed"),
        ([1.0, 2.0], 0.5, 2**32, "seed"),
    ],
)
def test_dare_refuses(tuned: list, p: float, seed: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dare(np.zeros(2), np.array(tuned), p, seed)
