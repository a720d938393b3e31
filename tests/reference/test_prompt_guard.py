"""Limits of the context by enumeration of positions."""

from __future__ import annotations

import pytest
from albor_reference.inference.prompt_guard import first_kept, room, window, windows


def test_room_by_counting_free_positions() -> None:
    for context in range(2, 12):
        for prompt in range(1, context):
            for wanted in range(1, 14):
                assert room(prompt, wanted, context) == len(range(context)[prompt : prompt + wanted])


def test_the_end_of_a_prompt_is_kept() -> None:
    for context in range(2, 10):
        for reserve in range(1, context):
            for prompt in range(1, 15):
                ids = list(range(prompt))
                assert ids[first_kept(prompt, context, reserve) :] == ids[-(context - reserve) :]


def test_every_token_is_scored_once() -> None:
    for tokens in range(1, 20):
        for context in range(1, 8):
            for stride in range(1, context + 1):
                spans = [window(tokens, context, stride, i) for i in range(windows(tokens, context, stride))]
                scored = [t for _, first, end in spans for t in range(first, end)]
                assert scored == list(range(tokens))
                assert all(end - start <= context for start, _, end in spans)


def test_refusals() -> None:
    for prompt, wanted, context in ((0, 1, 4), (4, 1, 4), (9, 1, 4), (1, 0, 4)):
        with pytest.raises(ValueError, match="1 <= prompt < context"):
            room(prompt, wanted, context)
    for arguments in ((0, 4, 1), (1, 4, 4), (1, 4, 0)):
        with pytest.raises(ValueError, match="1 <= reserve < context"):
            first_kept(*arguments)
    for arguments in ((0, 4, 1), (5, 4, 0), (5, 4, 5), (5, 0, 1)):
        with pytest.raises(ValueError):
            windows(*arguments)
    with pytest.raises(ValueError, match="index"):
        window(5, 4, 2, -1)
