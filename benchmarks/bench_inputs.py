"""Cases a second, against `hypothesis.extra.numpy.arrays` at the same shapes.

    pytest benchmarks/bench_inputs.py --benchmark-only

Each round runs Hypothesis tests that do nothing, of 100 cases in all. The shapes that both sides draw come from the
same list. Hypothesis itself takes about 260 us for every run of a test, whatever is drawn in it: with one case a run
that is most of the price of a small one, with ten it is left to the strategies.
"""

import time

import pytest
from albor_contracts.inputs import cases
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

COUNT = 100
pytestmark = pytest.mark.benchmark(timer=time.process_time)  # another program on the machine slows no side down
SHAPES = {"small": ((1, 4), (2, 3)), "4x128": ((4, 128),), "edges": ((1, 33), (2, 129), (3, 257))}


def run(strategy, at_a_time=1):
    @settings(
        max_examples=COUNT // at_a_time,
        database=None,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.tuples(*[strategy] * at_a_time) if at_a_time > 1 else strategy)
    def consume(case):
        pass

    consume()


def ours(shapes):
    return st.one_of(
        [cases({"R": str(r), "N": str(n)}, x="float[R, N] in [-50, 50]", w="float[N] in [0.5, 2]") for r, n in shapes]
    )


def theirs(shapes, fill):
    def array(shape, low, high):
        return hnp.arrays(float, shape, elements=st.floats(low, high), fill=fill)

    return st.one_of([st.tuples(array((r, n), -50, 50), array((n,), 0.5, 2)) for r, n in shapes])


@pytest.mark.parametrize("at_a_time", [1, 10])
@pytest.mark.parametrize("name", SHAPES)
def test_beside_arrays_mostly_one_value(versus, name, at_a_time):
    """As `arrays` is used: it fills most of an array with one value."""
    mine, other = ours(SHAPES[name]), theirs(SHAPES[name], None)
    words = f"cases a second, {name}, {at_a_time} a run: ours / arrays()"
    wanted = ">= 2" if at_a_time > 1 else ""  # of the strategies, not of what Hypothesis adds to both
    versus(words, wanted, lambda: run(mine, at_a_time), lambda: run(other, at_a_time), 20, slower="theirs")


@pytest.mark.parametrize("name", SHAPES)
def test_beside_arrays_every_element(versus, name):
    mine, other = ours(SHAPES[name]), theirs(SHAPES[name], st.nothing())
    words = f"cases a second, {name}: ours / arrays(fill=nothing())"
    versus(words, "", lambda: run(mine), lambda: run(other), 3, slower="theirs")


@pytest.mark.parametrize("name", ["small", "wide"])
def test_drawn_shapes(benchmark, name):
    dims = {"small": {"R": "1..4", "N": "1..16"}, "wide": {"R": "1..8", "N": "1..4097"}}[name]
    benchmark.extra_info["cases"] = COUNT
    strategy = cases(dims, x="float[R, N] in [-50, 50]", w="float[N] in [0.5, 2]", eps="real in [1e-6, 1e-5]")
    benchmark.pedantic(run, (strategy,), rounds=3, warmup_rounds=1)


def test_received(benchmark):
    seen = []

    @settings(max_examples=5, database=None, deadline=None, derandomize=True)
    @given(cases({"R": "4", "N": "1025"}, x="float[R, N] in [-50, 50]"))
    def collect(case):
        seen.append(case)

    collect()
    benchmark(seen[-1].received, "bf16")
