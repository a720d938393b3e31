"""The PyTorch pruning against the reference, decision by decision, bit by bit."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from albor_impl.prune import wanda as module
from albor_impl.prune.wanda import magnitude, prune_layers, sparsity_ratio, wanda
from albor_reference.prune.wanda import magnitude as magnitude_reference
from albor_reference.prune.wanda import prune_layers as prune_layers_reference
from albor_reference.prune.wanda import sparsity_ratio as sparsity_ratio_reference
from albor_reference.prune.wanda import wanda as wanda_reference
from hypothesis import given, settings
from hypothesis import strategies as st

DTYPES = [torch.float32, torch.bfloat16, torch.float16, torch.float64]


def bits(x: torch.Tensor) -> torch.Tensor:
    return x.contiguous().view({2: torch.int16, 4: torch.int32, 8: torch.int64}[x.element_size()])


def layouts(x: torch.Tensor) -> list[torch.Tensor]:
    """The same matrix transposed in memory, and cut out of a larger one."""
    larger = torch.zeros(x.shape[0] + 2, 2 * x.shape[1] + 1, dtype=x.dtype)
    larger[1:-1, 1::2] = x
    return [x, x.T.contiguous().T, larger[1:-1, 1::2]]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@given(
    st.integers(0, 10**6),
    st.tuples(st.sampled_from([1, 2, 3, 9]), st.sampled_from([1, 7, 16, 33, 129]), st.sampled_from([1, 2, 3, 17, 64])),
    st.tuples(st.integers(0, 12), st.integers(1, 12)).filter(lambda ratio: ratio[0] <= ratio[1]),
    st.booleans(),
)
@settings(deadline=None, max_examples=60)
def test_wanda_is_the_reference(dtype: torch.dtype, seed: int, shape: tuple, ratio: tuple, grid: bool) -> None:
    (rows, columns, tokens), (num, den) = shape, ratio
    g = torch.Generator().manual_seed(seed)
    if grid:  # equal scores, zero weights, dead columns; every square and sum is exact
        w, x = (torch.randint(-3, 4, size, generator=g).to(dtype) for size in ((rows, columns), (tokens, columns)))
    else:
        w, x = (torch.randn(size, generator=g).to(dtype) for size in ((rows, columns), (tokens, columns)))
    expected, expected_mask = wanda_reference(w.double().numpy(), x.double().numpy(), num, den)
    # float64 sums of squares in another order differ by at most T u; two scores of a row closer than that may swap.
    score = w.double().abs().numpy() * np.sqrt((x.double().numpy() ** 2).sum(axis=0))
    gaps = np.diff(np.sort(score, axis=1), axis=1)
    close = (gaps > 0) & (gaps <= (tokens + 4) * 2.0**-52 * score.max())
    for weights, inputs in zip(layouts(w), layouts(x), strict=True):
        pruned, mask = wanda(weights, inputs, num, den)
        assert pruned.dtype == dtype and mask.dtype == torch.bool
        assert (~mask).sum(dim=1).tolist() == [num * columns // den] * rows
        if not close.any():
            assert torch.equal(mask, torch.from_numpy(expected_mask))
            assert torch.equal(pruned.double(), torch.from_numpy(expected))
        assert torch.equal(bits(pruned), torch.where(mask, bits(w), 0))  # kept bits, and +0


def test_the_exact_cases_are_decided() -> None:
    w, x = torch.tensor([[1.0, 6.0, -0.0, 3.0]]), torch.tensor([[3.0, 1.0, 2.0, 0.0], [4.0, 0.0, 2.0, 0.0]])
    for num, kept in ((0, [1, 1, 1, 1]), (1, [1, 1, 0, 1]), (2, [1, 1, 0, 0]), (3, [0, 1, 0, 0]), (4, [0, 0, 0, 0])):
        assert wanda(w, x, num, 4)[1].int().tolist() == [kept]


@pytest.mark.parametrize("columns", [5, 33, 257, 1025])
def test_equal_columns_tie_whatever_their_place(columns: int) -> None:
    x = torch.randn(37, 1, generator=torch.Generator().manual_seed(0)).expand(37, columns)
    _, mask = wanda(torch.full((2, columns), 0.3), x, 1, 2)
    assert torch.equal(mask, (torch.arange(columns) >= columns // 2).expand(2, -1))


def test_neighbouring_float32_weights_keep_their_order() -> None:
    w = torch.tensor([[2 - 2.0**-23, 2 - 2.0**-22]])  # in float32, most products with a norm above 1 are equal
    for norm in (1.1, 1.2, 1.3, 1.7):
        assert wanda(w, torch.full((1, 2), norm), 1, 2)[1].tolist() == [[True, False]]


def test_long_calibration_is_added_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randint(-3, 4, (1000, 7), generator=torch.Generator().manual_seed(1)).float()
    w = torch.randint(1, 4, (3, 7), generator=torch.Generator().manual_seed(2)).float()
    whole = wanda(w, x, 3, 7)
    monkeypatch.setattr(module, "CHUNK", 64)
    pieces = wanda(w, x, 3, 7)
    assert torch.equal(whole[0], pieces[0]) and torch.equal(whole[1], pieces[1])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_magnitude_is_the_reference_and_wanda_with_equal_columns(dtype: torch.dtype) -> None:
    w = torch.randint(-9, 10, (5, 33), generator=torch.Generator().manual_seed(3)).to(dtype)
    for num in range(8):
        pruned, mask = magnitude(w, num, 7)
        expected, expected_mask = magnitude_reference(w.double().numpy(), num, 7)
        assert torch.equal(mask, torch.from_numpy(expected_mask))
        assert torch.equal(pruned.double(), torch.from_numpy(expected))
        assert torch.equal(mask, wanda(w, torch.full((2, 33), 0.7), num, 7)[1])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_excluded_layers_keep_their_bits(dtype: torch.dtype) -> None:
    g = torch.Generator().manual_seed(4)
    w, x = torch.randn(3, 4, 6, generator=g).to(dtype), torch.randn(3, 5, 6, generator=g).to(dtype)
    w[1, 0, 0], w[1, 0, 1] = -0.0, torch.nan
    before = w.clone()
    pruned = prune_layers(w.transpose(1, 2).contiguous().transpose(1, 2), x, torch.tensor([False, True, False]), 1, 2)
    assert torch.equal(bits(pruned[1]), bits(before[1]))
    expected = prune_layers_reference(w.double().numpy(), x.double().numpy(), np.array([False, True, False]), 1, 2)
    assert torch.equal(pruned[::2].double(), torch.from_numpy(expected[::2]))
    assert torch.equal(bits(w), bits(before))


@given(st.fractions(0, 1))
def test_sparsity_is_the_reference(sparsity: Fraction) -> None:
    for value in (sparsity, str(sparsity), float(sparsity)):
        assert sparsity_ratio(value) == sparsity_ratio_reference(value)


@pytest.mark.parametrize(
    ("w", "x", "num", "den", "message"),
    [
        ((2, 3), (4, 3), 2, 1, "sparsity"),
        ((2, 3), (4, 3), -1, 2, "sparsity"),
        ((2, 3), (4, 3), 0, 0, "sparsity"),
        ((2, 3), (4, 2), 1, 2, "x must be"),
        ((2, 3), (0, 3), 1, 2, "T >= 1"),
        ((3,), (4, 3), 1, 2, "w must be"),
    ],
)
def test_wanda_refuses(w: tuple, x: tuple, num: int, den: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wanda(torch.ones(w), torch.ones(x), num, den)


def test_other_refusals() -> None:
    for sparsity in (-0.1, 1.01, "nan", "much"):
        with pytest.raises(ValueError):
            sparsity_ratio(sparsity)
    with pytest.raises(TypeError, match="floating point"):
        magnitude(torch.ones(2, 2, dtype=torch.int32), 1, 2)
    with pytest.raises(TypeError, match="floating point"):
        wanda(torch.ones(2, 2), torch.ones(2, 2, dtype=torch.int32), 1, 2)
    with pytest.raises(ValueError, match="one device"):
        wanda(torch.ones(2, 2), torch.ones(2, 2, device="meta"), 1, 2)
    with pytest.raises(ValueError, match="prune_layers needs"):
        prune_layers(torch.ones(2, 3, 4), torch.ones(2, 5, 4), torch.tensor([True]), 1, 2)
    for w, x in (((2, 4), (2, 5, 4)), ((2, 3, 4), (2, 4)), ((2, 3, 4), (3, 5, 4))):
        with pytest.raises(ValueError, match="prune_layers needs"):
            prune_layers(torch.ones(w), torch.ones(x), torch.tensor([True, True]), 1, 2)
