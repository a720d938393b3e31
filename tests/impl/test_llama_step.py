"""The implementation's training step: in the reference's own states, with layouts, devices and errors of its own."""

from __future__ import annotations

import numpy as np
import pytest
import safetensors.torch
import torch
from albor_contracts.falsify.generated import load_generated
from albor_contracts.library import find_root
from albor_impl.core.rmsnorm import rmsnorm
from albor_impl.training import llama_step as step
from albor_reference.training import llama_step as reference

NET = {"base": 100.0, "eps": 1e-4, "ignore": -100}
RULE = {
    "warmup": 1, "total": 8, "peak": 1e-2, "lowest": 1e-3, "beta1": 0.9, "beta2": 0.95, "adam_eps": 1e-8,
    "weight_decay": 0.1, "max_norm": 1.0,
}  # fmt: skip


def weights(seed: int = 0) -> list[np.ndarray]:
    """Rounded to float32, so that both sides get the same numbers."""
    rng = np.random.default_rng(seed)
    shapes = {(2, 256, 8): 1.0, (2, 2, 2, 4, 8): 0.1, (2, 2, 1, 4, 8): 0.1, (2, 3, 12, 8): 0.1}
    table, wqo, wkv, wmlp = (rng.uniform(-a, a, s).astype(np.float32).astype(np.float64) for s, a in shapes.items())
    return [table, np.ones((5, 8)), wqo, wkv, wmlp]


def torched(*arrays: np.ndarray) -> list[torch.Tensor]:
    return [torch.tensor(a, dtype=torch.int64 if a.dtype.kind == "i" else torch.float32) for a in arrays]


def test_in_every_state_of_the_reference_all_gradients_agree():
    """The reference trains on real text; the implementation is judged in each of its states, within derived bounds."""
    spec = load_generated(find_root() / "generated" / "training" / "test_llama_step.py").spec
    w = weights()
    m = v = np.zeros_like(reference.rows(*w))
    xs, ys = reference.library_text(1000, np.zeros((3, 1, 1, 8)))
    for done, (x, y) in enumerate(zip(xs, ys, strict=True)):
        given = [a.astype(np.float32).astype(np.float64) for a in w]
        found = step.gradients(*torched(*given, x, y), **NET)
        expected = reference.gradients(*given, x, y, **NET)
        bounds = spec.bounds("gradients", [*given, x, y, *NET.values()], "f32", "f32")
        for ours, exact, bound in zip(found, expected, bounds, strict=True):
            error = np.abs(ours.numpy() - exact)
            assert np.isfinite(bound.errors()).all()
            assert (error <= bound.errors()).all()
            assert bound.errors().max() < 0.05 * max(np.abs(exact).max(), 0.05)  # the bound can tell
        *w, m, v, _, _ = reference.train_step(*w, m, v, x, y, done, **RULE, **NET)


def test_a_file_of_the_implementation_is_a_safetensors_file():
    w = torched(*weights())
    m, v = (torch.full_like(step.rows(*w), value) for value in (0.25, 0.5))
    file = step.save(*w, m, v, 9)
    assert set(safetensors.torch.load(file)) == {*step.Weights._fields, "m", "v", "done"}
    *state, done = step.load(file)
    assert done == 9
    for saved, given in zip(state, [*w, m, v], strict=True):
        assert torch.equal(saved, given)


def test_both_sides_read_the_same_text():
    like = np.zeros((2, 1, 3, 50))
    for first in (0, 12345, 999_999):
        for ours, theirs in zip(
            step.library_text(first, torch.tensor(like)), reference.library_text(first, like), strict=True
        ):
            np.testing.assert_array_equal(ours.numpy(), theirs)


def test_a_step_does_not_write_to_its_arguments():
    w = torched(*weights())
    m = torch.zeros_like(step.rows(*w))
    before = [t.clone() for t in (*w, m)]
    x, y = torched(*reference.library_text(0, np.zeros((1, 1, 4))))
    step.train_step(*w, m, m, x, y, 3, **RULE, **NET)
    assert all(torch.equal(a, b) for a, b in zip(before, (*w, m), strict=True))


def test_errors_say_what_was_expected():
    table, norm, wqo, wkv, wmlp = torched(*weights())
    x = torch.zeros((1, 1, 3), dtype=torch.int64)
    with pytest.raises(TypeError, match="table must be float32"):
        step.gradients(table.double(), norm, wqo, wkv, wmlp, x, x, **NET)
    with pytest.raises(ValueError, match=r"norm: expected shape \[5, 8\]"):
        step.gradients(table, norm[1:], wqo, wkv, wmlp, x, x, **NET)
    with pytest.raises(ValueError, match="norm must have 2 axes"):
        step.gradients(table, norm[0], wqo, wkv, wmlp, x, x, **NET)
    with pytest.raises(ValueError, match="one table"):
        step.gradients(torch.cat([table, table]), norm, wqo, wkv, wmlp, x, x, **NET)
    with pytest.raises(ValueError, match=r"one shape \[A, B, S\]"):
        step.gradients(table, norm, wqo, wkv, wmlp, x, x[:, :, :2], **NET)
    spoiled = norm.clone()
    spoiled[-1] = float("nan")
    with pytest.raises(FloatingPointError, match="nan at step 1"):
        step.train(table, spoiled, wqo, wkv, wmlp, x[None], x[None], **RULE, **NET)


def test_three_layers_are_three_blocks():
    """Every model of the contract has two."""
    table, norm, wqo, wkv, wmlp = weights()
    norm = np.ones((7, 8)) + 0.1 * np.arange(7)[:, None]
    wqo, wkv, wmlp = (np.concatenate([w, 2 * w[:1]]) for w in (wqo, wkv, wmlp))
    model = torched(table, norm, wqo, wkv, wmlp)
    x = torch.tensor([[1, 5, 2, 9]])
    state = model[0][0][x]
    for layer in range(3):
        state = step.block(state, *model[1:], layer, NET["base"], NET["eps"])
    n = rmsnorm(state[0], model[1][6], NET["eps"])
    found = step.logits(*model, x, NET["base"], NET["eps"])
    assert torch.equal(found[0], n @ model[0][1].T)


def test_a_run_needs_targets_for_every_step():
    x = torch.zeros((2, 1, 1, 4), dtype=torch.int64)
    with pytest.raises(ValueError, match="shorter"):
        step.train(*torched(*weights()), x, x[:1], **RULE, **NET)


def test_three_layers_have_seven_norms():
    table, _, wqo, wkv, wmlp = torched(*weights())
    wqo, wkv, wmlp = (torch.cat([w, w[:1]]) for w in (wqo, wkv, wmlp))
    x = torch.zeros((1, 3), dtype=torch.int64)
    assert step.logits(table, torch.ones(7, 8), wqo, wkv, wmlp, x, 100.0, 1e-4).shape == (1, 3, 256)
    with pytest.raises(ValueError, match=r"norm: expected shape \[7, 8\]"):
        step.logits(table, torch.ones(6, 8), wqo, wkv, wmlp, x, 100.0, 1e-4)
