"""The reference's program on the simulated device against `torch.nn.utils.clip_grad_norm_` and by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from albor_contracts.simulate import Device
from albor_reference.optim.global_clip import global_clip


def run(a: Any, b: Any, max_norm: float, eps: float, poison: int = 0) -> list[np.ndarray]:
    """What comes out, from a device that has noticed nothing."""
    device = Device(np.float64, poison=poison)
    outputs = global_clip(device, device.place("a", np.asarray(a)), device.place("b", np.asarray(b)), max_norm, eps)
    device.close()
    assert not device.findings
    return [device.fetch(output) for output in outputs]


@pytest.mark.parametrize("max_norm", [0.5, 4.0, 1e4, float("inf")])
def test_with_its_constant_it_is_that_of_pytorch(max_norm: float) -> None:
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(3, 65)), rng.normal(size=(2, 31))
    parameters = [torch.zeros(g.shape, dtype=torch.float64, requires_grad=True) for g in (a, b)]
    for parameter, g in zip(parameters, (a, b), strict=True):
        parameter.grad = torch.tensor(g)
    wanted = float(torch.nn.utils.clip_grad_norm_(parameters, max_norm))
    a2, b2, coefficient, norm = run(a, b, max_norm, 1e-6)
    np.testing.assert_allclose(norm, wanted, rtol=1e-13)
    np.testing.assert_allclose(a2, parameters[0].grad.numpy(), rtol=1e-13)
    np.testing.assert_allclose(b2, parameters[1].grad.numpy(), rtol=1e-13)
    assert (coefficient == 1) == (max_norm > wanted)


def test_by_hand() -> None:
    a2, b2, coefficient, norm = run([[6.0]], [[8.0]], 1.0, 0.5)
    np.testing.assert_allclose([norm, coefficient, a2[0, 0], b2[0, 0]], [10, 2 / 21, 12 / 21, 16 / 21], rtol=1e-15)
    _, _, coefficient, _ = run([[6.0]], [[8.0]], 0.0, 0.5)
    assert coefficient == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("poison", [0, 1])
def test_a_norm_that_is_not_finite_leaves_zeros_and_is_told(bad: float, poison: int) -> None:
    a2, b2, coefficient, norm = run([[1.0, bad]], [[2.0]], 1.0, 1e-3, poison)
    assert coefficient == 0 and not a2.any() and not b2.any()
    assert np.isnan(norm) if np.isnan(bad) else norm == np.inf


def test_zeros_stay_zeros() -> None:
    for poison in (0, 1):
        a2, b2, coefficient, norm = run(np.zeros((2, 3)), np.zeros((1, 1)), 1.0, 1e-3, poison)
        assert not a2.any() and not b2.any() and coefficient == 1 and norm == 0


@pytest.mark.parametrize(("max_norm", "eps", "name"), [(-0.1, 0.1, "max_norm"), (np.nan, 0.1, "max_norm"),
                                                       (1.0, -1e-9, "eps"), (1.0, np.inf, "eps")])  # fmt: skip
def test_what_is_refused(max_norm: float, eps: float, name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} must"):
        run([[1.0]], [[1.0]], max_norm, eps)
