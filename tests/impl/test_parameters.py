"""The formulas that ship against the tensors that the reference counts."""

from __future__ import annotations

import pytest
from albor_impl.accounting import parameters as impl
from albor_reference.accounting import parameters as reference
from hypothesis import given, settings
from hypothesis import strategies as st

FUNCTIONS = {
    "layer_parameters": (3, False),
    "model_parameters": (5, True),
    "tensors": (1, True),
    "training_bytes": (2, False),
    "kept_elements": (7, True),
    "cache_bytes": (5, False),
}


def outcome(function, arguments) -> object:
    try:
        return function(*arguments)
    except ValueError:
        return "refused"


@pytest.mark.parametrize("name", FUNCTIONS)
@given(st.data())
@settings(deadline=None, max_examples=150)
def test_counts_and_refusals_are_those_of_the_reference(name: str, data: st.DataObject) -> None:
    arity, flag = FUNCTIONS[name]
    number = st.one_of(st.integers(1, 60), st.integers(-1, 4))
    arguments = data.draw(st.lists(number, min_size=arity, max_size=arity))
    arguments += [data.draw(st.booleans())] if flag else []
    assert outcome(getattr(impl, name), arguments) == outcome(getattr(reference, name), arguments)
