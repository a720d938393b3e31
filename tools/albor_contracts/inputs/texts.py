"""Texts and byte strings: empty, code-like, every kind of Unicode, repeated; never a surrogate."""

from __future__ import annotations

import numpy as np

from .choices import Choices

# The first characters are what a failing text shrinks to.
ALPHABET = "ab0 \n\t.,_()<|>é́ßя中🙂\r\u200d\u2028\x00\"'\\"
_CODE = (
    "def f(x):\n", "    return x + 1\n", "\tif a < b:\r\n", "# ", "import os\n", "()", "{}", "_", "x", " ", "  ", "\n",
    "'", '"', "\\n", "<|", "|>", "fim", "0", "1.5e-3", "lambda: ", "é", "中文",
)  # fmt: skip
# Blocks of Unicode that break byte-level code: two, three and four bytes, combining, right to left, joiners.
_BLOCKS = (
    (0x20, 0x7E), (0x00, 0x1F), (0xA1, 0xFF), (0x300, 0x36F), (0x400, 0x44F), (0x5D0, 0x5EA), (0x600, 0x64A),
    (0x4E00, 0x4FFF), (0x200B, 0x200F), (0x2028, 0x2029), (0xFE00, 0xFE0F), (0xFFF0, 0xFFFD), (0x1F300, 0x1F64F),
    (0x1F1E6, 0x1F1FF), (0x10FFF0, 0x10FFFF), (0xE000, 0xE0FF),
)  # fmt: skip
KINDS = ("characters", "code", "unicode", "repeated", "blank", "characters", "code", "unicode")
SHORT = 8


def draw_text(choices: Choices, rng: np.random.Generator, low: int, high: int) -> tuple[str, str]:
    """A text with low <= length <= high, and the name of its recipe."""
    kind = KINDS[choices.below(len(KINDS))]
    if kind == "characters":
        length = low + choices.below(min(high - low, SHORT) + 1)
        if length <= SHORT:
            return "".join(ALPHABET[choices.below(len(ALPHABET))] for _ in range(length)), kind
        kind = "unicode"
    else:
        length = _length(choices.below(LENGTHS), low, high)
    return _made(rng, kind, length), kind


LENGTHS = 24


def _length(code: int, low: int, high: int) -> int:
    """The first few lengths, then evenly to the end of the range; a smaller code is a shorter text."""
    if high - low < LENGTHS:
        return low + code * (high - low + 1) // LENGTHS
    return low + code if code < 4 else low + 4 + (high - low - 4) * (code - 4) // (LENGTHS - 5)


def _made(rng: np.random.Generator, kind: str, length: int) -> str:
    if not length:
        return ""
    match kind:
        case "repeated":
            unit = _made(rng, "unicode" if rng.random() < 0.5 else "code", int(rng.integers(1, 4)))
            return (unit * length)[:length]
        case "blank":
            return "".join(" \n\t\r"[i] for i in rng.integers(0, 4, length))
        case "code":
            pieces: list[str] = []
            size = 0
            while size < length:
                pieces.append(_CODE[int(rng.integers(0, len(_CODE)))])
                size += len(pieces[-1])
            return "".join(pieces)[:length]
    blocks = rng.integers(0, len(_BLOCKS), length)
    parts = rng.random(length)
    return "".join(
        chr(_BLOCKS[b][0] + int(p * (_BLOCKS[b][1] - _BLOCKS[b][0] + 1))) for b, p in zip(blocks, parts, strict=True)
    )


def draw_bytes(choices: Choices, rng: np.random.Generator, low: int, high: int) -> tuple[bytes, str]:
    """A byte string with low <= length <= high, and the name of its recipe."""
    kind = ("bytes", "random", "repeated", "utf-8", "random")[choices.below(5)]
    if kind == "bytes":
        length = low + choices.below(min(high - low, SHORT) + 1)
        if length <= SHORT:
            return bytes(choices.below(256) for _ in range(length)), kind
        return rng.bytes(length), "random"
    length = _length(choices.below(LENGTHS), low, high)
    if kind == "utf-8":  # cut anywhere, also inside a character
        return _made(rng, "unicode", length).encode()[:length].ljust(length, b"\xff"), kind
    if kind == "repeated":
        return (rng.bytes(2) * length)[:length], kind
    return rng.bytes(length), kind
