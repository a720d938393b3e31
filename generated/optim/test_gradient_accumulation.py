"""optim/gradient-accumulation: Gradient accumulation.

Compiled from contracts/optim/gradient-accumulation-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 7d1315ecc74ec044a06436af203434d49a93858f3ecd225dba8d86af4cbcd0d4
"""

from albor_contracts.testing import (
    Steps, abs, all, approx, array, cases, claim, defines, definitions, dot, drawing, example, given, grid, initialize,
    int, max, obligation, rejects, rule, run_steps, single, sum, truth, where,
)

CONTRACT = "optim/gradient-accumulation"


@defines(
    "micro_step(buffer: accum[P], tokens: int, seen: int, g: float[P], n: int, cycle: int)"
    " -> buffer2: accum[P], average: accum[P], tokens2: int, seen2: int, ready: bool"
)
def micro_step(buffer, tokens, seen, g, n, cycle):
    """buffer' = buffer + n g; at the end of the cycle mean = buffer' / tokens', and everything is cleared"""
    (P,) = buffer.shape
    p = grid(P)
    added = array[p](buffer[p] + n * g[p])
    ready = seen + 1 == cycle
    average = array[p](where(ready, added[p] / max(tokens + n, 1), 0))
    buffer2 = array[p](where(ready, 0, added[p]))
    tokens2 = single(where(ready, 0, tokens + n))
    seen2 = single(where(ready, 0, seen + 1))
    return buffer2, average, tokens2, seen2, ready


@defines("accumulate(g: float[N, P], n: i64[N]) -> average: accum[P]")
def accumulate(g, n):
    """average = sum n_i g_i / sum n_i"""
    N, P = g.shape
    i, p = grid(N, P)
    total = single(max(sum[i](n[i]), 1))
    average = array[p](dot[i](n[i], g[i, p]) / total)
    return average


spec = definitions(CONTRACT, micro_step, accumulate)

micro_step_inputs = cases(
    dims={"P": "1..33"},
    buffer="accum[P] in [-10000, 10000]",
    tokens="int in [0, 5000]",
    seen="int in [0, cycle - 1]",
    g="float[P] in [-8, 8]",
    n="int in [0, 1000]",
    cycle="int in [2, 3]",
)
accumulate_inputs = cases(
    dims={"N": "1..6", "P": "1..5", "T": "1..7"},
    g="float[N, P] in [-8, 8]",
    n="i64[N] in [0, 1000]",
    each="float[N, T, P] in [-8, 8]",
    valid="i64[N, T] in [0, 1]",
)
ga_order_inputs = cases(
    dims={"N": "1..6", "P": "1..33"},
    g="float[N, P] in [-8, 8]",
    n="i64[N] in [0, 1000]",
    order="permutation[N]",
)
ga_unit_inputs = cases(
    dims={"N": "1..6", "P": "1..33"},
    g="float[N, P] in [-8, 8]",
    n="i64[N] in [0, 1000]",
)
ga_many_inputs = cases(
    dims={"N": "300..400", "P": "1..3"},
    g="float[N, P] in [1, 2]",
    n="i64[N] in {1}",
)
ga_counts_inputs = cases(
    dims={"P": "1..33"},
    buffer="accum[P] in [-10000, 10000]",
    tokens="int in [0, 5000]",
    seen="int in [0, cycle - 1]",
    g="float[P] in [-8, 8]",
    n="int in [0, 1000]",
    cycle="int in [1, 6]",
    none="int in [-2, 0]",
)
ga_seen_inputs = cases(
    dims={"P": "1..33"},
    buffer="accum[P] in [-10000, 10000]",
    tokens="int in [0, 5000]",
    seen="int in [0, cycle - 1]",
    g="float[P] in [-8, 8]",
    n="int in [0, 1000]",
    cycle="int in [1, 6]",
    which="int in [0, 1]",
)
ga_shapes_inputs = cases(
    dims={"N": "1..6", "P": "1..5", "M": "1..6"},
    assume=("M != N",),
    g="float[N, P] in [-8, 8]",
    n="i64[N] in [0, 1000]",
    other="i64[M] in [0, 1000]",
)
ga_wide_inputs = cases(
    dims={"N": "1, 2, 8, 16", "P": "64, 65, 128, 256, 1024, 4097"},
    assume=("N * P <= 16384",),
    elements=65568,
    g="float[N, P] in [-8, 8]",
    n="i64[N] in [0, 1000]",
)
ga_wide_step_inputs = cases(
    dims={"P": "64, 65, 128, 256, 1024, 4097"},
    buffer="accum[P] in [-10000, 10000]",
    tokens="int in [0, 5000]",
    seen="int in [0, cycle - 1]",
    g="float[P] in [-8, 8]",
    n="int in [0, 1000]",
    cycle="int in [1, 6]",
)
ga_large_counts_inputs = cases(
    dims={"N": "1..4", "P": "1..5"},
    g="float[N, P] in [-8, 8]",
    n="i64[N] in {0, 2147483648, 1099511627776}",
)
ga_large_step_inputs = cases(
    dims={"P": "1..5"},
    buffer="accum[P] in [-10000, 10000]",
    tokens="int in {0, 2147483648, 1099511627776}",
    seen="int in [0, cycle - 1]",
    g="float[P] in [-8, 8]",
    n="int in {2147483648, 1099511627776}",
    cycle="int in [1, 2]",
)
ga_def_micro_step_inputs = cases(
    dims={"P": "1..33"},
    buffer="accum[P] in [-10000, 10000]",
    tokens="int in [0, 5000]",
    seen="int in [0, cycle - 1]",
    g="float[P] in [-8, 8]",
    n="int in [0, 1000]",
    cycle="int in [1, 6]",
)


class GaCycleRun(Steps):
    """One step every `cycle` micro-batches, with their weighted mean; the buffer is cleared then, and at no other
    time."""

    @initialize(case=micro_step_inputs)
    def begin(self, case):
        buffer = self.receives(case, "buffer")
        P = case.P
        p = grid(P)
        zero = array[p](0 * abs(buffer[p]))
        self.holds(b=zero, t=0, k=0, made=0, fed=0, sum_b=zero, sum_t=0)

    @rule(draw=drawing())
    def step(self, draw):
        kernel = self.kernel
        g, n, cycle = self.receives(draw, "g n cycle")
        b, t, k, made, fed, sum_b, sum_t = self.held("b t k made fed sum_b sum_t")
        P = self.case.P
        p = grid(P)
        w = (n + 7 * fed) % 11
        next_b, average, next_t, next_k, ready = kernel.micro_step(b, t, k, g, w, cycle)
        next_fed = fed + 1
        next_made = single(made + int(ready))
        all_b = array[p](sum_b[p] + w * g[p])
        all_t = sum_t + w
        next_sum_b = array[p](where(next_fed % cycle == 0, 0, all_b[p]))
        next_sum_t = single(where(next_fed % cycle == 0, 0, all_t))
        claim(next_made == next_fed // cycle)
        claim(next_k == next_fed % cycle)
        claim(next_t == next_sum_t)
        claim(all[p](truth(next_fed % cycle != 0) | approx(average[p], all_b[p] / max(all_t, 1))))
        self.holds(b=next_b, t=next_t, k=next_k, made=next_made, fed=next_fed, sum_b=next_sum_b, sum_t=next_sum_t)


@obligation("GA-CYCLE", equation="micro_step", type="protocol")
def test_ga_cycle(kernel):
    """One step every `cycle` micro-batches, with their weighted mean; the buffer is cleared then, and at no other
    time."""
    run_steps(GaCycleRun, micro_step_inputs, kernel, steps=7)


@obligation("GA-TOKENS", equation="accumulate", type="equivalence")
@given(case=accumulate_inputs)
def test_ga_tokens(kernel, case):
    """The mean over all valid tokens is that of the micro-batches' means, weighted by their numbers of valid tokens."""
    each, valid = kernel.receives(case, "each valid")
    N, P, T = case.N, case.P, case.T
    i, j, p = grid(N, T, P)
    counts = array[i](sum[j](valid[i, j]))
    means = array[i, p](dot[j](valid[i, j], each[i, j, p]) / max(counts[i], 1))
    found = kernel.accumulate(means, counts)
    total = single(max(sum[i, j](valid[i, j]), 1))
    claim(all[p](approx(found[p], dot[i, j](valid[i, j], each[i, j, p]) / total)))


@obligation("GA-ORDER", equation="accumulate", type="symmetry")
@given(case=ga_order_inputs)
def test_ga_order(kernel, case):
    """The order of the micro-batches does not matter."""
    g, n, order = kernel.receives(case, "g n order")
    N, P = case.N, case.P
    p, i_N = grid(P, N)
    g_moved = array[i_N, p](g[order[i_N], p])
    n_moved = array[i_N](n[order[i_N]])
    average = kernel.accumulate(g, n)
    average_after = kernel.accumulate(g_moved, n_moved)
    claim(all[p](approx(average_after[p], average[p])))


@obligation("GA-UNIT", equation="accumulate", type="invariance")
@given(case=ga_unit_inputs)
def test_ga_unit(kernel, case):
    """Counting every token twice changes nothing."""
    g, n = kernel.receives(case, "g n")
    N = case.N
    i = grid(N)
    twice = array[i](2 * n[i])
    claim(approx(kernel.accumulate(g, twice), kernel.accumulate(g, n)))


@obligation("GA-MANY", equation="accumulate", type="equivalence")
@given(case=ga_many_inputs)
def test_ga_many(kernel, case):
    """Hundreds of narrow gradients are added without losing their last digits."""
    g, n = kernel.receives(case, "g n")
    average = kernel.accumulate(g, n)
    expected = spec.accumulate(g, n)
    claim(approx(average, expected))


@obligation("GA-COUNTS", equation="micro_step", type="rejection")
@given(case=ga_counts_inputs)
def test_ga_counts(kernel, case):
    """A cycle of no micro-batches is refused."""
    buffer, tokens, g, n, none = kernel.receives(case, "buffer tokens g n none")
    rejects(kernel, "micro_step", (buffer, tokens, 0, g, n, none), ValueError, mentions=["cycle"])


@obligation("GA-SEEN", equation="micro_step", type="rejection")
@given(case=ga_seen_inputs)
def test_ga_seen(kernel, case):
    """More micro-batches than a cycle has, or fewer than none, cannot have been seen: refused."""
    buffer, tokens, g, n, cycle, which = kernel.receives(case, "buffer tokens g n cycle which")
    rejects(
        kernel,
        "micro_step",
        (buffer, tokens, where(which == 0, cycle, -1), g, n, cycle),
        ValueError,
        mentions=["seen"],
    )


@obligation("GA-SHAPES", equation="accumulate", type="rejection")
@given(case=ga_shapes_inputs)
def test_ga_shapes(kernel, case):
    """A number of tokens for each micro-batch: more or fewer are refused."""
    g, other = kernel.receives(case, "g other")
    rejects(kernel, "accumulate", (g, other), ValueError, mentions=["n"])


@obligation("GA-WIDE", equation="accumulate", type="equivalence")
@given(case=ga_wide_inputs)
def test_ga_wide(kernel, case):
    """Gradients of many elements, whole numbers of blocks and others, are averaged to the last element."""
    g, n = kernel.receives(case, "g n")
    claim(approx(kernel.accumulate(g, n), spec.accumulate(g, n)))


@obligation("GA-WIDE-STEP", equation="micro_step", type="equivalence")
@given(case=ga_wide_step_inputs)
def test_ga_wide_step(kernel, case):
    """Of gradients of many elements every micro-batch is added to the last element, and the buffer is cleared to the
    last one."""
    buffer, tokens, seen, g, n, cycle = kernel.receives(case, "buffer tokens seen g n cycle")
    buffer2, average, _, _, _ = kernel.micro_step(buffer, tokens, seen, g, n, cycle)
    expected_buffer, expected_average, _, _, _ = spec.micro_step(buffer, tokens, seen, g, n, cycle)
    claim(approx(buffer2, expected_buffer))
    claim(approx(average, expected_average))


@obligation("GA-LARGE-COUNTS", equation="accumulate", type="equivalence")
@given(case=ga_large_counts_inputs)
def test_ga_large_counts(kernel, case):
    """Micro-batches of 2^31 and of 2^40 valid tokens are weighted by them as those of few are."""
    g, n = kernel.receives(case, "g n")
    claim(approx(kernel.accumulate(g, n), spec.accumulate(g, n)))


@obligation("GA-LARGE-STEP", equation="micro_step", type="equivalence")
@given(case=ga_large_step_inputs)
def test_ga_large_step(kernel, case):
    """A cycle of 2^31 valid tokens, or of 2^40, has their mean as one of few has."""
    buffer, tokens, g, n, cycle = kernel.receives(case, "buffer tokens g n cycle")
    P = case.P
    p = grid(P)
    _, average, _, _, _ = kernel.micro_step(buffer, tokens, cycle - 1, g, n, cycle)
    carried, _, left, _, _ = kernel.micro_step(buffer, tokens, 0, g, n, 2)
    claim(all[p](approx(average[p], (buffer[p] + n * g[p]) / (tokens + n)) & approx(carried[p], buffer[p] + n * g[p])))
    claim(left == tokens + n)


@obligation("GA-DEF-ACCUMULATE", equation="accumulate", type="definition")
@given(case=ga_unit_inputs)
def test_ga_def_accumulate(kernel, case):
    """accumulate computes its definition."""
    g, n = kernel.receives(case, "g n")
    average = kernel.accumulate(g, n)
    expected_average = spec.accumulate(g, n)
    claim(approx(average, expected_average))


@obligation("GA-DEF-MICRO_STEP", equation="micro_step", type="definition")
@given(case=ga_def_micro_step_inputs)
def test_ga_def_micro_step(kernel, case):
    """micro_step computes its definition."""
    buffer, tokens, seen, g, n, cycle = kernel.receives(case, "buffer tokens seen g n cycle")
    buffer2, average, tokens2, seen2, ready = kernel.micro_step(buffer, tokens, seen, g, n, cycle)
    expected_buffer2, expected_average, expected_tokens2, expected_seen2, expected_ready = spec.micro_step(buffer, tokens, seen, g, n, cycle)
    claim(approx(buffer2, expected_buffer2))
    claim(approx(average, expected_average))
    claim(approx(tokens2, expected_tokens2))
    claim(approx(seen2, expected_seen2))
    claim(approx(ready, expected_ready))


@obligation("GA-FT-UNEQUAL", rule="GA-TOKENS", type="falsification")
def test_ga_ft_unequal(kernel):
    """Means of 6 over 10 tokens and 1 over 90 make 1.5, not 3.5."""
    case = example(
        {"g": "float[N, P]", "n": "i64[N]", "each": "float[N, T, P]", "valid": "i64[N, T]"},
        g=[[6.0], [1.0]],
        n=[10, 90],
        each=[[[6.0]], [[1.0]]],
        valid=[[1], [1]],
    )
    g, n = kernel.receives(case, "g n")
    average = kernel.accumulate(g, n)
    claim(approx(average[0], 1.5))


@obligation("GA-FT-EMPTY", rule="GA-UNIT", type="falsification")
def test_ga_ft_empty(kernel):
    """A batch without valid tokens has gradient 0."""
    case = example({"g": "float[N, P]", "n": "i64[N]"}, g=[[3.0], [4.0]], n=[0, 0])
    g, n = kernel.receives(case, "g n")
    average = kernel.accumulate(g, n)
    claim(average[0] == 0)
