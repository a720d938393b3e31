"""merge/dare: DARE merging.

Compiled from contracts/merge/dare-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 438b6acea3a2bbfcdb1707ddafc2b9f3f9c11d3e68565375f7ad570a891bf229
"""

from albor_contracts.testing import (
    abs, all, any, approx, array, cases, claim, defines, definitions, exact, example, given, grid, int, max, mean, min,
    obligation, ratio, rejects, same_twice, single, statistically, sum, truth, where,
)

CONTRACT = "merge/dare"


@defines("dare_rescale(base: float[N], tuned: float[N], mask: bool[N], p: real) -> merged: float[N]")
def dare_rescale(base, tuned, mask, p):
    """merged = base + mask (tuned - base) / (1 - p)"""
    (N,) = base.shape
    i = grid(N)
    merged = array[i](where(mask[i], base[i] + (tuned[i] - base[i]) / (1 - p), base[i]))
    return merged


spec = definitions(
    CONTRACT,
    dare_rescale,
    "dare(base: float[N], tuned: float[N], p: real, seed: int) -> merged: float[N], mask: bool[N]",
)

dare_inputs = cases(
    dims={"N": "1..4097"},
    base="float[N] in [-64, 64]",
    tuned="float[N] in [-64, 64]",
    p="real in [0, 0.999]",
    seed="int in [0, 2**32)",
)
dr_exact_inputs = cases(
    dims={"N": "1..4097"},
    base="float[N] in {-3, -1, 0, 1, 3}",
    tuned="float[N] in {-3, -2, 0, 1, 2}",
    p="real in {0, 0.5, 0.75, 0.875}",
    seed="int in [0, 2**32)",
)
dr_nothing_inputs = cases(
    dims={"N": "1..4097"},
    base="float[N] in [-64, 64]",
    tuned="float[N] in [-64, 64]",
    p="real in {0}",
    seed="int in [0, 2**32)",
)
dr_blind_inputs = cases(
    dims={"N": "1..4097"},
    base="float[N] in [-64, 64]",
    tuned="float[N] in [-64, 64]",
    p="real in [0, 0.999]",
    seed="int in [0, 2**32)",
    other="float[N] in [-64, 64]",
)
dr_share_inputs = cases(
    dims={"N": "16384"},
    elements=32770,
    base="float[N] in [-64, 64]",
    tuned="float[N] in [-64, 64]",
    p="real in [0, 0.999]",
    seed="int in [0, 2**32)",
)
dr_fine_share_inputs = cases(
    dims={"N": "65536"},
    elements=131074,
    base="float[N] in [-64, 64]",
    tuned="float[N] in [-64, 64]",
    p="real in {0.0049, 0.0051, 0.9949}",
    seed="int in [0, 2**32)",
)
dr_narrow_share_inputs = cases(
    dims={"N": "131072"},
    elements=262146,
    base="float[N] in [-64, 64]",
    tuned="float[N] in [-64, 64]",
    p="real in {0.002, 0.998}",
    seed="int in [0, 2**32)",
)
dr_unbiased_inputs = cases(
    dims={"N": "16384"},
    elements=32770,
    base="float[N] in {-3, -1, 1, 3}",
    tuned="float[N] in {-2, 0, 2}",
    p="real in {0.5, 0.75, 0.875}",
    seed="int in [0, 2**32)",
)
dr_places_inputs = cases(
    dims={"N": "16384"},
    elements=32771,
    base="float[N] in [-64, 64]",
    tuned="float[N] in [-64, 64]",
    p="real in [0.1, 0.9]",
    seed="int in [0, 2**32)",
    distance="int in {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096}",
)
dr_count_inputs = cases(
    dims={"N": "64, 1000, 4097"},
    base="float[N] in [-64, 64]",
    tuned="float[N] in [-64, 64]",
    p="real in [0.25, 0.75]",
    seed="int in [0, 2**31)",
)
dr_near_places_inputs = cases(
    dims={"N": "16384"},
    work={"40 * N": 655360},
    elements=32770,
    base="float[N] in [-64, 64]",
    tuned="float[N] in [-64, 64]",
    p="real in {0.5}",
    seed="int in [0, 2**32)",
)
dr_seeds_inputs = cases(
    dims={"N": "16384"},
    elements=32771,
    base="float[N] in [-64, 64]",
    tuned="float[N] in [-64, 64]",
    p="real in [0.1, 0.9]",
    seed="int in [0, 2**31)",
    step="int in {1, 2, 3, 256, 65536, 16777216, 2**31}",
)
dr_range_inputs = cases(
    dims={"N": "1..4097"},
    base="float[N] in [-64, 64]",
    tuned="float[N] in [-64, 64]",
    p="real in [0, 0.999]",
    seed="int in [0, 2**32)",
    wrong="real in [1, 40] or [-1, -0.001]",
)
dr_no_number_inputs = cases(
    dims={"N": "1..33"},
    base="float[N] in [-64, 64]",
    tuned="float[N] in [-64, 64]",
    p="real in [0, 0.999]",
    seed="int in [0, 2**32)",
    wrong="real in {nan, inf}",
)
dr_seed_range_inputs = cases(
    dims={"N": "1..4097"},
    base="float[N] in [-64, 64]",
    tuned="float[N] in [-64, 64]",
    p="real in [0, 0.999]",
    seed="int in [0, 2**32)",
    wrong="int in [-9, -1] or [2**32, 2**33]",
)
dr_shapes_inputs = cases(
    dims={"N": "1..129", "L": "1..129"},
    assume=("L != N",),
    base="float[N] in [-64, 64]",
    tuned="float[N] in [-64, 64]",
    p="real in [0, 0.999]",
    seed="int in [0, 2**32)",
    other="float[L] in [-64, 64]",
)
dare_rescale_inputs = cases(
    dims={"N": "1..9", "L": "1..9"},
    assume=("L != N",),
    base="float[N] in [-64, 64]",
    tuned="float[N] in [-64, 64]",
    mask="bool[N]",
    p="real in [0, 0.999]",
    other="float[L] in [-64, 64]",
)
dr_mask_shape_inputs = cases(
    dims={"N": "1..9", "L": "1..9"},
    assume=("L != N",),
    base="float[N] in [-64, 64]",
    tuned="float[N] in [-64, 64]",
    mask="bool[N]",
    p="real in [0, 0.999]",
    other="bool[L]",
)
dr_large_inputs = cases(
    dims={"N": "32768, 32769, 65536, 65537, 131072"},
    elements=262146,
    base="float[N] in [-64, 64]",
    tuned="float[N] in [-64, 64]",
    p="real in [0.1, 0.9]",
    seed="int in [0, 2**32)",
)
dr_def_dare_rescale_inputs = cases(
    dims={"N": "1..4097"},
    base="float[N] in [-64, 64]",
    tuned="float[N] in [-64, 64]",
    mask="bool[N]",
    p="real in [0, 0.999]",
)


@obligation("DR-APPLIED", equation="dare", type="equivalence")
@given(case=dare_inputs)
def test_dr_applied(kernel, case):
    """The merge is what its mask makes of it."""
    base, tuned, p, seed = kernel.receives(case, "base tuned p seed")
    merged, mask = kernel.dare(base, tuned, p, seed)
    expected = kernel.dare_rescale(base, tuned, mask, p)
    claim(approx(merged, expected))


@obligation("DR-EXACT", equation="dare", type="conservation")
@given(case=dr_exact_inputs)
def test_dr_exact(kernel, case):
    """On small whole numbers, where nothing rounds: base + (tuned - base) / (1 - p) where kept, base where dropped."""
    base, tuned, p, seed = kernel.receives(case, "base tuned p seed")
    N = case.N
    i = grid(N)
    merged, mask = kernel.dare(base, tuned, p, seed)
    claim(all[i](exact(merged[i] + 0, where(mask[i], base[i] + (tuned[i] - base[i]) / (1 - p), base[i]) + 0)))


@obligation("DR-DROPPED", equation="dare", type="conservation")
@given(case=dare_inputs)
def test_dr_dropped(kernel, case):
    """Where the change is dropped the base stays, bit for bit."""
    base, tuned, p, seed = kernel.receives(case, "base tuned p seed")
    N = case.N
    i = grid(N)
    merged, mask = kernel.dare(base, tuned, p, seed)
    claim(all[i](mask[i] | exact(merged[i], base[i])))


@obligation("DR-NOTHING", equation="dare", type="boundary")
@given(case=dr_nothing_inputs)
def test_dr_nothing(kernel, case):
    """p = 0 keeps everything."""
    base, tuned, p, seed = kernel.receives(case, "base tuned p seed")
    N = case.N
    i = grid(N)
    _, mask = kernel.dare(base, tuned, p, seed)
    claim(all[i](mask[i]))


@obligation("DR-BLIND", equation="dare", type="invariance")
@given(case=dr_blind_inputs)
def test_dr_blind(kernel, case):
    """The mask depends on seed, p and length, not on the values."""
    base, tuned, p, seed, other = kernel.receives(case, "base tuned p seed other")
    _, mask = kernel.dare(base, tuned, p, seed)
    _, mask_2 = kernel.dare(tuned, other, p, seed)
    claim(exact(mask, mask_2))


@obligation("DR-REPEAT", equation="dare", type="determinism")
@given(case=dare_inputs)
def test_dr_repeat(kernel, case):
    """The same seed gives the same merge."""
    base, tuned, p, seed = kernel.receives(case, "base tuned p seed")
    same_twice(lambda: kernel.dare(base, tuned, p, seed))


@obligation("DR-SHARE", equation="dare", type="statistical")
@given(case=dr_share_inputs)
def test_dr_share(kernel, case):
    """The share that is kept is 1 - p."""
    base, tuned, p, seed = kernel.receives(case, "base tuned p seed")
    N = case.N
    i = grid(N)
    _, mask = kernel.dare(base, tuned, p, seed)
    statistically(
        statistic=mean[i](int(mask[i])),
        expect=1 - p,
        variance=p * (1 - p),
        observations=N,
        detects=0.05,
        trials=10000,
        false_alarm=1e-09,
    )


@obligation("DR-FINE-SHARE", equation="dare", type="statistical")
@given(case=dr_fine_share_inputs)
def test_dr_fine_share(kernel, case):
    """A share is not rounded to whole percents: of p = 0.0049, 0.49 % of the changes are dropped."""
    base, tuned, p, seed = kernel.receives(case, "base tuned p seed")
    N = case.N
    i = grid(N)
    _, mask = kernel.dare(base, tuned, p, seed)
    statistically(
        statistic=mean[i](int(mask[i])),
        expect=1 - p,
        variance=p * (1 - p),
        observations=N,
        detects=0.004,
        trials=10000,
        false_alarm=1e-09,
    )


@obligation("DR-NARROW-SHARE", equation="dare", type="statistical", cost=4)
@given(case=dr_narrow_share_inputs)
def test_dr_narrow_share(kernel, case):
    """A share has more digits than bfloat16: of p = 0.002, two changes in a thousand are dropped, and of p = 0.998 two
    are kept."""
    base, tuned, p, seed = kernel.receives(case, "base tuned p seed")
    N = case.N
    i = grid(N)
    _, mask = kernel.dare(base, tuned, p, seed)
    statistically(
        statistic=mean[i](int(mask[i])),
        expect=1 - p,
        variance=p * (1 - p),
        observations=N,
        detects=0.0018,
        trials=10000,
        false_alarm=1e-09,
    )


@obligation("DR-UNBIASED", equation="dare", type="statistical")
@given(case=dr_unbiased_inputs)
def test_dr_unbiased(kernel, case):
    """The merge is tuned on average: (1 - p) (merged - tuned) / (tuned - base) has mean 0 and variance p (1 - p)."""
    base, tuned, p, seed = kernel.receives(case, "base tuned p seed")
    N = case.N
    i = grid(N)
    merged, _ = kernel.dare(base, tuned, p, seed)
    off = array[i]((1 - p) * (merged[i] - tuned[i]) / (tuned[i] - base[i]))
    statistically(
        statistic=mean[i](off[i]),
        expect=0,
        variance=p * (1 - p),
        observations=N,
        detects=0.05,
        trials=10000,
        false_alarm=1e-09,
    )


@obligation("DR-PLACES", equation="dare", type="statistical")
@given(case=dr_places_inputs)
def test_dr_places(kernel, case):
    """Places are independent: partners at a distance of 1, 2, 4, ... 4096 are uncorrelated."""
    base, tuned, p, seed, distance = kernel.receives(case, "base tuned p seed distance")
    N = case.N
    i = grid(N)
    _, mask = kernel.dare(base, tuned, p, seed)
    odd = array[i](int(mask[i]) - (1 - p))
    together = single(sum[i](odd[i] * odd[(i + distance) % N], where=i % (2 * distance) < distance))
    statistically(
        statistic=together / (N // 2),
        expect=0,
        variance=(p * (1 - p)) ** 2,
        observations=N // 2,
        detects=p * (1 - p) / 4,
        trials=10000,
        false_alarm=1e-09,
    )


@obligation("DR-COUNT", equation="dare", type="conservation", cost=3)
@given(case=dr_count_inputs)
def test_dr_count(kernel, case):
    """How many elements are kept is left to chance as well: of 16 seeds two at least keep different numbers of them."""
    base, tuned, p, seed = kernel.receives(case, "base tuned p seed")
    N = case.N
    i = grid(N)
    _, m0 = kernel.dare(base, tuned, p, seed)
    _, m1 = kernel.dare(base, tuned, p, seed + 1)
    _, m2 = kernel.dare(base, tuned, p, seed + 2)
    _, m3 = kernel.dare(base, tuned, p, seed + 3)
    _, m4 = kernel.dare(base, tuned, p, seed + 4)
    _, m5 = kernel.dare(base, tuned, p, seed + 5)
    _, m6 = kernel.dare(base, tuned, p, seed + 6)
    _, m7 = kernel.dare(base, tuned, p, seed + 7)
    _, m8 = kernel.dare(base, tuned, p, seed + 8)
    _, m9 = kernel.dare(base, tuned, p, seed + 9)
    _, m10 = kernel.dare(base, tuned, p, seed + 10)
    _, m11 = kernel.dare(base, tuned, p, seed + 11)
    _, m12 = kernel.dare(base, tuned, p, seed + 12)
    _, m13 = kernel.dare(base, tuned, p, seed + 13)
    _, m14 = kernel.dare(base, tuned, p, seed + 14)
    _, m15 = kernel.dare(base, tuned, p, seed + 15)
    n0 = single(sum[i](int(m0[i])))
    n1 = single(sum[i](int(m1[i])))
    n2 = single(sum[i](int(m2[i])))
    n3 = single(sum[i](int(m3[i])))
    n4 = single(sum[i](int(m4[i])))
    n5 = single(sum[i](int(m5[i])))
    n6 = single(sum[i](int(m6[i])))
    n7 = single(sum[i](int(m7[i])))
    n8 = single(sum[i](int(m8[i])))
    n9 = single(sum[i](int(m9[i])))
    n10 = single(sum[i](int(m10[i])))
    n11 = single(sum[i](int(m11[i])))
    n12 = single(sum[i](int(m12[i])))
    n13 = single(sum[i](int(m13[i])))
    n14 = single(sum[i](int(m14[i])))
    n15 = single(sum[i](int(m15[i])))
    least = single(min(min(n0, n1, n2, n3, n4, n5, n6, n7), min(n8, n9, n10, n11, n12, n13, n14, n15)))
    most = single(max(max(n0, n1, n2, n3, n4, n5, n6, n7), max(n8, n9, n10, n11, n12, n13, n14, n15)))
    claim(least < most)


@obligation("DR-NEAR-PLACES", equation="dare", type="conservation", cost=8)
@given(case=dr_near_places_inputs)
def test_dr_near_places(kernel, case):
    """At p = 1/2 two places agree as often as they differ, at each distance from 1 to 40: a right kernel is off by 531
    of 16,344 pairs once in 10^13 draws."""
    base, tuned, p, seed = kernel.receives(case, "base tuned p seed")
    N = case.N
    d, i = grid(40, N)
    _, mask = kernel.dare(base, tuned, p, seed)
    agree = array[d](sum[i](int(mask[i] == mask[(i + d + 1) % N]), where=i < N - 40))
    claim(all[d](abs(agree[d] - ratio(N - 40, 2)) <= 531))


@obligation("DR-SEEDS", equation="dare", type="statistical")
@given(case=dr_seeds_inputs)
def test_dr_seeds(kernel, case):
    """Masks of different seeds are independent, also of seeds that differ in one bit."""
    base, tuned, p, seed, step = kernel.receives(case, "base tuned p seed step")
    N = case.N
    i = grid(N)
    _, mask = kernel.dare(base, tuned, p, seed)
    _, mask_2 = kernel.dare(base, tuned, p, seed + step)
    statistically(
        statistic=mean[i]((int(mask[i]) - (1 - p)) * (int(mask_2[i]) - (1 - p))),
        expect=0,
        variance=(p * (1 - p)) ** 2,
        observations=N,
        detects=p * (1 - p) / 4,
        trials=10000,
        false_alarm=1e-09,
    )


@obligation("DR-RANGE", equation="dare", type="rejection")
@given(case=dr_range_inputs)
def test_dr_range(kernel, case):
    """p outside [0, 1) is refused: at 1 nothing is left to rescale."""
    base, tuned, seed, wrong = kernel.receives(case, "base tuned seed wrong")
    rejects(kernel, "dare", (base, tuned, wrong, seed), ValueError, mentions=["[0, 1)"])


@obligation("DR-NO-NUMBER", equation="dare", type="rejection")
@given(case=dr_no_number_inputs)
def test_dr_no_number(kernel, case):
    """A share that is no number, or infinite, is refused."""
    base, tuned, seed, wrong = kernel.receives(case, "base tuned seed wrong")
    rejects(kernel, "dare", (base, tuned, wrong, seed), ValueError, mentions=["[0, 1)"])


@obligation("DR-SEED-RANGE", equation="dare", type="rejection")
@given(case=dr_seed_range_inputs)
def test_dr_seed_range(kernel, case):
    """Seeds that the generators cannot tell apart are refused."""
    base, tuned, p, wrong = kernel.receives(case, "base tuned p wrong")
    rejects(kernel, "dare", (base, tuned, p, wrong), ValueError, mentions=["seed"])


@obligation("DR-SHAPES", equation="dare", type="rejection")
@given(case=dr_shapes_inputs)
def test_dr_shapes(kernel, case):
    """Vectors of different lengths are refused."""
    base, p, seed, other = kernel.receives(case, "base p seed other")
    rejects(kernel, "dare", (base, other, p, seed), ValueError, mentions=["length"])


@obligation("DR-RESCALE-SHAPES", equation="dare_rescale", type="rejection")
@given(case=dare_rescale_inputs)
def test_dr_rescale_shapes(kernel, case):
    """With a mask that is given, too, vectors of different lengths are refused."""
    base, mask, p, other = kernel.receives(case, "base mask p other")
    rejects(kernel, "dare_rescale", (base, other, mask, p), ValueError, mentions=["length"])


@obligation("DR-MASK-SHAPE", equation="dare_rescale", type="rejection")
@given(case=dr_mask_shape_inputs)
def test_dr_mask_shape(kernel, case):
    """A mask of another length than the vectors is refused."""
    base, tuned, p, other = kernel.receives(case, "base tuned p other")
    rejects(kernel, "dare_rescale", (base, tuned, other, p), ValueError, mentions=["mask"])


@obligation("DR-LARGE", equation="dare", type="conservation")
@given(case=dr_large_inputs)
def test_dr_large(kernel, case):
    """Vectors of tens of thousands of elements are merged to the last one, each part with a mask and the share of its
    own."""
    base, tuned, p, seed = kernel.receives(case, "base tuned p seed")
    N = case.N
    i = grid(N)
    merged, mask = kernel.dare(base, tuned, p, seed)
    rescaled = kernel.dare_rescale(base, tuned, mask, p)
    expected = spec.dare_rescale(base, tuned, mask, p)
    excess = single(sum[i](where(i >= 32768, int(mask[i]) - (1 - p), 0)))
    claim(approx(merged, rescaled))
    claim(approx(rescaled, expected))
    claim(truth(N < 65536) | truth(abs(excess) <= 0.05 * (N - 32768)) & any[i](mask[i] != mask[(i + 32768) % N], where=i < N - 32768))


@obligation("DR-DEF-DARE_RESCALE", equation="dare_rescale", type="definition")
@given(case=dr_def_dare_rescale_inputs)
def test_dr_def_dare_rescale(kernel, case):
    """dare_rescale computes its definition."""
    base, tuned, mask, p = kernel.receives(case, "base tuned mask p")
    merged = kernel.dare_rescale(base, tuned, mask, p)
    expected_merged = spec.dare_rescale(base, tuned, mask, p)
    claim(approx(merged, expected_merged))


@obligation("DR-FT-QUARTER", rule="DR-EXACT", type="falsification")
def test_dr_ft_quarter(kernel):
    """At p = 3/4 a change of 2 that is kept becomes 8: every element is 1 or 9."""
    case = example(
        {"base": "float[N]", "tuned": "float[N]", "p": "real", "seed": "int"},
        base=[1, 1, 1, 1, 1, 1, 1, 1],
        tuned=[3, 3, 3, 3, 3, 3, 3, 3],
        p=0.75,
        seed=11,
    )
    base, tuned, p, seed = kernel.receives(case, "base tuned p seed")
    N = case.N
    i = grid(N)
    merged, mask = kernel.dare(base, tuned, p, seed)
    claim(all[i](exact(merged[i], where(mask[i], 9, 1))))


@obligation("DR-FT-EVERYTHING", rule="DR-RANGE", type="falsification")
def test_dr_ft_everything(kernel):
    """p = 1 is refused: nothing is left to rescale."""
    case = example(
        {"base": "float[N]", "tuned": "float[N]", "p": "real", "seed": "int", "wrong": "real"},
        base=[1, 1],
        tuned=[3, 3],
        p=0.5,
        seed=1,
        wrong=1,
    )
    base, tuned, seed, wrong = kernel.receives(case, "base tuned seed wrong")
    rejects(kernel, "dare", (base, tuned, wrong, seed), ValueError, mentions=["[0, 1)"])
