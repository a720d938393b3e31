"""That no case satisfies what a law says of its inputs: said of the contract, not of the library that draws them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from hypothesis.errors import FailedHealthCheck, Unsatisfiable

from ..errors import ContractError

_COUNTS = re.compile(r"(\d+) inputs were generated successfully, while (\d+) inputs were filtered out")


class NoCase(Exception):
    """The obligation cannot be judged: there is nothing to judge it on."""


@contextlib.contextmanager
def said_of_the_law() -> Iterator[None]:
    """While a law is run."""
    try:
        yield
    except Unsatisfiable:
        raise _none("no case satisfies") from None
    except FailedHealthCheck as error:
        counts = _COUNTS.search(str(error))
        if counts is None:
            raise
        kept, thrown = int(counts[1]), int(counts[2])
        raise _none(f"{kept or 'no'} case{'s' * (kept > 1)} of {kept + thrown} that were drawn satisfied") from None
    except ContractError as error:
        raise NoCase("; ".join(d.message for d in error.diagnostics)) from None


def _none(begin: str) -> NoCase:
    return NoCase(
        f"{begin} what the law says of its inputs under `domain`, `assume` and `when`: "
        "correct it, or give `dims` sizes that leave cases over"
    )
