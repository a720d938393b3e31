"""The closed forms that ship against the reference's sums."""

from __future__ import annotations

import pytest
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
