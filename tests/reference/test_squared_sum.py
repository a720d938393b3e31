"""The reference sums of squares against exact arithmetic."""

from fractions import Fraction

import numpy as np
from albor_reference.core.squared_sum import squared_sum, squared_sums


def test_is_that_of_exact_arithmetic():
    x = np.random.default_rng(37).normal(size=500) * 10.0 ** np.arange(500).clip(0, 8)
    assert squared_sum(x) == float(sum(Fraction(v * v) for v in x))


def test_by_hand():
    a, b, c = squared_sums([3.0, 4.0], [], [[1.0, 2.0], [2.0, 4.0]])
    assert (a, b, c) == (25, 0, 25) and a.shape == ()
    assert squared_sum([1e200]) == np.inf and np.isnan(squared_sum([np.nan]))
