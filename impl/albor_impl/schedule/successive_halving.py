"""The plan of a search by successive halving, and its decisions; whole numbers, no logarithm.

Everything follows from one step: a rung of n configurations at u units each costs n u and leaves ceil(n / eta) at
eta u. Rounding up in turn is rounding up once.

Sources: Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization" (2016); Li and
others, "Hyperband" (2018).
"""

from __future__ import annotations

import torch


def _check(configurations: int, reduction: int, first: int) -> None:
    if configurations < 1:
        raise ValueError(f"configurations must be at least 1, got {configurations}")
    if reduction < 2:
        raise ValueError(f"reduction must be at least 2, got {reduction}: a rung would drop nobody")
    if first < 1:
        raise ValueError(f"first must be at least 1, got {first}")


def _reduced(configurations: int, reduction: int) -> int:
    return -(-configurations // reduction)


def rungs(configurations: int, reduction: int) -> int:
    """The number of the last rung, counted from 0, which has one configuration.

    Errors: ValueError for configurations < 1 or reduction < 2.
    """
    _check(configurations, reduction, 1)
    last = 0
    while configurations > 1:
        configurations, last = _reduced(configurations, reduction), last + 1
    return last


def survivors(configurations: int, reduction: int, rung: int) -> int:
    """How many configurations rung `rung` trains: ceil(configurations / reduction^rung).

    Errors: ValueError for configurations < 1, reduction < 2 or a negative rung.
    """
    _check(configurations, reduction, 1)
    if rung < 0:
        raise ValueError(f"rung must be at least 0, got {rung}")
    for _ in range(rung):
        configurations = _reduced(configurations, reduction)
    return configurations


def rung_units(reduction: int, rung: int, first: int) -> int:
    """Units for which rung `rung` trains each of its configurations: first * reduction^rung.

    Errors: ValueError for reduction < 2, first < 1 or a negative rung.
    """
    _check(1, reduction, first)
    if rung < 0:
        raise ValueError(f"rung must be at least 0, got {rung}")
    units = first
    for _ in range(rung):
        units *= reduction
    return units


def total_budget(configurations: int, reduction: int, first: int) -> int:
    """Units of the whole search when every rung trains from the start; `first` units in rung 0.

    Errors: ValueError for configurations < 1, reduction < 2 or first < 1.
    """
    _check(configurations, reduction, first)
    total, unit = configurations * first, first
    while configurations > 1:
        configurations, unit = _reduced(configurations, reduction), reduction * unit
        total += configurations * unit
    return total


def resumed_budget(configurations: int, reduction: int, first: int) -> int:
    """Units of the whole search when survivors go on from their checkpoint of the rung before.

    Errors: ValueError for configurations < 1, reduction < 2 or first < 1.
    """
    _check(configurations, reduction, first)
    total, unit = configurations * first, first
    while configurations > 1:
        configurations = _reduced(configurations, reduction)
        total += configurations * (reduction - 1) * unit
        unit *= reduction
    return total


def select(losses: torch.Tensor, keep: int) -> torch.Tensor:
    """True for the `keep` smallest of losses f64[N]: bool[N]; ties to the lower index; NaN and infinities last.

    Errors: ValueError unless 0 <= keep <= N.
    """
    if not 0 <= keep <= len(losses):
        raise ValueError(f"keep must lie in [0, {len(losses)}], got {keep}")
    worth = torch.where(losses.isfinite(), losses, torch.inf)
    kept = torch.zeros(len(losses), dtype=torch.bool, device=losses.device)
    kept[worth.argsort(stable=True)[:keep]] = True
    return kept


def halving(losses: torch.Tensor, reduction: int) -> tuple[int, int]:
    """Run the search on losses f64[K, N], the loss of each configuration after each rung: winner, and units spent.

    A rung costs reduction^rung units for each configuration that is left. Losses of dropped ones are not looked at.
    Errors: ValueError for reduction < 2, no configuration, or fewer rungs in the table than the search needs.
    """
    table, n = losses.shape
    _check(n, reduction, 1)
    alive = torch.ones(n, dtype=torch.bool, device=losses.device)
    left, unit, spent, rung = n, 1, 0, 0
    while left > 1:
        if rung + 1 >= table:
            raise ValueError(f"{n} configurations need {rungs(n, reduction) + 1} rungs, the table has {table}")
        spent += left * unit
        left, unit = _reduced(left, reduction), reduction * unit
        # Dropped configurations count as infinitely bad; a diverged one that is alive must stay ahead of them.
        seen = torch.where(losses[rung].isfinite(), losses[rung], torch.finfo(losses.dtype).max)
        alive = select(torch.where(alive, seen, torch.inf), left)
        rung += 1
    return int(alive.nonzero()[0, 0]), spent + unit
