"""prune/wanda: Wanda pruning, what is proved.

Compiled from contracts/prune/wanda-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 390ca955a7b499eda1eb361502cc3076c329b179d3eaf7737fc4fb3890a7805d
"""

from albor_contracts.prove import proof
from albor_reference.prune.wanda import prune_count


@proof("WA-FLOOR", "crosshair")
def prove_wa_floor(columns: int, num: int, den: int) -> None:
    """The count is the largest whole number whose share of the row does not exceed num / den."""
    assert 0 <= columns <= 100000
    assert 0 <= num <= den
    assert 1 <= den <= 1000
    k = prune_count(columns, num, den)
    assert 0 <= k
    assert den * k <= num * columns
    assert num * columns < den * (k + 1)


def canary_wa_floor(columns: int, num: int, den: int) -> None:
    """The assumptions of WA-FLOOR can be met: this claim must be refuted."""
    assert 0 <= columns <= 100000
    assert 0 <= num <= den
    assert 1 <= den <= 1000
    pass  # the assumptions end here
    assert False


@proof("WA-COMPLEMENT", "crosshair")
def prove_wa_complement(columns: int, num: int, den: int) -> None:
    """What a ratio and its complement prune adds up to the row, or to one less where it does not divide."""
    assert 0 <= columns <= 100000
    assert 0 <= num <= den
    assert 1 <= den <= 1000
    k = prune_count(columns, num, den)
    rest = prune_count(columns, den - num, den)
    assert k + rest <= columns
    assert columns <= k + rest + 1
    assert k + rest == columns or num * columns % den != 0


def canary_wa_complement(columns: int, num: int, den: int) -> None:
    """The assumptions of WA-COMPLEMENT can be met: this claim must be refuted."""
    assert 0 <= columns <= 100000
    assert 0 <= num <= den
    assert 1 <= den <= 1000
    pass  # the assumptions end here
    assert False
