"""Limits that ship against those of the reference."""

from __future__ import annotations

import pytest
from albor_impl.inference import prompt_guard as impl
from albor_reference.inference import prompt_guard as reference
from hypothesis import given, settings
from hypothesis import strategies as st

number = st.integers(-1, 40)


def outcome(function, arguments) -> object:
    try:
        return function(*arguments)
    except ValueError:
        return "refused"


@pytest.mark.parametrize(("name", "arity"), [("room", 3), ("first_kept", 3), ("windows", 3), ("window", 4)])
@given(st.data())
@settings(deadline=None, max_examples=200)
def test_limits_and_refusals_are_those_of_the_reference(name: str, arity: int, data: st.DataObject) -> None:
    arguments = data.draw(st.lists(number, min_size=arity, max_size=arity))
    assert outcome(getattr(impl, name), arguments) == outcome(getattr(reference, name), arguments)


def test_windows_in_order() -> None:
    assert list(impl.all_windows(10, 4, 3)) == [(0, 0, 4), (3, 4, 7), (6, 7, 10)]
    assert list(impl.all_windows(3, 4, 3)) == [(0, 0, 3)]
