"""The loss scaling functions against PyTorch's GradScaler, autograd in float64, and numbers worked out by hand."""

import numpy as np
import pytest
import torch
from albor_reference.loss.loss_scaling import loss_scale, scaled_backward, scaler_update, unscale

UNIT = 2.0**-53


def test_only_formats_of_few_exponent_bits_take_a_scale():
    bits = {torch.float16: 5, torch.bfloat16: 8, torch.float32: 8, torch.float64: 11}
    scales = {dtype: loss_scale(count, 65536.0) for dtype, count in bits.items()}
    assert scales == {torch.float16: 65536.0, torch.bfloat16: 1.0, torch.float32: 1.0, torch.float64: 1.0}
    # What 8 exponent bits reach is what makes the scale needless.
    assert torch.finfo(torch.bfloat16).tiny == torch.finfo(torch.float32).tiny < 1e-37 < torch.finfo(torch.float16).tiny


def test_unscale():
    g, finite = unscale([8.0, -2.0, 0.0], 4.0)
    assert g.tolist() == [2.0, -0.5, 0.0] and finite
    for wrong in (np.inf, -np.inf, np.nan):
        g, finite = unscale([8.0, wrong], 4.0)
        assert g[0] == 2 and not finite


@pytest.mark.parametrize("scale", [1.0, 64.0, 3.0])
def test_the_gradient_is_that_of_the_reported_loss(scale):
    rng = np.random.default_rng(0)
    x, w, y = rng.standard_normal((5, 3)), rng.standard_normal(3), rng.standard_normal(5)
    leaf = torch.tensor(w, requires_grad=True)
    expected = ((torch.tensor(x) @ leaf - torch.tensor(y)) ** 2).mean()
    loss, dw, finite = scaled_backward(x, w, y, scale)
    assert abs(loss - expected.item()) <= 100 * UNIT and finite
    (gradient,) = torch.autograd.grad(expected, leaf)
    assert np.abs(dw - gradient.numpy()).max() <= 1000 * UNIT


def test_a_run_equals_torch_grad_scaler():
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_factor=2.0, backoff_factor=0.5, growth_interval=3)
    parameter = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([parameter], lr=0.0)
    scale, good = 1024.0, 0
    for finite in [True, True, False, True, True, True, True, False, False, True, True, True]:
        scaler.scale(parameter.sum())
        parameter.grad = torch.tensor([1.0 if finite else float("inf")])
        scaler.step(optimizer)
        scaler.update()
        scale, good = scaler_update(scale, good, finite, 2.0, 0.5, 3)
        assert scale == scaler.get_scale()
        assert good == scaler._growth_tracker.item()


def test_the_scale_stays_in_its_range():
    assert scaler_update(1.0, 2, False, 2.0, 0.5, 3) == (1.0, 0)
    assert scaler_update(2.0**24, 2, True, 2.0, 0.5, 3) == (2.0**24, 0)


def test_wrong_arguments():
    for scale in (0.0, -1.0, np.inf, np.nan):
        with pytest.raises(ValueError, match="scale: expected a positive number"):
            unscale([1.0], scale)
    with pytest.raises(ValueError, match=r"expected x\[T, N\], w\[N\] and y\[T\]"):
        scaled_backward(np.zeros((2, 3)), np.zeros(2), np.zeros(2), 1.0)
