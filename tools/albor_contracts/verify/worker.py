"""A worker: imports kernels, runs the tests it was given, and reports each in a file of events.

python -m albor_contracts.verify.worker CHANNEL OPTIONS TEST...
python -m albor_contracts.verify.worker --ahead MODULE    makes ready, and gets the other arguments on standard input
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from ..bindings import bind
from ..errors import ContractError
from ..events import Event, Failure, ObligationStarted, RunStarted, TestFinished, TestStarted, json_lines
from ..evidence.hashing import kernel_hash, obligation_hash, prediction_hash
from ..evidence.record import installed_versions
from ..evidence.rules import rules_hash
from ..falsify.diagnose import known_fault
from ..library import read_closure, where_stated
from ..links import if_fails_of
from ..model import Contract
from ..mutate.known import beyond_memory
from ..run import AHEAD, Elsewhere, input_notes, tell_where
from ..runtime import device
from ..runtime.kernel import Kernel
from ..runtime.session import ObligationFailed, session
from .plan import Planned

T = TypeVar("T")


def run_tests(tests: list[Planned], tell: Callable[[Event], None], options: Mapping[str, Any]) -> None:
    """Run tests in order. Whatever a kernel does that Python can catch ends in a verdict.

    Ends before its last test when one has left the device unusable, and with `SystemExit` before its first when the
    device is so from the start, which is no kernel's doing.
    """
    import hypothesis

    from ..inputs import profiles

    profiles.load(options["profile"], options["seed"])
    session.profile, session.seed, session.tell = options["profile"], options["seed"], tell
    if options.get("cases"):
        session.override = hypothesis.settings(session.settings(), max_examples=int(options["cases"]))
    context = _Context(Path(options["root"]), options.get("cases"))
    session.describe, session.replay, session.hash_kernel = context.describe, context.replay, context.kernel_hash
    session.large = partial(beyond_memory, context.root)
    session.elsewhere, session.rules = Elsewhere, rules_hash()
    session.locate, session.diagnose = partial(where_stated, context.root), partial(known_fault, context.root)
    if why := device.unusable(options["device"]):
        sys.exit(f"the GPU cannot be used, before any kernel was called: {why}")
    tell(
        RunStarted(
            seed=options["seed"],
            profile=options["profile"],
            device=options["device"],
            versions=versions(options["device"]),
        )
    )
    for test in tests:
        tell(TestStarted(test=test.id))
        outcome = context.run(test, tell)
        tell(TestFinished(test=test.id, outcome=outcome))
        if session.lost:
            return  # every further test would fail with the same error; a new process takes what is left


class _Context:
    """Modules, bindings and contracts, loaded when first needed."""

    def __init__(self, root: Path, cases: int | None = None) -> None:
        self.root = root
        self.cases = cases
        self.modules: dict[Path, Any] = {}
        self.bound: dict[tuple[str, str], Any] = {}
        self.closures: dict[str, dict[str, Contract]] = {}
        self.hashes: dict[str, str] = {}

    def contracts(self, name: str) -> dict[str, Contract]:
        """The contract and those it depends on: no other matters here."""
        if name not in self.closures:
            self.closures[name] = read_closure(self.root, name)
        return self.closures[name]

    def run(self, test: Planned, tell: Callable[[Event], None]) -> str:
        import _pytest.outcomes

        try:
            module = self.module(test.module)
            function = next(v for v in vars(module).values() if getattr(v, "obligation", None) == test.obligation)
            kernel = self.kernel(test, module)
        except ContractError as error:
            return self.unbound(test, error, tell)
        try:
            function(kernel)
        except ObligationFailed:
            return "failed"
        except _pytest.outcomes.Skipped:
            return "not_applicable"
        return "passed"

    def unbound(self, test: Planned, error: ContractError, tell: Callable[[Event], None]) -> str:
        """The kernel cannot be called at all."""
        d = error.diagnostics[0]
        started = ObligationStarted(
            contract=test.contract,
            obligation=test.obligation,
            binding=test.binding,
            dtype=test.dtype,
            device=test.device,
            seed=session.seed or 0,
            profile=session.profile,
        )
        tell(started)
        tell(started.finished("error", failure=Failure(property="", message=f"{d.message} [{d.code}]")))
        return "error"

    def module(self, path: Path) -> Any:
        if path not in self.modules:
            from ..falsify.generated import load_generated

            self.modules[path] = load_generated(path)
        return self.modules[path]

    def kernel(self, test: Planned, module: Any) -> Kernel:
        key = (test.binding, test.contract)
        if key not in self.bound:
            self.bound[key] = bind(test.binding, test.contract, module.spec.signatures, self.root)
        return self.bound[key].kernels(module.spec, test.device, (test.dtype,), everything=True)[0]

    def describe(self, contract: str, identifier: str) -> dict[str, str]:
        """What the contract says of an obligation or falsification test."""
        contracts = self.contracts(contract)
        model = contracts.get(contract)
        if model is None:
            return {}
        predicted = any(t.id == identifier for t in model.falsification_tests)
        digest = (prediction_hash if predicted else obligation_hash)(model, identifier, contracts)
        return {"if_fails": if_fails_of(model, identifier), "contract_hash": digest}

    def kernel_hash(self, target: str) -> str:
        if target not in self.hashes:
            self.hashes[target] = kernel_hash(target)
        return self.hashes[target]

    def replay(self, kernel: Kernel, identifier: str) -> str:
        parts = ["albor-contracts replay", identifier, f"--binding {kernel.binding}", f"--dtype {kernel.dtype}"]
        if kernel.device != "cpu":
            parts.append(f"--device {kernel.device}")
        parts += [f"--profile {session.profile}", f"--seed {session.seed}"]
        if self.cases:
            parts.append(f"--cases {self.cases}")
        return " ".join(parts)


def versions(device: str) -> dict[str, str]:
    """Versions that a verdict depends on, and what ran the Triton kernels."""
    if device != "cuda":
        return installed_versions("interpreter")
    import torch

    return installed_versions(torch.cuda.get_device_name())


def _made_ready(module: str) -> list[str]:
    """Import what the tests will need, the kernel's module first of all, then wait to be told which they are."""
    import contextlib
    import importlib

    sys.path.insert(0, os.getcwd())
    with contextlib.suppress(Exception, SystemExit):  # said when the kernel is bound
        importlib.import_module(module)
    return json.loads(sys.stdin.readline() or "[]")


def main() -> int:
    given = sys.argv[1:]
    if given[0] == AHEAD:
        given = _made_ready(given[1])
        if not given:
            return 0
    channel, options = given[0], json.loads(given[1])
    sys.path[:0] = [p for p in (options["cwd"],) if p not in sys.path]
    tests = [Planned.parse(line) for line in given[2:]]
    if options["device"] == "cpu":
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    session.note = _only_here(input_notes(channel))
    tell_where()
    with open(channel, "a", encoding="utf-8") as file:
        run_tests(tests, _only_here(json_lines(file)), options)
    return 0


def _only_here(act: Callable[[T], None]) -> Callable[[T], None]:
    """What this process alone does: a kernel may fork, and its child come back from the call as well."""
    here = os.getpid()

    def act_or_end(what: T) -> None:
        if os.getpid() != here:
            os._exit(0)
        act(what)

    return act_or_end


if __name__ == "__main__":
    sys.exit(main())
