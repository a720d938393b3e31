"""schedule/successive-halving: Successive halving.

Compiled from contracts/schedule/successive-halving-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 4c75cefdd2fdce4c738b09745f8a47e26be4f314ec6bab0f073bffa70091e6f6
"""

from albor_contracts.testing import (
    all, any, approx, argmin, array, cases, claim, count, defines, definitions, exact, example, given, grid, isfinite,
    max, obligation, rejects, single, truth, where,
)

CONTRACT = "schedule/successive-halving"


@defines("select(losses: f64[N], keep: int) -> kept: bool[N]")
def select(losses, keep):
    """the `keep` smallest losses; ties to the lower index, NaN and infinities last"""
    (N,) = losses.shape
    i, j = grid(N, N)
    worth = array[i](where(isfinite(losses[i]), losses[i], 1e+300))
    ahead = array[i](count[j]((worth[j] < worth[i]) | (worth[j] == worth[i]) & (j < i), where=j != i))
    kept = array[i](ahead[i] < keep)
    return kept


spec = definitions(
    CONTRACT,
    select,
    "rungs(configurations: int, reduction: int) -> last: int",
    "survivors(configurations: int, reduction: int, rung: int) -> kept: int",
    "rung_units(reduction: int, rung: int, first: int) -> units: int",
    "total_budget(configurations: int, reduction: int, first: int) -> total: int",
    "resumed_budget(configurations: int, reduction: int, first: int) -> total: int",
    "halving(losses: f64[K, N], reduction: int) -> winner: int, spent: int",
)

rungs_inputs = cases(
    configurations="int in [1, 100000]",
    reduction="int in [2, 7]",
)
survivors_inputs = cases(
    configurations="int in [1, inf)",
    reduction="int in [2, inf)",
    rung="int in [0, 1]",
)
rung_units_inputs = cases(
    reduction="int in [2, 6]",
    rung="int in [0, 12]",
    first="int in [1, 1000]",
)
total_budget_inputs = cases(
    configurations="int in [1, 3000]",
    reduction="int in [2, 6]",
    first="int in [1, 1000]",
)
shv_powers_inputs = cases(
    configurations="int in [1, 300] or {8, 27, 64, 81, 216, 625}",
    reduction="int in [2, 6]",
    first="int in [1, 1000]",
)
select_inputs = cases(
    dims={"N": "1..33"},
    work={"N * N": 2**18},
    losses="f64[N] in [-8, 8] or {inf, nan}",
    keep="int in [0, N]",
)
shv_ties_inputs = cases(
    dims={"N": "17..33"},
    losses="f64[N] in {0, 1, nan}",
    keep="int in [0, N]",
)
halving_inputs = cases(
    dims={"K": "6", "N": "1..32"},
    losses="f64[K, N] in [-8, 8]",
    reduction="int in [2, 5]",
    leader="int in [0, N - 1]",
)
shv_same_ranks_inputs = cases(
    dims={"K": "6", "N": "1..32"},
    losses="f64[K, N] in [-8, 8]",
    reduction="int in [2, 5]",
)
shv_refuses_inputs = cases(
    configurations="int in [1, 3000]",
    reduction="int in [2, 6]",
    first="int in [1, 1000]",
    which="int in [0, 2]",
    bad="int in [-2, 0]",
)
shv_refuses_short_table_inputs = cases(
    dims={"K": "3", "N": "5..32"},
    losses="f64[K, N] in [-8, 8]",
    reduction="int in {2}",
)
shv_refuses_rungs_inputs = cases(
    configurations="int in [1, 100000]",
    reduction="int in [2, 10]",
    which="int in [0, 1]",
    bad="int in [-2, 0]",
)
shv_refuses_survivors_inputs = cases(
    configurations="int in [1, 100000]",
    reduction="int in [2, 6]",
    rung="int in [0, 12]",
    which="int in [0, 2]",
    bad="int in [-2, 0]",
)
shv_refuses_units_inputs = cases(
    reduction="int in [2, 6]",
    rung="int in [0, 12]",
    first="int in [1, 1000]",
    which="int in [0, 2]",
    bad="int in [-2, 0]",
)
shv_refuses_reduction_inputs = cases(
    dims={"K": "6", "N": "1..3"},
    losses="f64[K, N] in [-8, 8]",
    reduction="int in [2, 5]",
    bad="int in [-1, 1]",
)
shv_refuses_keep_inputs = cases(
    dims={"N": "1..5"},
    losses="f64[N] in [-8, 8] or {inf, nan}",
    keep="int in [0, N]",
    below="bool",
    beyond="int in [1, 3]",
)
shv_large_budgets_inputs = cases(
    configurations="int in [1000, 100000]",
    reduction="int in [2, 6]",
    first="int in [10000000, 10000000000000000]",
)
shv_not_finite_inputs = cases(
    dims={"N": "2..20"},
    losses="f64[N] in {0, 1, inf, -inf, nan}",
    keep="int in [0, N]",
)
shv_alike_inputs = cases(
    dims={"K": "6", "N": "1..32"},
    losses="f64[K, N] in {0, 1, 2, 3, inf, -inf, nan}",
    reduction="int in [2, 5]",
)
shv_def_select_inputs = cases(
    dims={"N": "1..33"},
    losses="f64[N] in [-8, 8] or {inf, nan}",
    keep="int in [0, N]",
)


@obligation("SHV-LAST-RUNG", equation="rungs", type="bound")
@given(case=rungs_inputs)
def test_shv_last_rung(kernel, case):
    """One configuration is left in the last rung, and more in the one before; whole powers of eta need their
    exponent."""
    configurations, reduction = kernel.receives(case, "configurations reduction")
    last = kernel.rungs(configurations, reduction)
    square = reduction * reduction
    cube = square * reduction
    claim(kernel.survivors(configurations, reduction, last) == 1)
    claim(truth(last == 0) | truth(kernel.survivors(configurations, reduction, max(0, last - 1)) > 1))
    claim(kernel.rungs(square, reduction) == 2)
    claim(kernel.rungs(cube, reduction) == 3)
    claim(kernel.rungs(square * cube, reduction) == 5)


@obligation("SHV-COMPOSE", equation="survivors", type="equivalence")
@given(case=survivors_inputs)
def test_shv_compose(kernel, case):
    """Rung 0 has all; each further rung a part of them, rounded up; rounding up in turn is rounding up once."""
    configurations, reduction, rung = kernel.receives(case, "configurations reduction rung")
    kept = kernel.survivors(configurations, reduction, rung)
    next_kept = kernel.survivors(configurations, reduction, rung + 1)
    claim(kernel.survivors(configurations, reduction, 0) == configurations)
    claim(next_kept * reduction >= kept)
    claim((next_kept - 1) * reduction < kept)
    claim(kernel.survivors(kept, reduction, 1) == next_kept)


@obligation("SHV-UNITS", equation="rung_units", type="conservation")
@given(case=rung_units_inputs)
def test_shv_units(kernel, case):
    """Rung 0 trains for the first units, and each further rung eta times as long."""
    reduction, rung, first = kernel.receives(case, "reduction rung first")
    claim(kernel.rung_units(reduction, 0, first) == first)
    claim(kernel.rung_units(reduction, rung + 1, first) == reduction * kernel.rung_units(reduction, rung, first))


@obligation("SHV-EXACT", equation="total_budget", type="conservation")
@given(case=total_budget_inputs)
def test_shv_exact(kernel, case):
    """The first rung costs N first; the rest is a search of its survivors that begins with eta times the units."""
    configurations, reduction, first = kernel.receives(case, "configurations reduction first")
    left = kernel.survivors(configurations, reduction, 1)
    rest = single(where(configurations == 1, 0, kernel.total_budget(left, reduction, reduction * first)))
    claim(kernel.total_budget(configurations, reduction, first) == configurations * first + rest)


@obligation("SHV-POWERS", equation="total_budget", type="bound")
@given(case=shv_powers_inputs)
def test_shv_powers(kernel, case):
    """Every rung costs at least N first; all of them together cost just that if, and only if, N is a power of eta."""
    configurations, reduction, first = kernel.receives(case, "configurations reduction first")
    last = kernel.rungs(configurations, reduction)
    total = kernel.total_budget(configurations, reduction, first)
    plain = (last + 1) * configurations * first
    claim(total >= plain)
    claim((total == plain) == (kernel.rung_units(reduction, last, 1) == configurations))


@obligation("SHV-RESUMED", equation="resumed_budget", type="conservation")
@given(case=total_budget_inputs)
def test_shv_resumed(kernel, case):
    """Going on from a checkpoint saves, for each survivor of a rung, the units it has already had."""
    configurations, reduction, first = kernel.receives(case, "configurations reduction first")
    left = kernel.survivors(configurations, reduction, 1)
    rest = single(where(configurations == 1, 0, kernel.resumed_budget(left, reduction, reduction * first) - left * first))
    claim(kernel.resumed_budget(configurations, reduction, first) == configurations * first + rest)
    claim(kernel.resumed_budget(configurations, reduction, first) <= kernel.total_budget(configurations, reduction, first))


@obligation("SHV-BEST-KEPT", equation="select", type="ordering")
@given(case=select_inputs)
def test_shv_best_kept(kernel, case):
    """Exactly so many are kept, none of them worse than one that is dropped, and no finite loss falls for one that is
    not."""
    losses, keep = kernel.receives(case, "losses keep")
    N = case.N
    i, j = grid(N, N)
    kept = kernel.select(losses, keep)
    claim(count[i](kept[i]) == keep)
    claim(all[i, j](~(kept[i] & ~kept[j]) | isfinite(losses[i]) & ~(losses[j] < losses[i]) | ~isfinite(losses[j])))


@obligation("SHV-TIES", equation="select", type="equivalence")
@given(case=shv_ties_inputs)
def test_shv_ties(kernel, case):
    """Equal losses keep the lower index, however many are equal, and so do losses that are NaN."""
    losses, keep = kernel.receives(case, "losses keep")
    kept = kernel.select(losses, keep)
    expected = spec.select(losses, keep)
    claim(exact(kept, expected))


@obligation("SHV-LEADER-WINS", equation="halving", type="ordering")
@given(case=halving_inputs)
def test_shv_leader_wins(kernel, case):
    """A configuration that has the smallest loss in every rung wins; so does one that survives the first rung and leads
    from then on."""
    losses, reduction, leader = kernel.receives(case, "losses reduction leader")
    K, N = case.K, case.N
    k, i = grid(K, N)
    led = array[k, i](where(i == leader, -9, losses[k, i]))
    winner, _ = kernel.halving(led, reduction)
    seen = array[i](losses[0, i])
    kept = kernel.select(seen, kernel.survivors(N, reduction, 1))
    late = array[k, i](where((k > 0) & (i == leader), -9, losses[k, i]))
    second, _ = kernel.halving(late, reduction)
    stayed = single(any[i]((i == leader) & kept[i]))
    claim(winner == leader)
    claim(~truth(stayed) | truth(second == leader))


@obligation("SHV-SAME-RANKS", equation="halving", type="boundary")
@given(case=shv_same_ranks_inputs)
def test_shv_same_ranks(kernel, case):
    """Where every rung shows the same losses, the best of all wins."""
    losses, reduction = kernel.receives(case, "losses reduction")
    K, N = case.K, case.N
    i, k = grid(N, K)
    same = array[k, i](losses[0, i] + 0 * losses[k, i])
    winner, _ = kernel.halving(same, reduction)
    claim(winner == argmin[i](losses[0, i]))


@obligation("SHV-BLIND", equation="halving", type="conservation")
@given(case=shv_same_ranks_inputs)
def test_shv_blind(kernel, case):
    """What a dropped configuration would have reached later does not matter."""
    losses, reduction = kernel.receives(case, "losses reduction")
    K, N = case.K, case.N
    i, k = grid(N, K)
    seen = array[i](losses[0, i])
    kept = kernel.select(seen, kernel.survivors(N, reduction, 1))
    other = array[k, i](where((k > 0) & ~kept[i], -9, losses[k, i]))
    winner, _ = kernel.halving(losses, reduction)
    again, _ = kernel.halving(other, reduction)
    claim(winner == again)


@obligation("SHV-PAID", equation="halving", type="conservation")
@given(case=shv_same_ranks_inputs)
def test_shv_paid(kernel, case):
    """The search spends its budget, to the unit."""
    losses, reduction = kernel.receives(case, "losses reduction")
    N = case.N
    _, spent = kernel.halving(losses, reduction)
    claim(spent == kernel.total_budget(N, reduction, 1))


@obligation("SHV-REFUSES", equation="total_budget", type="rejection")
@given(case=shv_refuses_inputs)
def test_shv_refuses(kernel, case):
    """No configuration, no units, or a reduction that reduces nothing is refused."""
    configurations, reduction, first, which, bad = kernel.receives(case, "configurations reduction first which bad")
    n = single(where(which == 0, bad, configurations))
    eta = single(where(which == 1, bad + 1, reduction))
    unit = single(where(which == 2, bad, first))
    rejects(kernel, "total_budget", (n, eta, unit), ValueError, mentions=["must be at least"])


@obligation("SHV-REFUSES-SHORT-TABLE", equation="halving", type="rejection")
@given(case=shv_refuses_short_table_inputs)
def test_shv_refuses_short_table(kernel, case):
    """A table without the rungs that the search needs is refused."""
    losses, reduction = kernel.receives(case, "losses reduction")
    rejects(kernel, "halving", (losses, reduction), ValueError, mentions=["rungs"])


@obligation("SHV-REFUSES-RUNGS", equation="rungs", type="rejection")
@given(case=shv_refuses_rungs_inputs)
def test_shv_refuses_rungs(kernel, case):
    """Rungs of no configuration, or of a reduction that reduces nothing, are refused."""
    configurations, reduction, which, bad = kernel.receives(case, "configurations reduction which bad")
    bad_configurations = single(where(which == 0, bad, configurations))
    bad_reduction = single(where(which == 1, bad + 1, reduction))
    rejects(kernel, "rungs", (bad_configurations, bad_reduction), ValueError, mentions=["must be at least"])


@obligation("SHV-REFUSES-SURVIVORS", equation="survivors", type="rejection")
@given(case=shv_refuses_survivors_inputs)
def test_shv_refuses_survivors(kernel, case):
    """Survivors of no configuration, of a reduction that reduces nothing, or in a rung before the first, are
    refused."""
    configurations, reduction, rung, which, bad = kernel.receives(case, "configurations reduction rung which bad")
    bad_configurations = single(where(which == 0, bad, configurations))
    bad_reduction = single(where(which == 1, bad + 1, reduction))
    bad_rung = single(where(which == 2, bad - 1, rung))
    rejects(
        kernel,
        "survivors",
        (bad_configurations, bad_reduction, bad_rung),
        ValueError,
        mentions=["must be at least"],
    )


@obligation("SHV-REFUSES-UNITS", equation="rung_units", type="rejection")
@given(case=shv_refuses_units_inputs)
def test_shv_refuses_units(kernel, case):
    """No units, a reduction that reduces nothing, and a rung before the first are refused."""
    reduction, rung, first, which, bad = kernel.receives(case, "reduction rung first which bad")
    bad_first = single(where(which == 0, bad, first))
    bad_reduction = single(where(which == 1, bad + 1, reduction))
    bad_rung = single(where(which == 2, bad - 1, rung))
    rejects(kernel, "rung_units", (bad_reduction, bad_rung, bad_first), ValueError, mentions=["must be at least"])


@obligation("SHV-REFUSES-RESUMED", equation="resumed_budget", type="rejection")
@given(case=shv_refuses_inputs)
def test_shv_refuses_resumed(kernel, case):
    """A search that goes on from checkpoints, too, needs configurations, units and a reduction."""
    configurations, reduction, first, which, bad = kernel.receives(case, "configurations reduction first which bad")
    bad_configurations = single(where(which == 0, bad, configurations))
    bad_reduction = single(where(which == 1, bad + 1, reduction))
    bad_first = single(where(which == 2, bad, first))
    rejects(
        kernel,
        "resumed_budget",
        (bad_configurations, bad_reduction, bad_first),
        ValueError,
        mentions=["must be at least"],
    )


@obligation("SHV-REFUSES-REDUCTION", equation="halving", type="rejection")
@given(case=shv_refuses_reduction_inputs)
def test_shv_refuses_reduction(kernel, case):
    """A search that drops nobody is refused, of one configuration as well."""
    losses, bad = kernel.receives(case, "losses bad")
    rejects(kernel, "halving", (losses, bad), ValueError, mentions=["reduction"])


@obligation("SHV-REFUSES-KEEP", equation="select", type="rejection")
@given(case=shv_refuses_keep_inputs)
def test_shv_refuses_keep(kernel, case):
    """To keep more than there are, or fewer than none, is refused."""
    losses, below, beyond = kernel.receives(case, "losses below beyond")
    N = case.N
    wrong = single(where(below, -beyond, N + beyond))
    rejects(kernel, "select", (losses, wrong), ValueError, mentions=["keep"])


@obligation("SHV-LARGE-BUDGETS", equation="total_budget", type="homogeneity")
@given(case=shv_large_budgets_inputs)
def test_shv_large_budgets(kernel, case):
    """The units of the first rung are a factor of the budget, however many they are: tokens by the billion, and budgets
    beyond 2^63."""
    configurations, reduction, first = kernel.receives(case, "configurations reduction first")
    claim(kernel.total_budget(configurations, reduction, first) == first * kernel.total_budget(configurations, reduction, 1))


@obligation("SHV-LARGE-RESUMED", equation="resumed_budget", type="homogeneity")
@given(case=shv_large_budgets_inputs)
def test_shv_large_resumed(kernel, case):
    """The units of the first rung are a factor of the budget that goes on from checkpoints, too, however many they
    are."""
    configurations, reduction, first = kernel.receives(case, "configurations reduction first")
    claim(kernel.resumed_budget(configurations, reduction, first) == first * kernel.resumed_budget(configurations, reduction, 1))


@obligation("SHV-NOT-FINITE", equation="select", type="equivalence")
@given(case=shv_not_finite_inputs)
def test_shv_not_finite(kernel, case):
    """Infinity, minus infinity and NaN are one and the same largest loss: finite losses come first, then the lower
    index."""
    losses, keep = kernel.receives(case, "losses keep")
    kept = kernel.select(losses, keep)
    expected = spec.select(losses, keep)
    claim(exact(kept, expected))


@obligation("SHV-ALIKE", equation="halving", type="invariance")
@given(case=shv_alike_inputs)
def test_shv_alike(kernel, case):
    """Which of infinity, minus infinity and NaN a diverged configuration shows does not matter."""
    losses, reduction = kernel.receives(case, "losses reduction")
    K, N = case.K, case.N
    k, i = grid(K, N)
    plain = array[k, i](where(isfinite(losses[k, i]), losses[k, i], 1000))
    winner, spent = kernel.halving(losses, reduction)
    expected, paid = kernel.halving(plain, reduction)
    claim(winner == expected)
    claim(spent == paid)


@obligation("SHV-DEF-SELECT", equation="select", type="definition")
@given(case=shv_def_select_inputs)
def test_shv_def_select(kernel, case):
    """select computes its definition."""
    losses, keep = kernel.receives(case, "losses keep")
    kept = kernel.select(losses, keep)
    expected_kept = spec.select(losses, keep)
    claim(approx(kept, expected_kept))


@obligation("SHV-PREDICTS-27", rule="SHV-POWERS", type="falsification")
def test_shv_predicts_27(kernel):
    """27 configurations by 3: rungs of 27, 9, 3, 1, four times 27 units. 28 need a fifth rung and 121 units more."""
    case = example(
        {"configurations": "int", "reduction": "int", "first": "int"},
        configurations=27,
        reduction=3,
        first=1,
    )
    configurations, reduction, first = kernel.receives(case, "configurations reduction first")
    claim(kernel.total_budget(configurations, reduction, first) == 108)
    claim(kernel.rungs(28, 3) == 4)
    claim(kernel.total_budget(28, 3, 1) == 28 + 30 + 36 + 54 + 81)


@obligation("SHV-PREDICTS-LOGARITHM", rule="SHV-LAST-RUNG", type="falsification")
def test_shv_predicts_logarithm(kernel):
    """125 by 5 is 3 rungs and 1000 by 10 as well, although their quotients of logarithms are 3.0000000000000004 and
    2.9999999999999996."""
    case = example({"configurations": "int", "reduction": "int"}, configurations=125, reduction=5)
    configurations, reduction = kernel.receives(case, "configurations reduction")
    claim(kernel.rungs(configurations, reduction) == 3)
    claim(kernel.rungs(1000, 10) == 3)
    claim(kernel.rungs(1, 2) == 0)
    claim(kernel.rungs(1001, 10) == 4)


@obligation("SHV-PREDICTS-SLOW", rule="SHV-BLIND", type="falsification")
def test_shv_predicts_slow(kernel):
    """A configuration that is worst at first and best by far at the end is lost, and so is one whose loss becomes
    NaN."""
    case = example(
        {"losses": "f64[K, N]", "reduction": "int"},
        losses=[[4, 3, 2, 9], [4, float("nan"), 2, -8], [4, float("nan"), 2, -8], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]],
        reduction=2,
    )
    losses, reduction = kernel.receives(case, "losses reduction")
    winner, spent = kernel.halving(losses, reduction)
    claim(winner == 2)
    claim(spent == 12)


@obligation("SHV-PREDICTS-TWO", rule="SHV-RESUMED", type="falsification")
def test_shv_predicts_two(kernel):
    """Two configurations by 3 at 5 units: 10, and 10 more for the one that goes on to 15; from the start it would be 15
    more."""
    case = example(
        {"configurations": "int", "reduction": "int", "first": "int"},
        configurations=2,
        reduction=3,
        first=5,
    )
    configurations, reduction, first = kernel.receives(case, "configurations reduction first")
    claim(kernel.resumed_budget(configurations, reduction, first) == 20)
    claim(kernel.total_budget(configurations, reduction, first) == 25)
