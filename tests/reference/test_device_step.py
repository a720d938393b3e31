"""The reference's program for a step against PyTorch's autograd and Adam in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from albor_contracts.simulate import Device
from albor_reference.training import device_step

A, T, K, H, N = 2, 3, 4, 5, 2  # all different: exchanged sizes show
RATES = (0.02, 0.9, 0.99, 1e-3)  # lr, beta1, beta2, eps


def run(program: Any, *inputs: Any, on_device: int, first: int = 0, poison: int = 0) -> list[np.ndarray]:
    """Inputs `first` to `first + on_device` lie on the device. What comes out, from a device that noticed nothing."""
    device = Device(np.float64, poison=poison)
    there = range(first, first + on_device)
    placed = [device.place(f"in{k}", x) if k in there else x for k, x in enumerate(inputs)]
    outputs = program(device, *placed)
    device.close()
    assert not device.findings
    return [device.fetch(out) if device.owns(out) else out for out in outputs]


def drawn() -> list[np.ndarray]:
    rng = np.random.default_rng(9)
    return [rng.normal(size=shape) for shape in ((A, T, K), (A, T, N), (K, H), (H, N))]


def test_gemm_backward_is_autograd() -> None:
    rng = np.random.default_rng(10)
    dc, a, b = (rng.normal(size=shape) for shape in ((3, 5), (3, 2), (2, 5)))
    leaves = [torch.tensor(array, requires_grad=True) for array in (a, b)]
    (leaves[0] @ leaves[1]).backward(torch.tensor(dc))
    for got, leaf in zip(run(device_step.gemm_backward, dc, a, b, on_device=3), leaves, strict=True):
        np.testing.assert_allclose(got, leaf.grad.numpy(), rtol=1e-13)


@pytest.mark.parametrize("max_norm", [0.05, float("inf")])
def test_three_steps_are_those_of_torch(max_norm: float) -> None:
    x, y, *weights = drawn()
    layers = [torch.tensor(w, requires_grad=True) for w in weights]
    adam = torch.optim.Adam(layers, lr=RATES[0], betas=RATES[1:3], eps=RATES[3])
    m1, v1, m2, v2 = run(device_step.moments, *weights, on_device=2, poison=1)
    state = [*weights, m1, v1, m2, v2]
    for step in (1, 2, 3):
        *state, loss, norm = run(
            device_step.train_step, x, y, *state, step, *RATES, max_norm, on_device=6, first=2, poison=step
        )
        w1, w2, m1, v1, m2, v2 = state
        adam.zero_grad()
        z = torch.nn.functional.silu(torch.tensor(x) @ layers[0]) @ layers[1]
        wanted = 0.5 * torch.nn.functional.mse_loss(z, torch.tensor(y)) * N  # a mean over rows, not over elements
        wanted.backward()
        length = float(torch.nn.utils.get_total_norm([layer.grad for layer in layers]))
        for layer in layers:
            layer.grad *= min(1.0, max_norm / length)  # clip_grad_norm_ would divide by length + 1e-6
        adam.step()
        np.testing.assert_allclose([loss, norm], [wanted.item(), length], rtol=1e-12)
        for got, layer in zip((w1, w2), layers, strict=True):
            np.testing.assert_allclose(got, layer.detach().numpy(), rtol=1e-11)
        for got, layer, kind in ((m1, 0, "exp_avg"), (v1, 0, "exp_avg_sq"), (m2, 1, "exp_avg"), (v2, 1, "exp_avg_sq")):
            np.testing.assert_allclose(got, adam.state[layers[layer]][kind].numpy(), rtol=1e-11, atol=1e-18)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_row_that_is_not_finite_changes_nothing(bad: float) -> None:
    x, y, w1, w2 = drawn()
    x[1, 2, 0] = bad
    state = [w1, w2, *(np.full(w.shape, value) for w in (w1, w2) for value in (0.5, 0.25))]
    with np.errstate(invalid="ignore"):  # which is what is asked for
        *after, loss, norm = run(device_step.train_step, x, y, *state, 7, *RATES, 1.0, on_device=6, first=2)
    assert not np.isfinite(loss) and not np.isfinite(norm)
    for got, before in zip(after, state, strict=True):
        np.testing.assert_array_equal(got, before)


def test_a_snapshot_is_of_the_step_before_and_training_goes_on_as_in_torch() -> None:
    rng = np.random.default_rng(12)
    w, m, g, h = (rng.normal(size=(3, 5)) for _ in range(4))
    weight = torch.nn.Parameter(torch.tensor(w))
    sgd = torch.optim.SGD([weight], lr=0.1, momentum=0.75)
    sgd.state[weight]["momentum_buffer"] = torch.tensor(m)
    wanted = []
    for gradient in (g, h):
        weight.grad = torch.tensor(gradient)
        sgd.step()
        wanted += [weight.detach().numpy().copy(), sgd.state[weight]["momentum_buffer"].numpy().copy()]
    for poison in (0, 1):
        found = run(device_step.snapshot_between, w, m, g, h, 0.1, 0.75, on_device=4, poison=poison)
        for got, one in zip(found, wanted, strict=True):
            np.testing.assert_allclose(got, one, rtol=1e-13, atol=1e-15)


def test_a_kernel_is_compiled_once_for_each_constant_and_source() -> None:
    w, g = np.array([[1.0, -2.0]]), np.array([[2.0, 4.0]])
    found = run(device_step.compiled_updates, w, g, 0.5, 0.25, on_device=2)
    np.testing.assert_array_equal(found, [[[0.0, -4.0]], [[0.5, -3.0]], [[0.25, -2.5]]])
    images: dict[Any, Any] = {}
    plain, decayed = device_step.plain_update, device_step.decayed_update
    first = device_step.image(images, plain, 0.5)
    assert device_step.image(images, plain, 0.5) is first  # served from what is kept
    others = [device_step.image(images, plain, 0.25), device_step.image(images, decayed, 0.5)]
    assert len({id(k) for k in (first, *others)}) == len(images) == 3
    assert {k.__name__ for k in (first, *others)} == {"update"}


def test_what_is_refused() -> None:
    x, y, w1, w2 = drawn()
    state = [w1, w2, *(np.zeros(w.shape) for w in (w1, w1, w2, w2))]
    with pytest.raises(ValueError, match="step counts from 1, got 0"):
        run(device_step.train_step, x, y, *state, 0, *RATES, 1.0, on_device=6, first=2)
    with pytest.raises(ValueError, match="same micro-batches and rows"):
        run(device_step.train_step, x, y[:1], *state, 1, *RATES, 1.0, on_device=6, first=2)
