"""Successive halving: a search that trains many configurations a little and few of them long.

Rung k has ceil(N / eta^k) configurations and trains each for first * eta^k units; it keeps the best of them. The last
rung has one configuration. Source: Jamieson and Talwalkar, 2016; Li and others, Hyperband, 2018.
Configurations, rungs and units are whole numbers, losses float64.
"""

from __future__ import annotations

import numpy as np


def _check(configurations: int, reduction: int, first: int = 1) -> None:
    for name, value, least in (
        ("configurations", configurations, 1),
        ("reduction", reduction, 2),
        ("first", first, 1),
    ):
        if value < least:
            raise ValueError(f"{name} must be at least {least}, got {value}")


def rungs(configurations: int, reduction: int) -> int:
    """The number of the last rung, counted from 0: the smallest k with reduction^k >= configurations.

    Errors: ValueError for configurations < 1 or reduction < 2.
    """
    _check(configurations, reduction)
    last = 0
    while reduction**last < configurations:
        last += 1
    return last


def survivors(configurations: int, reduction: int, rung: int) -> int:
    """How many configurations rung `rung` trains: ceil(configurations / reduction^rung).

    Errors: ValueError for configurations < 1, reduction < 2 or a negative rung.
    """
    _check(configurations, reduction)
    if rung < 0:
        raise ValueError(f"rung must be at least 0, got {rung}")
    power = rung_units(reduction, rung, 1)
    return (configurations + power - 1) // power


def rung_units(reduction: int, rung: int, first: int) -> int:
    """Units for which rung `rung` trains each of its configurations: first * reduction^rung.

    Errors: ValueError for reduction < 2, first < 1 or a negative rung.
    """
    _check(1, reduction, first)
    if rung < 0:
        raise ValueError(f"rung must be at least 0, got {rung}")
    return first * reduction**rung


def total_budget(configurations: int, reduction: int, first: int) -> int:
    """Units of the whole search when every rung trains from the start; `first` units in rung 0.

    Errors: ValueError for configurations < 1, reduction < 2 or first < 1.
    """
    _check(configurations, reduction, first)
    return sum(
        survivors(configurations, reduction, k) * rung_units(reduction, k, first)
        for k in range(rungs(configurations, reduction) + 1)
    )


def resumed_budget(configurations: int, reduction: int, first: int) -> int:
    """Units of the whole search when survivors go on from their checkpoint of the rung before.

    Errors: ValueError for configurations < 1, reduction < 2 or first < 1.
    """
    _check(configurations, reduction, first)
    total = configurations * first
    for k in range(1, rungs(configurations, reduction) + 1):
        total += survivors(configurations, reduction, k) * first * (reduction**k - reduction ** (k - 1))
    return total


def select(losses: np.ndarray, keep: int) -> np.ndarray:
    """True for the `keep` smallest of losses[N]; ties to the lower index; NaN and infinities are the largest.

    Errors: ValueError unless 0 <= keep <= N.
    """
    if not 0 <= keep <= len(losses):
        raise ValueError(f"keep must lie in [0, {len(losses)}], got {keep}")
    worth = np.where(np.isfinite(losses), losses, np.inf)
    kept = np.zeros(len(losses), dtype=bool)
    kept[np.lexsort((np.arange(len(losses)), worth))[:keep]] = True
    return kept


def halving(losses: np.ndarray, reduction: int) -> tuple[int, int]:
    """Run the search on losses[K, N], the loss of each configuration after each rung: winner, and units spent.

    A rung costs reduction^rung units for each configuration that is left. Losses of dropped ones are not looked at.
    Errors: ValueError for reduction < 2, no configuration, or fewer rungs in the table than the search needs.
    """
    _check(losses.shape[1], reduction)
    needed = rungs(losses.shape[1], reduction)
    if needed >= len(losses):
        raise ValueError(f"{losses.shape[1]} configurations need {needed + 1} rungs, the table has {len(losses)}")
    alive, spent = np.arange(losses.shape[1]), 0
    for rung in range(needed + 1):
        spent += len(alive) * reduction**rung
        keep = survivors(losses.shape[1], reduction, rung + 1)
        alive = alive[select(losses[rung, alive], keep)]
    return int(alive[0]), spent
