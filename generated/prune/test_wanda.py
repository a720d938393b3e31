"""prune/wanda: Wanda pruning.

Compiled from contracts/prune/wanda-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 390ca955a7b499eda1eb361502cc3076c329b179d3eaf7737fc4fb3890a7805d
"""

from albor_contracts.testing import (
    abs, all, approx, array, cases, claim, count, defines, definitions, dot, exact, example, given, grid, independent,
    obligation, ratio, rejects, single, sqrt, sum, truth, where,
)

CONTRACT = "prune/wanda"


@defines("wanda(w: float[R, C], x: float[T, C], num: int, den: int) -> pruned: float[R, C], mask: bool[R, C]")
def wanda(w, x, num, den):
    """each row of w loses its floor(num C / den) lowest scores |w| |x column|"""
    R, C = w.shape
    T = x.shape[0]
    t, c, r, d = grid(T, C, R, C)
    norm = array[c](sqrt(dot[t](x[t, c], x[t, c])))
    score = array[r, c](abs(w[r, c]) * norm[c])
    lower = array[r, c](count[d]((score[r, d] < score[r, c]) | (score[r, d] == score[r, c]) & (d < c), where=d != c))
    mask = array[r, c](lower[r, c] >= num * C // den)
    pruned = array[r, c](where(mask[r, c], w[r, c], 0))
    return pruned, mask


@defines("magnitude(w: float[R, C], num: int, den: int) -> pruned: float[R, C], mask: bool[R, C]")
def magnitude(w, num, den):
    """each row of w loses its floor(num C / den) lowest |w|"""
    R, C = w.shape
    r, d, c = grid(R, C, C)
    lower = array[r, c](count[d]((abs(w[r, d]) < abs(w[r, c])) | (abs(w[r, d]) == abs(w[r, c])) & (d < c), where=d != c))
    mask = array[r, c](lower[r, c] >= num * C // den)
    pruned = array[r, c](where(mask[r, c], w[r, c], 0))
    return pruned, mask


@defines(
    "prune_layers(w: float[L, R, C], x: float[L, T, C], excluded: bool[L], num: int, den: int)"
    " -> pruned: float[L, R, C]"
)
def prune_layers(w, x, excluded, num, den):
    """wanda on every layer that is not excluded"""
    L, R, C = w.shape
    T = x.shape[1]
    l, t, c, r, d = grid(L, T, C, R, C)
    norm = array[l, c](sqrt(dot[t](x[l, t, c], x[l, t, c])))
    score = array[l, r, c](abs(w[l, r, c]) * norm[l, c])
    lower = array[l, r, c](count[d]((score[l, r, d] < score[l, r, c]) | (score[l, r, d] == score[l, r, c]) & (d < c), where=d != c))
    pruned = array[l, r, c](where(excluded[l] | (lower[l, r, c] >= num * C // den), w[l, r, c], 0))
    return pruned


@defines("prune_count(columns: int, num: int, den: int) -> k: int")
def prune_count(columns, num, den):
    """k = floor(num columns / den)"""
    k = num * columns // den
    return k


spec = definitions(
    CONTRACT,
    wanda,
    magnitude,
    prune_layers,
    prune_count,
    "sparsity_ratio(sparsity: real) -> num: int, den: int",
)

wanda_inputs = cases(
    dims={"R": "1..5", "C": "1..129", "T": "1..9"},
    w="float[R, C] in [-64, 64]",
    x="float[T, C] in [-64, 64]",
    num="int in [0, den]",
    den="int in [1, 64]",
)
magnitude_inputs = cases(
    dims={"R": "1..5", "C": "1..129"},
    w="float[R, C] in [-64, 64]",
    num="int in [0, den]",
    den="int in [1, 64]",
)
wa_ties_inputs = cases(
    dims={"R": "1..5", "C": "1..65", "T": "1, 4, 16"},
    w="float[R, C] in {-4, -3, -2, -1, 0, 1, 2, 3, 4}",
    x="float[T, C] in [-64, 64]",
    num="int in [0, den]",
    den="int in [1, 64]",
    size="float[C] in {1, 2, 4}",
)
wa_order_inputs = cases(
    dims={"R": "1..5", "C": "1..129", "T": "1..9"},
    work={"C * R * C": 2**18},
    w="float[R, C] in [-64, 64]",
    x="float[T, C] in [-64, 64]",
    num="int in [0, den]",
    den="int in [1, 64]",
)
wa_damage_inputs = cases(
    dims={"R": "1..5", "C": "1..33", "T": "1..9"},
    work={"R * C * T": 2**18, "R * T": 2**18, "R * T * C": 2**18},
    w="float[R, C] in [-64, 64]",
    x="float[T, C] in [-64, 64]",
    num="int in [0, den]",
    den="int in [1, 64]",
)
wa_equal_norms_inputs = cases(
    dims={"R": "1..5", "C": "1..65", "T": "1, 4, 16"},
    w="float[R, C] in [-64, 64]",
    num="int in [0, den]",
    den="int in [1, 64]",
    size="real in {0.25, 1, 2}",
    x="float[T, C] in {1}",
)
wa_scales_inputs = cases(
    dims={"R": "1..5", "C": "1..65", "T": "1..9"},
    w="float[R, C] in [-64, 64]",
    x="float[T, C] in [-64, 64]",
    num="int in [0, den]",
    den="int in [1, 64]",
    row="float[R] in {0.5, 1, 2, 8}",
    all_x="real in {0.25, 4}",
    column="float[C] in {0.5, 1, 2}",
)
wa_columns_inputs = cases(
    dims={"R": "1..5", "C": "1..129", "T": "1..9"},
    w="float[R, C] in [-64, -0.001] or [0.001, 64]",
    x="float[T, C] in [-64, -0.001] or [0.001, 64]",
    num="int in [0, den]",
    den="int in [1, 64]",
    order="permutation[C]",
)
wa_rows_inputs = cases(
    dims={"R": "2..5", "C": "1..65", "T": "1..9"},
    work={"R * R": 2**18},
    w="float[R, C] in [-64, 64]",
    x="float[T, C] in [-64, 64]",
    num="int in [0, den]",
    den="int in [1, 64]",
    other_w="float[R, C] in [-64, 64]",
)
prune_layers_inputs = cases(
    dims={"R": "1..3", "C": "1..33", "T": "1..5", "L": "1..4"},
    w="float[L, R, C] in [-64, 64]",
    x="float[L, T, C] in [-64, 64]",
    excluded="bool[L]",
    num="int in [0, den]",
    den="int in [1, 64]",
)
wa_layers_inputs = cases(
    dims={"R": "1..3", "C": "1..33", "T": "1..5", "L": "1..4"},
    w="float[L, R, C] in [-64, 64]",
    x="float[L, T, C] in [-64, 64]",
    excluded="bool[L]",
    num="int in [0, den]",
    den="int in [1, 64]",
    layer="int in [0, L)",
)
prune_count_inputs = cases(
    columns="int in [0, 100000]",
    num="int in [0, den]",
    den="int in [1, 1000]",
)
wa_whole_inputs = cases(
    columns="int in [0, 100000]",
    num="int in [0, den]",
    den="int in [1, 1000]",
    j="int in [1, 100]",
)
sparsity_ratio_inputs = cases(
    sparsity="real in [0, 1]",
    k="int in [0, 1000]",
)
wa_ratio_inputs = cases(
    dims={"R": "1..5", "C": "1..129", "T": "1..9"},
    w="float[R, C] in [-64, 64]",
    x="float[T, C] in [-64, 64]",
    num="int in [0, den]",
    den="int in [1, 64]",
    below="int in [-9, -1]",
    over="bool",
)
wa_shapes_inputs = cases(
    dims={"R": "1..5", "C": "1..129", "T": "1..9", "W": "1..129"},
    assume=("W != C",),
    w="float[R, C] in [-64, 64]",
    x="float[T, C] in [-64, 64]",
    num="int in [0, den]",
    den="int in [1, 64]",
    other="float[T, W] in [-64, 64]",
)
wa_layers_shapes_inputs = cases(
    dims={"R": "1..2", "C": "1..5", "T": "1..2", "L": "1..4", "M": "1..4"},
    assume=("M != L",),
    w="float[L, R, C] in [-64, 64]",
    x="float[L, T, C] in [-64, 64]",
    excluded="bool[L]",
    num="int in [0, den]",
    den="int in [1, 64]",
    other="float[M, T, C] in [-64, 64]",
)
wa_no_columns_inputs = cases(
    columns="int in [0, 100000]",
    num="int in [0, den]",
    den="int in [1, 1000]",
    wrong="int in [-2, -1]",
)
wa_sparsity_inputs = cases(
    sparsity="real in [0, 1]",
    wrong="real in [-0.9, -0.001] or [1.001, 1.9]",
)
wa_wide_inputs = cases(
    dims={"R": "1..2", "C": "1200", "T": "1..2"},
    w="float[R, C] in [-64, 64]",
    x="float[T, C] in [-64, 64]",
    num="int in [0, den]",
    den="int in [1, 64]",
)
wa_many_inputs_inputs = cases(
    dims={"R": "1..2", "C": "8, 16, 64, 128", "T": "32, 33, 64, 128, 256, 300"},
    assume=("T * C <= 8192",),
    elements=38530,
    w="float[R, C] in [-64, 64]",
    x="float[T, C] in [-64, 64]",
    num="int in [0, den]",
    den="int in [1, 64]",
)
wa_many_digits_inputs = cases(
    sparsity="real in [0, 1]",
    k="int in [0, 1000000]",
    j="int in [0, 10000]",
    sixteenths="int in [0, 16]",
)
wa_many_rows_inputs = cases(
    dims={"R": "9, 17, 40, 130", "C": "2, 5, 16", "T": "1..2"},
    w="float[R, C] in [-64, 64]",
    x="float[T, C] in [-64, 64]",
    num="int in [0, den]",
    den="int in [1, 64]",
)
wa_many_rows_layers_inputs = cases(
    dims={"R": "1, 9, 33", "C": "2, 5", "T": "1..2", "L": "1, 5, 9"},
    w="float[L, R, C] in [-64, 64]",
    x="float[L, T, C] in [-64, 64]",
    excluded="bool[L]",
    num="int in [0, den]",
    den="int in [1, 64]",
)
wa_hundredths_inputs = cases(
    dims={"R": "1..2", "C": "100", "T": "1..2"},
    w="float[R, C] in [-64, 64]",
    x="float[T, C] in [-64, 64]",
    num="int in {29, 57, 58}",
    den="int in {100}",
)
wa_hundredths_plain_inputs = cases(
    dims={"R": "1..2", "C": "100"},
    w="float[R, C] in [-64, 64]",
    num="int in {29, 57, 58}",
    den="int in {100}",
)
wa_hundredths_layers_inputs = cases(
    dims={"R": "1..2", "C": "100", "T": "1..2", "L": "1..2"},
    w="float[L, R, C] in [-64, -1] or [1, 64]",
    x="float[L, T, C] in [-64, 64]",
    excluded="bool[L]",
    num="int in {29, 57, 58}",
    den="int in {100}",
)


@obligation("WA-COUNT", equation="wanda", type="conservation")
@given(case=wanda_inputs)
def test_wa_count(kernel, case):
    """Every row loses exactly floor(num C / den) weights, for every ratio from 0 to 1."""
    w, x, num, den = kernel.receives(case, "w x num den")
    R, C = case.R, case.C
    r, c = grid(R, C)
    _, mask = kernel.wanda(w, x, num, den)
    _, plain_mask = kernel.magnitude(w, num, den)
    claim(all[r](exact(count[c](~mask[r, c]), num * C // den)))
    claim(all[r](exact(count[c](~plain_mask[r, c]), num * C // den)))


@obligation("WA-BITS", equation="wanda", type="conservation")
@given(case=wanda_inputs)
def test_wa_bits(kernel, case):
    """Kept weights keep their bits, minus zero included; pruned ones are +0."""
    w, x, num, den = kernel.receives(case, "w x num den")
    R, C = case.R, case.C
    r, c = grid(R, C)
    pruned, mask = kernel.wanda(w, x, num, den)
    claim(all[r, c](exact(pruned[r, c], where(mask[r, c], w[r, c], 0))))


@obligation("WA-BITS-MAGNITUDE", equation="magnitude", type="conservation")
@given(case=magnitude_inputs)
def test_wa_bits_magnitude(kernel, case):
    """The same by magnitude alone."""
    w, num, den = kernel.receives(case, "w num den")
    R, C = case.R, case.C
    r, c = grid(R, C)
    pruned, mask = kernel.magnitude(w, num, den)
    claim(all[r, c](exact(pruned[r, c], where(mask[r, c], w[r, c], 0))))


@obligation("WA-TIES", equation="wanda", type="equivalence")
@given(case=wa_ties_inputs)
def test_wa_ties(kernel, case):
    """Equal scores prune the lower column first: exact on whole weights and norms, where equal means equal."""
    w, x, num, den, size = kernel.receives(case, "w x num den size")
    C, T = case.C, case.T
    c, t = grid(C, T)
    even = array[t, c](size[c] + 0 * x[t, c])
    _, mask = kernel.wanda(w, even, num, den)
    _, expected = spec.wanda(w, even, num, den)
    claim(exact(mask, expected))


@obligation("WA-ORDER", equation="wanda", type="ordering")
@given(case=wa_order_inputs)
def test_wa_order(kernel, case):
    """Within a row no pruned weight has a higher score than a kept one."""
    w, x, num, den = kernel.receives(case, "w x num den")
    R, C, T = case.R, case.C, case.T
    t, c, r, d = grid(T, C, R, C)
    _, mask = kernel.wanda(w, x, num, den)
    norm = array[c](sqrt(dot[t](x[t, c], x[t, c])))
    claim(all[r, c, d](mask[r, c] | ~mask[r, d] | (abs(w[r, c]) * norm[c] <= abs(w[r, d]) * norm[d])))


@obligation("WA-DAMAGE", equation="wanda", type="conservation")
@given(case=wa_damage_inputs)
def test_wa_damage(kernel, case):
    """Removing one weight a row: no other single removal would change that row's outputs on x less."""
    w, x = kernel.receives(case, "w x")
    R, C, T = case.R, case.C, case.T
    r, c, t, d = grid(R, C, T, C)
    pruned, _ = kernel.wanda(w, x, 1, C)
    lost = array[r, t](dot[c](w[r, c] - pruned[r, c], x[t, c]))
    damage = array[r](sqrt(dot[t](lost[r, t], lost[r, t])))
    claim(all[r, d](damage[r] <= sqrt(sum[t]((w[r, d] * x[t, d]) ** 2))))


@obligation("WA-EQUAL-NORMS", equation="magnitude", type="equivalence")
@given(case=wa_equal_norms_inputs)
def test_wa_equal_norms(kernel, case):
    """Where all inputs have the same norm, Wanda is pruning by magnitude."""
    w, num, den, size, x = kernel.receives(case, "w num den size x")
    C, T = case.C, case.T
    t, c = grid(T, C)
    even = array[t, c](size * x[t, c])
    _, mask = kernel.wanda(w, even, num, den)
    _, plain_mask = kernel.magnitude(w, num, den)
    claim(exact(mask, plain_mask))


@obligation("WA-SCALES", equation="wanda", type="invariance")
@given(case=wa_scales_inputs)
def test_wa_scales(kernel, case):
    """The mask does not change when rows of w, or all of x, are scaled, nor when a column's scale moves from w to x."""
    w, x, num, den, row, all_x, column = kernel.receives(case, "w x num den row all_x column")
    R, C, T = case.R, case.C, case.T
    r, c, t = grid(R, C, T)
    _, mask = kernel.wanda(w, x, num, den)
    w_2 = array[r, c](row[r] * column[c] * w[r, c])
    x_2 = array[t, c](all_x * x[t, c] / column[c])
    _, mask_2 = kernel.wanda(w_2, x_2, num, den)
    claim(approx(mask, mask_2))


@obligation("WA-COLUMNS", equation="wanda", type="symmetry")
@given(case=wa_columns_inputs)
def test_wa_columns(kernel, case):
    """Permuting the inputs permutes the result."""
    w, x, num, den, order = kernel.receives(case, "w x num den order")
    R, C, T = case.R, case.C, case.T
    r, c, t = grid(R, C, T)
    w_moved = array[r, c](w[r, order[c]])
    x_moved = array[t, c](x[t, order[c]])
    pruned, mask = kernel.wanda(w, x, num, den)
    pruned_after, mask_after = kernel.wanda(w_moved, x_moved, num, den)
    claim(all[r, c](approx(pruned_after[r, c], pruned[r, order[c]])))
    claim(all[r, c](approx(mask_after[r, c], mask[r, order[c]])))


@obligation("WA-ROWS", equation="wanda", type="independence")
@given(case=wa_rows_inputs)
def test_wa_rows(kernel, case):
    """A row is pruned by its own weights alone."""
    w, x, num, den, other_w = kernel.receives(case, "w x num den other_w")
    R, C = case.R, case.C
    r, c, s, d = grid(R, C, R, C)
    independent(
        lambda w: kernel.wanda(w, x, num, den)[0],
        w,
        other_w,
        when=s != r,
        output=(r, c),
        input=(s, d),
        case=case,
    )


@obligation("WA-EXCLUDED", equation="prune_layers", type="conservation")
@given(case=prune_layers_inputs)
def test_wa_excluded(kernel, case):
    """Excluded layers (embeddings, head, norms) come back bit for bit."""
    w, x, excluded, num, den = kernel.receives(case, "w x excluded num den")
    R, C, L = case.R, case.C, case.L
    l, r, c = grid(L, R, C)
    pruned = kernel.prune_layers(w, x, excluded, num, den)
    claim(all[l, r, c](~excluded[l] | exact(pruned[l, r, c], w[l, r, c])))


@obligation("WA-LAYERS", equation="prune_layers", type="equivalence")
@given(case=wa_layers_inputs)
def test_wa_layers(kernel, case):
    """Every other layer is pruned as if it were alone."""
    w, x, excluded, num, den, layer = kernel.receives(case, "w x excluded num den layer")
    R, C, T = case.R, case.C, case.T
    r, c, t = grid(R, C, T)
    one_w = array[r, c](w[layer, r, c])
    one_x = array[t, c](x[layer, t, c])
    pruned = kernel.prune_layers(w, x, excluded, num, den)
    alone, _ = kernel.wanda(one_w, one_x, num, den)
    claim(all[r, c](excluded[layer] | approx(pruned[layer, r, c], alone[r, c])))


@obligation("WA-FLOOR", equation="prune_count", type="bound")
@given(case=prune_count_inputs)
def test_wa_floor(kernel, case):
    """The count is the largest whole number whose share of the row does not exceed num / den."""
    columns, num, den = kernel.receives(case, "columns num den")
    k = kernel.prune_count(columns, num, den)
    claim(0 <= k)
    claim(den * k <= num * columns)
    claim(num * columns < den * (k + 1))


@obligation("WA-WHOLE", equation="prune_count", type="conservation")
@given(case=wa_whole_inputs)
def test_wa_whole(kernel, case):
    """Where num / den of the columns is a whole number, it is the count: of 9 * 10 columns 7 / 10 are 7 * 9."""
    den, j = kernel.receives(case, "den j")
    s = grid(101)
    off = array[s](kernel.prune_count(den * j, s % (den + 1), den) - s % (den + 1) * j)
    claim(all[s](off[s] == 0))


@obligation("WA-COMPLEMENT", equation="prune_count", type="conservation")
@given(case=prune_count_inputs)
def test_wa_complement(kernel, case):
    """What a ratio and its complement prune adds up to the row, or to one less where it does not divide."""
    columns, num, den = kernel.receives(case, "columns num den")
    k = kernel.prune_count(columns, num, den)
    rest = kernel.prune_count(columns, den - num, den)
    claim(k + rest <= columns)
    claim(columns <= k + rest + 1)
    claim(truth(k + rest == columns) | truth(num * columns % den != 0))


@obligation("WA-DECIMAL", equation="sparsity_ratio", type="conservation")
@given(case=sparsity_ratio_inputs)
def test_wa_decimal(kernel, case):
    """A sparsity of k thousandths is the ratio k / 1000: 0.3 is 3/10, not the binary number next to it."""
    k = kernel.receives(case, "k")
    num, den = kernel.sparsity_ratio(ratio(k, 1000))
    claim(den >= 1)
    claim(num * 1000 == k * den)


@obligation("WA-RATIO", equation="wanda", type="rejection")
@given(case=wa_ratio_inputs)
def test_wa_ratio(kernel, case):
    """Ratios outside [0, 1] are refused."""
    w, x, den, below, over = kernel.receives(case, "w x den below over")
    wrong = single(where(over, den - below, below))
    rejects(kernel, "wanda", (w, x, wrong, den), ValueError, mentions=["sparsity"])


@obligation("WA-SHAPES", equation="wanda", type="rejection")
@given(case=wa_shapes_inputs)
def test_wa_shapes(kernel, case):
    """Calibration inputs of another width than the weights are refused."""
    w, num, den, other = kernel.receives(case, "w num den other")
    rejects(kernel, "wanda", (w, other, num, den), ValueError, mentions=["C"])


@obligation("WA-LAYERS-SHAPES", equation="prune_layers", type="rejection")
@given(case=wa_layers_shapes_inputs)
def test_wa_layers_shapes(kernel, case):
    """Calibration inputs of another number of layers are refused."""
    w, excluded, num, den, other = kernel.receives(case, "w excluded num den other")
    rejects(kernel, "prune_layers", (w, other, excluded, num, den), ValueError, mentions=["layer"])


@obligation("WA-NO-COLUMNS", equation="prune_count", type="rejection")
@given(case=wa_no_columns_inputs)
def test_wa_no_columns(kernel, case):
    """A negative number of columns is refused."""
    num, den, wrong = kernel.receives(case, "num den wrong")
    rejects(kernel, "prune_count", (wrong, num, den), ValueError, mentions=["columns"])


@obligation("WA-SPARSITY", equation="sparsity_ratio", type="rejection")
@given(case=wa_sparsity_inputs)
def test_wa_sparsity(kernel, case):
    """A sparsity outside [0, 1] is refused."""
    wrong = kernel.receives(case, "wrong")
    rejects(kernel, "sparsity_ratio", (wrong,), ValueError, mentions=["sparsity"])


@obligation("WA-WIDE", equation="wanda", type="equivalence", cost=8)
@given(case=wa_wide_inputs)
def test_wa_wide(kernel, case):
    """Rows of more columns than a block are ranked as wholes."""
    w, x, num, den = kernel.receives(case, "w x num den")
    pruned, mask = kernel.wanda(w, x, num, den)
    plain, plain_mask = kernel.magnitude(w, num, den)
    expected, expected_mask = spec.wanda(w, x, num, den)
    expected_plain, expected_plain_mask = spec.magnitude(w, num, den)
    claim(approx(pruned, expected))
    claim(approx(mask, expected_mask))
    claim(exact(plain, expected_plain))
    claim(exact(plain_mask, expected_plain_mask))


@obligation("WA-MANY-INPUTS", equation="wanda", type="equivalence")
@given(case=wa_many_inputs_inputs)
def test_wa_many_inputs(kernel, case):
    """All of many calibration inputs count in the norms, whole numbers of blocks and others."""
    w, x, num, den = kernel.receives(case, "w x num den")
    pruned, mask = kernel.wanda(w, x, num, den)
    expected, expected_mask = spec.wanda(w, x, num, den)
    claim(approx(pruned, expected))
    claim(approx(mask, expected_mask))


@obligation("WA-MANY-DIGITS", equation="sparsity_ratio", type="conservation")
@given(case=wa_many_digits_inputs)
def test_wa_many_digits(kernel, case):
    """A sparsity of up to six digits, or of sixteenths, is its ratio to the last digit: 0.3125 is 5/16, and 0.0004 is
    1/2500."""
    k, j, sixteenths = kernel.receives(case, "k j sixteenths")
    num, den = kernel.sparsity_ratio(ratio(k, 1000000))
    num_j, den_j = kernel.sparsity_ratio(ratio(j, 10000))
    num_s, den_s = kernel.sparsity_ratio(ratio(sixteenths, 16))
    claim(den >= 1)
    claim(num * 1000000 == k * den)
    claim(den_j >= 1)
    claim(num_j * 10000 == j * den_j)
    claim(den_s >= 1)
    claim(num_s * 16 == sixteenths * den_s)


@obligation("WA-MANY-ROWS", equation="wanda", type="equivalence")
@given(case=wa_many_rows_inputs)
def test_wa_many_rows(kernel, case):
    """Each of many rows has a mask of its own, with the inputs and without them."""
    w, x, num, den = kernel.receives(case, "w x num den")
    pruned, mask = kernel.wanda(w, x, num, den)
    plain, plain_mask = kernel.magnitude(w, num, den)
    expected, expected_mask = spec.wanda(w, x, num, den)
    expected_plain, expected_plain_mask = spec.magnitude(w, num, den)
    claim(approx(pruned, expected))
    claim(approx(mask, expected_mask))
    claim(exact(plain, expected_plain))
    claim(exact(plain_mask, expected_plain_mask))


@obligation("WA-MANY-ROWS-LAYERS", equation="prune_layers", type="equivalence")
@given(case=wa_many_rows_layers_inputs)
def test_wa_many_rows_layers(kernel, case):
    """Layers of many rows, and many layers, are pruned to the last of them."""
    w, x, excluded, num, den = kernel.receives(case, "w x excluded num den")
    pruned = kernel.prune_layers(w, x, excluded, num, den)
    expected = spec.prune_layers(w, x, excluded, num, den)
    claim(approx(pruned, expected))


@obligation("WA-HUNDREDTHS", equation="wanda", type="conservation")
@given(case=wa_hundredths_inputs)
def test_wa_hundredths(kernel, case):
    """Of 100 columns as many are pruned as there are hundredths: 29, 57 and 58 too."""
    w, x, num, den = kernel.receives(case, "w x num den")
    R, C = case.R, case.C
    r, c = grid(R, C)
    pruned, mask = kernel.wanda(w, x, num, den)
    claim(all[r](exact(count[c](~mask[r, c]), num) & all[c](mask[r, c] | (pruned[r, c] == 0))))


@obligation("WA-HUNDREDTHS-PLAIN", equation="magnitude", type="conservation")
@given(case=wa_hundredths_plain_inputs)
def test_wa_hundredths_plain(kernel, case):
    """Pruned by magnitude, too, of 100 columns as many are lost as there are hundredths: 29, 57 and 58 too."""
    w, num, den = kernel.receives(case, "w num den")
    R, C = case.R, case.C
    r, c = grid(R, C)
    pruned, mask = kernel.magnitude(w, num, den)
    claim(all[r](exact(count[c](~mask[r, c]), num) & all[c](mask[r, c] | (pruned[r, c] == 0))))


@obligation("WA-HUNDREDTHS-LAYERS", equation="prune_layers", type="conservation")
@given(case=wa_hundredths_layers_inputs)
def test_wa_hundredths_layers(kernel, case):
    """In each layer, too, of 100 columns as many are pruned as there are hundredths: 29, 57 and 58 too."""
    w, x, excluded, num, den = kernel.receives(case, "w x excluded num den")
    R, C, L = case.R, case.C, case.L
    l, r, c = grid(L, R, C)
    pruned = kernel.prune_layers(w, x, excluded, num, den)
    claim(all[l, r](exact(count[c](pruned[l, r, c] == 0), where(excluded[l], 0, num))))


@obligation("WA-DEF-WANDA", equation="wanda", type="definition")
@given(case=wanda_inputs)
def test_wa_def_wanda(kernel, case):
    """wanda computes its definition."""
    w, x, num, den = kernel.receives(case, "w x num den")
    pruned, mask = kernel.wanda(w, x, num, den)
    expected_pruned, expected_mask = spec.wanda(w, x, num, den)
    claim(approx(pruned, expected_pruned))
    claim(approx(mask, expected_mask))


@obligation("WA-DEF-MAGNITUDE", equation="magnitude", type="definition")
@given(case=magnitude_inputs)
def test_wa_def_magnitude(kernel, case):
    """magnitude computes its definition."""
    w, num, den = kernel.receives(case, "w num den")
    pruned, mask = kernel.magnitude(w, num, den)
    expected_pruned, expected_mask = spec.magnitude(w, num, den)
    claim(approx(pruned, expected_pruned))
    claim(approx(mask, expected_mask))


@obligation("WA-DEF-PRUNE_LAYERS", equation="prune_layers", type="definition")
@given(case=prune_layers_inputs)
def test_wa_def_prune_layers(kernel, case):
    """prune_layers computes its definition."""
    w, x, excluded, num, den = kernel.receives(case, "w x excluded num den")
    pruned = kernel.prune_layers(w, x, excluded, num, den)
    expected_pruned = spec.prune_layers(w, x, excluded, num, den)
    claim(approx(pruned, expected_pruned))


@obligation("WA-DEF-PRUNE_COUNT", equation="prune_count", type="definition")
@given(case=prune_count_inputs)
def test_wa_def_prune_count(kernel, case):
    """prune_count computes its definition."""
    columns, num, den = kernel.receives(case, "columns num den")
    k = kernel.prune_count(columns, num, den)
    expected_k = spec.prune_count(columns, num, den)
    claim(approx(k, expected_k))


@obligation("WA-FT-NORM", rule="WA-ORDER", type="falsification")
def test_wa_ft_norm(kernel):
    """A weight of 1 on an input of norm 5 outlives a weight of 2 on an input of norm 1."""
    case = example(
        {"w": "float[R, C]", "x": "float[T, C]", "num": "int", "den": "int"},
        w=[[1, 2]],
        x=[[3, 1], [4, 0]],
        num=1,
        den=2,
    )
    w, x, num, den = kernel.receives(case, "w x num den")
    pruned, _ = kernel.wanda(w, x, num, den)
    claim(exact(pruned[0, 0], 1))
    claim(exact(pruned[0, 1], 0))


@obligation("WA-FT-ROWS", rule="WA-COUNT", type="falsification")
def test_wa_ft_rows(kernel):
    """A row of weights near 1000 and a row near 1 lose one weight of two each."""
    case = example(
        {"w": "float[R, C]", "x": "float[T, C]", "num": "int", "den": "int"},
        w=[[1000, 1001], [1, 2]],
        x=[[1, 1]],
        num=1,
        den=2,
    )
    w, x, num, den = kernel.receives(case, "w x num den")
    pruned, _ = kernel.wanda(w, x, num, den)
    claim(exact(pruned[0, 0], 0))
    claim(exact(pruned[1, 0], 0))
    claim(exact(pruned[1, 1], 2))


@obligation("WA-FT-CONSTANT", rule="WA-TIES", type="falsification")
def test_wa_ft_constant(kernel):
    """In a row of equal weights, 30 % of ten are the first three."""
    case = example(
        {"w": "float[R, C]", "x": "float[T, C]", "num": "int", "den": "int", "size": "float[C]"},
        w=[[1, 1, 1, 1, 1, 1, 1, 1, 1, 1]],
        x=[[1, 1, 1, 1, 1, 1, 1, 1, 1, 1]],
        num=3,
        den=10,
        size=[1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
    )
    w, x, num, den = kernel.receives(case, "w x num den")
    R, C = case.R, case.C
    r, c = grid(R, C)
    pruned, _ = kernel.wanda(w, x, num, den)
    claim(all[r, c](exact(pruned[r, c], where(c < 3, 0, 1))))


@obligation("WA-FT-NO-RATIO", rule="WA-RATIO", type="falsification")
def test_wa_ft_no_ratio(kernel):
    """0 of 0 is no ratio, and refused as such."""
    case = example(
        {"w": "float[R, C]", "x": "float[T, C]", "num": "int", "den": "int", "below": "int", "over": "bool"},
        w=[[1, 2]],
        x=[[1, 1]],
        num=0,
        den=0,
        below=-1,
        over=False,
    )
    w, x, num, den = kernel.receives(case, "w x num den")
    rejects(kernel, "wanda", (w, x, num, den), ValueError, mentions=["sparsity"])
