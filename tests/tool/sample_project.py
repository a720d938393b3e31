"""A small project in a folder: one contract, its kernels in NumPy, bindings. For the tests of the commands."""

from __future__ import annotations

import itertools
from pathlib import Path

_NUMBERS = itertools.count()

CONTRACT = """\
metadata:
  version: 1.0.0
  title: Scaling
  prefix: SC
  description: "Every element times a scalar."

dims: {R: 1..3, N: 1..9}

equations:
  scale:
    signature: "scale(x: float[R, N], a: real) -> y: float[R, N]"
    formula: "y = a x"
    domain: {x: "in [-50, 50]", a: "in [0.5, 2]"}
    define: |
      y[r, i] = a * x[r, i]

proof_obligations:
  - id: SC-ZERO
    equation: scale
    type: boundary
    property: "Zeros stay zeros."
    if_fails: "Something is added."
    domain: {x: "in {0}"}
    let: "y = scale(x, a)"
    check: "all[r, i](y[r, i] == 0)"

falsification_tests:
  - id: SC-FT-ONE
    rule: SC-DEF-SCALE
    prediction: "Twice three is six."
    given: {x: [[3]], a: 2}
    let: "y = scale(x, a)"
    check: "all[r, i](y[r, i] == 6)"
    if_fails: "The factor is lost."

faults:
  - id: SC-OFFSET
    title: "one is added"
    origin: "an off-by-one; hidden by large values"
    define: {scale: "y[r, i] = a * x[r, i] + 1"}
    killed_by: [SC-ZERO, SC-DEF-SCALE]
  - id: SC-HALF
    title: "half the factor"
    origin: "a slip; hidden by zeros"
    patch: {target: "KERNELS:scale", find: "a * x", put: "a * x / 2"}
    killed_by: [SC-DEF-SCALE]
"""

KERNEL = '''"""Scaling."""

import numpy as np


def scale(x, a):
    x = np.asarray(x)
    return (a * x).astype(x.dtype)
'''


def make_project(root: Path, contract: str = CONTRACT, kernel: str = KERNEL) -> Path:
    """`root` with contracts/core/scale-v1.yaml, a reference and an implementation. Module names are never reused."""
    package = f"kernels_{next(_NUMBERS)}"
    modules = {}
    for binding, dtype in (("reference", "f64"), ("impl", "f32")):
        module = root / binding / package / "core" / "scale.py"
        module.parent.mkdir(parents=True)
        module.write_text(kernel, encoding="utf-8")
        modules[binding] = f"{binding}.{package}.core.scale"
        write(
            root,
            f"bindings/{binding}.yaml",
            f"""\
name: {binding}
framework: numpy
dtypes: [{dtype}]
kernels:
  core/scale:
    scale: {modules[binding]}:scale
""",
        )
    write(root, "contracts/core/scale-v1.yaml", contract.replace("KERNELS", modules["reference"]))
    return root


def write(root: Path, name: str, text: str | bytes) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def edit(root: Path, name: str, old: str, new: str) -> Path:
    """Replace the one place where `old` stands."""
    path = root / name
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, (old, text.count(old))
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


OLDER = """\
metadata:
  version: "1.0.0"
  description: "Softmax kernel"
equations:
  softmax:
    formula: "softmax(x)_i = exp(x_i) / sum exp(x_j)"
proof_obligations:
  - type: invariant
    property: "Output sums to 1"
    tolerance: 1e-5
kani_harnesses:
  - id: KANI-1
    obligation: SM-1
"""
