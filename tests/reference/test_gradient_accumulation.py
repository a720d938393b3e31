"""The reference's mean over micro-batches against autograd of the whole batch, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from albor_reference.optim.gradient_accumulation import accumulate, micro_step


def gradient(w: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> np.ndarray:
    """Of the mean loss over the tokens of x[T, E] that have a label."""
    leaf = w.clone().requires_grad_()
    torch.nn.functional.cross_entropy(x @ leaf, y).backward()
    assert leaf.grad is not None
    return leaf.grad.numpy().ravel()


def test_micro_batches_of_unequal_numbers_of_tokens_are_one_batch() -> None:
    torch.manual_seed(0)
    w, x = torch.randn(4, 6, dtype=torch.float64), torch.randn(20, 4, dtype=torch.float64)
    y = torch.randint(6, (20,))
    y[[0, 1, 2, 5, 17]] = -100  # the first micro-batch counts one token, the others 7 and 7
    parts = [slice(0, 4), slice(4, 12), slice(12, 20)]
    counts = [int((y[part] >= 0).sum()) for part in parts]
    each = [gradient(w, x[part], y[part]) for part in parts]
    whole = gradient(w, x, y)
    assert counts == [1, 7, 7]
    np.testing.assert_allclose(accumulate(each, counts), whole, rtol=1e-12, atol=1e-14)
    assert not np.allclose(np.mean(each, axis=0), whole, rtol=1e-2)  # a mean of means is another number
    buffer, tokens, seen = np.zeros(24), 0, 0
    for k, (g, n) in enumerate(zip(each, counts, strict=True)):
        buffer, mean, tokens, seen, ready = micro_step(buffer, tokens, seen, g, n, 3)
        assert ready == (k == 2) and mean.any() == ready
    np.testing.assert_allclose(mean, whole, rtol=1e-12, atol=1e-14)
    assert not buffer.any() and tokens == seen == 0


def test_by_hand() -> None:
    np.testing.assert_array_equal(accumulate([[1.0, 2.0], [5.0, -2.0]], [3, 1]), [2.0, 1.0])
    np.testing.assert_array_equal(accumulate([[7.0]], [0]), [0.0])  # nothing counts
    np.testing.assert_array_equal(accumulate([[7.0], [3.0]], [0, 2]), [3.0])
    assert accumulate(np.zeros((0, 2)), np.zeros(0, int)).tolist() == [0.0, 0.0]
    buffer, mean, tokens, seen, ready = micro_step([1.0], 2, 1, [10.0], 3, 4)
    assert (buffer.tolist(), mean.tolist(), tokens, seen, ready) == ([31.0], [0.0], 5, 2, False)


def test_a_gradient_that_is_not_finite_is_not_hidden() -> None:
    assert np.isnan(accumulate([[np.nan], [1.0]], [1, 1])).all()


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="expected g"):
        accumulate([[1.0]], [1, 2])
    with pytest.raises(ValueError, match="expected g"):
        accumulate([1.0], [1])
    with pytest.raises(ValueError, match=r"^n: .* got -1"):
        accumulate([[1.0], [2.0]], [3, -1])
    with pytest.raises(ValueError, match=r"^cycle"):
        micro_step([0.0], 0, 0, [1.0], 1, 0)
    for seen in (-1, 2):
        with pytest.raises(ValueError, match=r"^seen"):
            micro_step([0.0], 0, seen, [1.0], 1, 2)
