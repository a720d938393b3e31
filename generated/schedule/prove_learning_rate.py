"""schedule/learning-rate: Learning-rate schedules, what is proved.

Compiled from contracts/schedule/learning-rate-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 3a4d5faa0b0e8a6b2be1cf497f6f35ed30d497b9c7337458e6ee08171f33cba7
"""

from albor_contracts.prove import proof
from albor_impl.schedule.learning_rate import wsd_marks


@proof("LRS-MARKS", "crosshair")
def prove_lrs_marks(total: int, warmup_percent: int, decay_percent: int) -> None:
    """The marks are in order, and warm-up and decay are their shares of the run, less than one step short."""
    assert total >= 1
    assert 0 <= warmup_percent <= 100
    assert 0 <= decay_percent <= 100 - warmup_percent
    warmup, stable = wsd_marks(total, warmup_percent, decay_percent)
    assert 0 <= warmup
    assert warmup <= stable
    assert stable <= total
    assert 100 * warmup <= warmup_percent * total
    assert warmup_percent * total < 100 * (warmup + 1)
    assert 100 * (total - stable) <= decay_percent * total
    assert decay_percent * total < 100 * (total - stable + 1)


def canary_lrs_marks(total: int, warmup_percent: int, decay_percent: int) -> None:
    """The assumptions of LRS-MARKS can be met: this claim must be refuted."""
    assert total >= 1
    assert 0 <= warmup_percent <= 100
    assert 0 <= decay_percent <= 100 - warmup_percent
    pass  # the assumptions end here
    assert False
