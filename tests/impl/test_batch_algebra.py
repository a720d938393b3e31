"""The batch arithmetic that ships against the reference, texts above all: any text, not only sensible ones."""

from __future__ import annotations

import pytest
import torch
from albor_impl.schedule import batch_algebra as impl
from albor_reference.schedule import batch_algebra as reference
from hypothesis import example, given, settings
from hypothesis import strategies as st


def parsed(module, text: str) -> int | str:
    try:
        return module.parse_count(text)
    except module.CountError:
        return "refused"


near = st.text("0123456789._eE+-KkMmGgBbTtQ ٣\n", max_size=12)
numbers = st.from_regex(r"\A[0-9]{1,25}(\.[0-9]{1,5})?(e[+-]?[0-9]{1,3})?[kKMGbT]?\Z")


@given(st.one_of(near, numbers, st.text(max_size=6)))
@example("1__0")
@example("1_")
@example("_1")
@example("1_0.5_0")
@example("1.5e3K")
@example("1.")
@example("1e+")
@settings(deadline=None, max_examples=500)
def test_any_text_is_read_or_refused_as_by_the_reference(text: str) -> None:
    assert parsed(impl, text) == parsed(reference, text)


@given(st.integers(0, 2**63 - 1), st.sampled_from([1, 1024, 2**20, 10**9, 10**12]))
@settings(deadline=None, max_examples=200)
def test_texts_are_those_of_the_reference(count: int, unit: int) -> None:
    for value in (count, count % 10_000 * unit):
        if value < 2**63:
            assert impl.format_count(value) == reference.format_count(value)


def test_a_long_exponent_is_refused_at_once() -> None:
    with pytest.raises(impl.CountError, match="one to three digits"):
        impl.parse_count("1e999999999")


def test_messages_say_why() -> None:
    for text, why in {"": "digit", "2.": "point", "3Q": "unknown suffix 'Q'", "1.5": "whole", "9e99": "2\\^63"}.items():
        with pytest.raises(impl.CountError, match=why):
            impl.parse_count(text)


def test_refusals() -> None:
    calls = [
        lambda: impl.format_count(-1),
        lambda: impl.common_steps(torch.tensor([], dtype=torch.int64), 1, 1),
        lambda: impl.common_steps(torch.tensor([3, -1]), 1, 1),
        lambda: impl.noise_scale(2, 2, 1, 1),
        lambda: impl.steps_needed(1, 0, 1),
        lambda: impl.step_law(0, 1),
        lambda: impl.small_model_rate(0),
    ]
    for call in calls:
        with pytest.raises(ValueError):
            call()


def scaled(module, arguments: tuple[int, ...]) -> str:
    try:
        return str(module.check_scale(*arguments))
    except ValueError as error:
        return (
            "below"
            if "at least" in str(error)
            else "".join(w for w in ("batch >=", "100 * w", "10 * p") if w in str(error))
        )


sizes = st.one_of(st.integers(-1, 2), st.sampled_from([10**8 - 1, 10**8]), st.integers(1, 10**10))
tokens = st.one_of(st.integers(-1, 2), st.sampled_from([65_535, 65_536]), st.integers(1, 10**6))
counts = st.one_of(st.integers(-1, 2), st.sampled_from([999, 1_000, 100_000]), st.integers(1, 10**6))


@given(
    sizes, tokens, counts, st.one_of(st.integers(-1, 2), st.sampled_from([9, 10, 999, 1_000]), st.integers(0, 10**5))
)
@settings(deadline=None, max_examples=400)
def test_runs_are_refused_as_by_the_reference(parameters: int, batch: int, steps: int, warmup: int) -> None:
    arguments = parameters, batch, steps, warmup
    assert scaled(impl, arguments) == scaled(reference, arguments)
    if parameters > 0:
        assert impl.tokens_wanted(parameters) == reference.tokens_wanted(parameters)
