"""What training loops keep between their steps: the objects around the kernels of optim and training."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from albor_impl.optim.gradient_accumulation import GradientAccumulator, accumulate
from albor_impl.optim.gradient_noise_scale import NoiseScale, noise_scale
from albor_impl.optim.zclip import ZClip
from albor_impl.training.early_stopping import EarlyStopping


def test_an_accumulator_gives_the_weighted_mean_of_each_cycle():
    like = [torch.zeros(2, 3), torch.zeros(4)]
    accumulator = GradientAccumulator(like, cycle=2)
    rng = np.random.default_rng(0)
    for _ in range(3):
        parts = [[torch.tensor(rng.normal(size=t.shape), dtype=torch.bfloat16) for t in like] for _ in range(2)]
        assert not accumulator.add(parts[0], 10)
        with pytest.raises(RuntimeError, match="1 of 2 micro-batches"):
            accumulator.finish()
        assert accumulator.add(parts[1], 90)
        for k, mean in enumerate(accumulator.finish()):
            assert mean.dtype == torch.float32
            expected = 0.1 * parts[0][k].float() + 0.9 * parts[1][k].float()
            torch.testing.assert_close(mean, expected)
            flat = torch.stack([p[k].flatten() for p in parts])
            torch.testing.assert_close(accumulate(flat, torch.tensor([10, 90])), mean.flatten())
    with pytest.raises(ValueError, match="cycle"):
        GradientAccumulator(like, 0)


def test_the_noise_scale_of_gaussian_gradients_is_found():
    """Gradients are N(signal, S / b): the estimate must find tr S / |signal|^2 = 20."""
    rng = np.random.default_rng(1)
    signal = np.full(20, 1.0)
    estimate = NoiseScale(decay=0.999)
    for _ in range(4000):
        small, large = (signal + rng.normal(size=20) * math.sqrt(20.0 / b) for b in (4, 64))
        scale = estimate.update(float(small @ small), float(large @ large), 4, 64)
    assert scale == pytest.approx(20.0, rel=0.15)
    assert math.isnan(noise_scale(1.0, 1.0, 1, 1_000_000_007)[2]) is False
    with pytest.raises(ValueError, match="differ"):
        noise_scale(1.0, 1.0, 8, 8)


def test_spikes_are_clipped_and_forgotten():
    rng = np.random.default_rng(2)
    clip = ZClip(threshold=3.0, warmup=25)
    usual = 1.0 + 0.1 * rng.random(200)
    assert [clip.coefficient(float(n)) for n in usual[:25]] == [1.0] * 25
    assert clip.mean == pytest.approx(usual[:25].mean()) and clip.variance == pytest.approx(usual[:25].var())
    before = clip.mean
    assert 50.0 * clip.coefficient(50.0) < 1.2
    assert clip.mean < before * 1.01
    with pytest.raises(ValueError, match="finite"):
        clip.coefficient(math.nan)
    with pytest.raises(ValueError, match="finite"):
        ZClip().coefficient(math.inf)


def test_early_stopping_over_a_run():
    stopper = EarlyStopping(patience=2, delta=0.1)
    values = [3.0, 2.5, 2.45, math.nan, 1.0, 1.0, 1.0]
    assert [stopper.update(v) for v in values] == [False, False, False, True, False, False, True]
    assert stopper.best == 1.0 and stopper.waited == 2
    with pytest.raises(ValueError, match="delta"):
        EarlyStopping(patience=1, delta=-1.0)
