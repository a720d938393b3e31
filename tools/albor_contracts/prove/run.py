"""All obligations of a harness file: a pool of worker processes, each under a wall-clock limit."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import Diagnostic, Position
from .harness import HarnessError, Obligation, ProverMissing, read_harness, refuse_optimised
from .verdict import PROVED, UNDECIDED, Verdict

Listener = Callable[[Verdict], None]
_GRACE = 20.0  # imports, replay and a busy machine


def run_harness(
    path: str | Path,
    seconds: float | None = None,
    jobs: int = 2,
    *,
    select: Collection[str] | None = None,
    redundant: bool = False,
    on_verdict: Listener | None = None,
) -> list[Verdict]:
    """Judge every obligation of a harness file, in the order of the file.

    seconds    solver budget of each obligation; by default what the harness says
    jobs       worker processes at a time
    select     ids or function names to judge; all by default
    redundant  also leave out each assumption and axiom of a proof in turn, and name those it does not need
    on_verdict called with each verdict as it comes, from one thread at a time

    Raises HarnessError where the file is malformed, a selected name does not exist or Python runs with -O, and
    ProverMissing where crosshair-tool or z3-solver is not installed. A worker that dies, hangs or answers nonsense
    gives `undecided` with the reason.
    """
    refuse_optimised(str(path))
    obligations = read_harness(path)
    if select is not None:
        unknown = set(select) - {o.id for o in obligations} - {o.function for o in obligations}
        if unknown:
            message = f"no proof named {', '.join(sorted(unknown))}"
            raise HarnessError(Diagnostic("P001", message, Position(str(path))))
        obligations = [o for o in obligations if o.id in select or o.function in select]
    pool = _Pool(seconds, redundant, on_verdict)
    with ThreadPoolExecutor(max_workers=max(1, jobs)) as threads:
        futures = [threads.submit(pool.judge, o) for o in obligations]
        try:
            return [f.result() for f in futures]
        except BaseException:
            for future in futures:
                future.cancel()
            pool.stop()
            raise


class _Pool:
    def __init__(self, seconds: float | None, redundant: bool, listener: Listener | None) -> None:
        self.seconds = seconds
        self.redundant = redundant
        self.listener = listener
        self.lock = threading.Lock()
        self.running: set[subprocess.Popen[bytes]] = set()
        self.stopped = False

    def judge(self, obligation: Obligation) -> Verdict:
        verdict = self.ask(obligation)
        if self.redundant and verdict.status == PROVED and obligation.engine != "ieee":
            parts = (*verdict.assumptions, *verdict.axioms)
            needless = [
                part
                for index, part in enumerate(parts)
                if part != "True" and self.ask(obligation, index).status == PROVED
            ]
            verdict = replace(verdict, redundant=tuple(needless))
        if self.listener is not None:
            with self.lock:
                self.listener(verdict)
        return verdict

    def ask(self, obligation: Obligation, without: int | None = None) -> Verdict:
        budget = self.seconds if self.seconds is not None else obligation.seconds
        command = [sys.executable, "-m", "albor_contracts.prove.worker", obligation.file, obligation.function]
        command += ["--seconds", str(budget)]
        if without is not None:
            command += ["--without", str(without)]
        limit = 2 * budget + _GRACE  # the proof and its canary may each use the budget
        environment = {**os.environ, "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"}
        with self.lock:
            if self.stopped:
                raise KeyboardInterrupt
            process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                stdin=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
            )
            self.running.add(process)
        try:
            out, err = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            _kill(process)
            process.communicate()
            return _undecided(obligation, limit, f"the worker was stopped after {limit:g} s")
        finally:
            _kill(process)
            with self.lock:
                self.running.discard(process)
        return _answer(obligation, process.returncode, out, err)

    def stop(self) -> None:
        with self.lock:
            self.stopped = True
            for process in self.running:
                _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the worker and what it started. Safe to call for one that has ended."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def _undecided(obligation: Obligation, seconds: float, reason: str) -> Verdict:
    return Verdict(
        obligation.id,
        obligation.engine,
        UNDECIDED,
        "",
        seconds,
        reason=reason,
        statement=obligation.statement,
        file=obligation.file,
        function=obligation.function,
    )


def _answer(obligation: Obligation, code: int, out: bytes, err: bytes) -> Verdict:
    try:
        data: Any = json.loads(out.decode("utf-8", "replace"))
        error = data.get("error")
        if error is None:
            return Verdict.from_json(data)
        kind = ProverMissing if error["code"] == "P003" else HarnessError
        found = Diagnostic(
            error["code"], error["message"], Position(obligation.file, obligation.line), hint=error["hint"]
        )
    except (ValueError, TypeError, AttributeError, KeyError):
        last = err.decode("utf-8", "replace").strip().splitlines()[-1:] or ["no message"]
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return _undecided(obligation, 0.0, f"the worker died ({how}): {last[0]}")
    raise kind(found)
