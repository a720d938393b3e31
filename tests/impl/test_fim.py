"""The fill-in-the-middle that ships against the reference: the same strings, the same refusals."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from albor_impl.data.fim import fim, fim_batch, fim_parts, unfim
from albor_reference.data import fim as reference
from hypothesis import example, given, settings
from hypothesis import strategies as st

PIECES = (*reference.SENTINELS, "<|fim_", "prefix|>", "<|", "é", "🙂", "\n", "ab")
free = st.text(max_size=30).filter(lambda text: not any(s in text for s in reference.SENTINELS))
seeds = st.integers(0, 2**40)


@given(free, seeds, st.sampled_from([0.0, 0.3, 1.0]), st.booleans())
@example("", 0, 1.0, False)
@example("<|fim_|fim_prefix|", 3, 1.0, True)
@settings(deadline=None, max_examples=300)
def test_fim_is_the_reference_and_loses_nothing(text: str, seed: int, rate: float, spm: bool) -> None:
    transformed = fim(text, seed, rate, spm)
    assert transformed == reference.fim(text, seed, rate, spm)
    assert unfim(transformed) == text


def outcome(function: Callable[[str], object], text: str) -> object:
    try:
        return function(text)
    except ValueError as refusal:
        return type(refusal), str(refusal)


@given(st.lists(st.sampled_from(PIECES), max_size=7).map("".join))
@settings(deadline=None, max_examples=400)
def test_reading_back_is_the_reference_on_any_text(text: str) -> None:
    assert outcome(unfim, text) == outcome(reference.unfim, text)
    assert outcome(fim_parts, text) == outcome(reference.fim_parts, text)


def test_a_text_is_left_alone_where_the_number_drawn_is_the_rate() -> None:
    for seed in range(10):
        drawn = np.random.default_rng(seed).random()
        assert fim("text", seed, drawn, False) == "text" != fim("text", seed, math.nextafter(drawn, 1), False)


@given(st.lists(st.tuples(free, seeds), max_size=6), st.booleans())
@settings(deadline=None, max_examples=100)
def test_a_batch_is_its_rows(rows: list[tuple[str, int]], spm: bool) -> None:
    texts, numbers = [text for text, _ in rows], [seed for _, seed in rows]
    assert fim_batch(texts, numbers, 0.5, spm) == [fim(text, seed, 0.5, spm) for text, seed in rows]
    assert fim_batch(texts[::-1], numbers[::-1], 0.5, spm) == fim_batch(texts, numbers, 0.5, spm)[::-1]


@pytest.mark.parametrize("sentinel", reference.SENTINELS)
@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_a_sentinel_in_the_text_is_refused(sentinel: str, rate: float) -> None:
    with pytest.raises(ValueError, match=r"sentinel .* at character 2"):
        fim(f"ab{sentinel}cd", 0, rate, False)
    with pytest.raises(ValueError, match=r"row 1: text already holds"):
        fim_batch(["fine", f"ab{sentinel}cd"], [0, 1], rate, False)


@pytest.mark.parametrize(("seed", "rate"), [(0, -0.1), (0, 1.1), (0, math.nan), (-1, 0.5)])
def test_other_refusals(seed: int, rate: float) -> None:
    with pytest.raises(ValueError, match=r"rate|seed"):
        fim("text", seed, rate, False)
    with pytest.raises(ValueError, match=r"rate|seed"):
        fim_batch(["text"], [seed], rate, False)


def test_a_batch_needs_a_seed_a_row() -> None:
    with pytest.raises(ValueError, match="2 texts and 1 seeds"):
        fim_batch(["a", "b"], [1], 0.5, False)
