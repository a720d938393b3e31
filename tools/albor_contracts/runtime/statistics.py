"""Statistical obligations: a mean over independent observations lies where its law puts it.

Observations are bounded: none lies further than 1 from its expectation (the statistic is scaled so). Bernstein's
inequality then holds for every number of observations, without an appeal to the normal distribution:

    P(|mean - expectation| >= t) <= 2 exp(-n t^2 / (2 v + 2 t / 3))        v the variance of one observation

Source: S. Boucheron, G. Lugosi, P. Massart, Concentration Inequalities (2013), section 2.8.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .bounded import Bounded
from .claims import Falsified
from .session import session

MISSES = 0.01  # a shift of the size that is promised goes unseen at most this often


class Refused(Exception):
    """The obligation cannot be judged as it is stated."""


def deviation(variance: float, observations: float, logarithm: float) -> float:
    """The t that solves n t^2 = logarithm (2 v + 2 t / 3): a deviation this large has probability exp(-logarithm)."""
    third = logarithm / 3
    return (third + math.sqrt(third * third + 2 * variance * logarithm * observations)) / observations


def threshold(variance: float, observations: float, false_alarm: float) -> float:
    """The two-sided deviation that a correct kernel exceeds with probability `false_alarm` at most."""
    return deviation(variance, observations, math.log(2 / false_alarm))


def finds(shift: float, variance: float, observations: float, false_alarm: float) -> bool:
    """Whether a shift of the mean is found with probability 1 - MISSES. It may add as much to the variance."""
    limit = threshold(variance, observations, false_alarm)
    return shift - limit >= deviation(variance + shift, observations, math.log(1 / MISSES))


def needed(shift: float, variance: float, false_alarm: float) -> int:
    """The least number of observations in which a shift is found."""
    high = 1
    while not finds(shift, variance, high, false_alarm):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if finds(shift, variance, middle, false_alarm) else (middle, high)
    return high


def statistically(
    *, statistic: Any, expect: Any, variance: Any, observations: Any, detects: Any, trials: int, false_alarm: float
) -> None:
    """The statistic of one run is judged. `false_alarm` is the probability that a correct kernel fails in any of the
    cases of the profile, or of `trials` runs if these are more; a shift of the mean by `detects` is found in one case
    with probability 0.99 at least, or the obligation is refused."""
    n, v = _number(observations), _number(variance)
    shift, seen, wanted = _number(detects), _number(statistic), _number(expect)
    if not shift > 0 or not v >= 0 or not n >= 1:
        raise Refused(f"{n:g} observations of variance {v:g} that detect {shift:g}: nothing could be found")
    cases = max(trials, session.cases)
    share = false_alarm / cases
    if not finds(shift, v, n, share):
        raise Refused(
            f"{n:g} observations cannot detect a shift of {shift:g} at a false-alarm probability of {false_alarm:g} "
            f"over {cases} cases: {needed(shift, v, share)} are needed"
        )
    limit = threshold(v, n, share)
    if not abs(seen - wanted) <= limit:
        raise Falsified(
            f"the statistic is {seen:.6g}, expected {wanted:.6g} +- {limit:.3g} over {n:g} observations "
            f"(false alarms over {cases} cases: {false_alarm:g}; detects {shift:g})"
        )


def _number(x: Any) -> float:
    return float(np.asarray(x.value if isinstance(x, Bounded) else x).reshape(-1)[0])
