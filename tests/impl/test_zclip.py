import math

import numpy as np
import pytest
from albor_impl.optim.zclip import ZClip, zclip
from albor_reference.optim import zclip as reference

U64 = 2.0**-53


def test_agrees_with_the_reference():
    rng = np.random.default_rng(1)
    clipped = 0
    for _ in range(500):
        mean, variance = rng.uniform(0, 4), rng.choice([0.0, rng.uniform(1e-6, 4)])
        given = rng.uniform(0, 20), mean, variance, rng.choice([0.0, 0.9, 0.97]), rng.uniform(0.5, 4)
        got, wanted = zclip(*given), reference.zclip(*given)
        clipped += wanted[0] != given[0]
        # Half a dozen operations on numbers no larger than these; a square doubles what its root was off.
        size = max(wanted[0], mean)
        np.testing.assert_allclose(got[:2], wanted[:2], rtol=0, atol=8 * U64 * size)
        assert abs(got[2] - wanted[2]) <= 32 * U64 * (size**2 + variance)
    assert 100 < clipped < 400


def test_at_the_edges():
    assert zclip(5.0, 1.0, 0.0, 0.0, 2.0) == (5.0, 5.0, 0.0)
    assert zclip(2.0, 1.0, 0.25, 0.5, 2.0)[0] == 2.0  # z is the threshold
    assert zclip(-9.0, 1.0, 0.25, 0.5, 2.0)[0] == -9.0
    assert zclip(0.0, 0.0, 0.0, 0.5, 1.0) == (0.0, 0.0, 0.0)


def test_what_a_run_keeps():
    clip = ZClip(threshold=2.0, decay=0.9, warmup=2)
    assert [clip.coefficient(n) for n in (0.75, 1.25)] == [1.0, 1.0]
    assert (clip.mean, clip.variance) == (1.0, 0.0625)
    # 3 has a score of 8 and goes to one of 4/8: 1.125.
    assert clip.coefficient(3.0) == pytest.approx(1.125 / 3, rel=4 * U64)
    assert clip.mean == pytest.approx(0.9 + 0.1 * 1.125, rel=4 * U64)
    assert clip.coefficient(0.0) == 1.0  # nothing is divided by 0


def test_the_statistics_of_a_warm_up_are_those_of_its_norms():
    norms = [0.5, 0.25, 1.0, 0.125, 0.75]
    clip = ZClip(threshold=2.0, decay=0.9, warmup=len(norms))
    assert [clip.coefficient(n) for n in norms] == [1.0] * len(norms)
    assert clip.mean == pytest.approx(np.mean(norms), rel=16 * U64)
    assert clip.variance == pytest.approx(np.var(norms), rel=32 * U64)
    mean, variance = clip.mean, clip.variance
    assert clip.coefficient(0.9375) == 1.0  # an ordinary norm below 1
    # A spike below 1, of 4 standard deviations: one of 4/4 is left.
    small = ZClip(threshold=2.0, decay=0.9, warmup=2, mean=0.125, variance=2.0**-10, seen=2)
    assert small.coefficient(0.25) == (0.125 + 0.03125) / 0.25
    assert (mean, variance) != (clip.mean, clip.variance)


def test_without_a_warm_up():
    assert ZClip(warmup=0).coefficient(7.0) == 1.0


@pytest.mark.parametrize("norm", [math.nan, math.inf, -math.inf])
def test_a_norm_that_is_not_finite_is_refused_and_leaves_no_trace(norm):
    with pytest.raises(ValueError, match="it must be finite"):
        zclip(norm, 1.0, 1.0, 0.9, 2.0)
    for warmup in (5, 0):
        clip = ZClip(warmup=warmup)
        clip.coefficient(1.0)
        before = clip.mean, clip.variance, clip.seen
        with pytest.raises(ValueError, match="it must be finite"):
            clip.coefficient(norm)
        assert (clip.mean, clip.variance, clip.seen) == before


@pytest.mark.parametrize("rest", [(-1e-9, 0.9, 2.0), (math.nan, 0.9, 2.0), (1.0, 1.0, 2.0), (1.0, -0.1, 2.0),
                                  (1.0, 0.9, 0.0), (1.0, 0.9, math.nan)])  # fmt: skip
def test_statistics_that_are_none_are_refused(rest):
    with pytest.raises(ValueError, match="out of range"):
        zclip(1.0, 1.0, *rest)
