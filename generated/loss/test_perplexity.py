"""loss/perplexity: Perplexity.

Compiled from contracts/loss/perplexity-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 5c10f829bedd650522823dbe6602af73da27e5935c550d1fb938cdf356e99f91
"""

from albor_contracts.testing import (
    any, approx, array, cases, claim, clip, count, defines, definitions, example, exp, given, grid, log, max,
    obligation, real, rejects, single, sum, supposing, where, within,
)

CONTRACT = "loss/perplexity"


@defines("perplexity(nll: accum[B, S], valid: bool[B, S]) -> ppl: accum[]")
def perplexity(nll, valid):
    """exp(sum of nll over valid tokens / number of valid tokens)"""
    B, S = nll.shape
    b, s = grid(B, S)
    n = single(count[b, s](valid[b, s]))
    ppl = single(exp(sum[b, s](where(valid[b, s], nll[b, s], 0)) / n))
    return ppl


@defines("logits_perplexity(z: float[T, V], y: i64[T], ignore: int) -> ppl: accum[]")
def logits_perplexity(z, y, ignore):
    """exp(cross-entropy(z, y, ignore))"""
    T, V = z.shape
    t, v, u = grid(T, V, V)
    n = single(count[t](y[t] != ignore))
    lse = array[t](max[v](z[t, v]) + log(sum[v](exp(z[t, v] - max[u](z[t, u])))))
    ppl = single(exp(sum[t](where(y[t] != ignore, lse[t] - z[t, clip(y[t], 0, V - 1)], 0)) / n))
    return ppl


@defines("cross_entropy(z: float[T, V], y: i64[T], ignore: int) -> loss: accum[], dz: float[T, V]")
def cross_entropy(z, y, ignore):
    """loss = 1/n sum over valid t of (logsumexp z_t - z_t[y_t]), dz = (softmax(z) - onehot(y)) / n"""
    T, V = z.shape
    t, v = grid(T, V)
    n = single(max(count[t](y[t] != ignore), 1))
    m = array[t](max[v](z[t, v]))
    lse = array[t](m[t] + log(sum[v](exp(z[t, v] - m[t]))))
    c = array[t](where(y[t] != ignore, lse[t] - z[t, clip(y[t], 0, V - 1)], 0))
    loss = single(sum[t](c[t]) / n)
    dz = array[t, v](where(y[t] != ignore, (exp(z[t, v] - lse[t]) - where(v == y[t], 1, 0)) / n, 0))
    return loss, dz


spec = definitions(CONTRACT, perplexity, logits_perplexity, cross_entropy)


def supposed_1(case):
    """any[b, s](valid[b, s])"""
    valid, B, S = case.valid, case.B, case.S
    b, s = grid(B, S)
    return any[b, s](valid[b, s])


def supposed_2(case):
    """any[b, k](valid2[b, k])"""
    valid2, B, S2 = case.valid2, case.B, case.S2
    b, k = grid(B, S2)
    return any[b, k](valid2[b, k])


def supposed_3(case):
    """any[t](y[t] != ignore)"""
    y, ignore, T = case.y, case.ignore, case.T
    t = grid(T)
    return any[t](y[t] != ignore)


def supposed_4(case):
    """any[b, c](narrow[b, c])"""
    narrow, B, C = case.narrow, case.B, case.C
    b, c = grid(B, C)
    return any[b, c](narrow[b, c])


perplexity_inputs = cases(
    dims={"B": "1..5", "S": "1..17"},
    such_that=supposing(supposed_1),
    nll="accum[B, S] in [0, 12]",
    valid="bool[B, S]",
)
ppl_concat_inputs = cases(
    dims={"B": "1..5", "S": "1..9", "S2": "1..9", "P": "S + S2"},
    such_that=supposing(supposed_1, supposed_2),
    work={"B * P": 2**18},
    nll="accum[B, S] in [0, 12]",
    valid="bool[B, S]",
    nll2="accum[B, S2] in [0, 12]",
    valid2="bool[B, S2]",
    zero="accum[P] in {0}",
)
ppl_uniform_inputs = cases(
    dims={"B": "1..5", "S": "1..17"},
    such_that=supposing(supposed_1),
    nll="accum[B, S] in [0, 12]",
    valid="bool[B, S]",
    classes="int in [1, 100000]",
)
logits_perplexity_inputs = cases(
    dims={"T": "1..8", "V": "1..33"},
    such_that=supposing(supposed_3),
    z="float[T, V] in [-10, 10]",
    y="i64[T] in [0, V) or {ignore}",
    ignore="int in {-100}",
)
ppl_shapes_inputs = cases(
    dims={"B": "1..5", "S": "2..17", "C": "1"},
    such_that=supposing(supposed_1, supposed_4),
    nll="accum[B, S] in [0, 12]",
    valid="bool[B, S]",
    narrow="bool[B, C]",
)
ppl_label_inputs = cases(
    dims={"T": "1..8", "V": "1..33"},
    such_that=supposing(supposed_3),
    z="float[T, V] in [-10, 10]",
    y="i64[T] in [0, V) or {ignore}",
    ignore="int in {-100}",
    far="int in [-3, 3]",
)
ppl_wide_inputs = cases(
    dims={"T": "2..3", "V": "8193, 32771"},
    such_that=supposing(supposed_3),
    elements=65545,
    z="float[T, V] in [-10, 10]",
    y="i64[T] in [0, V) or {ignore}",
    ignore="int in {-100}",
)
ppl_multiples_inputs = cases(
    dims={"T": "8, 9, 16, 64, 128, 257", "V": "3, 16, 64, 256, 512, 1024"},
    assume=("T * V <= 8192",),
    such_that=supposing(supposed_3),
    z="float[T, V] in [-10, 10]",
    y="i64[T] in [0, V) or {ignore}",
    ignore="int in {-100}",
)
ppl_corpus_inputs = cases(
    dims={"B": "1, 8, 64, 257", "S": "3, 16, 64, 256, 1024"},
    assume=("B * S <= 16384",),
    such_that=supposing(supposed_1),
    nll="accum[B, S] in [0, 12]",
    valid="bool[B, S]",
)
ppl_large_inputs = cases(
    dims={"B": "1..5", "S": "1..17"},
    such_that=supposing(supposed_1),
    nll="accum[B, S] in [21, 80]",
    valid="bool[B, S]",
)
ppl_not_a_number_inputs = cases(
    dims={"B": "1..5", "S": "1..17"},
    such_that=supposing(supposed_1),
    nll="accum[B, S] in [0, 12]",
    valid="bool[B, S]",
    hole="real in {nan, inf, -inf}",
)
ppl_sequences_inputs = cases(
    dims={"B": "1025", "S": "1..3"},
    such_that=supposing(supposed_1),
    nll="accum[B, S] in [0, 12]",
    valid="bool[B, S]",
)
ppl_deep_inputs = cases(
    dims={"T": "1..8", "V": "1..33"},
    such_that=supposing(supposed_3),
    z="float[T, V] in [-10, 10]",
    y="i64[T] in [0, V) or {ignore}",
    ignore="int in {-100}",
    far="float[T] in [-60000, -20000] or {200, 30000}",
)
ppl_pad_token_inputs = cases(
    dims={"T": "1..8", "V": "2..17"},
    such_that=supposing(supposed_3),
    z="float[T, V] in [-10, 10]",
    y="i64[T] in [0, V) or {ignore}",
    ignore="int in [0, V)",
)


@obligation("PPL-ONE", equation="perplexity", type="bound")
@given(case=perplexity_inputs)
def test_ppl_one(kernel, case):
    """Perplexity is at least 1."""
    nll, valid = kernel.receives(case, "nll valid")
    ppl = kernel.perplexity(nll, valid)
    claim(ppl >= 1)


@obligation("PPL-CONCAT", equation="perplexity", type="conservation")
@given(case=ppl_concat_inputs)
def test_ppl_concat(kernel, case):
    """Of two corpora together, n log ppl is the sum of those of each: tokens weigh alike."""
    nll, valid, nll2, valid2, zero = kernel.receives(case, "nll valid nll2 valid2 zero")
    B, S, S2, P = case.B, case.S, case.S2, case.P
    b, p, s, k = grid(B, P, S, S2)
    both = array[b, p](where(p < S, nll[b, within(p + 0, S)], nll2[b, within(p - S, S2)]) + zero[p])
    ok = array[b, p](where(p < S, valid[b, within(p + 0, S)], valid2[b, within(p - S, S2)]))
    n1 = single(count[b, s](valid[b, s]))
    n2 = single(count[b, k](valid2[b, k]))
    all_of_it = kernel.perplexity(both, ok)
    first = kernel.perplexity(nll, valid)
    second = kernel.perplexity(nll2, valid2)
    claim(approx((n1 + n2) * log(all_of_it), n1 * log(first) + n2 * log(second)))


@obligation("PPL-PADDING", equation="perplexity", type="invariance")
@given(case=perplexity_inputs)
def test_ppl_padding(kernel, case):
    """What stands at padded places does not matter."""
    nll, valid = kernel.receives(case, "nll valid")
    B, S = case.B, case.S
    b, s = grid(B, S)
    other = array[b, s](where(valid[b, s], nll[b, s], 11 - nll[b, s] / 2))
    claim(approx(kernel.perplexity(other, valid), kernel.perplexity(nll, valid)))


@obligation("PPL-UNIFORM", equation="perplexity", type="boundary")
@given(case=ppl_uniform_inputs)
def test_ppl_uniform(kernel, case):
    """Guessing among V classes has perplexity V."""
    nll, valid, classes = kernel.receives(case, "nll valid classes")
    B, S = case.B, case.S
    b, s = grid(B, S)
    same = array[b, s](log(classes) + 0 * nll[b, s])
    claim(approx(kernel.perplexity(same, valid), classes))


@obligation("PPL-LOSS", equation="logits_perplexity", type="equivalence")
@given(case=logits_perplexity_inputs)
def test_ppl_loss(kernel, case):
    """The logarithm of the perplexity is the cross-entropy of the same tokens."""
    z, y, ignore = kernel.receives(case, "z y ignore")
    ppl = kernel.logits_perplexity(z, y, ignore)
    loss, _ = spec.cross_entropy(z, y, ignore)
    claim(approx(log(ppl), loss))


@obligation("PPL-EMPTY", equation="perplexity", type="rejection")
@given(case=perplexity_inputs)
def test_ppl_empty(kernel, case):
    """A corpus without any valid token is refused."""
    nll, valid = kernel.receives(case, "nll valid")
    B, S = case.B, case.S
    b, s = grid(B, S)
    none = array[b, s](valid[b, s] & ~valid[b, s])
    rejects(kernel, "perplexity", (nll, none), ValueError, mentions=["token"])


@obligation("PPL-SHAPES", equation="perplexity", type="rejection")
@given(case=ppl_shapes_inputs)
def test_ppl_shapes(kernel, case):
    """A mask of another shape than the losses is refused."""
    nll, narrow = kernel.receives(case, "nll narrow")
    rejects(kernel, "perplexity", (nll, narrow), ValueError)


@obligation("PPL-LABEL", equation="logits_perplexity", type="rejection")
@given(case=ppl_label_inputs)
def test_ppl_label(kernel, case):
    """A label outside the vocabulary is refused."""
    z, y, ignore, far = kernel.receives(case, "z y ignore far")
    T, V = case.T, case.V
    t = grid(T)
    wrong = array[t](where(far < 0, far, V + far) + 0 * y[t])
    rejects(kernel, "logits_perplexity", (z, wrong, ignore), ValueError, mentions=["label"])


@obligation("PPL-WIDE", equation="logits_perplexity", type="equivalence")
@given(case=ppl_wide_inputs)
def test_ppl_wide(kernel, case):
    """Several rows of a model's vocabulary, wider than a block, give what the definition gives."""
    z, y, ignore = kernel.receives(case, "z y ignore")
    claim(approx(kernel.logits_perplexity(z, y, ignore), spec.logits_perplexity(z, y, ignore)))


@obligation("PPL-MULTIPLES", equation="logits_perplexity", type="equivalence")
@given(case=ppl_multiples_inputs)
def test_ppl_multiples(kernel, case):
    """Many tokens, and vocabularies that fill their blocks exactly, give what the definition gives."""
    z, y, ignore = kernel.receives(case, "z y ignore")
    claim(approx(kernel.logits_perplexity(z, y, ignore), spec.logits_perplexity(z, y, ignore)))


@obligation("PPL-CORPUS", equation="perplexity", type="equivalence")
@given(case=ppl_corpus_inputs)
def test_ppl_corpus(kernel, case):
    """Corpora of many and of long sequences are averaged over all of their tokens."""
    nll, valid = kernel.receives(case, "nll valid")
    claim(approx(kernel.perplexity(nll, valid), spec.perplexity(nll, valid)))


@obligation("PPL-LARGE", equation="perplexity", type="equivalence")
@given(case=ppl_large_inputs)
def test_ppl_large(kernel, case):
    """A model far worse than guessing has its perplexity, however large that is."""
    nll, valid = kernel.receives(case, "nll valid")
    claim(approx(kernel.perplexity(nll, valid), spec.perplexity(nll, valid)))


@obligation("PPL-NOT-A-NUMBER", equation="perplexity", type="invariance")
@given(case=ppl_not_a_number_inputs)
def test_ppl_not_a_number(kernel, case):
    """Infinities and NaN at padded places do not matter either."""
    nll, valid, hole = kernel.receives(case, "nll valid hole")
    B, S = case.B, case.S
    b, s = grid(B, S)
    other = array[b, s](where(valid[b, s], nll[b, s], hole))
    claim(approx(kernel.perplexity(other, valid), kernel.perplexity(nll, valid)))


@obligation("PPL-SEQUENCES", equation="perplexity", type="equivalence")
@given(case=ppl_sequences_inputs)
def test_ppl_sequences(kernel, case):
    """Of more than a thousand sequences every token weighs alike, that of the last sequence too."""
    nll, valid = kernel.receives(case, "nll valid")
    claim(approx(kernel.perplexity(nll, valid), spec.perplexity(nll, valid)))


@obligation("PPL-DEEP", equation="logits_perplexity", type="boundary")
@given(case=ppl_deep_inputs)
def test_ppl_deep(kernel, case):
    """Equal logits have perplexity V, however far from 0 they lie."""
    z, y, ignore, far = kernel.receives(case, "z y ignore far")
    T, V = case.T, case.V
    t, v = grid(T, V)
    same = array[t, v](far[t] + 0 * z[t, v])
    ppl = kernel.logits_perplexity(same, y, ignore)
    claim(approx(ppl, V))


@obligation("PPL-PAD-TOKEN", equation="logits_perplexity", type="equivalence")
@given(case=ppl_pad_token_inputs)
def test_ppl_pad_token(kernel, case):
    """The ignored label may be a class of the vocabulary, that of padding: tokens with this label do not count."""
    z, y, ignore = kernel.receives(case, "z y ignore")
    claim(approx(kernel.logits_perplexity(z, y, ignore), spec.logits_perplexity(z, y, ignore)))


@obligation("PPL-DEF-PERPLEXITY", equation="perplexity", type="definition")
@given(case=perplexity_inputs)
def test_ppl_def_perplexity(kernel, case):
    """perplexity computes its definition."""
    nll, valid = kernel.receives(case, "nll valid")
    ppl = kernel.perplexity(nll, valid)
    expected_ppl = spec.perplexity(nll, valid)
    claim(approx(ppl, expected_ppl))


@obligation("PPL-DEF-LOGITS_PERPLEXITY", equation="logits_perplexity", type="definition")
@given(case=logits_perplexity_inputs)
def test_ppl_def_logits_perplexity(kernel, case):
    """logits_perplexity computes its definition."""
    z, y, ignore = kernel.receives(case, "z y ignore")
    ppl = kernel.logits_perplexity(z, y, ignore)
    expected_ppl = spec.logits_perplexity(z, y, ignore)
    claim(approx(ppl, expected_ppl))


@obligation("PPL-T-WEIGHTS", rule="PPL-CONCAT", type="falsification")
def test_ppl_t_weights(kernel):
    """Three tokens at log 8 and one at 0: 8^(3/4) = 4.757; not (8 + 1) / 2 = 4.5, nor 8^(1/2) = 2.83."""
    case = example(
        {"nll": "accum[B, S]", "valid": "bool[B, S]", "nll2": "accum[B, S2]", "valid2": "bool[B, S2]", "zero": "accum[P]"},
        nll=[[2.0794415416798357, 2.0794415416798357, 2.0794415416798357], [0.0, 5.0, 5.0]],
        valid=[[True, True, True], [True, False, False]],
        nll2=[[0.0], [0.0]],
        valid2=[[True], [True]],
        zero=[0, 0, 0, 0],
    )
    nll, valid = kernel.receives(case, "nll valid")
    ppl = kernel.perplexity(nll, valid)
    claim(approx(ppl, real(8) ** 0.75))


@obligation("PPL-T-CERTAIN", rule="PPL-ONE", type="falsification")
def test_ppl_t_certain(kernel):
    """A certain model has perplexity 1 exactly."""
    case = example({"nll": "accum[B, S]", "valid": "bool[B, S]"}, nll=[[0.0, 0.0]], valid=[[True, True]])
    nll, valid = kernel.receives(case, "nll valid")
    ppl = kernel.perplexity(nll, valid)
    claim(ppl == 1)
