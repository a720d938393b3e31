"""The only place that talks to Hypothesis' choice sequence.

Two facts decide its form. A strategy that takes its integers straight from the choice sequence costs about half of one
built from nested strategies. And Hypothesis replaces some draws by constants that it collects from the modules imported
so far, which makes the cases of a seed depend on what else was imported; the integers drawn here lie in a range where
no constant lies, so that equal seeds give equal cases in every process.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

# Digits of the golden ratio: far from every power of two and of ten, hence from Hypothesis' pool of constants.
# So far from zero Hypothesis also draws uniformly; near zero it prefers small numbers.
_ORIGIN = 0x9E3779B97F4A7C15F39
_ATTEMPT = 0xA77E  # the label of an attempt: spans of one kind have one label


class Choices:
    """Numbers drawn by Hypothesis; each shrinks toward 0."""

    __slots__ = ("_integer", "data")

    def __init__(self, data: Any) -> None:
        self.data = data
        self._integer = data.draw_integer

    def below(self, n: int) -> int:
        """Uniform in 0..n-1."""
        return 0 if n <= 1 else self._integer(_ORIGIN, _ORIGIN + n - 1) - _ORIGIN

    def draw(self, strategy: Any) -> Any:
        return self.data.draw(strategy)

    @contextlib.contextmanager
    def attempt(self) -> Iterator[Attempt]:
        """A draw that may be set aside for another one: shrinking leaves out first what a failed one took."""
        attempt = Attempt()
        self.data.start_span(_ATTEMPT)
        try:
            yield attempt
        finally:
            self.data.stop_span(discard=attempt.failed)


class Attempt:
    failed = False
