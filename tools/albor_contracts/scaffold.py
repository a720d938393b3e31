"""The beginning of a new kernel: contract, reference, implementation and binding entries, ready to be filled in.

What is written is valid and honest: the contract reads and checks, but its one equation is a placeholder, the
callables raise `NotImplementedError` with the place to fill in, and there is no fault yet. So `validate` passes,
while `verify` and `falsify` fail and say what is missing.
"""

from __future__ import annotations

import keyword
import os
import re
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from .binding_file import load_binding
from .errors import ContractError, Diagnostic, Position, problem
from .lang.names import why_not
from .load.nodes import Mapping as YamlMapping
from .load.nodes import compose
from .load.source import read_source
from .model import CONTRACT_NAME

LONGEST_NAME = 64
YAML_WORDS = ("true", "false", "null")  # these are no texts


@dataclass(frozen=True)
class Scaffold:
    """Files to create, binding files to replace by longer ones, and what the new things are called."""

    name: str
    equation: str
    prefix: str
    new: Mapping[Path, str]
    changed: Mapping[Path, str]


def scaffold(root: Path, name: str, prefixes: Collection[str] = ()) -> Scaffold:
    """Plan the files of kernel `name` (family/kernel) under `root`; nothing is written.

    `prefixes` are those of the other contracts: the new one differs from them. Raises `ContractError` when the name
    cannot be used, when a file is there already, or when a binding file cannot be extended.
    """
    if not re.fullmatch(CONTRACT_NAME, name, re.ASCII) or len(name) > LONGEST_NAME or name.endswith("-"):
        shown = name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}..."
        raise problem(
            "E803",
            f"{shown!r} is not a name for a kernel",
            Position("<arguments>"),
            "family/kernel, e.g. core/layer-norm",
        )
    family, kernel = name.split("/")
    module = re.sub(r"\W", "_", kernel)
    package = re.sub(r"\W", "_", family)
    if any(keyword.iskeyword(word) for word in (module, package)):
        raise problem(
            "E803",
            f"{name!r} would name a Python module by a word of Python",
            Position("<arguments>"),
            "add a word to it",
        )
    taken = why_not(module, "equation") or keyword.issoftkeyword(module) or module in YAML_WORDS
    equation = f"{module}_kernel" if taken else module
    if reason := why_not(equation, "equation"):
        raise problem(
            "E803", f"{name!r} would name its equation so: {reason}", Position("<arguments>"), "add a word before it"
        )
    prefix = _prefix(kernel, prefixes)
    new = {root / "contracts" / family / f"{kernel}-v1.yaml": _contract(root, name, equation, prefix)}
    targets: dict[str, str] = {}
    for binding, text in (("reference", _reference), ("impl", _implementation)):
        folder, dotted = _package(root, binding)
        path = folder / package / f"{module}.py"
        new[path] = text(name, equation, path.relative_to(root).as_posix())
        targets[binding] = f"{dotted}.{package}.{module}:{equation}"
    _refuse_existing(new)
    for path in [p for p in new if p.suffix == ".py"]:
        initial = path.parent / "__init__.py"
        # Where the package has no __init__ of its own it is a namespace package, and so are its families.
        if (path.parent.parent / "__init__.py").exists() and not initial.exists():
            new[initial] = ""
    changed: dict[Path, str] = {}
    for binding, target in targets.items():
        file = root / "bindings" / f"{binding}.yaml"
        if file.exists():
            changed[file] = extended(file, name, equation, target)
        else:
            new[file] = _binding(binding, name, equation, target)
    return Scaffold(name, equation, prefix, new, changed)


def write(plan: Scaffold) -> None:
    """Write the files of a scaffold: the new ones first, so that no binding ever names a file that is not there."""
    write_new(plan.new)
    for path, text in plan.changed.items():
        _replace(path, text)


def write_new(files: Mapping[Path, str]) -> None:
    """Create files, none of which may exist: when one does, nothing is written (E802)."""
    _refuse_existing(files)
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(path, "x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            raise problem("E802", "this file is there already", Position(str(path))) from None


def extended(file: Path, contract: str, equation: str, target: str) -> str:
    """The text of a binding file with one more kernel at its end.

    The result is read back before it is returned: E804 when it is not what was meant, with the lines to add by hand.
    """
    binding = load_binding(file)
    if contract in binding.kernels:
        raise problem("E802", f"the binding {binding.name} has kernels of {contract} already", Position(str(file)))
    source = read_source(file)
    root = compose(source)
    text = file.read_text(encoding="utf-8")
    lines = [f"  {contract}:", f"    {equation}: {target}"]
    refusal = problem(
        "E804", f"the binding file {file.name} does not end in a block of kernels", Position(str(file)),
        f"add by hand, under `kernels`: {contract}: {{{equation}: \"{target}\"}}",
    )  # fmt: skip
    if not isinstance(root, YamlMapping) or root.pairs[-1][0].value != "kernels":
        raise refusal
    result = text.rstrip("\n") + "\n" + "\n".join(lines) + "\n"
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / file.name
        trial.write_text(result, encoding="utf-8")
        try:
            read = load_binding(trial)
        except ContractError:
            raise refusal from None
    added = read.kernels.get(contract, {}).get(equation)
    if added is None or str(added.call) != target or set(read.kernels) != {*binding.kernels, contract}:
        raise refusal
    return result


def _refuse_existing(files: Mapping[Path, str]) -> None:
    there = [
        Diagnostic("E802", "this file is there already", Position(str(p)), hint="move it away, or choose another name")
        for p in files
        if os.path.lexists(p)
    ]
    if there:
        raise ContractError(*there)


def _replace(path: Path, text: str) -> None:
    """Atomically: a reader sees the old file or the new one."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(name, path.stat().st_mode)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def _package(root: Path, binding: str) -> tuple[Path, str]:
    """Where the kernels of a binding live: reference/albor_reference, or reference/ itself in another project."""
    folder = root / binding
    package = f"albor_{binding}"
    if (folder / package).is_dir():
        return folder / package, package
    return folder, binding


def _prefix(kernel: str, taken: Collection[str]) -> str:
    """LN for layer-norm; LAYERNORM, LAYERNORM2, ... where that is taken."""
    words = [w for w in kernel.split("-") if w]
    short = "".join(w[0] for w in words) if len(words) > 1 else words[0][:2]
    long = "".join(words)
    used = set(map(str, taken))
    for candidate in (short, long, *(f"{long}{k}" for k in range(2, len(used) + 3))):
        if candidate.upper() not in used:
            return candidate.upper()
    raise AssertionError(kernel)


def _title(name: str) -> str:
    return name.split("/")[1].replace("-", " ").capitalize()


def _contract(root: Path, name: str, equation: str, prefix: str) -> str:
    schema = "tools/albor_contracts/contract.schema.json"
    editor = f"# yaml-language-server: $schema=../../{schema}\n" if (root / schema).is_file() else ""
    definition = f"{prefix}-DEF-{equation.upper()}"
    return f'''{editor}# A beginning: fill in every place marked FILL IN. docs/language.md describes the format.
#   albor-contracts validate     says whether it reads
#   albor-contracts verify {name}     fails until definition, reference and implementation agree
#   albor-contracts falsify {name}    fails until every obligation kills a fault
metadata:
  version: 0.1.0
  title: "{_title(name)}"
  prefix: {prefix}
  description: "FILL IN: what the kernel computes, and which disputed conventions this contract fixes."
  references:
    - "FILL IN: the paper or document the mathematics comes from."

dims: {{R: 1..8, N: 1..257}}

equations:
  {equation}:
    signature: "{equation}(x: float[R, N]) -> y: float[R, N]"  # FILL IN: the real inputs and outputs
    formula: "FILL IN: the formula for people"
    domain: {{x: "in [-50, 50]"}}  # FILL IN: where the inputs live; they are drawn from here
    define: |
      y[r, i] = x[r, i]  # FILL IN: the definition in index notation

# Every equation with a `define` has its obligation already, here {definition}. Add the laws that a
# wrong kernel would break. `albor-contracts explain TYPE` shows each type.
proof_obligations:
  - id: {prefix}-REPEAT
    equation: {equation}
    type: determinism
    property: "The same input gives bitwise the same output."
    if_fails: "A sum in an order that varies, or a read of memory that nobody wrote."
    call: "{equation}(x)"

# FILL IN: predictions on chosen inputs, for example
# falsification_tests:
#   - id: {prefix}-FT-ZERO
#     rule: {definition}
#     prediction: "A row of zeros gives ..."
#     given: {{x: [[0, 0, 0]]}}
#     let: "y = {equation}(x)"
#     check: "all[r, i](y[r, i] == 0)"
#     if_fails: "What is wrong with a kernel that fails here."

# FILL IN: wrong kernels that must be rejected, for example
# faults:
#   - id: {prefix}-SCALED
#     title: "what is wrong, in a few words"
#     origin: "where it was seen, and what hides it"
#     define:
#       {equation}: "y[r, i] = 2 * x[r, i]"
#     killed_by: [{definition}]
'''


def _reference(name: str, equation: str, path: str) -> str:
    return f'''"""FILL IN: what {name} computes, and the paper it comes from.

FILL IN: the formula. Arrays in, float64 out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def {equation}(x: ArrayLike) -> NDArray[np.float64]:
    """y[R, N] = FILL IN, for x[R, N]. Raises ValueError for another shape."""
    x = np.asarray(x, dtype=np.float64)
    if x.ndim != 2:
        raise ValueError(f"expected x[R, N], got shape {{x.shape}}")
    raise NotImplementedError("fill in {path}: {equation} is not written yet")
'''


def _implementation(name: str, equation: str, path: str) -> str:
    return f'''"""FILL IN: {name} in Triton, or through the library kernel that is right for it.

FILL IN: the formula, the traffic, the dtypes, and the order of summation.
"""

from __future__ import annotations

import torch


def {equation}(x: torch.Tensor) -> torch.Tensor:
    """y[R, N] = FILL IN, for x[R, N] in float32, bfloat16 or float16. Raises ValueError for another shape."""
    if x.ndim != 2:
        raise ValueError(f"expected x[R, N], got shape {{tuple(x.shape)}}")
    raise NotImplementedError("fill in {path}: {equation} is not written yet")
'''


def _binding(binding: str, name: str, equation: str, target: str) -> str:
    reference = binding == "reference"
    description = "The reference, readable NumPy in float64." if reference else "The implementation."
    framework, devices, dtypes = (
        ("numpy", "[cpu]", "[f64]") if reference else ("torch", "[cpu, cuda]", "[f32, bf16, f16]")
    )
    return f"""name: {binding}
description: {description}
framework: {framework}
devices: {devices}
dtypes: {dtypes}
kernels:
  {name}:
    {equation}: {target}
"""
