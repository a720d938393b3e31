"""A call leaves global generators and settings of the process as it found them."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from albor_contracts.runtime.shared_state import left_alone
from toys import HEAD, Toy

TOY = (
    HEAD
    + """
dims: {N: 1..4}
equations:
  f: {signature: "f(x: f64[N]) -> y: f64[N]", define: "y[i] = 2 * x[i]"}
proof_obligations:
  - {id: TY-AGAIN, equation: f, type: determinism, property: "The same twice.", call: f(x)}
  - {id: TY-LAW, equation: f, type: conservation, property: "Finite.", let: "y = f(x)", check: "all[i](isfinite(y[i]))"}
"""
)
CHANGES = {
    "numpy.random": (lambda: np.random.seed(3), lambda: repr(np.random.get_state())),
    "(numpy.random)": (np.random.rand, lambda: repr(np.random.get_state())),
    "(random)": (random.random, random.getstate),
    "torch.manual_seed": (lambda: torch.manual_seed(5), lambda: torch.get_rng_state().tolist()),
    "default_dtype": (lambda: torch.set_default_dtype(torch.float64), torch.get_default_dtype),
    "precision": (lambda: torch.set_float32_matmul_precision("high"), torch.get_float32_matmul_precision),
    "matmul_precision": (
        lambda: setattr(torch.backends.cuda.matmul, "fp32_precision", "tf32"),
        torch.get_float32_matmul_precision,
    ),
    "is_grad_enabled": (lambda: torch.set_grad_enabled(False), torch.is_grad_enabled),
    "deterministic": (lambda: torch.use_deterministic_algorithms(True), torch.are_deterministic_algorithms_enabled),
}


@pytest.fixture(scope="module")
def toy() -> Toy:
    return Toy(TOY)


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_is_found_and_set_back(what):
    change, read = CHANGES[what]
    torch.manual_seed(11)
    np.random.seed(11)
    before = read()
    with (
        pytest.raises(LookupError, match=r"make a generator|set it back") as raised,
        left_alone(lambda what, advice: LookupError(f"{what}: {advice}")),
    ):
        change()
    assert what in str(raised.value)
    assert read() == before


@pytest.mark.parametrize("law", ["TY-DEF-F", "TY-AGAIN"])
def test_kernels_are_watched_where_they_are_asked_for_the_same(toy, law):
    def f(x):
        np.random.seed(1)
        return 2 * x

    assert toy.judge(law, f=lambda x: 2 * x) == "passed"
    assert toy.judge(law, f=f) == (
        "f changed the state of numpy's global generator (numpy.random); make a generator of its own: "
        "numpy.random.default_rng"
    )
    assert toy.judge("TY-LAW", f=f) == "passed"


def test_generators_of_its_own_are_nobody_elses_concern(toy):
    def f(x):
        np.random.default_rng(1).random()
        torch.rand(1, generator=torch.Generator().manual_seed(2))
        return 2 * x

    assert toy.judge("TY-AGAIN", f=f) == "passed"
