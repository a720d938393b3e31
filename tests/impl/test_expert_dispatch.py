"""The layer that ships: against the reference, repeatable, with experts that nobody chose, and differentiable."""

from __future__ import annotations

import pytest
import torch
from albor_impl.inference import expert_dispatch as impl
from albor_reference.inference import expert_dispatch as reference

T, H, I, J, E, K = 9, 8, 12, 5, 6, 2


def inputs(seed: int, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    shapes = [(T, H), (E, I, H), (E, I, H), (E, H, I), (T, K), (T, K), (J, H), (J, H), (H, J), (H,)]
    values = [torch.randn(shape, generator=g) / 2 for shape in shapes]
    values = [value.to(dtype) for value in values]
    values[4] = values[4].float().softmax(1)
    values[5] = torch.stack([torch.randperm(E - 1, generator=g)[:K] for _ in range(T)])  # the last expert has no token
    return values


def test_agrees_with_the_reference() -> None:
    values = inputs(0)
    exact = [value.double().numpy() if value.is_floating_point() else value.numpy() for value in values]
    expected = torch.tensor(reference.dispatch(*exact))
    # Sums of H, I and H terms below 4 in magnitude, three factors each, in float32.
    assert (impl.dispatch(*values).double() - expected).abs().max() <= 64 * (H + I) * 2.0**-24


def test_runs_repeat_bitwise_and_keep_the_dtype() -> None:
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        values = inputs(1, dtype)
        once, again = impl.dispatch(*values), impl.dispatch(*values)
        assert once.dtype == dtype and torch.equal(once, again)


def test_gradients_reach_experts_that_were_chosen() -> None:
    values = [value.requires_grad_() if value.is_floating_point() else value for value in inputs(2)]
    impl.dispatch(*values).sum().backward()
    assert all(value.grad is not None for value in values if value.is_floating_point())
    used = values[1].grad.abs().sum((1, 2)) > 0
    assert used.tolist() == [bool((values[5] == e).any()) for e in range(E)]


def test_halves_are_views() -> None:
    fused = torch.randn(2, 6, 3)
    gate, up = impl.unfuse(fused)
    assert gate.data_ptr() == fused.data_ptr() and torch.equal(up, fused[:, 3:])


def test_no_tokens() -> None:
    values = inputs(3)
    for k in (0, 4, 5):
        values[k] = values[k][:0]
    assert impl.dispatch(*values).shape == (0, H)


def test_refusals() -> None:
    for bad in (-1, E):
        values = inputs(4)
        values[5][-1, -1] = bad
        with pytest.raises(ValueError, match="does not exist"):
            impl.dispatch(*values)
    values = inputs(4)
    values[5] = values[5].int()
    with pytest.raises(TypeError, match="int64"):
        impl.dispatch(*values)
    values = inputs(4)
    values[4] = values[4][:, :1]
    with pytest.raises(ValueError, match="must be"):
        impl.dispatch(*values)
    with pytest.raises(ValueError, match="even"):
        impl.unfuse(torch.zeros(1, 3, 2))
