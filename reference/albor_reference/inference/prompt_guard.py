"""What fits the context of a model: generated tokens, the end of a long prompt, the windows of an evaluation.

All numbers are whole. They count tokens; `windows` and `index` count windows.
Sources: Press, Smith and Lewis, "Shortformer" (2021), for scoring with a sliding window; room and cut are the
definitions in contracts/inference/prompt-guard-v1.yaml.
"""

from __future__ import annotations


def _check(tokens: int, context: int, stride: int) -> None:
    if tokens < 1 or not 1 <= stride <= context:
        raise ValueError(
            "windows need tokens >= 1 and 1 <= stride <= context, "
            f"got {tokens} tokens, stride {stride} and context {context}"
        )


def room(prompt: int, wanted: int, context: int) -> int:
    """Tokens that may be generated after a prompt: as many as are wanted and fit.

    Errors: ValueError unless 1 <= prompt < context and wanted >= 1.
    """
    if prompt < 1 or prompt >= context or wanted < 1:
        raise ValueError(
            f"needs 1 <= prompt < context and wanted >= 1, got a prompt of {prompt} tokens, context {context}, "
            f"wanted {wanted}; cut the prompt to its last {max(context - 1, 0)} tokens"
        )
    free = context - prompt
    return wanted if wanted < free else free


def first_kept(prompt: int, context: int, reserve: int) -> int:
    """The first token of a prompt to keep, so that its end and `reserve` new tokens fit the context.

    Errors: ValueError unless prompt >= 1 and 1 <= reserve < context.
    """
    if prompt < 1 or not 1 <= reserve < context:
        raise ValueError(f"needs prompt >= 1 and 1 <= reserve < context, got {prompt}, {reserve}, {context}")
    keep = min(prompt, context - reserve)
    return prompt - keep


def windows(tokens: int, context: int, stride: int) -> int:
    """How many windows score a text. Errors: ValueError unless 1 <= stride <= context and tokens >= 1."""
    _check(tokens, context, stride)
    if tokens <= context:
        return 1
    whole, rest = divmod(tokens - context, stride)
    return 1 + whole + (rest > 0)


def window(tokens: int, context: int, stride: int, index: int) -> tuple[int, int, int]:
    """Window `index`: the model sees tokens start..end and scores first..end (ends excluded).

    Errors: ValueError as `windows`, and for a negative index.
    """
    _check(tokens, context, stride)
    if index < 0:
        raise ValueError(f"index must be at least 0, got {index}")
    start = index * stride
    reached_before = min(start - stride + context, tokens) if index else 0
    return start, reached_before, min(start + context, tokens)
