"""Fill-in-the-middle for a data loader: one text or a batch of rows, text in and text out."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

PREFIX, SUFFIX, MIDDLE = "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"
_SENTINEL = re.compile("|".join(re.escape(sentinel) for sentinel in (PREFIX, SUFFIX, MIDDLE)))


def fim(text: str, seed: int, rate: float, spm: bool) -> str:
    """With probability `rate`, cut the text in prefix P, middle M, suffix S and rearrange it; else return it as it is.

    Formula   PSM (spm false)   <|fim_prefix|> P <|fim_suffix|> S <|fim_middle|> M
              SPM (spm true)    <|fim_prefix|> <|fim_suffix|> S <|fim_middle|> P M
    Cuts      two positions drawn uniformly and with replacement from 0..len(text), in code points, then sorted
    Seed      draws from numpy.random.default_rng(seed): first the uniform that is compared with the rate, then both
              cuts in one call. The same seed gives the same result in every process.
    Errors    ValueError: text holds a sentinel (the result could not be read back), rate outside [0, 1], seed < 0
    Source    Bavarian et al., Efficient Training of Language Models to Fill in the Middle, 2022
    """
    _check_rate(rate)
    return _transform(text, seed, rate, spm)


def fim_batch(texts: Sequence[str], seeds: Sequence[int], rate: float, spm: bool) -> list[str]:
    """`fim` of each row with its own seed, so that a row's result depends neither on its place nor on its neighbours.

    Errors: ValueError when there are not as many seeds as texts; and as `fim`, naming the row.
    """
    _check_rate(rate)
    if len(texts) != len(seeds):
        raise ValueError(f"fim_batch needs one seed a text, got {len(texts)} texts and {len(seeds)} seeds")
    rows = []
    for row, (text, seed) in enumerate(zip(texts, seeds, strict=True)):
        try:
            rows.append(_transform(text, seed, rate, spm))
        except ValueError as error:
            raise ValueError(f"row {row}: {error}") from None
    return rows


def _check_rate(rate: float) -> None:
    if not 0 <= rate <= 1:
        raise ValueError(f"rate must be in [0, 1], got {rate}")


def _transform(text: str, seed: int, rate: float, spm: bool) -> str:
    found = _SENTINEL.search(text)
    if found:
        raise ValueError(f"text already holds the sentinel {found[0]} at character {found.start()}")
    if seed < 0:
        raise ValueError(f"seed must not be negative, got {seed}")
    rng = np.random.default_rng(seed)
    if rng.random() >= rate:
        return text
    cuts = rng.integers(0, len(text) + 1, size=2)
    a, b = int(cuts.min()), int(cuts.max())
    if spm:
        return f"{PREFIX}{SUFFIX}{text[b:]}{MIDDLE}{text[:b]}"  # prefix and middle stand together as in the text
    return f"{PREFIX}{text[:a]}{SUFFIX}{text[b:]}{MIDDLE}{text[a:b]}"


def fim_parts(transformed: str) -> tuple[str, str, str, str]:
    """Read a transformed text back: (prefix, middle, suffix, order), where prefix + middle + suffix is the original.

    order is "psm" or "spm". In SPM the border between prefix and middle is not in the text: prefix is then empty and
    middle holds both. A PSM text with an empty prefix is the same string as an SPM text and is read as "spm".
    Errors: ValueError when the text is not one that `fim` makes (each sentinel once, in order, from the start).
    """
    pieces = _SENTINEL.split(transformed)
    if _SENTINEL.findall(transformed) != [PREFIX, SUFFIX, MIDDLE] or pieces[0]:
        raise ValueError("not a fill-in-the-middle text: it needs each sentinel once, in order, the first at the start")
    _, prefix, suffix, middle = pieces
    return prefix, middle, suffix, "psm" if prefix else "spm"


def unfim(text: str) -> str:
    """Undo `fim`: the original text. A text without sentinels was not transformed and is returned as it is.

    Errors: ValueError when the text holds sentinels but is not one that `fim` makes.
    """
    if not _SENTINEL.search(text):
        return text
    prefix, middle, suffix, _ = fim_parts(text)
    return prefix + middle + suffix
