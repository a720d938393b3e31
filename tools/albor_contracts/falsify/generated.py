"""Generated tests as functions: whether a kernel falls under one of them."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from hypothesis import Phase, settings

from ..runtime.kernel import Kernel
from ..runtime.missing import NotOffered
from ..runtime.session import ObligationFailed, session

CASES = 60  # for the obligations a fault names
OTHER_CASES = 8  # for obligations that no fault names, and for the rest of a full matrix


def load_generated(path: Path) -> ModuleType:
    """A generated test module."""
    name = f"_albor_{path.parent.name}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def tests_of(module: ModuleType) -> dict[str, Any]:
    """Obligation id -> test function, falsification tests included."""
    return {v.obligation: v for v in vars(module).values() if hasattr(v, "obligation")}


@contextlib.contextmanager
def few_cases(count: int = CASES) -> Iterator[None]:
    """Fixed cases, no shrinking: enough to see whether something fails."""
    saved = session.override
    session.override = settings(
        session.settings(),
        max_examples=count,
        derandomize=True,
        phases=(Phase.explicit, Phase.generate),
        report_multiple_bugs=False,
    )
    try:
        yield
    finally:
        session.override = saved


def dies(test: Any, kernel: Kernel, stopped: list[str] | None = None) -> str | None:
    """The first line of the failure, or None when the test passes or does not apply, or stops: why goes into
    `stopped`."""
    import _pytest.outcomes

    try:
        test(kernel)
    except ObligationFailed as failed:
        message = failed.failure.message.split("\n")[0]
        if failed.failure.traceback:  # the law ended in an error of its own: it has not noticed anything
            if stopped is not None:
                stopped.append(message)
            return None
        return message
    except (NotOffered, _pytest.outcomes.Skipped):
        return None
    return None
