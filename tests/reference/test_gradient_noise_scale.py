"""The reference's noise scale against the solution of its two equations in fractions, and on gradients that exist."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from albor_reference.optim.gradient_noise_scale import noise_scale


@pytest.mark.parametrize(("small", "large"), [(1, 2), (8, 3), (4, 4096)])
def test_both_unknowns_are_found(small: int, large: int) -> None:
    for signal, trace in ((Fraction(1, 4), Fraction(9)), (Fraction(3), Fraction(1, 8)), (Fraction(2), Fraction(0))):
        norms = [float(signal + trace / size) for size in (small, large)]
        found = noise_scale(*norms, small, large)
        # Norms are rounded once, and their difference is divided by 1/b - 1/B: that is how far the error grows.
        growth = sum(norms) * 2.0**-50 * small * large / abs(large - small)
        assert found[0] == pytest.approx(float(signal), abs=growth)
        assert found[1] == pytest.approx(float(trace), abs=growth)
        assert found[2] == pytest.approx(float(trace / signal), abs=growth * 20)


def test_on_all_batches_of_a_finite_population_it_is_exact() -> None:
    """Drawn with replacement from four gradients: the mean over all batches is the expectation."""
    gradients = np.array([[1.0, 0.0], [2.0, 1.0], [0.0, -1.0], [3.0, 2.0]])
    mean = gradients.mean(0)
    trace = ((gradients - mean) ** 2).sum(1).mean()
    norms = [
        np.mean([(gradients[list(batch)].mean(0) ** 2).sum() for batch in itertools.product(range(4), repeat=size)])
        for size in (1, 3)
    ]
    np.testing.assert_allclose(
        noise_scale(norms[0], norms[1], 1, 3), [mean @ mean, trace, trace / (mean @ mean)], rtol=1e-13
    )


def test_without_signal() -> None:
    assert noise_scale(2.0, 1.0, 1, 2) == (0.0, 2.0, math.inf)
    assert noise_scale(0.0, 0.0, 1, 2)[:2] == (0.0, 0.0) and math.isnan(noise_scale(0.0, 0.0, 1, 2)[2])
    assert noise_scale(-2.0, -1.0, 1, 2) == (0.0, -2.0, -math.inf)
    assert noise_scale(1.0, 2.0, 1, 2)[1] < 0  # an estimate may be negative; it is not hidden


@pytest.mark.parametrize("sizes", [(0, 2), (2, 0), (-1, 2), (3, 3)])
def test_sizes_that_tell_nothing_are_refused(sizes: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="different batch sizes"):
        noise_scale(1.0, 1.0, *sizes)
