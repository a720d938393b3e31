"""A small contract for the tests of what reads contracts, built without the loader."""

from __future__ import annotations

import dataclasses
from typing import Any

from albor_contracts.errors import Text
from albor_contracts.events import ObligationFinished
from albor_contracts.evidence import Record, kernel_hash, obligation_hash, rules_hash
from albor_contracts.model import Contract, Equation, FalsificationTest, Fault, Metadata, Obligation, Proof

SOFTMAX = "e[b, i] = exp(x[b, i] - max[j](x[b, j]))\np[b, i] = e[b, i] / sum[j](e[b, j])\n"
KERNEL = "albor_contracts.evidence.canonical:digest"  # any function will do: only its source matters here


def text(value: Any) -> Any:
    """`value` as the loader delivers it: every string a Text."""
    if isinstance(value, str):
        return Text(value)
    if isinstance(value, dict):
        return {key: text(item) for key, item in value.items()}
    return tuple(map(text, value)) if isinstance(value, list | tuple) else value


def make(cls: type, **values: Any) -> Any:
    return cls(**{name: text(value) for name, value in values.items()})


def softmax(name: str = "core/softmax", **changes: Any) -> Contract:
    """softmax with a written obligation, a generated one, one falsification test and one fault."""
    parts: dict[str, Any] = {
        "metadata": make(Metadata, version="1.0.0", title="Softmax", prefix="SM", description="Rows that sum to one."),
        "dims": text({"B": "1..8", "N": "1..4097"}),
        "equations": {
            "softmax": make(
                Equation,
                signature="softmax(x: float[B, N]) -> p: float[B, N]",
                formula="p = exp(x) / sum exp(x)",
                domain={"x": "in [-50, 50]"},
                define=SOFTMAX,
            )
        },
        "proof_obligations": (
            make(
                Obligation,
                id="SM-SUM",
                equation="softmax",
                type="conservation",
                property="Each row sums to one",
                let="p = softmax(x)",
                check="all[b](approx(sum[i](p[b, i]), 1))",
                prove=make(Proof, engine="z3", dims={"B": "1", "N": "3"}, axioms=["exp_positive"]),
            ),
        ),
        "falsification_tests": (
            make(
                FalsificationTest,
                id="SM-T-BIG",
                rule="SM-SUM",
                prediction="Large logits do not overflow",
                given={"x": [[1000.0, 1000.0]]},
                check="approx(softmax(x)[0, 0], 0.5)",
                if_fails="The maximum is not subtracted",
            ),
        ),
        "faults": (
            make(
                Fault,
                id="F1",
                title="No maximum",
                origin="Textbook formula",
                define={"softmax": "p[b, i] = exp(x[b, i]) / sum[j](exp(x[b, j]))"},
                killed_by=["SM-SUM", "SM-DEF-SOFTMAX"],
            ),
        ),
    }
    return Contract(name=name, path=f"{name}-v1.yaml", **{**parts, **changes})


def with_equation(contract: Contract, name: str = "softmax", **changes: Any) -> Contract:
    equation = dataclasses.replace(contract.equations[name], **{k: text(v) for k, v in changes.items()})
    return dataclasses.replace(contract, equations={**contract.equations, name: equation})


def with_obligation(contract: Contract, **changes: Any) -> Contract:
    """`contract` with its first obligation changed."""
    first, *rest = contract.proof_obligations
    changed = dataclasses.replace(first, **{k: text(v) for k, v in changes.items()})
    return dataclasses.replace(contract, proof_obligations=(changed, *rest))


def passed(contract: Contract, obligation: str, binding: str, **changes: Any) -> Record:
    """Fresh evidence that `obligation` holds."""
    values: dict[str, Any] = {
        "outcome": "passed",
        "cases": 10_000,
        "case_budget": 10_000,
        "binding": binding,
        "kernel": KERNEL,
        "device": "cpu",
        "dtype": "f32",
        "contract_hash": obligation_hash(contract, obligation),
        "kernel_hash": kernel_hash(KERNEL),
        "rules": rules_hash(),
        **changes,
    }
    return Record(
        ObligationFinished(contract=contract.name, obligation=obligation, **values), "2026-01-01T00:00:00+00:00"
    )
