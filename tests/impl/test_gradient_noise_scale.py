import math
from fractions import Fraction

import pytest
from albor_impl.optim.gradient_noise_scale import NoiseScale, noise_scale

U64 = 2.0**-53


@pytest.mark.parametrize(("small", "large"), [(1, 2), (7, 4096), (4096, 7), (3, 10**9)])
def test_it_is_the_solution_in_fractions(small, large):
    for x, y in ((2.5, 1.75), (1e-3, 1e3), (3.0, 3.0)):
        a, b = Fraction(x), Fraction(y)
        signal = (large * b - small * a) / (large - small)
        noise = (a - b) / (Fraction(1, small) - Fraction(1, large))
        found = noise_scale(x, y, small, large)
        # Two products and a difference, of the terms' size; a quotient.
        slack = 4 * U64 * (large * y + small * x) / abs(large - small)
        assert abs(found[0] - float(signal)) <= slack
        assert abs(found[1] - float(noise)) <= 5 * U64 * abs(float(noise))
        assert found[2] == found[1] / found[0]


def test_without_signal():
    assert noise_scale(2.0, 1.0, 1, 2) == (0.0, 2.0, math.inf)
    assert noise_scale(-2.0, -1.0, 1, 2) == (0.0, -2.0, -math.inf)
    assert math.isnan(noise_scale(0.0, 0.0, 1, 2)[2])
    assert math.isnan(noise_scale(math.nan, 1.0, 1, 2)[0])  # is not hidden


def test_a_running_scale_is_the_quotient_of_running_means():
    running = NoiseScale(decay=0.5)
    assert running.update(2.0, 1.5, 1, 2) == 1.0  # signal 1, noise 1
    # signal 3 and noise 4 weigh twice as much as before: (1/4 + 4/2) / (1/4 + 3/2)
    assert running.update(7.0, 5.0, 1, 2) == pytest.approx(9 / 7, rel=8 * U64)
    assert running.weight == 0.75
    assert NoiseScale(decay=0.0).update(2.0, 1.5, 1, 2) == 1.0
    assert math.isnan(NoiseScale().update(2.0, 1.0, 1, 2))


def test_what_is_refused():
    for sizes in ((0, 2), (2, 0), (-1, 2), (3, 3)):
        with pytest.raises(ValueError, match="batch sizes must be at least 1 and differ"):
            noise_scale(1.0, 1.0, *sizes)
    for decay in (1.0, -0.1, math.nan):
        with pytest.raises(ValueError, match="decay must be in"):
            NoiseScale(decay)
