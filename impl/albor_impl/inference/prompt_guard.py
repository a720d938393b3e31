"""Limits of the context, in whole numbers; a server and an evaluation ask here before they run anything.

They count tokens; `windows` and `index` count windows.
Sources: Press, Smith and Lewis, "Shortformer" (2021), for scoring with a sliding window; room and cut are the
definitions in contracts/inference/prompt-guard-v1.yaml.
"""

from __future__ import annotations

from collections.abc import Iterator


def room(prompt: int, wanted: int, context: int) -> int:
    """Tokens that may be generated after a prompt: min(wanted, context - prompt).

    Errors: ValueError unless 1 <= prompt < context and wanted >= 1.
    """
    if not 1 <= prompt < context or wanted < 1:
        raise ValueError(
            f"needs 1 <= prompt < context and wanted >= 1, got a prompt of {prompt} tokens in a context of {context}, "
            f"and {wanted} wanted; `first_kept` says where to cut a prompt that is too long"
        )
    return min(wanted, context - prompt)


def first_kept(prompt: int, context: int, reserve: int) -> int:
    """Where to cut a prompt from the left so that `reserve` new tokens fit: ids[first:] is what is kept.

    Errors: ValueError unless prompt >= 1 and 1 <= reserve < context.
    """
    if prompt < 1 or not 1 <= reserve < context:
        raise ValueError(f"needs prompt >= 1 and 1 <= reserve < context, got {prompt}, {reserve} and {context}")
    return max(0, prompt + reserve - context)


def _check_windows(tokens: int, context: int, stride: int) -> None:
    if tokens < 1 or not 1 <= stride <= context:
        raise ValueError(
            f"windows need tokens >= 1 and 1 <= stride <= context, got {tokens} tokens, stride {stride}, "
            f"context {context}; a longer stride would leave tokens out"
        )


def windows(tokens: int, context: int, stride: int) -> int:
    """How many windows score a text: 1 + ceil((tokens - context) / stride), at least 1.

    Errors: ValueError unless tokens >= 1 and 1 <= stride <= context.
    """
    _check_windows(tokens, context, stride)
    return 1 if tokens <= context else 1 + (tokens - context + stride - 1) // stride


def window(tokens: int, context: int, stride: int, index: int) -> tuple[int, int, int]:
    """Window `index`: (start, first, end). The model sees start..end and scores first..end, ends excluded.

    Errors: ValueError as `windows`, and for a negative index.
    """
    _check_windows(tokens, context, stride)
    if index < 0:
        raise ValueError(f"index must be at least 0, got {index}")
    start = index * stride
    first = 0 if index == 0 else min(tokens, start + context - stride)
    return start, first, min(tokens, start + context)


def all_windows(tokens: int, context: int, stride: int) -> Iterator[tuple[int, int, int]]:
    """The windows of a text in order; every token is scored by one of them.

    Errors: as `windows`.
    """
    return (window(tokens, context, stride, index) for index in range(windows(tokens, context, stride)))
