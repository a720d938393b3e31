"""What the tool itself costs: starting, validating, generating, and a generated test beside a hand-written one.

    make bench

The ratios are printed at the end of the run; nothing here is asserted against a clock.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Any

import hypothesis
import numpy as np
import pytest
from albor_contracts.bindings import bind
from albor_contracts.emit.files import generated_files
from albor_contracts.emit.write import write_generated
from albor_contracts.falsify.matrix import load_generated, tests_of
from albor_contracts.falsify.wrong import definition_kernel
from albor_contracts.inputs import present
from albor_contracts.inputs.profiles import CASES
from albor_contracts.library import open_library
from albor_contracts.runtime.poison import poisoned
from albor_contracts.runtime.session import session
from albor_contracts.verify.plan import current_modules


@pytest.fixture(scope="module")
def library() -> Any:
    return open_library().sound()


def _validate(*options: str) -> None:
    command = [sys.executable, "-m", "albor_contracts", "validate", *options]
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    subprocess.run(command, check=True, capture_output=True, env=environment)


def _processor_time_of_children() -> float:
    """For a benchmark of processes: their own time, whatever else the machine does."""
    usage = os.times()
    return usage.children_user + usage.children_system


def test_validate_everything_cold(benchmark: Any) -> None:
    """A fresh process that validates all contracts, of which nothing is known."""
    benchmark.pedantic(lambda: _validate("--no-cache"), rounds=5)


@pytest.mark.benchmark(timer=_processor_time_of_children)
def test_validate_everything_cold_processor_time(benchmark: Any) -> None:
    benchmark.pedantic(lambda: _validate("--no-cache"), rounds=5)


def test_validate_everything_again(benchmark: Any) -> None:
    """A fresh process that validates all contracts, none of which has changed since the last time."""
    benchmark.pedantic(_validate, rounds=5, warmup_rounds=1)


@pytest.mark.benchmark(timer=_processor_time_of_children)
def test_validate_everything_again_processor_time(benchmark: Any) -> None:
    benchmark.pedantic(_validate, rounds=5, warmup_rounds=1)


def test_help_cold(benchmark: Any) -> None:
    benchmark.pedantic(
        lambda: subprocess.run([sys.executable, "-m", "albor_contracts", "--help"], check=True, capture_output=True),
        rounds=5,
    )


@pytest.mark.benchmark(timer=time.process_time)
def test_validate_warm(benchmark: Any, library: Any) -> None:
    """CPU time to load, link and check all contracts once more: texts are parsed already. Divide by their number."""
    benchmark.extra_info["contracts"] = len(library.contracts)
    benchmark(open_library)


@pytest.mark.benchmark(timer=time.process_time)
def test_generate_without_a_change(benchmark: Any, library: Any) -> None:
    """CPU time to compile all contracts and find that nothing has to be written; divide by their number."""
    benchmark.extra_info["contracts"] = len(library.contracts)

    def again() -> int:
        changes, problems = write_generated(generated_files(library), library.root / "generated", check=True)
        assert not problems
        return sum(c.kind != "current" for c in changes)

    assert benchmark(again) == 0


U, TINY, SMALLEST = 2.0**-24, 2.0**-126, 2.0**-149  # of float32: unit roundoff, smallest normal, smallest number


def _rounded(value: np.ndarray, error: Any, ulps: float) -> np.ndarray:
    """The error of a result that is rounded to `ulps` units roundoff, or flushed to zero."""
    reach = np.abs(value) + error
    return error + ulps * U * reach + np.minimum(reach, TINY)


def _rms_norm(x: np.ndarray, w: np.ndarray, eps: float) -> tuple[np.ndarray, np.ndarray]:
    """RMSNorm in float64, and how far a careful float32 kernel may be from it: docs/language.md, by hand."""
    n = x.shape[1]
    square = x * x
    square_error = _rounded(square, 0.0, 1)
    total = square.sum(axis=1, keepdims=True)
    growth: Any = max(n - 1, 0)
    if n - 1 > 8 * n**0.5:
        alike = (np.abs(np.diff(square)) <= U / 8 * total) & (square[:, :-1] != 0)
        growth = np.minimum(n - 1, 8 * np.sqrt(n + n * alike.sum(axis=1, keepdims=True)))
    total_error = square_error.sum(axis=1, keepdims=True)
    total_error = total_error + growth * U * (total + total_error)
    q = total / n
    q_error = _rounded(q, total_error / n, 4)
    s = q + eps
    s_error = U * s + (1 + U) * (q_error + (0.0 if eps == float(np.float32(eps)) else U * eps))
    root = np.sqrt(s)
    root_error = _rounded(root, s_error / (root + np.sqrt(np.maximum(s - s_error, 0.0))), 4)
    t = x / root
    t_error = _rounded(t, np.abs(t) * root_error / (root - root_error), 4)
    y = t * w
    y_error = _rounded(y, np.abs(w) * t_error, 1)
    return y, y_error + U * (np.abs(y) + y_error) + SMALLEST


def _settings(count: int) -> hypothesis.settings:
    return hypothesis.settings(
        session.settings(), max_examples=count, derandomize=True, phases=(hypothesis.Phase.generate,), database=None
    )


@pytest.mark.parametrize(("count", "of"), [(CASES["quick"], "impl"), (CASES["quick"], "NumPy"), (100, "NumPy")])
def test_generated_beside_hand_written(versus: Any, count: int, of: str) -> None:
    """The generated test of RN-DEF-RMSNORM, and the same property on the same inputs as a careful person writes it:
    the same bound, poison, inputs unchanged. With as many cases as `pytest generated/` tries, of the implementation and
    of a kernel that costs next to nothing; and with more."""
    library = open_library().sound()
    module = load_generated(current_modules(library, ["core/rmsnorm"])["core/rmsnorm"])
    if of == "impl":
        bound = bind("impl", "core/rmsnorm", module.spec.signatures, library.root)
        assert bound is not None
        (kernel,) = bound.kernels(module.spec, "cpu", ("f32",))
    else:
        kernel = definition_kernel("definition", module.spec.functions, module.spec, "f32")
    test = tests_of(module)["RN-DEF-RMSNORM"]
    strategy = module.rn_def_rmsnorm_inputs
    call = kernel.targets["rmsnorm"].call

    @_settings(count)
    @hypothesis.given(case=strategy)
    def property_holds(case: Any) -> None:
        received = case.received("f32")
        x, w, eps = received.x, received.w, received.eps
        given = [present(v, received.layouts[n], kernel.framework, "f32") for n, v in (("x", x), ("w", w))]
        with poisoned(kernel.framework, received.stream):
            y = np.asarray(call(given[0].view, given[1].view, eps))
        assert y.shape == x.shape and y.dtype == np.float32
        assert given[0].intact() and given[1].intact()
        exact, bound = _rms_norm(x, w, eps)
        assert np.all(np.abs(y - exact) <= bound)

    @_settings(count)
    @hypothesis.given(case=strategy)
    def bounds_agree(case: Any) -> None:
        x, w, eps = kernel.receives(case, "x w eps")
        _, bound = _rms_norm(x.value, w.value, eps)
        # The derived one has room for float64's own error as well.
        np.testing.assert_allclose(bound, kernel.rmsnorm(x, w, eps).error, rtol=2.0**-53 / U + 1e-12)

    bounds_agree()
    session.override = _settings(count)
    try:
        words = f"cost of a test of {count} cases, {of}: generated / hand-written"
        wanted = "<= 1.2" if count == CASES["quick"] else ""  # as they are run; more cases show what one adds
        versus(words, wanted, lambda: test(kernel), property_holds, 5 if of == "impl" else 20, slower="ours")
    finally:
        session.override = None
