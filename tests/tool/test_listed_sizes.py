"""A size that a contract lists is a size that is tried: no budget may leave it out without a word."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest
from albor_contracts.falsify.generated import load_generated
from albor_contracts.inputs.strategy import Cases
from hypothesis import HealthCheck, Phase
from toys import HEAD, load, problems

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "generated").glob("*/test_*.py"))


def drawn(strategy, count=80):
    """The cases of a strategy, always the same."""
    found = []

    @hypothesis.settings(
        max_examples=count, database=None, derandomize=True, deadline=None, phases=(Phase.generate,),
        suppress_health_check=[HealthCheck.too_slow],
    )  # fmt: skip
    @hypothesis.given(strategy)
    def look(case):
        found.append(case)

    look()
    return found


def listed(strategy):
    """Dimension -> sizes, of the dimensions that are written as a list."""
    return {d: set(r.choices) for d, r in strategy.shapes.ranges.items() if len(r.choices) > 1}


@pytest.mark.parametrize("file", FILES, ids=lambda f: f"{f.parent.name}/{f.stem.removeprefix('test_')}")
def test_every_listed_size_is_drawn(file):
    for name, strategy in vars(load_generated(file)).items():
        if isinstance(strategy, Cases) and listed(strategy):
            cases = drawn(strategy)
            for d, sizes in listed(strategy).items():
                assert {case.dims[d] for case in cases} == sizes, (name, d)


def sizes_of(dims, law="approx(y, y2)", output="float[R, N]", define="y[r, i] = 2 * x[r, i]"):
    """The sizes in the cases of a law about `x: float[R, N]`."""
    module = load(
        HEAD
        + f"""
dims: {{{dims}}}
equations:
  f: {{signature: "f(x: float[R, N]) -> y: {output}", formula: 2 x, define: "{define}"}}
proof_obligations:
  - id: TY-LAW
    equation: f
    type: equivalence
    property: It is its definition
    let: |
      y = f(x)
      y2 = spec.f(x)
    check: "{law}"
"""
    )
    (strategy,) = [s for s in module.names.values() if isinstance(s, Cases)]
    return [(case.dims["R"], case.dims["N"]) for case in drawn(strategy, 200)]


def test_listed_sizes_are_drawn_together():
    """300 x 300 is far beyond what a case has otherwise."""
    assert set(sizes_of('R: "2, 300", N: "3, 300"')) == {(2, 3), (2, 300), (300, 3), (300, 300)}


def test_sizes_that_are_too_large_together_are_drawn_one_at_a_time():
    assert set(sizes_of('R: "2, 3000", N: "3, 3000"')) == {(2, 3), (2, 3000), (3000, 3)}


def test_an_output_that_is_larger_than_the_inputs_leaves_none_out():
    found = sizes_of('R: 2, N: "3, 400"', "all[r, i, j](approx(y[r, i, j], y2[r, i, j]))", "float[R, N, N]",
                     "y[r, i, j] = x[r, i] * x[r, j]")  # fmt: skip
    assert set(found) == {(2, 3), (2, 400)}


@pytest.mark.parametrize(("dims", "at"), [
    ("R: 1..3, N: 1..900000000", "900,000,000 elements, with R = 1, N = 900,000,000"),
    ("R: 5000..6000, N: 4000..5000", "25,000,000 elements, with R = 5,000, N = 5,000"),
    ('R: 1, N: "2, 99999999"', "99,999,999 elements, with R = 1, N = 99,999,999"),
])  # fmt: skip
def test_a_case_that_no_memory_holds_is_refused(dims, at):
    (found,) = problems(HEAD + f"""
dims: {{{dims}}}
equations:
  f: {{signature: "f(x: float[R, N]) -> y: float[R, N]", formula: 2 x, define: "y[r, i] = 2 * x[r, i]"}}
""")  # fmt: skip
    assert found.code == "E408" and at in found.message and "at most 16,777,216" in found.message


def test_a_grid_that_no_memory_holds_is_refused_where_its_sizes_are_listed():
    def found(dims):
        return problems(HEAD + f"""
dims: {{{dims}}}
equations:
  f: {{signature: "f(x: float[N]) -> y: float[N, N]", formula: all pairs, define: "y[r, i] = x[r] * x[i]"}}
""")  # fmt: skip

    (message,) = found('N: "3, 200000"')
    assert message.code == "E408" and "40,000,000,000 elements at once, a grid of N x N" in message.message
    assert not found("N: 3..4097") and not found('N: "3, 4000"')  # a range is cut where its grid is large


def test_texts_and_ranges_of_indices_are_counted():
    text = """
dims: {N: 1..9}
equations:
  f: {signature: "f(x: float[N], s: text) -> y: float[N]", domain: {s: "length 0..LONGEST"}, define: "y[r] = x[r]"}
proof_obligations:
  - {id: TY-LAW, type: conservation, equation: f, property: A law, let: "y = f(x, s)\\na[k: RANGE] = k",
     check: "a[0] == 0"}
"""

    def found(longest, size):
        return [d.message for d in problems(HEAD + text.replace("LONGEST", str(longest)).replace("RANGE", str(size)))]

    assert not found(9999, 9999)
    (message, *_) = found(99999999, 9)
    assert "texts of a case of TY-LAW would have up to 99,999,999 characters" in message
    (message,) = found(9, 9999999999)
    assert "a would have 9,999,999,999 elements at once, a grid of 9999999999; at most 16,777,216" in message


def test_a_range_takes_what_a_list_leaves():
    found = sizes_of('R: 1..4097, N: "1, 4097"')
    assert max(r for r, n in found if n == 1) > 1000 and max(r for r, n in found if n == 4097) < 10
