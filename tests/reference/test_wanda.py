"""The reference pruning against its definition in exact arithmetic, and against what the score means."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from albor_reference.prune.wanda import magnitude, prune_layers, sparsity_ratio, wanda
from hypothesis import given, settings
from hypothesis import strategies as st

small = st.integers(-3, 3)  # few values: equal scores, zero weights and dead columns are common


@st.composite
def problems(draw: st.DrawFn):
    rows, columns, tokens = draw(st.integers(1, 4)), draw(st.integers(1, 7)), draw(st.integers(1, 4))
    row = st.lists(small, min_size=columns, max_size=columns)
    w = draw(st.lists(row, min_size=rows, max_size=rows))
    x = draw(st.lists(row, min_size=tokens, max_size=tokens))
    den = draw(st.integers(1, 9))
    return w, x, draw(st.integers(0, den)), den


def mask_exactly(w, x, num: int, den: int) -> list[list[bool]]:
    """Squared scores are integers: w^2 * sum_t x^2, in the same order as the scores."""
    norms = [sum(row[c] ** 2 for row in x) for c in range(len(w[0]))]
    count = int(Fraction(num, den) * len(norms))
    masks = []
    for row in w:
        order = sorted(range(len(row)), key=lambda c: (row[c] ** 2 * norms[c], c))
        masks.append([c not in order[:count] for c in range(len(row))])
    return masks


@given(problems())
@settings(deadline=None, max_examples=300)
def test_wanda_is_its_definition(problem) -> None:
    w, x, num, den = problem
    expected = mask_exactly(w, x, num, den)
    pruned, mask = wanda(np.array(w), np.array(x), num, den)
    scores = np.abs(np.array(w)) * np.sqrt(np.sum(np.array(x) ** 2, axis=0))
    for r in range(len(w)):
        assert mask[r].sum() == len(w[0]) - num * len(w[0]) // den
        if _roots_tie_as_squares_do(scores[r], w[r], x):
            assert mask[r].tolist() == expected[r]
    assert np.array_equal(pruned, np.where(mask, w, 0))


def _roots_tie_as_squares_do(scores: np.ndarray, row: list[int], x: list[list[int]]) -> bool:
    """Rounded roots may split or join what is equal or different in exact arithmetic; such rows prove nothing."""
    exact = [row[c] ** 2 * sum(t[c] ** 2 for t in x) for c in range(len(row))]
    return all(
        (exact[i] < exact[j]) == (scores[i] < scores[j]) and (exact[i] == exact[j]) == (scores[i] == scores[j])
        for i in range(len(row))
        for j in range(len(row))
    )


@given(problems())
@settings(deadline=None, max_examples=100)
def test_magnitude_is_wanda_with_equal_columns(problem) -> None:
    w, _, num, den = problem
    w = np.array(w, dtype=float)
    by_size, same = magnitude(w, num, den), wanda(w, np.ones((4, w.shape[1])), num, den)
    assert np.array_equal(by_size[0], same[0])
    assert np.array_equal(by_size[1], same[1])


def test_the_score_is_the_change_of_the_output_row() -> None:
    rng = np.random.default_rng(2)
    w, x = rng.normal(size=(3, 8)), rng.normal(size=(20, 8)) * np.arange(1, 9)
    _, mask = wanda(w, x, 1, 8)
    for r in range(3):
        harm = [np.linalg.norm(x @ w[r] - x @ np.where(np.arange(8) == c, 0, w[r])) for c in range(8)]
        assert mask[r].tolist() == [c != int(np.argmin(harm)) for c in range(8)]


def test_rows_are_pruned_one_by_one() -> None:
    w = np.array([[1.0, 2, 3, 4], [100, 200, 300, 400]])
    _, mask = wanda(w, np.ones((1, 4)), 1, 2)
    assert mask.tolist() == [[False, False, True, True]] * 2


def test_columns_with_loud_inputs_are_kept() -> None:
    _, mask = wanda(np.array([[1.0, 1.0, 2.0]]), np.array([[5.0, 1.0, 1.0]]), 2, 3)
    assert mask.tolist() == [[True, False, False]]


def test_the_norm_is_over_tokens_with_a_root() -> None:
    # Norms 5 and 1 (not 25 and 1): 1 * 5 < 6 * 1 < 1 * 25.
    _, mask = wanda(np.array([[1.0, 6.0]]), np.array([[3.0, 1.0], [4.0, 0.0]]), 1, 2)
    assert mask.tolist() == [[False, True]]


def test_dead_columns_and_equal_scores_go_lower_column_first() -> None:
    _, mask = wanda(np.full((2, 5), 7.0), np.array([[1.0, 0, 1, 0, 1]]), 3, 5)
    assert mask.tolist() == [[False, False, True, False, True]] * 2


@pytest.mark.parametrize(("num", "den", "pruned_count"), [(0, 1, 0), (1, 1, 10), (3, 10, 3), (29, 100, 2), (7, 90, 0)])
def test_the_count_is_exact(num: int, den: int, pruned_count: int) -> None:
    w = np.full((3, 10), -2.0)
    pruned, mask = wanda(w, np.ones((2, 10)), num, den)
    assert (~mask).sum(axis=1).tolist() == [pruned_count] * 3
    assert not np.signbit(pruned[~mask]).any()
    assert pruned[mask].tobytes() == w[mask].tobytes()


def test_excluded_layers_are_untouched() -> None:
    rng = np.random.default_rng(5)
    w, x = rng.normal(size=(3, 4, 6)), rng.normal(size=(3, 5, 6))
    w[1, 0, 0] = -0.0
    pruned = prune_layers(w, x, np.array([False, True, False]), 1, 2)
    assert pruned[1].tobytes() == w[1].tobytes()
    for layer in (0, 2):
        assert np.array_equal(pruned[layer], wanda(w[layer], x[layer], 1, 2)[0])
        assert (pruned[layer] == 0).sum() == 12


def test_sparsity_is_read_as_it_prints() -> None:
    assert sparsity_ratio("0.3") == sparsity_ratio(0.3) == sparsity_ratio(Fraction(3, 10)) == (3, 10)
    assert (sparsity_ratio(0), sparsity_ratio(1.0), sparsity_ratio("1/3")) == ((0, 1), (1, 1), (1, 3))


@pytest.mark.parametrize("sparsity", [-0.1, 1.01, "nan", "much"])
def test_sparsity_ratio_refuses(sparsity: float | str) -> None:
    with pytest.raises(ValueError):
        sparsity_ratio(sparsity)


@pytest.mark.parametrize(
    ("w", "x", "num", "den", "message"),
    [
        ((2, 3), (4, 3), 2, 1, "sparsity"),
        ((2, 3), (4, 3), -1, 2, "sparsity"),
        ((2, 3), (4, 3), 0, 0, "sparsity"),
        ((2, 3), (4, 2), 1, 2, "x must be"),
        ((2, 3), (0, 3), 1, 2, "T >= 1"),
        ((2, 3), (3,), 1, 2, "x must be"),
        ((3,), (4, 3), 1, 2, "w must be"),
    ],
)
def test_wanda_refuses(w: tuple, x: tuple, num: int, den: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wanda(np.ones(w), np.ones(x), num, den)


def test_prune_layers_refuses_shapes_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="prune_layers needs"):
        prune_layers(np.ones((2, 3, 4)), np.ones((2, 5, 4)), np.array([True]), 1, 2)
