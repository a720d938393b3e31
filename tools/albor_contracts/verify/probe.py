"""What a single callable offers, found out in a process of its own: importing it may do anything.

python -m albor_contracts.verify.probe ROOT DEVICE BINDING CONTRACT...
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..errors import ContractError, Diagnostic, Position, problem


def probe(root: Path, device: str, binding: str, contracts: Iterable[str], seconds: float = 120.0) -> Mapping[str, Any]:
    """`{contract: {"equations", "dtypes", "on request", "devices"}}`: the dtypes judged unasked, and all there are.

    Raises `ContractError` when the binding cannot be used.
    """
    command = [sys.executable, "-m", "albor_contracts.verify.probe", str(root), device, binding, *contracts]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        raise problem("E506", f"importing {binding} did not end within {seconds:g} s", Position(binding)) from None
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise problem(
            "E506", f"importing {binding} ended with exit status {done.returncode}: {last}", Position(binding)
        )
    answer = json.loads(lines[-1])
    if "problems" in answer:
        raise ContractError(
            *(Diagnostic(p["code"], p["message"], Position(*p["position"]), hint=p["hint"]) for p in answer["problems"])
        )
    return answer["offers"]


def main() -> int:
    root, device, binding, *contracts = sys.argv[1:]
    try:
        print(json.dumps({"offers": _offers(Path(root), device, binding, contracts)}))
    except ContractError as error:
        problems = [
            {
                "code": d.code,
                "message": d.message,
                "position": [d.position.file, d.position.line, d.position.column],
                "hint": d.hint,
            }
            for d in error.diagnostics
        ]
        print(json.dumps({"problems": problems}))
    return 0


def _offers(root: Path, device: str, binding: str, contracts: list[str]) -> dict[str, Any]:
    from ..bindings import bind
    from ..library import open_selected

    if device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise problem(
                "E510",
                "cuda was asked for, but torch finds no usable GPU here",
                Position(binding),
                "run without --device cuda, or on a machine with a GPU",
            )
    library = open_selected(contracts, root)
    found: dict[str, Any] = {}
    for name in contracts:
        signatures = {n: e.signature for n, e in library.checked[name].equations.items()}
        bound = bind(binding, name, signatures, root)
        if bound is not None and bound.targets:
            found[name] = {
                "equations": list(bound.targets),
                "dtypes": list(bound.dtypes),
                "on request": ["f64", "f32", "bf16", "f16"] if bound.framework == "torch" else ["f64", "f32", "f16"],
                "devices": list(bound.devices),
            }
    return found


if __name__ == "__main__":
    sys.exit(main())
