"""The PyTorch merges against the reference, in every dtype and memory layout."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from albor_impl.merge.dare import dare, dare_rescale
from albor_impl.merge.slerp import slerp
from albor_impl.merge.ties import kept, ties
from albor_reference.merge.slerp import slerp as slerp_reference
from albor_reference.merge.ties import kept as kept_reference
from albor_reference.merge.ties import ties as ties_reference
from hypothesis import given, settings
from hypothesis import strategies as st

DTYPES = [torch.float32, torch.bfloat16, torch.float16, torch.float64]
SIZES = [1, 2, 3, 31, 33, 1025]


def unit(dtype: torch.dtype) -> float:
    """Unit roundoff of the dtype."""
    return torch.finfo(dtype).eps / 2


def work(dtype: torch.dtype) -> torch.dtype:
    """What the merges compute in."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def layouts(x: torch.Tensor) -> dict[str, torch.Tensor]:
    """The same vector, stored in other ways."""
    strided = torch.zeros(len(x), 3, dtype=x.dtype)
    strided[:, 1] = x
    return {"contiguous": x, "a column": strided[:, 1], "offset": torch.cat([x[:1], x])[1:]}


def vectors(dtype: torch.dtype, n: int, count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def slerp_error(a: np.ndarray, b: np.ndarray, t: float, expected: np.ndarray, dtype: torch.dtype) -> np.ndarray:
    """Output rounding, five roundings of the two weighted terms, and the reference's own angle (its cosine is off by
    (n / 2 + 4) u, see the test of the reference)."""
    u64 = unit(torch.float64)
    cosine = float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    sine2 = max(1 - cosine * cosine, 1e-6)
    weight = 1 if cosine > 0 else 1 / math.sqrt(sine2)
    angle = 4 * (len(a) / 2 + 4) * u64 / sine2**1.5
    terms = np.abs(a) + np.abs(b)
    return unit(dtype) * np.abs(expected) + (5 * unit(work(dtype)) * weight + angle) * terms + torch.finfo(dtype).tiny


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("n", SIZES[1:])
@pytest.mark.parametrize("t", [0.0, 0.3, 1.0])
def test_slerp_is_the_reference(dtype: torch.dtype, n: int, t: float) -> None:
    a, b = vectors(dtype, n, 2, n)
    pairs = [(a, b), (a, (a.double() + 0.01 * b.double()).to(dtype)), (a, (0.05 * b.double() - a.double()).to(dtype))]
    for x, y in pairs:
        expected = slerp_reference(x.double().numpy(), y.double().numpy(), t)
        bound = slerp_error(x.double().numpy(), y.double().numpy(), t, expected, dtype)
        for name in layouts(x):
            got = slerp(layouts(x)[name], layouts(y)[name], t)
            assert got.dtype == dtype and got.shape == x.shape
            assert (np.abs(got.double().numpy() - expected) <= bound).all(), name


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_slerp_ends_and_equal_vectors(dtype: torch.dtype) -> None:
    a, b = vectors(dtype, 33, 2)
    a[0], b[1] = -0.0, -0.0
    bits = {2: torch.int16, 4: torch.int32, 8: torch.int64}[a.element_size()]
    assert torch.equal(slerp(a, b, 0.0).view(bits), a.view(bits))
    assert torch.equal(slerp(a, b, 1.0).view(bits), b.view(bits))
    assert ((slerp(a, a, 0.3) - a).abs() <= 4 * unit(dtype) * a.abs()).all()
    assert slerp(a, b, 0.0).data_ptr() != a.data_ptr()


@pytest.mark.parametrize("omega", [0.002, 1.0, math.pi - 1.1e-3])
def test_slerp_keeps_its_accuracy_close_to_parallel_and_to_opposite(omega: float) -> None:
    a = torch.tensor([1.0, 0.0], dtype=torch.float64)
    b = torch.tensor([math.cos(omega), math.sin(omega)], dtype=torch.float64)
    expected = torch.tensor([math.cos(0.3 * omega), math.sin(0.3 * omega)], dtype=torch.float64)
    # b is at this angle to 1 u; chords to 4 u; an angle off by e moves the result by at most 2 e / sin(Omega)^2.
    u = unit(torch.float64)
    assert ((slerp(a, b, 0.3) - expected).abs() <= 10 * u / math.sin(omega) ** 2 + 16 * u / math.sin(omega)).all()


def test_slerp_is_never_a_chord_through_the_middle() -> None:
    cosine = -1 + 5.0000006e-7  # sin^2 is below 1e-6, and yet this is not opposite enough to be refused
    a, b = torch.tensor([[1.0, 0.0], [cosine, math.sqrt(1 - cosine * cosine)]], dtype=torch.float64)
    off = slerp(a, b, 0.5).norm().item() - 1  # the chord passes the origin at 5e-4
    assert abs(off) <= 26 * unit(torch.float64) / 1e-6  # an angle off by e moves the result by 2 e / sin(Omega)^2


@pytest.mark.parametrize("omega", [9e-4, 1.1e-3])
def test_slerp_takes_the_chord_below_a_sine_of_a_thousandth(omega: float) -> None:
    a = torch.tensor([1.0, 0.0], dtype=torch.float64)
    b = torch.tensor([math.cos(omega), math.sin(omega)], dtype=torch.float64)
    near = omega < 1e-3
    weights = (0.7, 0.3) if near else (math.sin(0.7 * omega) / math.sin(omega), math.sin(0.3 * omega) / math.sin(omega))
    # Arc and chord are 5e-8 apart here; an angle off by 4 u of itself moves a weight by less than u.
    assert ((slerp(a, b, 0.3) - (weights[0] * a + weights[1] * b)).abs() <= 16 * unit(torch.float64)).all()


def test_slerp_survives_extreme_lengths_in_float64() -> None:
    for long, short in ((1e200, 1e200), (1e-200, 1e-200), (1e200, 1e-200), (1e-200, 1e200)):
        a, b = torch.tensor([[long, 0.0], [0.0, short]], dtype=torch.float64)
        c = slerp(a, b, 0.5) / torch.tensor([long, short], dtype=torch.float64)
        assert ((c - math.sqrt(0.5)).abs() <= 8 * unit(torch.float64)).all()


def test_slerp_survives_extreme_lengths() -> None:
    for scale in (1e-40, 1e-30, 1e30, 3e38):
        c = slerp(torch.tensor([scale, 0.0]), torch.tensor([0.0, scale]), 0.5) / torch.tensor(scale)
        # A subnormal float32 carries few digits: the output may be off by half the spacing 2^-149.
        assert ((c - math.sqrt(0.5)).abs() <= 4 * unit(torch.float32) + 2.0**-149 / scale).all()


@pytest.mark.parametrize(
    ("a", "b", "t", "message"),
    [
        ([1.0, 2.0], [-1.0, -2.0], 0.5, "opposite"),
        ([1.0, 2.0], [-3.0, -6.0], 0.0, "opposite"),
        ([1.0, 0.0], [-1.0, 5e-4], 0.5, "opposite"),
        ([0.0, 0.0], [1.0, 2.0], 0.5, "a is the zero vector"),
        ([1.0, 2.0], [0.0, -0.0], 1.0, "b is the zero vector"),
        ([], [], 0.5, "zero vector"),
        ([1.0, math.nan], [1.0, 2.0], 0.5, "a holds NaN"),
        ([1.0, 2.0], [math.inf, 2.0], 0.5, "b holds NaN or infinity"),
        ([1.0, 2.0], [1.0], 0.5, "shapes"),
        ([[1.0, 2.0]], [[1.0, 2.0]], 0.5, "shapes"),
        ([1.0, 2.0], [2.0, 1.0], 1.5, "t must be"),
        ([1.0, 2.0], [2.0, 1.0], math.nan, "t must be"),
    ],
)
def test_slerp_refuses(a: list, b: list, t: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        slerp(torch.tensor(a), torch.tensor(b), t)


def ties_exact_inputs(seed: int, n: int, m: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Small quarters, exact in every dtype: equal changes and cancelling sums are common."""
    g = torch.Generator().manual_seed(seed)
    base, models = torch.randint(-8, 9, (n,), generator=g) / 4, torch.randint(-8, 9, (m, n), generator=g) / 4
    return base, models, torch.tensor([0.0, 0.5, 1.0, 3.0])[torch.randint(0, 4, (m,), generator=g)]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@given(st.integers(0, 10**6), st.tuples(st.sampled_from(SIZES), st.integers(1, 4)), st.floats(0, 1), st.booleans())
@settings(deadline=None, max_examples=60)
def test_ties_is_the_reference(dtype: torch.dtype, seed: int, shape: tuple, density: float, grid: bool) -> None:
    n, m = shape
    if grid:
        base, models, weights = ties_exact_inputs(seed, n, m)
    else:
        base, models, weights = vectors(dtype, n, 1, seed)[0], vectors(dtype, n, m, seed + 1), torch.rand(m)
    base, models, keep = base.to(dtype), models.to(dtype), int(density * n)
    expected = ties_reference(base.double().numpy(), models.double().numpy(), weights.double().numpy(), keep, 0.7)
    got = ties(base, models, weights, keep, 0.7)
    assert got.dtype == dtype
    # The same float64 operations in the same order: only the cast to the dtype is left, and it is the same cast.
    assert torch.equal(got, torch.from_numpy(expected).to(dtype))
    spread = torch.zeros(m, n, 2, dtype=dtype)
    spread[..., 1] = models
    assert torch.equal(ties(layouts(base)["a column"], spread[..., 1], weights.tolist(), keep, 0.7), got)


def test_ties_ranks_by_exact_differences() -> None:
    # Rounded to float32 both changes are 1; exactly the second is larger.
    base = torch.tensor([2.0**-30, -(2.0**-30)])
    assert ties(base, torch.ones(1, 2), [1.0], 1, 1.0).tolist() == [2.0**-30, 1.0]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"keep": -1}, "keep"),
        ({"keep": 4}, "keep"),
        ({"weights": torch.tensor([1.0, -1.0])}, "weights"),
        ({"weights": [1.0, math.nan]}, "weights"),
        ({"weights": torch.ones(3)}, "weights"),
        ({"base": torch.zeros(4)}, "ties needs"),
        ({"models": torch.zeros(0, 3), "weights": []}, "at least one model"),
    ],
)
def test_ties_refuses(changed: dict, message: str) -> None:
    arguments = {"base": torch.zeros(3), "models": torch.ones(2, 3), "weights": torch.ones(2), "keep": 1, "lam": 1.0}
    with pytest.raises(ValueError, match=message):
        ties(**(arguments | changed))


@given(st.fractions(0, 1), st.integers(0, 10**6))
def test_kept_is_the_reference(density: Fraction, n: int) -> None:
    assert kept(density, n) == kept_reference(density, n)
    assert kept(float(density), n) == kept_reference(float(density), n)


def test_kept_reads_the_density_as_it_prints() -> None:
    assert kept(0.7, 90) == 63
    for density in (-0.1, 1.1, "nan", "half"):
        with pytest.raises(ValueError):
            kept(density, 10)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("p", [0.0, 0.1, 0.9])
def test_dare_obeys_its_law(dtype: torch.dtype, p: float) -> None:
    base, tuned = vectors(dtype, 1025, 2)
    merged, mask = dare(base, tuned, p, 5)
    assert (merged.dtype, mask.dtype) == (dtype, torch.bool)
    assert torch.equal(merged[~mask], base[~mask])
    origin, end = base.double(), tuned.double()
    expected = origin + (end - origin) / (1 - p)
    # The difference, the quotient (torch may multiply by a rounded reciprocal) and the sum round.
    bound = unit(dtype) * expected.abs() + unit(work(dtype)) * (5 * ((end - origin) / (1 - p)).abs() + expected.abs())
    assert ((merged.double() - expected).abs() <= bound + torch.finfo(dtype).tiny)[mask].all()
    assert mask.all() or p > 0
    again = dare(layouts(base)["a column"], layouts(tuned)["offset"], p, 5)
    assert torch.equal(again[0], merged) and torch.equal(again[1], mask)


Z = 6.2  # P(|normal| > 6.2) < 1e-9


@pytest.mark.parametrize("p", [0.1, 0.9])
def test_dare_drops_the_share_p_and_keeps_the_mean(p: float) -> None:
    n, tau, keep = 200_000, 3.0, 1 - p
    merged, mask = dare(torch.zeros(n), torch.full((n,), tau), p, 11)
    assert abs(mask.sum().item() - n * keep) <= Z * math.sqrt(n * p * keep)
    assert abs(merged.double().mean().item() - tau) <= Z * tau * math.sqrt(p / (keep * n)) + 8 * unit(torch.float32)
    pairs = (mask[:-1] & mask[1:]).double().mean().item()
    assert abs(pairs - keep**2) <= Z * math.sqrt((keep**2 + 2 * keep**3 - 3 * keep**4) / (n - 1))
    assert not torch.equal(mask, dare(torch.zeros(n), torch.ones(n), p, 12)[1])


def test_dare_draws_as_it_says() -> None:
    """A mask is part of the result: drawing in another way would change every merge that was ever made."""
    for seed, p in ((0, 0.5), (2**32 - 1, 0.9)):
        uniform = torch.rand(1000, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        assert torch.equal(dare(torch.zeros(1000), torch.ones(1000), p, seed)[1], uniform >= p)


def test_dare_keeps_where_the_number_drawn_is_p() -> None:
    uniform = torch.rand(10, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    for place in range(10):
        assert dare(torch.zeros(10), torch.ones(10), uniform[place].item(), 3)[1][place]


@pytest.mark.parametrize(
    ("base", "tuned", "mask", "p", "message"),
    [
        ((2,), (3,), (2,), 0.5, r"shapes \(2,\) and \(3,\)"),
        ((), (), (), 0.5, r"shapes \(\) and \(\)"),
        ((2, 2), (2, 2), (2, 2), 0.5, r"shapes \(2, 2\)"),
        ((2,), (2,), (1,), 0.5, "mask"),
        ((2,), (2,), (2,), 1.0, "p must"),
    ],
)
def test_dare_rescale_refuses(base: tuple, tuned: tuple, mask: tuple, p: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dare_rescale(torch.zeros(base), torch.ones(tuned), torch.ones(mask, dtype=torch.bool), p)


def test_dare_needs_vectors() -> None:
    with pytest.raises(ValueError, match="shapes"):
        dare(torch.tensor(0.0), torch.tensor(1.0), 0.5, 0)


@pytest.mark.parametrize(
    ("tuned", "p", "seed", "message"),
    [
        ([1.0], 0.5, 0, r"shapes \(2,\) and \(1,\)"),
        ([1.0, 2.0], 1.0, 0, "p must"),
        ([1.0, 2.0], math.nan, 0, "p must"),
        ([1.0, 2.0], 0.5, -1, "seed"),
        ([1.0, 2.0], 0.5, 2**32, "seed"),
    ],
)
def test_dare_refuses(tuned: list, p: float, seed: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dare(torch.zeros(2), torch.tensor(tuned), p, seed)


def test_dtypes_must_fit() -> None:
    half, whole, single = torch.ones(2, dtype=torch.float16), torch.ones(2, dtype=torch.int64), torch.ones(2)
    for a, b in ((single, half), (whole, whole)):
        with pytest.raises(TypeError, match="floating-point"):
            slerp(a, b, 0.5)
        with pytest.raises(TypeError, match="floating-point"):
            ties(a, b[None], [1.0], 1, 1.0)
        with pytest.raises(TypeError, match="floating-point"):
            dare(a, b, 0.5, 0)
    with pytest.raises(TypeError, match="truth values"):
        dare_rescale(single, single, single, 0.5)


def test_devices_must_agree() -> None:
    here, elsewhere = torch.ones(2), torch.ones(2, device="meta")
    with pytest.raises(ValueError, match="one device"):
        slerp(here, elsewhere, 0.5)
    with pytest.raises(ValueError, match="one device"):
        ties(here, elsewhere[None], [1.0], 1, 1.0)
    with pytest.raises(ValueError, match="one device"):
        dare(here, elsewhere, 0.5, 0)
    with pytest.raises(ValueError, match="device"):
        dare_rescale(here, here, torch.ones(2, dtype=torch.bool, device="meta"), 0.5)


def test_inputs_are_not_written_to() -> None:
    base, tuned = vectors(torch.float32, 100, 2)
    before = base.clone(), tuned.clone()
    slerp(base, tuned, 0.3)
    ties(base, tuned[None], [1.0], 50, 1.0)
    dare(base, tuned, 0.5, 1)
    assert torch.equal(base, before[0]) and torch.equal(tuned, before[1])
