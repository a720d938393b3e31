"""Toy contracts for the tests: from YAML text through check and generation to tests that run on a function."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hypothesis
from albor_contracts.checked import CheckedContract, check_contracts
from albor_contracts.emit.module import test_module as module_text
from albor_contracts.errors import ContractError, Diagnostic
from albor_contracts.links import check_links
from albor_contracts.load import load_contract
from albor_contracts.runtime.kernel import Kernel
from albor_contracts.runtime.session import ObligationFailed, session
from albor_contracts.runtime.target import Target

HEAD = """metadata: {version: 1.0.0, title: Toy, prefix: TY, description: A toy.}
"""


def problems(text: str) -> list[Diagnostic]:
    """What reader, links and checker say of a contract."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "core" / "toy-v1.yaml"
        path.parent.mkdir()
        path.write_text(text, encoding="utf-8")
        try:
            contract = load_contract(path)
        except ContractError as error:
            return list(error.diagnostics)
        found = check_links({contract.name: contract})
        return [*(d for d in found if d.severity == "error"), *check_contracts({contract.name: contract})[1]]


def check(text: str) -> CheckedContract:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "core" / "toy-v1.yaml"
        path.parent.mkdir()
        path.write_text(text, encoding="utf-8")
        contract = load_contract(path)
    found, wrong = check_contracts({contract.name: contract})
    assert not wrong, "\n".join(map(str, wrong))
    errors = [d for d in check_links({contract.name: contract}) if d.severity == "error"]
    assert not errors, "\n".join(map(str, errors))
    return found[contract.name]


def generate(text: str) -> str:
    contract = check(text)
    return module_text(contract, {contract.name: contract}, "0" * 64)


def load(text: str) -> SimpleNamespace:
    """The generated module of a contract: its names, its tests by id, and its source."""
    source = generate(text)
    names: dict[str, Any] = {"__name__": "toy"}
    exec(compile(source, "<toy>", "exec"), names)
    tests = {v.obligation: v for v in list(names.values()) if hasattr(v, "obligation")}
    return SimpleNamespace(source=source, names=names, tests=tests, spec=names["spec"])


class Toy:
    """A toy contract, ready to judge functions."""

    def __init__(self, text: str, cases: int = 40) -> None:
        self.module = load(text)
        self.cases = cases

    def kernel(self, dtype: str = "f64", **functions: Any) -> Kernel:
        spec = self.module.spec
        targets = {name: Target(f, name) for name, f in functions.items()}
        return Kernel(spec.contract, "toy", "numpy", dtype, "cpu", targets, spec, simulated=True)

    def judge(self, identifier: str, dtype: str = "f64", **functions: Any) -> str:
        """`passed`, or what the failure says."""
        saved = session.override
        session.override = hypothesis.settings(
            max_examples=self.cases, derandomize=True, database=None, deadline=None,
            phases=(hypothesis.Phase.generate,), suppress_health_check=list(hypothesis.HealthCheck),
        )  # fmt: skip
        try:
            self.module.tests[identifier](self.kernel(dtype, **functions))
        except ObligationFailed as failed:
            return failed.failure.message
        finally:
            session.override = saved
        return "passed"
