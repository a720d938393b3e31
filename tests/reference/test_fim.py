"""The reference fill-in-the-middle: lossless, as specified in both orders, uniform, the same everywhere."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from albor_reference.data.fim import SENTINELS, fim, fim_parts, unfim
from hypothesis import example, given, settings
from hypothesis import strategies as st

PRE, SUF, MID = "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"
texts = st.text(max_size=30).filter(lambda text: not any(s in text for s in SENTINELS))
seeds = st.integers(0, 2**32)


@given(texts, seeds, st.sampled_from([0.0, 0.3, 1.0]), st.booleans())
@example("", 0, 1.0, False)
@example("<|fim_|fim_prefix|", 3, 1.0, True)
@example("é🙂\u0301\r\n\t ", 5, 1.0, False)
@settings(deadline=None, max_examples=300)
def test_nothing_is_lost(text: str, seed: int, rate: float, spm: bool) -> None:
    transformed = fim(text, seed, rate, spm)
    assert unfim(transformed) == text
    assert transformed == fim(text, seed, rate, spm)


@given(texts, seeds, st.booleans())
@settings(deadline=None, max_examples=300)
def test_each_order_is_as_written(text: str, seed: int, spm: bool) -> None:
    rng = np.random.default_rng(seed)
    rng.random()
    a, b = sorted(int(cut) for cut in rng.integers(0, len(text) + 1, size=2))
    prefix, middle, suffix = text[:a], text[a:b], text[b:]
    if spm:
        expected = f"{PRE}{SUF}{suffix}{MID}{prefix}{middle}"
        parts = ("", prefix + middle, suffix, "spm")
    else:
        expected = f"{PRE}{prefix}{SUF}{suffix}{MID}{middle}"
        parts = (prefix, middle, suffix, "psm" if prefix else "spm")
    transformed = fim(text, seed, 1.0, spm)
    assert transformed == expected
    assert fim_parts(transformed) == parts
    assert [transformed.count(sentinel) for sentinel in SENTINELS] == [1, 1, 1]


def test_the_empty_text() -> None:
    assert fim("", 1, 1.0, False) == fim("", 1, 1.0, True) == PRE + SUF + MID
    assert fim("", 1, 0.0, False) == ""
    assert unfim("") == "" and unfim(PRE + SUF + MID) == ""


Z = 6.2  # P(|normal| > 6.2) < 1e-9


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 1.0])
def test_the_rate_is_the_share_of_transformed_rows(rate: float) -> None:
    rows = 4_000
    changed = sum(fim("abcdef", seed, rate, False) != "abcdef" for seed in range(rows))
    assert abs(changed - rate * rows) <= Z * math.sqrt(rate * (1 - rate) * rows)


def test_cuts_are_uniform_with_replacement() -> None:
    text, rows = "abc", 8_000
    seen: Counter[tuple[int, int]] = Counter()
    for seed in range(rows):
        prefix, middle, _, _ = fim_parts(fim(text, seed, 1.0, False))
        seen[len(prefix), len(prefix) + len(middle)] += 1
    for a in range(4):
        for b in range(a, 4):
            share = (1 if a == b else 2) / 16
            assert abs(seen[a, b] - share * rows) <= Z * math.sqrt(share * (1 - share) * rows), (a, b)


def test_the_result_is_the_same_in_another_process() -> None:
    rows = "[fim('naïve 🙂 text', seed, 0.5, seed % 2 == 0) for seed in range(9)]"
    program = f"from albor_reference.data.fim import fim; print(ascii({rows}))"
    environment = os.environ | {"PYTHONHASHSEED": "12345"}
    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
    ).stdout.strip()
    assert printed == ascii([fim("naïve 🙂 text", seed, 0.5, seed % 2 == 0) for seed in range(9)])


@pytest.mark.parametrize("sentinel", SENTINELS)
@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_a_sentinel_in_the_text_is_refused(sentinel: str, rate: float) -> None:
    with pytest.raises(ValueError, match=r"sentinel .* at character 2"):
        fim(f"ab{sentinel}cd", 0, rate, False)


@pytest.mark.parametrize(
    "text",
    [
        PRE,
        PRE + SUF,
        SUF + PRE + MID,
        PRE + MID + SUF,
        "x" + PRE + SUF + MID,
        PRE + PRE + SUF + MID,
        PRE + SUF + MID + MID,
    ],
)
def test_a_text_that_fim_does_not_make_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a fill-in-the-middle text"):
        unfim(text)


def test_parts_of_an_untransformed_text_are_refused() -> None:
    with pytest.raises(ValueError, match="not a fill-in-the-middle text"):
        fim_parts("plain")


@pytest.mark.parametrize(("seed", "rate"), [(0, -0.1), (0, 1.1), (0, math.nan), (-1, 0.5)])
def test_other_refusals(seed: int, rate: float) -> None:
    with pytest.raises(ValueError, match=r"rate|seed"):
        fim("text", seed, rate, False)
