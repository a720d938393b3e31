"""The layer of the reference against PyTorch in float64, all experts run densely."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from albor_reference.inference.expert_dispatch import dispatch, mlp, unfuse
from torch.nn.functional import silu

T, H, I, J, E, K = 6, 5, 7, 3, 4, 2


def inputs(seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = [(T, H), (E, I, H), (E, I, H), (E, H, I), (T, K), (T, K), (J, H), (J, H), (H, J), (H,)]
    values = [rng.normal(size=shape) for shape in shapes]
    values[5] = np.stack([rng.permutation(E)[:K] for _ in range(T)])
    return values


def test_layer_is_the_dense_computation() -> None:
    x, gate, up, down, weights, experts, *shared = inputs(0)
    dense = np.zeros((T, E))
    np.put_along_axis(dense, experts, weights, axis=1)
    t = torch.tensor(x)
    every = torch.stack(
        [
            (silu(t @ torch.tensor(g).T) * (t @ torch.tensor(u).T)) @ torch.tensor(d).T
            for g, u, d in zip(gate, up, down, strict=True)
        ]
    )
    expected = torch.einsum("te,eth->th", torch.tensor(dense), every)
    sg, su, sd, sw = map(torch.tensor, shared)
    expected += torch.sigmoid(t @ sw)[:, None] * ((silu(t @ sg.T) * (t @ su.T)) @ sd.T)
    got = dispatch(x, gate, up, down, weights, experts, *shared)
    assert np.allclose(got, expected.numpy(), rtol=1e-12, atol=1e-12)
    assert np.allclose(mlp(x, gate[0], up[0], down[0]), every[0].numpy(), rtol=1e-12, atol=1e-12)


def test_halves() -> None:
    fused = np.arange(2 * 6 * 2).reshape(2, 6, 2)
    gate, up = unfuse(fused)
    assert np.array_equal(gate, fused[:, :3]) and np.array_equal(up, fused[:, 3:])
    with pytest.raises(ValueError, match="even"):
        unfuse(fused[:, :5])


@pytest.mark.parametrize("bad", [-1, E])
def test_an_expert_that_does_not_exist(bad: int) -> None:
    values = inputs(1)
    values[5][-1, -1] = bad
    with pytest.raises(ValueError, match="experts must lie in"):
        dispatch(*values)
