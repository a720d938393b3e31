"""inference/sampling: Sampling of tokens.

Compiled from contracts/inference/sampling-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 70ee49b4730b270cdc3481859b6d6ace69e075aa9521e1318964dcdd122de92b
"""

from albor_contracts.testing import (
    Steps, abs, all, any, approx, argmax, array, cases, claim, count, defines, definitions, drawing, exact, example,
    exp, given, grid, initialize, int, max, mean, min, obligation, ratio, rejects, rule, run_steps, same_twice, single,
    statistically, sum, truth, where,
)

CONTRACT = "inference/sampling"


@defines("greedy(logits: float[N, V]) -> ids: i64[N]")
def greedy(logits):
    """ids = argmax of the logits, the lower number among equals"""
    N, V = logits.shape
    n, v = grid(N, V)
    ids = array[n](argmax[v](logits[n, v]))
    return ids


@defines("top_k(logits: float[V], k: int) -> kept: bool[V]")
def top_k(logits, k):
    """the k largest logits, min(k, V) of them; equal logits by number"""
    (V,) = logits.shape
    u, v = grid(V, V)
    ahead = array[v](count[u]((logits[u] > logits[v]) | (logits[u] == logits[v]) & (u < v), where=u != v))
    kept = array[v](ahead[v] < k)
    return kept


@defines("top_p(logits: float[V], p: real) -> kept: bool[V]")
def top_p(logits, p):
    """kept where the probability of all tokens ahead is below p"""
    (V,) = logits.shape
    u, v = grid(V, V)
    ahead = array[u, v]((u != v) & ((logits[u] > logits[v]) | (logits[u] == logits[v]) & (u < v)))
    mass = array[v](exp(logits[v] - max[u](logits[u])))
    above = array[v](sum[u](where(ahead[u, v], mass[u], 0)))
    kept = array[v](above[v] < p * sum[u](mass[u]))
    return kept


@defines("probabilities(logits: float[V], kept: bool[V], temperature: real) -> q: accum[V]")
def probabilities(logits, kept, temperature):
    """q = exp(logits / temperature) / sum over the kept, 0 elsewhere"""
    (V,) = logits.shape
    v, u = grid(V, V)
    scaled = array[v](logits[v] / temperature)
    mass = array[v](where(kept[v], exp(scaled[v] - max[u](where(kept[u], scaled[u], -1000))), 0))
    q = array[v](where(any[u](kept[u]), mass[v] / sum[u](mass[u]), 0))
    return q


spec = definitions(
    CONTRACT,
    greedy,
    top_k,
    top_p,
    probabilities,
    "sample(logits: float[N, V], temperature: real, k: int, p: real, seed: int) -> ids: i64[N]",
)

greedy_inputs = cases(
    dims={"V": "1..65", "N": "1..5"},
    logits="float[N, V] in [-40, 40]",
)
top_k_inputs = cases(
    dims={"V": "1..65"},
    work={"V * V": 2**18},
    logits="float[V] in [-40, 40]",
    k="int in [1, V + 2]",
)
top_p_inputs = cases(
    dims={"V": "1..65"},
    work={"V * V": 2**18},
    logits="float[V] in [-20, 20]",
    p="real in (0, 1]",
)
smp_even_inputs = cases(
    dims={"V": "8, 16, 32, 64"},
    logits="float[V] in [-20, 20]",
    p="real in (0, 1]",
    n="int in [1, 8]",
    c="real in {0, -3, 2.5}",
)
probabilities_inputs = cases(
    dims={"V": "1..17"},
    work={"V * V": 2**18},
    logits="float[V] in [-6, 6]",
    kept="bool[V]",
    temperature="real in [0.5, 4]",
    first="int in [0, V - 1]",
)
sample_inputs = cases(
    dims={"V": "1..17", "N": "64"},
    work={"V * V": 2**18},
    logits="float[N, V] in [-3, 3]",
    temperature="real in {0.5, 1, 2}",
    k="int in [1, V]",
    p="real in {0.25, 0.5, 0.8, 1}",
    seed="int in [0, 2**32)",
)
smp_greedy_inputs = cases(
    dims={"V": "1..33", "N": "1..9"},
    logits="float[N, V] in [-20, 20]",
    temperature="real in [0.1, 10]",
    k="int in [1, V]",
    p="real in (0, 1]",
    seed="int in [0, 2**32)",
)
smp_repeat_inputs = cases(
    dims={"V": "33", "N": "9"},
    logits="float[N, V] in [-20, 20]",
    temperature="real in [0.1, 10]",
    k="int in [1, V]",
    p="real in (0, 1]",
    seed="int in [0, 2**32)",
)
smp_share_inputs = cases(
    dims={"V": "12", "N": "4096"},
    work={"V * V": 2**18},
    elements=49157,
    logits="float[N, V] in [-2, 2]",
    temperature="real in {0.5, 2}",
    k="int in {3, 5, 8}",
    p="real in {0.5, 0.8, 1}",
    seed="int in [0, 2**32)",
    most="int in {1, 2, 3, 5}",
)
smp_seeds_inputs = cases(
    dims={"V": "2", "N": "4096"},
    logits="float[N, V] in [-20, 20]",
    temperature="real in {0.5, 1, 2}",
    k="int in [1, V]",
    p="real in (0, 1]",
    seed="int in [0, 2**31)",
    step="int in {1, 2, 3, 65536}",
    way="int in {-1, 0, 1}",
)
smp_refuses_inputs = cases(
    dims={"V": "1..65", "N": "1..9"},
    logits="float[N, V] in [-20, 20]",
    temperature="real in [0.1, 10]",
    k="int in [1, V]",
    p="real in (0, 1]",
    seed="int in [0, 2**32)",
    which="int in [0, 3]",
)
smp_refuses_none_inputs = cases(
    dims={"V": "1..65"},
    logits="float[V] in [-40, 40]",
    k="int in [1, V + 2]",
    none="int in [-2, 0]",
)
smp_refuses_mass_inputs = cases(
    dims={"V": "1..65"},
    logits="float[V] in [-20, 20]",
    p="real in (0, 1]",
    wrong="real in {-0.5, 0, 1.5, 90}",
)
smp_refuses_cold_inputs = cases(
    dims={"V": "1..65"},
    logits="float[V] in [-20, 20]",
    kept="bool[V]",
    temperature="real in [0.1, 10]",
    cold="real in {0, -1}",
)
smp_wide_inputs = cases(
    dims={"V": "1200", "N": "2..3"},
    logits="float[V] in [-40, 40]",
    k="int in [1, 1000]",
    batch="float[N, V] in [-40, 40]",
    soft="float[V] in [-20, 20]",
    p="real in (0, 1]",
    temperature="real in [0.1, 10]",
)
smp_close_inputs = cases(
    dims={"V": "2..33", "N": "1..5"},
    logits="float[N, V] in {-1.0078125, -1.0009765625, -1.00000011920928955078125, -1, 1, 1.00000011920928955078125, 1.0009765625, 1.0078125}",
)
smp_low_inputs = cases(
    dims={"V": "2..33", "N": "1..5"},
    logits="float[N, V] in {-inf, -170141183460469231731687303715884105728, -1048576, -61440, -57344, -20480, -16384}",
)
smp_wide_greedy_inputs = cases(
    dims={"V": "257, 1025, 1200", "N": "4"},
    logits="float[N, V] in [-40, 40]",
    place="int in [0, V - 1]",
)
smp_wide_mass_inputs = cases(
    dims={"V": "257, 1024, 1200"},
    logits="float[V] in [-1, 1]",
    p="real in [0.5, 1]",
    c="real in {-3, 2.5}",
)
smp_wide_probabilities_inputs = cases(
    dims={"V": "257, 1025, 1200"},
    logits="float[V] in [-4, 4]",
    kept="bool[V]",
    temperature="real in [0.5, 4]",
)
smp_even_draw_inputs = cases(
    dims={"V": "8, 16", "N": "128"},
    logits="float[N, V] in [-20, 20]",
    temperature="real in [0.1, 10]",
    k="int in [1, V]",
    p="real in (0, 1]",
    seed="int in [0, 2**32)",
    n="int in [1, 7]",
    level="real in {0, -3, 2.5}",
)
smp_own_cut_inputs = cases(
    dims={"V": "2..17", "N": "64"},
    work={"N * V * V": 2**18},
    logits="float[N, V] in [-3, 3]",
    temperature="real in {0.5, 1, 2}",
    k="int in [1, V]",
    p="real in {0.25, 0.5, 0.8, 0.95}",
    seed="int in [0, 2**32)",
)
smp_own_share_inputs = cases(
    dims={"V": "12", "N": "4096"},
    work={"V * V": 2**18},
    elements=49158,
    logits="float[N, V] in [-3, 3]",
    temperature="real in {0.5, 2}",
    k="int in {8, 12}",
    p="real in {0.45, 0.7, 0.9}",
    seed="int in [0, 2**32)",
    most="int in {1, 2, 3, 5}",
    odd="int in {0, 1}",
)
smp_each_row_inputs = cases(
    dims={"V": "2", "N": "1, 9"},
    logits="float[N, V] in [-20, 20]",
    temperature="real in {0.5, 1, 2}",
    k="int in [1, V]",
    p="real in (0, 1]",
    seed="int in [0, 2**31)",
    none="i64[N] in {0}",
)
smp_apart_inputs = cases(
    dims={"V": "2", "N": "4096"},
    logits="float[N, V] in [-20, 20]",
    temperature="real in {0.5, 1, 2}",
    k="int in [1, V]",
    p="real in (0, 1]",
    seed="int in [0, 2**32)",
    step="int in {1, 2, 3, 4, 32, 1024}",
)
smp_every_bit_inputs = cases(
    dims={"V": "2", "N": "64"},
    logits="float[N, V] in [-20, 20]",
    temperature="real in {0.5, 1, 2}",
    k="int in [1, V]",
    p="real in (0, 1]",
    seed="int in [0, 2**32)",
    bit="int in [0, 29]",
)
smp_wide_draw_inputs = cases(
    dims={"V": "65, 1200", "N": "256"},
    work={"N * 8": 2**18},
    elements=307205,
    logits="float[N, V] in [-20, 20]",
    temperature="real in {0.5, 1, 2}",
    k="int in [1, V]",
    p="real in (0, 1]",
    seed="int in [0, 2**32)",
    half="int in {1, 2}",
)
smp_def_top_k_inputs = cases(
    dims={"V": "1..65"},
    logits="float[V] in [-40, 40]",
    k="int in [1, V + 2]",
)
smp_def_top_p_inputs = cases(
    dims={"V": "1..65"},
    logits="float[V] in [-20, 20]",
    p="real in (0, 1]",
)
smp_def_probabilities_inputs = cases(
    dims={"V": "1..65"},
    logits="float[V] in [-20, 20]",
    kept="bool[V]",
    temperature="real in [0.1, 10]",
)


@obligation("SMP-LARGEST", equation="greedy", type="bound")
@given(case=greedy_inputs)
def test_smp_largest(kernel, case):
    """No logit is larger than the chosen one, and none before it is equal."""
    logits = kernel.receives(case, "logits")
    V, N = case.V, case.N
    n, v = grid(N, V)
    ids = kernel.greedy(logits)
    chosen = array[n](max[v](where(ids[n] == v, logits[n, v], -100)))
    claim(all[n, v]((logits[n, v] < chosen[n]) | (logits[n, v] == chosen[n]) & (v >= ids[n])))


@obligation("SMP-EXACTLY-K", equation="top_k", type="conservation")
@given(case=top_k_inputs)
def test_smp_exactly_k(kernel, case):
    """Exactly min(k, V) tokens are kept, none smaller than a dropped one; equal logits in the order of their
    numbers."""
    logits, k = kernel.receives(case, "logits k")
    V = case.V
    v, u = grid(V, V)
    kept = kernel.top_k(logits, k)
    claim(count[v](kept[v]) == min(k, V))
    claim(all[u, v](~(kept[u] & ~kept[v]) | (logits[u] > logits[v]) | (logits[u] == logits[v]) & (u < v)))


@obligation("SMP-FEWEST", equation="top_p", type="bound")
@given(case=top_p_inputs)
def test_smp_fewest(kernel, case):
    """What is kept has probability p at least; without its least likely token it has less. One token is always kept."""
    logits, p = kernel.receives(case, "logits p")
    V = case.V
    v, u = grid(V, V)
    kept = kernel.top_p(logits, p)
    mass = array[v](exp(logits[v] - max[u](logits[u])))
    total = single(sum[v](mass[v]))
    inside = single(sum[v](where(kept[v], mass[v], 0)))
    least = single(min[v](where(kept[v], mass[v], 2)))
    claim(any[v](kept[v]))
    claim(inside >= p * total)
    claim(inside - least < p * total)
    claim(all[u, v](~(kept[u] & ~kept[v]) | (logits[u] >= logits[v])))


@obligation("SMP-EVEN", equation="top_p", type="boundary")
@given(case=smp_even_inputs)
def test_smp_even(kernel, case):
    """Of V equal logits and p = n / 8 exactly V n / 8 are kept, those with the lowest numbers: a token ahead of which
    there is p already is dropped."""
    logits, n, c = kernel.receives(case, "logits n c")
    V = case.V
    v = grid(V)
    even = array[v](c + 0 * logits[v])
    kept = kernel.top_p(even, ratio(n, 8))
    expected = array[v](8 * v < V * n)
    claim(exact(kept, expected))


@obligation("SMP-NORMALISED", equation="probabilities", type="conservation")
@given(case=probabilities_inputs)
def test_smp_normalised(kernel, case):
    """Probabilities of what is kept sum to one, and stand in the ratio exp(difference of logits / temperature)."""
    logits, kept, temperature, first = kernel.receives(case, "logits kept temperature first")
    V = case.V
    v, u = grid(V, V)
    some = array[v](kept[v] | (v == first))
    q = kernel.probabilities(logits, some, temperature)
    claim(approx(sum[v](q[v]), 1))
    claim(all[v](some[v] | (q[v] == 0)))
    claim(all[u, v](approx(where(some[v], q[u], 0), where(some[u], q[v] * exp((logits[u] - logits[v]) / temperature), 0))))


@obligation("SMP-KEPT-ONLY", equation="sample", type="bound")
@given(case=sample_inputs)
def test_smp_kept_only(kernel, case):
    """A drawn token is one of the k largest, and those of the k ahead of it have less than p of the k's mass after
    temperature."""
    logits, temperature, k, p, seed = kernel.receives(case, "logits temperature k p seed")
    V, N = case.V, case.N
    v, n, u = grid(V, N, V)
    same = array[n, v](logits[0, v] + 0 * logits[n, v])
    row = array[v](logits[0, v])
    rank = array[v](count[u]((row[u] > row[v]) | (row[u] == row[v]) & (u < v), where=u != v))
    mass = array[v](where(rank[v] < k, exp((row[v] - max[u](row[u])) / temperature), 0))
    above = array[v](sum[u](where(rank[u] < rank[v], mass[u], 0)))
    kept = array[v]((rank[v] < k) & (above[v] < p * sum[u](mass[u])))
    ids = kernel.sample(same, temperature, k, p, seed)
    claim(all[n](any[v]((ids[n] == v) & kept[v])))


@obligation("SMP-GREEDY", equation="sample", type="boundary")
@given(case=smp_greedy_inputs)
def test_smp_greedy(kernel, case):
    """Temperature 0, and k = 1 at any temperature, are the greedy choice; among equal logits the first, whatever the
    seed."""
    logits, temperature, k, p, seed = kernel.receives(case, "logits temperature k p seed")
    V, N = case.V, case.N
    n, v = grid(N, V)
    ids = kernel.greedy(logits)
    flat = array[n, v](0 * logits[n, v])
    first = kernel.sample(flat, 0, V, 1, seed)
    claim(exact(kernel.sample(logits, 0, k, p, seed), ids))
    claim(exact(kernel.sample(logits, temperature, 1, p, seed), ids))
    claim(all[n](first[n] == 0))


@obligation("SMP-REPEAT", equation="sample", type="determinism")
@given(case=smp_repeat_inputs)
def test_smp_repeat(kernel, case):
    """The same seed gives the same tokens."""
    logits, temperature, k, p, seed = kernel.receives(case, "logits temperature k p seed")
    same_twice(lambda: kernel.sample(logits, temperature, k, p, seed))


@obligation("SMP-SHARE", equation="sample", type="statistical")
@given(case=smp_share_inputs)
def test_smp_share(kernel, case):
    """The likeliest tokens, one, two, three or five of them, are drawn with their probability after temperature, top-k,
    and top-p among the k."""
    logits, temperature, k, p, seed, most = kernel.receives(case, "logits temperature k p seed most")
    V, N = case.V, case.N
    v, n, u = grid(V, N, V)
    same = array[n, v](logits[0, v] + 0 * logits[n, v])
    row = array[v](logits[0, v])
    rank = array[v](count[u]((row[u] > row[v]) | (row[u] == row[v]) & (u < v), where=u != v))
    mass = array[v](where(rank[v] < k, exp((row[v] - max[u](row[u])) / temperature), 0))
    total = single(sum[v](mass[v]))
    above = array[v](sum[u](where(rank[u] < rank[v], mass[u], 0)))
    kept = array[v]((rank[v] < k) & (above[v] < p * total))
    q = spec.probabilities(row, kept, temperature)
    share = single(min(1, sum[v](where(rank[v] < most, q[v], 0))))
    ids = kernel.sample(same, temperature, k, p, seed)
    drawn = single(mean[n](int(any[v]((ids[n] == v) & (rank[v] < most)))))
    edge = single(any[v]((rank[v] < k) & (abs(above[v] - p * total) < total / 1000)))
    statistically(
        statistic=where(edge, share, drawn),
        expect=share,
        variance=share * (1 - share),
        observations=N,
        detects=0.1,
        trials=10000,
        false_alarm=1e-09,
    )


@obligation("SMP-SEEDS", equation="sample", type="statistical")
@given(case=smp_seeds_inputs)
def test_smp_seeds(kernel, case):
    """Draws of two seeds are independent, in the same row and in rows as far apart as the seeds: of two equal logits
    they agree half of the time."""
    logits, temperature, seed, step, way = kernel.receives(case, "logits temperature seed step way")
    V, N = case.V, case.N
    n, v = grid(N, V)
    flat = array[n, v](0 * logits[n, v])
    one = kernel.sample(flat, temperature, V, 1, seed)
    two = kernel.sample(flat, temperature, V, 1, seed + step)
    statistically(
        statistic=mean[n](int(one[n] == two[(n + N + way * step) % N])),
        expect=0.5,
        variance=0.25,
        observations=N,
        detects=0.1,
        trials=10000,
        false_alarm=1e-09,
    )


@obligation("SMP-REFUSES", equation="sample", type="rejection")
@given(case=smp_refuses_inputs)
def test_smp_refuses(kernel, case):
    """A temperature below 0, k below 1 and p outside (0, 1] are refused."""
    logits, temperature, k, p, seed, which = kernel.receives(case, "logits temperature k p seed which")
    t = single(where(which == 0, -temperature, temperature))
    n = single(where(which == 1, 0, k))
    mass = single(where(which == 2, 0, where(which == 3, max(1 + p, 1.001), p)))
    rejects(kernel, "sample", (logits, t, n, mass, seed), ValueError)


@obligation("SMP-REFUSES-NONE", equation="top_k", type="rejection")
@given(case=smp_refuses_none_inputs)
def test_smp_refuses_none(kernel, case):
    """No token at all, or fewer, cannot be kept: refused."""
    logits, none = kernel.receives(case, "logits none")
    rejects(kernel, "top_k", (logits, none), ValueError, mentions=["k"])


@obligation("SMP-REFUSES-MASS", equation="top_p", type="rejection")
@given(case=smp_refuses_mass_inputs)
def test_smp_refuses_mass(kernel, case):
    """A mass of 0 or below, or above 1, is refused."""
    logits, wrong = kernel.receives(case, "logits wrong")
    rejects(kernel, "top_p", (logits, wrong), ValueError, mentions=["p"])


@obligation("SMP-REFUSES-COLD", equation="probabilities", type="rejection")
@given(case=smp_refuses_cold_inputs)
def test_smp_refuses_cold(kernel, case):
    """There are no probabilities at a temperature of 0 or below: refused."""
    logits, kept, cold = kernel.receives(case, "logits kept cold")
    rejects(kernel, "probabilities", (logits, kept, cold), ValueError, mentions=["temperature"])


@obligation("SMP-WIDE", equation="top_k", type="equivalence", cost=8)
@given(case=smp_wide_inputs)
def test_smp_wide(kernel, case):
    """Vocabularies wider than a block are ranked, cut and normalised as wholes."""
    logits, k, batch, soft, p, temperature = kernel.receives(case, "logits k batch soft p temperature")
    best = kernel.greedy(batch)
    kept = kernel.top_k(logits, k)
    nucleus = kernel.top_p(soft, p)
    some = spec.top_k(soft, k)
    q = kernel.probabilities(soft, some, temperature)
    expected_best = spec.greedy(batch)
    expected_kept = spec.top_k(logits, k)
    expected_nucleus = spec.top_p(soft, p)
    expected_q = spec.probabilities(soft, some, temperature)
    claim(exact(best, expected_best))
    claim(approx(kept, expected_kept))
    claim(approx(nucleus, expected_nucleus))
    claim(approx(q, expected_q))


@obligation("SMP-CLOSE", equation="greedy", type="bound")
@given(case=smp_close_inputs)
def test_smp_close(kernel, case):
    """Of logits that differ in their last bit alone the larger is chosen; among equals the first."""
    logits = kernel.receives(case, "logits")
    ids = kernel.greedy(logits)
    expected = spec.greedy(logits)
    claim(exact(ids, expected))


@obligation("SMP-LOW", equation="greedy", type="bound")
@given(case=smp_low_inputs)
def test_smp_low(kernel, case):
    """However low all logits are, the largest is chosen; a masked one, of -inf, only where all are."""
    logits = kernel.receives(case, "logits")
    ids = kernel.greedy(logits)
    expected = spec.greedy(logits)
    claim(exact(ids, expected))


@obligation("SMP-WIDE-GREEDY", equation="greedy", type="equivalence", cost=4)
@given(case=smp_wide_greedy_inputs)
def test_smp_wide_greedy(kernel, case):
    """The largest logit of a vocabulary wider than a block is found wherever it stands, in the last place as well."""
    logits, place = kernel.receives(case, "logits place")
    V, N = case.V, case.N
    n, v = grid(N, V)
    peak = array[n, v](where(v == where(n == 0, V - 1, place), 48, logits[n, v]))
    ids = kernel.greedy(peak)
    claim(all[n](ids[n] == where(n == 0, V - 1, place)))


@obligation("SMP-WIDE-MASS", equation="top_p", type="equivalence", cost=4)
@given(case=smp_wide_mass_inputs)
def test_smp_wide_mass(kernel, case):
    """Where probabilities are nearly equal, top-p keeps hundreds of tokens: as many as it takes."""
    logits, p, c = kernel.receives(case, "logits p c")
    V = case.V
    v = grid(V)
    even = array[v](c + 0 * logits[v])
    kept = kernel.top_p(logits, p)
    expected = spec.top_p(logits, p)
    half = kernel.top_p(even, 0.5)
    first = array[v](2 * v < V)
    claim(approx(kept, expected))
    claim(exact(half, first))


@obligation("SMP-WIDE-PROBABILITIES", equation="probabilities", type="equivalence", cost=4)
@given(case=smp_wide_probabilities_inputs)
def test_smp_wide_probabilities(kernel, case):
    """Probabilities over a vocabulary wider than a block are those of the definition, to the last token."""
    logits, kept, temperature = kernel.receives(case, "logits kept temperature")
    q = kernel.probabilities(logits, kept, temperature)
    expected = spec.probabilities(logits, kept, temperature)
    claim(approx(q, expected))


@obligation("SMP-EVEN-DRAW", equation="sample", type="bound", cost=2)
@given(case=smp_even_draw_inputs)
def test_smp_even_draw(kernel, case):
    """Of V equal logits and p = n / 8 only the first V n / 8 are drawn: where those ahead of a token have p already, it
    is cut."""
    logits, temperature, seed, n, level = kernel.receives(case, "logits temperature seed n level")
    V, N = case.V, case.N
    r, v = grid(N, V)
    even = array[r, v](level + 0 * logits[r, v])
    ids = kernel.sample(even, temperature, V, ratio(n, 8), seed)
    claim(all[r](ids[r] < n * (V // 8)))


@obligation("SMP-OWN-CUT", equation="sample", type="bound")
@given(case=smp_own_cut_inputs)
def test_smp_own_cut(kernel, case):
    """Each row is cut by its own logits: its token is one of its own k largest, inside its own p."""
    logits, temperature, k, p, seed = kernel.receives(case, "logits temperature k p seed")
    V, N = case.V, case.N
    n, u, v = grid(N, V, V)
    rank = array[n, v](count[u]((logits[n, u] > logits[n, v]) | (logits[n, u] == logits[n, v]) & (u < v), where=u != v))
    mass = array[n, v](where(rank[n, v] < k, exp((logits[n, v] - max[u](logits[n, u])) / temperature), 0))
    above = array[n, v](sum[u](where(rank[n, u] < rank[n, v], mass[n, u], 0)))
    kept = array[n, v]((rank[n, v] < k) & (above[n, v] < p * sum[u](mass[n, u])))
    ids = kernel.sample(logits, temperature, k, p, seed)
    claim(all[n](any[v]((ids[n] == v) & kept[n, v])))


@obligation("SMP-OWN-SHARE", equation="sample", type="statistical")
@given(case=smp_own_share_inputs)
def test_smp_own_share(kernel, case):
    """Of rows of two sorts, flat in even and steep in odd places, each draws its likeliest tokens with its own
    probabilities."""
    logits, temperature, k, p, seed, most, odd = kernel.receives(case, "logits temperature k p seed most odd")
    V, N = case.V, case.N
    v, n, u = grid(V, N, V)
    row = array[v](where(odd == 1, logits[1, v], logits[0, v] / 8))
    two = array[n, v](where(n % 2 == 1, logits[1, v], logits[0, v] / 8) + 0 * logits[n, v])
    rank = array[v](count[u]((row[u] > row[v]) | (row[u] == row[v]) & (u < v), where=u != v))
    mass = array[v](where(rank[v] < k, exp((row[v] - max[u](row[u])) / temperature), 0))
    total = single(sum[v](mass[v]))
    above = array[v](sum[u](where(rank[u] < rank[v], mass[u], 0)))
    kept = array[v]((rank[v] < k) & (above[v] < p * total))
    q = spec.probabilities(row, kept, temperature)
    share = single(min(1, sum[v](where(rank[v] < most, q[v], 0))))
    ids = kernel.sample(two, temperature, k, p, seed)
    drawn = single(mean[n](int(any[v]((ids[n] == v) & (rank[v] < most))), where=n % 2 == odd))
    edge = single(any[v]((rank[v] < k) & (abs(above[v] - p * total) < total / 1000)))
    statistically(
        statistic=where(edge, share, drawn),
        expect=share,
        variance=share * (1 - share),
        observations=ratio(N, 2),
        detects=0.15,
        trials=10000,
        false_alarm=1e-09,
    )


class SmpEachRowRun(Steps):
    """Over 40 seeds in a row every row draws both of two equal logits, be it the only one, the first or the last."""

    @initialize(case=smp_each_row_inputs)
    def begin(self, case):
        none = self.receives(case, "none")
        self.holds(turn=0, second=none)

    @rule(draw=drawing())
    def step(self, draw):
        kernel = self.kernel
        temperature, seed = self.receives(draw, "temperature seed")
        turn, second = self.held("turn second")
        V, N = self.case.V, self.case.N
        n, v = grid(N, V)
        flat = array[n, v](0.0)
        ids = kernel.sample(flat, temperature, V, 1, seed + turn)
        next_second = array[n](second[n] + ids[n])
        next_turn = turn + 1
        claim(truth(next_turn < 40) | all[n]((0 < next_second[n]) & (next_second[n] < 40)))
        self.holds(turn=next_turn, second=next_second)


@obligation("SMP-EACH-ROW", equation="sample", type="protocol", cost=6)
def test_smp_each_row(kernel):
    """Over 40 seeds in a row every row draws both of two equal logits, be it the only one, the first or the last."""
    run_steps(SmpEachRowRun, smp_each_row_inputs, kernel, steps=40)


@obligation("SMP-APART", equation="sample", type="statistical")
@given(case=smp_apart_inputs)
def test_smp_apart(kernel, case):
    """Rows of one call are drawn independently: of two equal logits, rows some places apart agree half of the time."""
    logits, temperature, seed, step = kernel.receives(case, "logits temperature seed step")
    V, N = case.V, case.N
    n, v = grid(N, V)
    flat = array[n, v](0 * logits[n, v])
    one = kernel.sample(flat, temperature, V, 1, seed)
    statistically(
        statistic=mean[n](int(one[n] == one[(n + step) % N])),
        expect=0.5,
        variance=0.25,
        observations=N,
        detects=0.1,
        trials=10000,
        false_alarm=1e-09,
    )


@obligation("SMP-EVERY-BIT", equation="sample", type="bound")
@given(case=smp_every_bit_inputs)
def test_smp_every_bit(kernel, case):
    """Seeds that differ in one bit, the highest of 32 included, do not draw the same 64 tokens."""
    logits, temperature, seed, bit = kernel.receives(case, "logits temperature seed bit")
    V, N = case.V, case.N
    n, v = grid(N, V)
    flat = array[n, v](0 * logits[n, v])
    one = kernel.sample(flat, temperature, V, 1, seed)
    highest = kernel.sample(flat, temperature, V, 1, seed ^ 2147483648)
    second = kernel.sample(flat, temperature, V, 1, seed ^ 1073741824)
    other = kernel.sample(flat, temperature, V, 1, seed ^ 1 << bit)
    claim(any[n](one[n] != highest[n]))
    claim(any[n](one[n] != second[n]))
    claim(any[n](one[n] != other[n]))


@obligation("SMP-WIDE-DRAW", equation="sample", type="bound", cost=4)
@given(case=smp_wide_draw_inputs)
def test_smp_wide_draw(kernel, case):
    """Of equal logits in a wide vocabulary the first k are kept, and over 256 rows each eighth of these k is drawn
    from."""
    logits, temperature, seed, half = kernel.receives(case, "logits temperature seed half")
    V, N = case.V, case.N
    n, v, e = grid(N, V, 8)
    flat = array[n, v](0 * logits[n, v])
    ids = kernel.sample(flat, temperature, V // half, 1, seed)
    met = array[e](any[n]((e * (V // half) <= 8 * ids[n]) & (8 * ids[n] < (e + 1) * (V // half))))
    claim(all[n](ids[n] < V // half))
    claim(all[e](met[e]))


@obligation("SMP-DEF-GREEDY", equation="greedy", type="definition")
@given(case=greedy_inputs)
def test_smp_def_greedy(kernel, case):
    """greedy computes its definition."""
    logits = kernel.receives(case, "logits")
    ids = kernel.greedy(logits)
    expected_ids = spec.greedy(logits)
    claim(approx(ids, expected_ids))


@obligation("SMP-DEF-TOP_K", equation="top_k", type="definition")
@given(case=smp_def_top_k_inputs)
def test_smp_def_top_k(kernel, case):
    """top_k computes its definition."""
    logits, k = kernel.receives(case, "logits k")
    kept = kernel.top_k(logits, k)
    expected_kept = spec.top_k(logits, k)
    claim(approx(kept, expected_kept))


@obligation("SMP-DEF-TOP_P", equation="top_p", type="definition")
@given(case=smp_def_top_p_inputs)
def test_smp_def_top_p(kernel, case):
    """top_p computes its definition."""
    logits, p = kernel.receives(case, "logits p")
    kept = kernel.top_p(logits, p)
    expected_kept = spec.top_p(logits, p)
    claim(approx(kept, expected_kept))


@obligation("SMP-DEF-PROBABILITIES", equation="probabilities", type="definition")
@given(case=smp_def_probabilities_inputs)
def test_smp_def_probabilities(kernel, case):
    """probabilities computes its definition."""
    logits, kept, temperature = kernel.receives(case, "logits kept temperature")
    q = kernel.probabilities(logits, kept, temperature)
    expected_q = spec.probabilities(logits, kept, temperature)
    claim(approx(q, expected_q))


@obligation("SMP-PREDICTS-TIES", rule="SMP-EXACTLY-K", type="falsification")
def test_smp_predicts_ties(kernel):
    """Of five equal logits and k = 2 the first two are kept."""
    case = example({"logits": "float[V]", "k": "int"}, logits=[3, 3, 3, 3, 3], k=2)
    logits, k = kernel.receives(case, "logits k")
    kept = kernel.top_k(logits, k)
    claim(kept[0])
    claim(kept[1])
    claim(~kept[2])
    claim(~kept[3])
    claim(~kept[4])


@obligation("SMP-PREDICTS-CROSSING", rule="SMP-FEWEST", type="falsification")
def test_smp_predicts_crossing(kernel):
    """Probabilities 1/2, 1/4, 1/4 and p = 0.6: the token that crosses p is kept, two in all; p = 0.01 keeps one."""
    case = example({"logits": "float[V]", "p": "real"}, logits=[0, 0.6931471805599453, 0], p=0.6)
    logits, p = kernel.receives(case, "logits p")
    kept = kernel.top_p(logits, p)
    one = kernel.top_p(logits, 0.01)
    claim(kept[1])
    claim(kept[0])
    claim(~kept[2])
    claim(one[1])
    claim(~one[0])
    claim(~one[2])


@obligation("SMP-PREDICTS-HALF", rule="SMP-EVEN", type="falsification")
def test_smp_predicts_half(kernel):
    """Of four equal logits and p = 1/2 two are kept, and not a third; p = 1/4 keeps one, and p = 1 all."""
    case = example({"logits": "float[V]", "p": "real", "n": "int", "c": "real"}, logits=[0, 0, 0, 0], p=0.5, n=4, c=0)
    logits, p = kernel.receives(case, "logits p")
    V = case.V
    v = grid(V)
    kept = kernel.top_p(logits, p)
    one = kernel.top_p(logits, 0.25)
    every = kernel.top_p(logits, 1)
    two = array[v]((v < 2) & (logits[v] == 0))
    first = array[v]((v < 1) & (logits[v] == 0))
    everything = array[v](logits[v] == 0)
    claim(exact(kept, two))
    claim(exact(one, first))
    claim(exact(every, everything))


@obligation("SMP-PREDICTS-ONE", rule="SMP-FEWEST", type="falsification")
def test_smp_predicts_one(kernel):
    """However small p is, also where float32 rounds it to 0, the likeliest token is kept, and it alone."""
    case = example({"logits": "float[V]", "p": "real"}, logits=[1, 3, 2, 1], p=1e-60)
    logits, p = kernel.receives(case, "logits p")
    V = case.V
    v = grid(V)
    kept = kernel.top_p(logits, p)
    likeliest = array[v]((v == 1) & (logits[v] > 0))
    claim(exact(kept, likeliest))
