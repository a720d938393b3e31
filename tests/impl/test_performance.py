"""The closed forms that ship against the reference's sums."""

from __future__ import annotations

import pytest
import torch
from albor_impl.accounting import performance as impl
from albor_reference.accounting import performance as reference
from hypothesis import given, settings
from hypothesis import strategies as st

FUNCTIONS = {
    "gemm_flops": "iii",
    "gemm_intensity": "iiii",
    "attention_flops": "iiiib",
    "training_flops": "ii",
    "utilization": "rrrr",
    "attainable": "rrr",
    "step_launches": "iiiii",
    "loss_on_host_bytes": "iiii",
    "explained": "irr",
    "throughput": "ir",
    "speedup": "irir",
    "step_products": "ib",
    "forward_tokens": "iib",
}
KINDS = {
    "i": st.one_of(st.integers(1, 50), st.integers(-1, 2)),
    "r": st.one_of(st.floats(0.01, 1e6), st.sampled_from([0.0, -1.0])),
    "b": st.booleans(),
}


def outcome(function, arguments) -> object:
    try:
        return function(*arguments)
    except ValueError:
        return None


@pytest.mark.parametrize("name", FUNCTIONS)
@given(st.data())
@settings(deadline=None, max_examples=150)
def test_figures_and_refusals_are_those_of_the_reference(name: str, data: st.DataObject) -> None:
    arguments = [data.draw(KINDS[kind]) for kind in FUNCTIONS[name]]
    expected = outcome(getattr(reference, name), arguments)
    got = outcome(getattr(impl, name), arguments)
    # Whole numbers are equal; a handful of roundings in the others.
    assert got == (expected if isinstance(expected, int | None) else pytest.approx(expected, rel=1e-14))


times = st.lists(st.one_of(st.integers(-1, 9), st.floats(0, 9)), min_size=0, max_size=4)


@given(times, times, st.one_of(st.integers(-1, 30), st.floats(0, 30)))
@settings(deadline=None, max_examples=300)
def test_budgets_are_those_of_the_reference(taken: list[float], planned: list[float], step: float) -> None:
    planned = (planned + [2.0] * 4)[: len(taken)]
    tensors = (torch.tensor(values, dtype=torch.float64) for values in (taken, planned))
    assert outcome(impl.step_budget, [*tensors, step]) == outcome(reference.step_budget, [taken, planned, step])


def test_a_budget_for_each_part() -> None:
    with pytest.raises(ValueError, match="each part"):
        impl.step_budget(torch.ones(2), torch.ones(3), 1.0)
    assert impl.step_budget(torch.tensor([95.0, 0.0]), torch.tensor([48.0, 1.0]), 100) == (True, False)
    assert impl.step_budget(torch.tensor([96.0]), torch.tensor([48.0]), 100) == (True, True)
