"""accounting/performance: Arithmetic, traffic and utilization, what is proved.

Compiled from contracts/accounting/performance-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: cd8b358438cf36e028d7468ec8bb689a5e2588ec805e00145c4a9af8ed35f31b
"""

from albor_contracts.prove import proof
from albor_impl.accounting.performance import gemm_flops, step_launches


@proof("PRF-SPLIT", "crosshair")
def prove_prf_split(m: int, n: int, k: int, more: int) -> None:
    """A sum cut in two has as many operations; the order of the sizes does not matter; one element takes two."""
    assert m >= 1
    assert n >= 1
    assert k >= 1
    assert 1 <= more <= 1000
    pass
    assert gemm_flops(m, n, k + more) == gemm_flops(m, n, k) + gemm_flops(n, m, more)
    assert gemm_flops(1, 1, 1) == 2


def canary_prf_split(m: int, n: int, k: int, more: int) -> None:
    """The assumptions of PRF-SPLIT can be met: this claim must be refuted."""
    assert m >= 1
    assert n >= 1
    assert k >= 1
    assert 1 <= more <= 1000
    pass  # the assumptions end here
    assert False


@proof("PRF-UPDATE-ONCE", "crosshair")
def prove_prf_update_once(layers: int, per_layer: int, outside: int, accumulation: int, per_update: int) -> None:
    """Another micro-batch repeats the layers, not the update."""
    assert layers >= 0
    assert per_layer >= 0
    assert outside >= 0
    assert accumulation >= 1
    assert per_update >= 0
    pass
    assert step_launches(layers, per_layer, outside, accumulation + 1, per_update) == step_launches(layers, per_layer, outside, accumulation, per_update) + layers * per_layer + outside
    assert step_launches(0, per_layer, 0, accumulation, per_update) == per_update


def canary_prf_update_once(layers: int, per_layer: int, outside: int, accumulation: int, per_update: int) -> None:
    """The assumptions of PRF-UPDATE-ONCE can be met: this claim must be refuted."""
    assert layers >= 0
    assert per_layer >= 0
    assert outside >= 0
    assert accumulation >= 1
    assert per_update >= 0
    pass  # the assumptions end here
    assert False
