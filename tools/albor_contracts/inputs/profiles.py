"""Hypothesis profiles: quick (25 cases), ci (200), thorough (10,000).

No deadline (first calls compile kernels), no example database (a recorded failure is replayed from its evidence).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.internal.conjecture import engine

SALT: ContextVar[int] = ContextVar("salt", default=0)  # of the streams that arrays are drawn from, below 2^24
SHRINKING = 10  # seconds after which an input is small enough; Hypothesis would take up to 300
CASES = {"quick": 25, "ci": 200, "thorough": 10_000}
# A case may be slow because its kernel is. That too many are rejected stays a failure: the conditions need help.
# Not `explain`: it traces every line from the first failure on, a minute for a case that takes a second in Triton's
# interpreter, and what it finds is not told.
_PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.target, Phase.shrink)
_SUPPRESSED = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example)


def register(derandomize: bool | None = None) -> None:
    """Register the three profiles. `derandomize` None: fixed cases when the environment says CI=true."""
    engine.MAX_SHRINKING_SECONDS = SHRINKING
    fixed = in_ci() if derandomize is None else derandomize
    for name, count in CASES.items():
        settings.register_profile(
            name,
            max_examples=count,
            deadline=None,
            database=None,
            derandomize=fixed,
            print_blob=False,
            phases=_PHASES,
            suppress_health_check=_SUPPRESSED,
        )


def load(profile: str = "quick", seed: int | None = None) -> settings:
    """Make a profile current, and return it.

    Without a seed the cases are fixed in CI and new at each run elsewhere. With one they depend on nothing else: equal
    seeds give equal cases in every process. Raises ValueError for an unknown profile.
    """
    if profile not in CASES:
        raise ValueError(f"unknown profile {profile!r}: expected one of {', '.join(CASES)}")
    register(False if seed is not None else None)
    settings.load_profile(profile)
    _force(seed)
    return settings()


def reset() -> None:
    """Forget the seed of `load`."""
    _force(None)


@contextlib.contextmanager
def seeded(obligation: str) -> Iterator[None]:
    """While active, cases depend on the obligation as well, where a seed is in force: of laws about the same inputs
    each sees cases of its own. `SALT` makes this so even for the simplest case, which Hypothesis tries first."""
    core: Any = hypothesis.core
    seed = core.global_force_seed
    salted = SALT.set(0)
    if seed is not None:
        digest = hashlib.sha256(f"{seed} {obligation}".encode()).digest()
        _force(int.from_bytes(digest[:8], "big"))
        SALT.set(int.from_bytes(digest[8:11], "big"))
    try:
        yield
    finally:
        core.global_force_seed = seed
        SALT.reset(salted)


def fixed(chosen: settings, name: str, test: Callable[..., None]) -> Callable[..., None]:
    """A test under these settings, whose fixed cases, where they ask for such, are fixed by its name. Hypothesis fixes
    them by the text of the function that it calls: of obligations that is one, and with every change of it other cases
    would be tried, and other faults met."""
    if chosen.derandomize:
        test = hypothesis.seed(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big"))(test)
    return chosen(test)


def _force(seed: int | None) -> None:
    # The variable behind pytest's --hypothesis-seed; `hypothesis.seed` only exists as a decorator of one test.
    core: Any = hypothesis.core
    core.global_force_seed = seed


def in_ci() -> bool:
    return os.environ.get("CI", "").lower() in ("true", "1", "yes")
