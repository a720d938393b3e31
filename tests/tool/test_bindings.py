"""Which callable stands for which equation, and how it is called."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from albor_contracts.bindings import Bound, bind
from albor_contracts.callables import resolve
from albor_contracts.errors import ContractError, Position
from albor_contracts.lang.signature import Signature, parse_signature
from albor_contracts.lang.types import DimRange
from albor_contracts.runtime.actions import rejects
from albor_contracts.runtime.definitions import Definitions
from albor_contracts.runtime.kernel import Kernel
from albor_contracts.runtime.kernel_fault import KernelFault
from albor_contracts.runtime.target import Target, arranged, raised
from sample_project import CONTRACT, make_project, write

NAMES = map("bound_{}".format, itertools.count())  # of modules, which are never used again
MORE = """
  shift:
    signature: "shift(x: float[R, N], by: real, low: real) -> y: float[R, N], least: real"
  turn:
    signature: "turn(x: float[R, N]) -> y: float[R, N]"
"""
KERNELS = """
def renamed(values, factor): pass
def by_its_inputs(low, by, x): pass
def Turn(anything): pass
def TURN(anything): pass
def with_more(x, by, low, inplace=False): pass
def attention(q, k): pass
def strange(a, b, c, d): pass
class Lazy:
    @property
    def scale(self): raise RuntimeError("not now")
    @property
    def gone(self): raise SystemExit(3)
lazy = Lazy()
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of kernels beside a contract with three equations."""
    text = CONTRACT.replace("\nproof_obligations:", f"{MORE}\nproof_obligations:")
    make_project(tmp_path, text)
    name = next(NAMES)
    write(tmp_path, f"{name}.py", KERNELS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return name


def signatures() -> dict[str, Signature]:
    """As a generated module has them: those of other contracts too, and in the order they are needed in."""
    texts = (
        "attention(q: float[R, N], k: float[R, N]) -> o: float[R, N]",
        "turn(x: float[R, N]) -> y: float[R, N]",
        "shift(x: float[R, N], by: real, low: real) -> y: float[R, N], least: real",
        "scale(x: float[R, N], a: real) -> y: float[R, N]",
    )
    return {s.name: s for s in map(parse_signature, texts)}


def bound(name: str, root: Path) -> Bound:
    found = bind(name, "core/scale", signatures(), root)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("function", "equation"),
    [
        ("renamed", "scale"),  # the contract's first
        ("by_its_inputs", "shift"),  # has the inputs of shift, though of turn as well: it cannot be called with those
        ("with_more", "shift"),
        ("Turn", "turn"),  # its namesake
        ("attention", "scale"),  # the namesake is none of this contract
    ],
)
def test_the_equation_of_a_single_callable(function: str, equation: str, module: str, tmp_path: Path) -> None:
    assert list(bound(f"{module}:{function}", tmp_path).targets) == [equation]


def test_what_fits_no_equation_is_refused_by_the_first(module: str, tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"strange cannot be called with 2 arguments \(x, a\)"):
        bound(f"{module}:strange", tmp_path)


@pytest.mark.parametrize("in_a_file", [True, False])
def test_inputs_in_another_order_are_given_by_name(in_a_file: bool, module: str, tmp_path: Path) -> None:
    name = f"{module}:by_its_inputs"
    if in_a_file:
        kernels = f"{{core/scale: {{shift: {name}, scale: {module}:renamed}}}}"
        path = write(tmp_path, "mine.yaml", f"name: mine\nframework: numpy\nkernels: {kernels}\n")
    found = bound(str(path) if in_a_file else name, tmp_path).targets
    values = {"x": "X", "by": 1.0, "low": 2.0}
    assert arranged(found["shift"], list(values.values()), lambda: values) == ([], values)
    if in_a_file:
        assert found["scale"].arguments is None  # has other names: the inputs come in their order


def test_a_file_may_return_only_outputs_of_the_equation(module: str, tmp_path: Path) -> None:
    kernels = f'{{core/scale: {{shift: {{call: "{module}:with_more", returns: [y, most]}}}}}}'
    path = write(tmp_path, "mine.yaml", f"name: mine\nframework: numpy\nkernels: {kernels}\n")
    with pytest.raises(ContractError) as caught:
        bound(str(path), tmp_path)
    (found,) = caught.value.diagnostics
    assert (found.code, found.position.line) == ("E504", 3)
    assert "`returns` names most" in found.message and "its outputs are: y, least" in found.hint


def limited(tmp_path: Path, module: str, sizes: str) -> str:
    kernels = f'{{core/scale: {{scale: {{call: "{module}:renamed"{sizes}}}}}}}'
    return str(write(tmp_path, "mine.yaml", f"name: mine\nframework: numpy\nkernels: {kernels}\n"))


def test_a_file_may_limit_the_sizes(module: str, tmp_path: Path) -> None:
    found = bound(limited(tmp_path, module, ', sizes: {N: "64, 128"}'), tmp_path)
    (target,) = found.targets.values()
    assert target.sizes == {"N": DimRange(64, 128, (64, 128))}
    scale = signatures()["scale"]
    assert not target.refuses(scale, [np.zeros((2, 64)), 1.0])
    assert target.refuses(scale, [np.zeros((2, 65)), 1.0]) == f"{module}:renamed takes N of 64, 128, here it is 65"
    # Evidence of some sizes is none of all of them.
    ways = {bound(limited(tmp_path, module, s), tmp_path).adapted for s in ("", ", sizes: {N: 64}", ", sizes: {N: 65}")}
    assert len(ways) == 3


@pytest.mark.parametrize(
    ("sizes", "code", "words"),
    [
        ("{M: 64}", "E504", "`sizes` names M, which is no dimension of the equation"),
        ('{N: "M * 2"}', "E403", "'M * 2' is no size"),
        ('{N: "8..4"}', "E403", "cannot read the range '8..4'"),
    ],
)
def test_sizes_that_mean_nothing_are_refused(sizes: str, code: str, words: str, module: str, tmp_path: Path) -> None:
    with pytest.raises(ContractError) as caught:
        bound(limited(tmp_path, module, f", sizes: {sizes}"), tmp_path)
    (found,) = caught.value.diagnostics
    assert (found.code, found.message, found.position.line) == (code, words, 3)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("lazy.scale", "looking up 'lazy.scale' in {} raised RuntimeError: not now"),
        ("lazy.gone", "looking up 'lazy.gone' in {} raised SystemExit: 3"),
        ("renamd", "{} has no 'renamd'"),
    ],
)
def test_a_callable_that_cannot_be_looked_up(path: str, words: str, module: str) -> None:
    with pytest.raises(ContractError) as caught:
        resolve(f"{module}:{path}", Position("here"))
    (found,) = caught.value.diagnostics
    assert (found.code, found.message) == ("E507", words.format(module))
    assert ("did you mean `renamed`" in found.hint) == (path == "renamd")


LENDER = "name: {0}\nframework: {1}\nkernels: {{core/scale: {{turn: {2}:Turn, scale: {2}:renamed}}}}\n"


def test_kernels_that_a_function_lacks_are_lent_by_a_file(module: str, tmp_path: Path) -> None:
    path = write(tmp_path, "bindings/reference.yaml", LENDER.format("reference", "numpy", module))
    alone = bound(f"{module}:by_its_inputs", tmp_path)
    assert not alone.lent and alone.advice == "; +reference after it lends the project's"
    for lender in ("reference", path):
        found = bound(f"{module}:by_its_inputs+{module}:Turn+{lender}", tmp_path)
        names = {equation: target.name.partition(":")[2] for equation, target in found.targets.items()}
        assert names == {"shift": "by_its_inputs", "turn": "Turn", "scale": "renamed"}
        assert found.lent == {"scale"} and not found.advice


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("{0}:TURN", "{0}:Turn and {0}:TURN both stand for turn"),
        ("torches", "{0}:Turn takes NumPy arrays and torches torch tensors"),
        ("others", "others has no kernel of core/scale to lend"),
        ("nowhere", "there is no binding 'nowhere'"),
    ],
)
def test_what_does_not_go_together_is_refused(more: str, words: str, module: str, tmp_path: Path) -> None:
    write(tmp_path, "bindings/torches.yaml", LENDER.format("torches", "torch", module))
    write(tmp_path, "bindings/others.yaml", 'name: others\nframework: numpy\nkernels: {core/none: {none: "a:b"}}\n')
    with pytest.raises(ContractError) as caught:
        bound(f"{module}:Turn+{more.format(module)}", tmp_path)
    (found,) = caught.value.diagnostics
    assert found.message == words.format(module)
    assert found.code == ("E503" if more == "nowhere" else "E513")


def test_what_a_kernel_raised_names_its_own_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = next(NAMES)
    write(tmp_path, f"{name}.py", "def helper(x):\n    return x / 0\n\n\ndef scale(x):\n    return helper(x)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    target = Target(resolve(f"{name}:scale", Position("here")), f"{name}:scale")
    with pytest.raises(ZeroDivisionError) as caught:
        target.call(1)
    assert (
        str(raised(target, caught.value)) == f"{name}:scale raised ZeroDivisionError: division by zero (at {name}.py:2)"
    )
    assert "(at " not in str(raised(target, ValueError("told by nobody")))
    alone = Target(resolve(f"{name}:helper", Position("here")), f"{name}:helper")
    with pytest.raises(ZeroDivisionError) as caught:
        alone.call(1)
    assert str(raised(alone, caught.value)).endswith(f"(at {name}.py:2)")  # a long callable has many lines
    for told in ("Found no NVIDIA driver on your system.", "Expected a cuda device, but got: cpu"):
        gone = raised(target, RuntimeError(told))
        assert "it asks for a GPU" in str(gone) and "--device cuda" in str(gone)


def test_what_a_library_raised_below_a_wrapper_names_the_line_of_the_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library, wrapper = next(NAMES), next(NAMES)
    write(tmp_path, f"libs/{library}.py", "import json\n\n\ndef kernel(x):\n    assert x != 1\n    json.loads('')\n")
    write(tmp_path, f"{wrapper}.py", f"from {library} import kernel\n\n\ndef scale(x):\n    return kernel(x)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.syspath_prepend(tmp_path / "libs")
    target = Target(resolve(f"{wrapper}:scale", Position("here")), f"{wrapper}:scale")
    of_numbers = Definitions("core/scale", {}, {"scale": parse_signature("scale(x: real) -> y: real")})
    kernel = Kernel("core/scale", wrapper, "numpy", "f32", "cpu", {"scale": target}, of_numbers)
    for x, line in [(1.0, 5), (2.0, 6)]:  # its own assertion; what Python's library raised for it
        with pytest.raises(KernelFault, match=rf"\(at libs/{library}\.py:{line}\)$"):
            kernel.run("scale", [x])
    with pytest.raises(KernelFault) as fault:
        rejects(kernel, "scale", [1.0], ValueError)
    assert f"got AssertionError without a message (at libs/{library}.py:5)" in str(fault.value)
