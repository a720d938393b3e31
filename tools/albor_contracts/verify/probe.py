"""What a single callable offers, found out in a process of its own: importing it may do anything.

python -m albor_contracts.verify.probe ANSWER ROOT DEVICE BINDING CONTRACT...

The answer goes to a file: whatever is imported may write to stdout and stderr.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..errors import ContractError, Diagnostic, Position, problem
from ..run.worker import exit_words

_WARNING = re.compile(r".*:[0-9]+: \w*Warning: .*|\s.*|")  # and the line of source that follows one


def probe(root: Path, device: str, binding: str, contracts: Iterable[str], seconds: float = 120.0) -> Mapping[str, Any]:
    """`{contract: {"equations", "dtypes", "on request", "devices"}}`: the dtypes judged unasked, and all there are.

    Raises `ContractError` when the binding cannot be used.
    """
    with tempfile.TemporaryDirectory(prefix="albor-probe-", ignore_cleanup_errors=True) as folder:
        answer, words = Path(folder, "answer"), Path(folder, "stderr")
        command = [sys.executable, "-m", "albor_contracts.verify.probe", str(answer), str(root), device, binding]
        status = _ended([*command, *contracts], words, seconds)
        if status is None:
            raise problem("E506", f"importing {binding} did not end within {seconds:g} s", Position(binding))
        if status or not answer.exists():
            last = _last_line(words.read_text(encoding="utf-8", errors="replace"))
            raise problem("E506", f"the process that imported {binding} {exit_words(status)}{last}", Position(binding))
        found = json.loads(answer.read_text(encoding="utf-8"))
    if "problems" in found:
        raise ContractError(
            *(Diagnostic(p["code"], p["message"], Position(*p["position"]), hint=p["hint"]) for p in found["problems"])
        )
    return found["offers"]


def _ended(command: list[str], words: Path, seconds: float) -> int | None:
    """The exit status of a command, whose stderr goes to a file; None where it does not end in time."""
    with open(words, "wb") as errors:
        try:
            nothing = subprocess.DEVNULL
            done = subprocess.run(
                command, stdin=nothing, stdout=nothing, stderr=errors, timeout=seconds, check=False
            )  # fmt: skip
            return done.returncode
        except subprocess.TimeoutExpired:
            return None


def _last_line(text: str) -> str:
    """`: ` and the last line that is no warning, if there is one."""
    lines = [line for line in text.splitlines() if not _WARNING.fullmatch(line)]
    return f": {lines[-1]}" if lines else ""


def main() -> int:
    answer, root, device, binding, *contracts = sys.argv[1:]
    try:
        found: dict[str, Any] = {"offers": _offers(Path(root), device, binding, contracts)}
    except ContractError as error:
        found = {
            "problems": [
                {
                    "code": d.code,
                    "message": d.message,
                    "position": [d.position.file, d.position.line, d.position.column],
                    "hint": d.hint,
                }
                for d in error.diagnostics
            ]
        }
    Path(answer).write_text(json.dumps(found), encoding="utf-8")
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
                "equations": [e for e in bound.targets if e not in bound.lent],
                "dtypes": list(bound.dtypes),
                "on request": ["f64", "f32", "bf16", "f16"] if bound.framework == "torch" else ["f64", "f32", "f16"],
                "devices": list(bound.devices),
            }
    return found


if __name__ == "__main__":
    sys.exit(main())
