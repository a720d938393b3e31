"""inference/prompt-guard: Prompts against the context, what is proved.

Compiled from contracts/inference/prompt-guard-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 78b5721aa2db585f41ac68a3b4bef25683589f0aa9dc38498275a3563b66c89d
"""

from albor_contracts.prove import proof
from albor_impl.inference.prompt_guard import first_kept, room, windows


@proof("PGD-FITS", "crosshair")
def prove_pgd_fits(prompt: int, wanted: int, context: int) -> None:
    """Prompt and generated tokens fit; fewer than wanted only where the context is full."""
    assert 1 <= prompt < context
    assert wanted >= 1
    assert context >= 2
    allowed = room(prompt, wanted, context)
    assert 1 <= allowed
    assert allowed <= wanted
    assert prompt + allowed <= context
    assert allowed == wanted or prompt + allowed == context


def canary_pgd_fits(prompt: int, wanted: int, context: int) -> None:
    """The assumptions of PGD-FITS can be met: this claim must be refuted."""
    assert 1 <= prompt < context
    assert wanted >= 1
    assert context >= 2
    pass  # the assumptions end here
    assert False


@proof("PGD-END-KEPT", "crosshair")
def prove_pgd_end_kept(prompt: int, context: int, reserve: int) -> None:
    """What is kept of a prompt leaves the reserve, is its end, and is all of it where all of it fits."""
    assert prompt >= 1
    assert context >= 2
    assert 1 <= reserve < context
    first = first_kept(prompt, context, reserve)
    assert 0 <= first
    assert first < prompt
    assert prompt - first + reserve <= context
    assert first == 0 or prompt - first + reserve == context


def canary_pgd_end_kept(prompt: int, context: int, reserve: int) -> None:
    """The assumptions of PGD-END-KEPT can be met: this claim must be refuted."""
    assert prompt >= 1
    assert context >= 2
    assert 1 <= reserve < context
    pass  # the assumptions end here
    assert False


@proof("PGD-FEWEST", "crosshair")
def prove_pgd_fewest(tokens: int, context: int, stride: int) -> None:
    """The windows reach the end of the text, and one fewer would not."""
    assert tokens >= 1
    assert context >= 1
    assert 1 <= stride <= context
    number = windows(tokens, context, stride)
    assert number >= 1
    assert (number - 1) * stride + context >= tokens
    assert number == 1 or (number - 2) * stride + context < tokens


def canary_pgd_fewest(tokens: int, context: int, stride: int) -> None:
    """The assumptions of PGD-FEWEST can be met: this claim must be refuted."""
    assert tokens >= 1
    assert context >= 1
    assert 1 <= stride <= context
    pass  # the assumptions end here
    assert False
