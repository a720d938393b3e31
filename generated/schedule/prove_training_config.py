"""schedule/training-config: Arithmetic of a training run, what is proved.

Compiled from contracts/schedule/training-config-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 0f942cefcccd7767444f155a08fac27010ad95719f5000b44af4d6d4c6d8a90f
"""

from albor_contracts.prove import proof
from albor_impl.schedule.training_config import epochs_needed, steps_per_epoch, tokens_per_step, total_steps, warmup_ok


@proof("TC-REMAINDER", "crosshair")
def prove_tc_remainder(samples: int, batch: int, accumulation: int) -> None:
    """The steps of an epoch consume no more samples than there are, and one more step would."""
    assert samples >= 1
    assert batch >= 1
    assert accumulation >= 1
    steps = steps_per_epoch(samples, batch, accumulation)
    assert steps * batch * accumulation <= samples
    assert samples < (steps + 1) * batch * accumulation


def canary_tc_remainder(samples: int, batch: int, accumulation: int) -> None:
    """The assumptions of TC-REMAINDER can be met: this claim must be refuted."""
    assert samples >= 1
    assert batch >= 1
    assert accumulation >= 1
    pass  # the assumptions end here
    assert False


@proof("TC-COMPOSE", "crosshair")
def prove_tc_compose(samples: int, batch: int, accumulation: int) -> None:
    """Cutting into micro-batches and then into steps gives as many steps as cutting at once."""
    assert samples >= batch
    assert batch >= 1
    assert accumulation >= 1
    micro = steps_per_epoch(samples, batch, 1)
    assert steps_per_epoch(micro, accumulation, 1) == steps_per_epoch(samples, batch, accumulation)


def canary_tc_compose(samples: int, batch: int, accumulation: int) -> None:
    """The assumptions of TC-COMPOSE can be met: this claim must be refuted."""
    assert samples >= batch
    assert batch >= 1
    assert accumulation >= 1
    pass  # the assumptions end here
    assert False


@proof("TC-SMALLER-LIMIT", "crosshair")
def prove_tc_smaller_limit(samples: int, batch: int, accumulation: int, epochs: int, max_steps: int) -> None:
    """A run stops at its step limit or at the end of its epochs, whichever comes first."""
    assert samples >= 1
    assert batch >= 1
    assert accumulation >= 1
    assert epochs >= 1
    assert max_steps >= 1
    steps = steps_per_epoch(samples, batch, accumulation)
    total = total_steps(samples, batch, accumulation, epochs, max_steps)
    assert total <= max_steps
    assert total <= epochs * steps
    assert total == max_steps or total == epochs * steps


def canary_tc_smaller_limit(samples: int, batch: int, accumulation: int, epochs: int, max_steps: int) -> None:
    """The assumptions of TC-SMALLER-LIMIT can be met: this claim must be refuted."""
    assert samples >= 1
    assert batch >= 1
    assert accumulation >= 1
    assert epochs >= 1
    assert max_steps >= 1
    pass  # the assumptions end here
    assert False


@proof("TC-FEWEST-EPOCHS", "crosshair")
def prove_tc_fewest_epochs(samples: int, batch: int, accumulation: int, max_steps: int) -> None:
    """So many epochs reach max_steps, and one fewer does not."""
    assert samples >= batch * accumulation
    assert 1 <= batch <= 1000000
    assert 1 <= accumulation <= 1000000
    assert max_steps >= 1
    steps = steps_per_epoch(samples, batch, accumulation)
    epochs = epochs_needed(samples, batch, accumulation, max_steps)
    assert epochs * steps >= max_steps
    assert (epochs - 1) * steps < max_steps


def canary_tc_fewest_epochs(samples: int, batch: int, accumulation: int, max_steps: int) -> None:
    """The assumptions of TC-FEWEST-EPOCHS can be met: this claim must be refuted."""
    assert samples >= batch * accumulation
    assert 1 <= batch <= 1000000
    assert 1 <= accumulation <= 1000000
    assert max_steps >= 1
    pass  # the assumptions end here
    assert False


@proof("TC-TOKENS-FOLD", "crosshair")
def prove_tc_tokens_fold(batch: int, accumulation: int, sequence: int) -> None:
    """Accumulating micro-batches is the same number of tokens as one batch of their total size."""
    assert batch >= 1
    assert accumulation >= 1
    assert sequence >= 1
    pass
    assert tokens_per_step(batch, accumulation, sequence) == tokens_per_step(batch * accumulation, 1, sequence)


def canary_tc_tokens_fold(batch: int, accumulation: int, sequence: int) -> None:
    """The assumptions of TC-TOKENS-FOLD can be met: this claim must be refuted."""
    assert batch >= 1
    assert accumulation >= 1
    assert sequence >= 1
    pass  # the assumptions end here
    assert False


@proof("TC-WARMUP-TENTH", "crosshair")
def prove_tc_warmup_tenth(total: int) -> None:
    """A tenth of the run, rounded down, is the longest warm-up that is permitted; a run without steps permits none."""
    assert total >= 1
    pass
    assert warmup_ok(total // 10, total)
    assert not warmup_ok(total // 10 + 1, total)


def canary_tc_warmup_tenth(total: int) -> None:
    """The assumptions of TC-WARMUP-TENTH can be met: this claim must be refuted."""
    assert total >= 1
    pass  # the assumptions end here
    assert False
