"""Fill-in-the-middle: a text is cut in three and rearranged, so that a left-to-right model learns to infill."""

from __future__ import annotations

import numpy as np

PREFIX, SUFFIX, MIDDLE = "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"
SENTINELS = (PREFIX, SUFFIX, MIDDLE)


def fim(text: str, seed: int, rate: float, spm: bool) -> str:
    """With probability `rate`, cut the text in prefix P, middle M, suffix S and rearrange it; else return it as it is.

    Formula   PSM (spm false)   <|fim_prefix|> P <|fim_suffix|> S <|fim_middle|> M
              SPM (spm true)    <|fim_prefix|> <|fim_suffix|> S <|fim_middle|> P M
    Cuts      two character positions a <= b drawn uniformly and with replacement from 0..len(text), so that each of
              P, M, S may be empty; P = text[:a], M = text[a:b], S = text[b:]. Characters are code points.
    Seed      draws from numpy.random.default_rng(seed), in this order: one uniform in [0, 1) that is compared with
              the rate, then both cuts in one call. The same seed gives the same result in every process.
    Errors    ValueError: text holds a sentinel (the result could not be read back), rate outside [0, 1], seed < 0
    Source    Bavarian et al., Efficient Training of Language Models to Fill in the Middle, 2022
    """
    for sentinel in SENTINELS:
        if sentinel in text:
            raise ValueError(f"text already holds the sentinel {sentinel} at character {text.index(sentinel)}")
    if not 0 <= rate <= 1:
        raise ValueError(f"rate must be in [0, 1], got {rate}")
    if seed < 0:
        raise ValueError(f"seed must not be negative, got {seed}")
    rng = np.random.default_rng(seed)
    if not rng.random() < rate:
        return text
    a, b = sorted(rng.integers(0, len(text) + 1, size=2).tolist())
    prefix, middle, suffix = text[:a], text[a:b], text[b:]
    if spm:
        return PREFIX + SUFFIX + suffix + MIDDLE + prefix + middle
    return PREFIX + prefix + SUFFIX + suffix + MIDDLE + middle


def fim_parts(transformed: str) -> tuple[str, str, str, str]:
    """Read a transformed text back: (prefix, middle, suffix, order), where prefix + middle + suffix is the original.

    order is "psm" or "spm". In SPM the border between prefix and middle is not in the text: prefix is then empty and
    middle holds both. A PSM text with an empty prefix is the same string as an SPM text and is read as "spm".
    Errors: ValueError when the text is not one that `fim` makes (each sentinel once, in order, from the start).
    """
    places = [transformed.find(sentinel) for sentinel in SENTINELS]
    once = all(transformed.count(sentinel) == 1 for sentinel in SENTINELS)
    if not once or places[0] != 0 or places != sorted(places):
        raise ValueError("not a fill-in-the-middle text: it needs each sentinel once, in order, the first at the start")
    prefix = transformed[len(PREFIX) : places[1]]
    suffix = transformed[places[1] + len(SUFFIX) : places[2]]
    middle = transformed[places[2] + len(MIDDLE) :]
    return prefix, middle, suffix, "psm" if prefix else "spm"


def unfim(text: str) -> str:
    """Undo `fim`: the original text. A text without sentinels was not transformed and is returned as it is.

    Errors: ValueError when the text holds sentinels but is not one that `fim` makes.
    """
    if not any(sentinel in text for sentinel in SENTINELS):
        return text
    prefix, middle, suffix, _ = fim_parts(text)
    return prefix + middle + suffix
