"""schedule/successive-halving: Successive halving, what is proved.

Compiled from contracts/schedule/successive-halving-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 4c75cefdd2fdce4c738b09745f8a47e26be4f314ec6bab0f073bffa70091e6f6
"""

from albor_contracts.prove import proof
from albor_impl.schedule.successive_halving import survivors


@proof("SHV-COMPOSE", "crosshair")
def prove_shv_compose(configurations: int, reduction: int, rung: int) -> None:
    """Rung 0 has all; each further rung a part of them, rounded up; rounding up in turn is rounding up once."""
    assert configurations >= 1
    assert reduction >= 2
    assert 0 <= rung <= 1
    kept = survivors(configurations, reduction, rung)
    next_kept = survivors(configurations, reduction, rung + 1)
    assert survivors(configurations, reduction, 0) == configurations
    assert next_kept * reduction >= kept
    assert (next_kept - 1) * reduction < kept
    assert survivors(kept, reduction, 1) == next_kept


def canary_shv_compose(configurations: int, reduction: int, rung: int) -> None:
    """The assumptions of SHV-COMPOSE can be met: this claim must be refuted."""
    assert configurations >= 1
    assert reduction >= 2
    assert 0 <= rung <= 1
    pass  # the assumptions end here
    assert False
