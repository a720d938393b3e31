"""One run: plan, workers, listeners, result."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..binding_file import names_callable
from ..checked import CheckedContract
from ..events import Listener, ObligationFinished, broadcast
from ..evidence.hashing import obligation_hash, obligations_of, prediction_hash
from ..library import Library
from ..run import AHEAD, Ahead, Job, RunResult, run_jobs
from .plan import Declined, plan
from .probe import probe

WORKER = (sys.executable, "-m", "albor_contracts.verify.worker")
WEIGHTS = {"impl": 6.0, "reference": 1.0}  # Triton's interpreter is slow


def verify(
    library: Library,
    contracts: Mapping[str, CheckedContract],
    bindings: Sequence[str],
    *,
    device: str = "cpu",
    dtypes: Iterable[str] | None = None,
    match: Sequence[str] = (),
    profile: str = "quick",
    seed: int = 0,
    cases: int | None = None,
    workers: int = 2,
    stall_seconds: float = 120.0,
    listeners: Sequence[Listener] = (),
    on_plan: Callable[[Mapping[tuple[str, str], int]], None] | None = None,
) -> RunResult:
    """Run the obligations of contracts on bindings; every verdict goes to the listeners.

    Raises `ContractError` when a binding cannot be used at all.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    environment.pop("TRITON_INTERPRET", None)  # with it Triton has no compiler; tensors on the CPU need it not
    with _made_ready(bindings, environment) as ahead:
        offers = {
            b: probe(library.root, device, b, contracts)
            for b in bindings
            if ":" in b or device != "cpu" or b not in ("reference", "impl")
        }
        single = {b: o for b, o in offers.items() if names_callable(b)}
        tests, declined = plan(library, contracts, bindings, device=device, dtypes=dtypes, match=match, offers=single)
        tell = broadcast(listeners)
        if on_plan is not None:
            planned = Counter((t.contract, t.binding) for t in tests)
            on_plan(planned + Counter((d.contract, d.binding) for d in declined))
        for d in declined:
            tell(
                ObligationFinished(
                    contract=d.contract,
                    obligation=d.obligation or d.equation,
                    equation=d.equation,
                    binding=d.binding,
                    outcome="declined",
                    reason=d.reason,
                    device=device,
                    contract_hash=_meaning(library, d),
                )
            )
        options: dict[str, Any] = {
            "root": str(library.root),
            "device": device,
            "profile": profile,
            "seed": seed,
            "cases": cases,
            "cwd": os.getcwd(),
        }

        def command(ids: Sequence[str], channel: Path) -> list[str]:
            return [*WORKER, str(channel), json.dumps(options), *ids]

        jobs = [Job(t.id, WEIGHTS.get(t.binding, 2.0), t.contract) for t in tests]
        return run_jobs(
            jobs,
            command,
            on_event=tell,
            workers=workers,
            stall_seconds=stall_seconds,
            batches=3 if len(jobs) > 200 else 1,
            env=environment,
            ahead=ahead,
        )


def _made_ready(
    bindings: Sequence[str], environment: Mapping[str, str]
) -> contextlib.AbstractContextManager[Ahead | None]:
    """For a single callable: a worker that imports what it needs while another process finds out what it offers."""
    if len(bindings) != 1 or not names_callable(bindings[0]):
        return contextlib.nullcontext()
    return Ahead([*WORKER, AHEAD, bindings[0].partition(":")[0]], env=environment)


def _meaning(library: Library, declined: Declined) -> str:
    """What is declined, so that the record is stale once the obligation says something else."""
    model = library.contracts[declined.contract]
    if declined.obligation in obligations_of(model):
        return obligation_hash(model, declined.obligation, library.contracts)
    return prediction_hash(model, declined.obligation, library.contracts) if declined.obligation else ""
