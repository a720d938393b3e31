"""The reference's sweep against SciPy's log-uniform distribution."""

from __future__ import annotations

import numpy as np
import pytest
from albor_reference.schedule.sweep_sampling import choice, log_uniform, log_uniform_at
from scipy import stats


def test_quantiles_are_those_of_scipy() -> None:
    u = np.linspace(0, 1, 41)
    np.testing.assert_allclose(log_uniform_at(u, 1e-5, 1e-2), stats.loguniform(1e-5, 1e-2).ppf(u), rtol=1e-12)


def test_draws_are_of_that_distribution() -> None:
    x = log_uniform(7, "rate", 1e-5, 1e-2, np.zeros(4000))
    assert stats.kstest(x, stats.loguniform(1e-5, 1e-2).cdf).pvalue > 1e-6
    assert stats.kstest(x, stats.uniform(1e-5, 1e-2 - 1e-5).cdf).pvalue < 1e-100
    assert stats.chisquare(np.bincount(choice(7, "layers", 7, np.zeros(7000)), minlength=7)).pvalue > 1e-6


def test_what_is_refused() -> None:
    for low, high in ((-5.0, -2.0), (0.0, 1.0), (0.1, 0.1), (np.nan, 1.0), (0.1, np.inf)):
        with pytest.raises(ValueError, match="low: expected 0 < low < high"):
            log_uniform(0, "rate", low, high, np.zeros(1))
    with pytest.raises(ValueError, match="options: expected at least 1, got 0"):
        choice(0, "layers", 0, np.zeros(1))
