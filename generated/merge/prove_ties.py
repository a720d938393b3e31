"""merge/ties: TIES merging, what is proved.

Compiled from contracts/merge/ties-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 8f0d024cdb377bccd431e331d1a5a63245acdcd68bf9cbbbd6ec9f4778141d0a
"""

from albor_contracts.prove import proof
from albor_reference.merge.ties import kept_count


@proof("TM-COUNT", "crosshair")
def prove_tm_count(num: int, den: int, n: int) -> None:
    """The count is the largest whole number whose share of n does not exceed num / den."""
    assert 0 <= num <= den
    assert 1 <= den <= 1000
    assert 0 <= n <= 100000
    k = kept_count(num, den, n)
    assert 0 <= k
    assert den * k <= num * n
    assert num * n < den * (k + 1)


def canary_tm_count(num: int, den: int, n: int) -> None:
    """The assumptions of TM-COUNT can be met: this claim must be refuted."""
    assert 0 <= num <= den
    assert 1 <= den <= 1000
    assert 0 <= n <= 100000
    pass  # the assumptions end here
    assert False
