"""The reference step against torch autograd in float64, and its files against the safetensors library."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import safetensors.numpy
import torch
import torch.nn.functional as F
from albor_reference.training import llama_step as step

V, E, L, H, K, D, N_FF = 11, 8, 2, 4, 2, 4, 12
BASE, EPS, IGNORE = 100.0, 1e-5, -1
RULE = {
    "warmup": 2, "total": 10, "peak": 1e-2, "lowest": 1e-3, "beta1": 0.9, "beta2": 0.95, "adam_eps": 1e-8,
    "weight_decay": 0.1, "max_norm": 1.0, "base": BASE, "eps": EPS, "ignore": IGNORE,
}  # fmt: skip


def weights(rng: np.random.Generator, tables: int) -> list[np.ndarray]:
    shapes = [(tables, V, E), (2 * L + 1, E), (L, 2, H, D, E), (L, 2, K, D, E), (L, 3, N_FF, E)]
    return [rng.normal(1.0 if k == 1 else 0.0, 0.5, shape) for k, shape in enumerate(shapes)]


def tokens(rng: np.random.Generator, *shape: int) -> tuple[np.ndarray, np.ndarray]:
    return rng.integers(0, V, shape), rng.integers(0, V, shape)


def torch_loss(w: list[torch.Tensor], x: np.ndarray, y: np.ndarray) -> torch.Tensor:
    """The same model, written with torch's own operations."""
    table, norm, wqo, wkv, wmlp = w
    x, y = torch.tensor(x).flatten(0, 1), torch.tensor(y).flatten()
    half = D // 2
    angle = torch.arange(x.shape[1], dtype=torch.float64)[:, None] * BASE ** (-torch.arange(half).double() / half)

    def rms(h: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
        return F.rms_norm(h, (E,), g, EPS)

    def turned(h: torch.Tensor) -> torch.Tensor:
        a, b = h[..., :half], h[..., half:]
        return torch.cat([a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()], -1)

    h = table[0][x]
    for layer in range(L):
        n = rms(h, norm[2 * layer])
        q, k, v = (torch.einsum("bse,hde->bhsd", n, m) for m in (wqo[layer, 0], wkv[layer, 0], wkv[layer, 1]))
        k, v = (t.repeat_interleave(H // K, 1) for t in (turned(k), v))
        o = F.scaled_dot_product_attention(turned(q), k, v, is_causal=True)
        h = h + torch.einsum("bhsd,hde->bse", o, wqo[layer, 1])
        n = rms(h, norm[2 * layer + 1])
        h = h + (F.silu(n @ wmlp[layer, 0].T) * (n @ wmlp[layer, 1].T)) @ wmlp[layer, 2]
    z = rms(h, norm[-1]) @ table[-1].T
    return F.cross_entropy(z.flatten(0, 1), y, ignore_index=IGNORE)


@pytest.mark.parametrize("tables", [1, 2])
def test_gradients_are_those_of_autograd(tables):
    rng = np.random.default_rng(tables)
    w = weights(rng, tables)
    x, y = tokens(rng, 3, 2, 5)
    y[0, 0, :3] = IGNORE
    y[2] = IGNORE  # a micro-batch in which nothing counts
    leaves = [torch.tensor(a, requires_grad=True) for a in w]
    expected = torch_loss(leaves, x, y)
    expected.backward()
    found, *gradients = step.gradients(*w, x, y, BASE, EPS, IGNORE)
    assert abs(found - expected.item()) < 1e-10 * expected.item()
    assert step.loss(*w, x, y, BASE, EPS, IGNORE) == pytest.approx(expected.item(), rel=1e-12)
    for leaf, g in zip(leaves, gradients, strict=True):
        exact = leaf.grad.numpy()
        assert np.abs(g - exact).max() <= 1e-10 * np.abs(exact).max()


def test_a_block_passes_gradients_to_its_input():
    rng = np.random.default_rng(5)
    _, *w = weights(rng, 1)
    x, g = rng.normal(size=(2, 3, E)), rng.normal(size=(2, 3, E))
    dx = step.block_backward(g, x, *w, 1, BASE, EPS)[0]
    for place in itertools.product(range(2), range(3), (0, 5)):
        moved = np.zeros_like(x)
        moved[place] = 1e-5
        up, down = (step.block(x + s * moved, *w, 1, BASE, EPS) for s in (1, -1))
        assert dx[place] == pytest.approx((g * (up - down)).sum() / 2e-5, rel=1e-6, abs=1e-8)


def test_steps_are_those_of_torch():
    """Four steps with clip, decay and schedule, against torch.optim.AdamW."""
    rng = np.random.default_rng(7)
    w = step.initial(3, *weights(rng, 2))
    x, y = tokens(rng, 4, 2, 2, 5)
    leaves = [torch.tensor(a, requires_grad=True) for a in w]
    optimizer = torch.optim.AdamW(leaves, lr=1.0, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1)
    m = v = np.zeros_like(step.rows(*w))
    for done in range(4):
        optimizer.zero_grad()
        expected = torch_loss(leaves, x[done], y[done])
        expected.backward()
        size = torch.sqrt(sum((leaf.grad**2).sum() for leaf in leaves))
        for leaf in leaves:
            leaf.grad *= min(1.0, 1.0 / size)
        optimizer.param_groups[0]["lr"] = 1e-2 * done / 2 if done < 2 else torch_rate(done)
        optimizer.step()
        *w, m, v, found, norm = step.train_step(*w, m, v, x[done], y[done], done, **RULE)
        assert found == pytest.approx(expected.item(), rel=1e-10)
        assert norm == pytest.approx(size.item(), rel=1e-10)
        for ours, leaf in zip(w, leaves, strict=True):
            np.testing.assert_allclose(ours, leaf.detach().numpy(), rtol=1e-8, atol=1e-12)


def torch_rate(done: int) -> float:
    """Half a cosine from step 2 to step 10."""
    return 1e-3 + 9e-3 * (1 + np.cos(np.pi * (done - 2) / 8)) / 2


def test_the_file_is_a_safetensors_file():
    w = step.initial(1, *weights(np.random.default_rng(0), 2))
    m, v = np.full((step.rows(*w).shape), 0.25), np.full((step.rows(*w).shape), 0.5)
    file = step.save(*w, m, v, 17)
    read = safetensors.numpy.load(file)
    assert set(read) == {*step.NAMES, "m", "v"}
    for name, value in zip((*step.NAMES, "m", "v"), (*w, m, v), strict=True):
        np.testing.assert_array_equal(read[name], value)
    assert step.load(file)[-1] == 17
    with pytest.raises(ValueError, match=r"v ends at byte .* but the file holds"):
        step.load(file[:-8])
    for length in (0, 7, 8, 100):
        with pytest.raises(ValueError):  # JSON's error is one, too
            step.load(file[:length])


def test_text_is_the_library():
    x, y = step.library_text(0, np.zeros((2, 1, 2, 6)))
    assert bytes(x.ravel().astype(np.uint8)) == b's = """Gur Mra bs Clguba'
    assert bytes(y[0, 0, 0].astype(np.uint8)) == b' = """'
    again, _ = step.library_text(len(step._library()), np.zeros((1, 1, 1, 4)))
    assert bytes(again.ravel().astype(np.uint8)) == b"s = "


def test_weights_of_another_model_are_refused():
    w = weights(np.random.default_rng(0), 1)
    x, y = tokens(np.random.default_rng(0), 1, 1, 3)
    with pytest.raises(ValueError, match="norm: expected shape"):
        step.gradients(w[0], w[1][1:], *w[2:], x, y, BASE, EPS, IGNORE)
    with pytest.raises(ValueError, match="must have 3, 2, 5, 5 and 4 axes"):
        step.gradients(w[0][0], *w[1:], x, y, BASE, EPS, IGNORE)
    with pytest.raises(ValueError, match=r"one shape \[A, B, S\]"):
        step.gradients(*w, x, y[:, :, :2], BASE, EPS, IGNORE)
