"""accounting/performance: Arithmetic, traffic and utilization.

Compiled from contracts/accounting/performance-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: cd8b358438cf36e028d7468ec8bb689a5e2588ec805e00145c4a9af8ed35f31b
"""

from albor_contracts.testing import (
    abs, any, approx, array, cases, claim, defines, definitions, exact, example, given, grid, max, min, obligation,
    ratio, real, rejects, single, sum, truth, where,
)

CONTRACT = "accounting/performance"


@defines("training_flops(parameters: int, tokens: int) -> flops: int")
def training_flops(parameters, tokens):
    """6 P T"""
    flops = 6 * parameters * tokens
    return flops


@defines("gemm_flops(m: int, n: int, k: int) -> flops: int")
def gemm_flops(m, n, k):
    """2 m n k"""
    flops = 2 * m * n * k
    return flops


@defines("gemm_intensity(m: int, n: int, k: int, bytes_each: int) -> intensity: real")
def gemm_intensity(m, n, k, bytes_each):
    """2 m n k / (bytes_each (m k + k n + m n))"""
    intensity = ratio(2 * m * n * k, bytes_each * (m * k + k * n + m * n))
    return intensity


@defines("attention_flops(batch: int, sequence: int, hidden: int, layers: int, causal: bool) -> flops: int")
def attention_flops(batch, sequence, hidden, layers, causal):
    """12 B S^2 H L, causal 6 B S (S + 1) H L"""
    flops = single(batch * hidden * layers * where(causal, 6 * sequence * (sequence + 1), 12 * sequence * sequence))
    return flops


@defines("utilization(parameters: real, attention: real, tokens_per_second: real, peak: real) -> share: real")
def utilization(parameters, attention, tokens_per_second, peak):
    """(6 P + attention operations a token) tokens_per_second / peak"""
    share = single(ratio((6 * parameters + attention) * tokens_per_second, peak))
    return share


@defines("attainable(intensity: real, peak: real, bandwidth: real) -> rate: real")
def attainable(intensity, peak, bandwidth):
    """min(peak, intensity bandwidth)"""
    rate = single(min(peak, intensity * bandwidth))
    return rate


@defines(
    "step_launches(layers: int, per_layer: int, outside: int, accumulation: int, per_update: int) -> launches: int"
)
def step_launches(layers, per_layer, outside, accumulation, per_update):
    """accumulation (L per_layer + outside) + per_update"""
    launches = accumulation * (layers * per_layer + outside) + per_update
    return launches


@defines("loss_on_host_bytes(sequence: int, hidden: int, vocabulary: int, bytes_each: int) -> total: int")
def loss_on_host_bytes(sequence, hidden, vocabulary, bytes_each):
    """S (H + 2 V) bytes_each: logits to the host, their gradient and the gradient of the last layer back"""
    total = sequence * (hidden + 2 * vocabulary) * bytes_each
    return total


@defines("explained(number: int, seconds_each: real, step_seconds: real) -> share: real")
def explained(number, seconds_each, step_seconds):
    """number seconds_each / step_seconds"""
    share = single(ratio(number * seconds_each, step_seconds))
    return share


@defines("throughput(tokens: int, seconds: real) -> rate: real")
def throughput(tokens, seconds):
    """tokens / seconds"""
    rate = single(ratio(tokens, seconds))
    return rate


@defines("speedup(tokens_before: int, seconds_before: real, tokens_after: int, seconds_after: real) -> gain: real")
def speedup(tokens_before, seconds_before, tokens_after, seconds_after):
    """(tokens_after / seconds_after) / (tokens_before / seconds_before)"""
    gain = single(ratio(ratio(tokens_after, seconds_after), ratio(tokens_before, seconds_before)))
    return gain


@defines("step_products(layers: int, attention: bool) -> products: int")
def step_products(layers, attention):
    """3 (7 L + 1), and 6 L more where attention's are products of their own; a batch of products counts once"""
    products = single(3 * (7 * layers + 1) + where(attention, 6, 0) * layers)
    return products


@defines("step_budget(times: f64[N], budgets: f64[N], step: real) -> covered: bool, stop: bool")
def step_budget(times, budgets, step):
    """covered = sum times >= 0.95 step, stop = any time >= 2 of its budget"""
    (N,) = times.shape
    n = grid(N)
    covered = single(sum[n](times[n]) >= 0.95 * step)
    stop = single(any[n](times[n] >= 2 * budgets[n]))
    return covered, stop


@defines("forward_tokens(prompt: int, generated: int, cached: bool) -> tokens: int")
def forward_tokens(prompt, generated, cached):
    """prompt + generated - 1 with a cache, else generated prompt + generated (generated - 1) / 2"""
    tokens = single(where(cached, prompt + generated - 1, generated * prompt + generated * (generated - 1) // 2))
    return tokens


spec = definitions(
    CONTRACT,
    training_flops,
    gemm_flops,
    gemm_intensity,
    attention_flops,
    utilization,
    attainable,
    step_launches,
    loss_on_host_bytes,
    explained,
    throughput,
    speedup,
    step_products,
    step_budget,
    forward_tokens,
)

training_flops_inputs = cases(
    parameters="int in [1, 10000000]",
    tokens="int in [1, 10000000]",
    n="int in [1, 3000]",
    k="int in [1, 3000]",
)
gemm_flops_inputs = cases(
    m="int in [1, inf)",
    n="int in [1, inf)",
    k="int in [1, inf)",
    more="int in [1, 1000]",
)
gemm_intensity_inputs = cases(
    m="int in [1, 100000]",
    n="int in [1, 100000]",
    k="int in [1, 100000]",
    bytes_each="int in {1, 2, 4, 8}",
)
attention_flops_inputs = cases(
    batch="int in [1, 512]",
    sequence="int in [1, 20000]",
    hidden="int in [1, 10000]",
    layers="int in [1, 100]",
    causal="bool",
)
utilization_inputs = cases(
    parameters="real in [1e6, 1e12]",
    attention="real in [0, 1e12]",
    tokens_per_second="real in [1, 1e7]",
    peak="real in [1e12, 1e16]",
)
attainable_inputs = cases(
    intensity="real in [0.01, 10000]",
    peak="real in [1e12, 1e16]",
    bandwidth="real in [1e11, 1e13]",
)
step_launches_inputs = cases(
    layers="int in [0, inf)",
    per_layer="int in [0, inf)",
    outside="int in [0, inf)",
    accumulation="int in [1, inf)",
    per_update="int in [0, inf)",
)
loss_on_host_bytes_inputs = cases(
    sequence="int in [1, 100000]",
    hidden="int in [1, 20000]",
    vocabulary="int in [1, 200000]",
    bytes_each="int in {1, 2, 4}",
)
explained_inputs = cases(
    number="int in [0, 1000000]",
    seconds_each="real in [1e-7, 1]",
    step_seconds="real in [0.001, 1000]",
)
prf_refuses_inputs = cases(
    parameters="real in [1e6, 1e12]",
    attention="real in [0, 1e12]",
    tokens_per_second="real in [1, 1e7]",
    peak="real in [1e12, 1e16]",
    which="bool",
)
prf_refuses_product_inputs = cases(
    m="int in [1, 100000]",
    n="int in [1, 100000]",
    k="int in [1, 100000]",
    which="int in [0, 2]",
)
prf_refuses_intensity_inputs = cases(
    m="int in [1, 100000]",
    n="int in [1, 100000]",
    k="int in [1, 100000]",
    bytes_each="int in {1, 2, 4, 8}",
    which="int in [0, 3]",
)
prf_refuses_attention_inputs = cases(
    batch="int in [1, 512]",
    sequence="int in [1, 20000]",
    hidden="int in [1, 10000]",
    layers="int in [1, 100]",
    causal="bool",
    which="int in [0, 3]",
)
prf_refuses_training_inputs = cases(
    parameters="int in [1, 10000000]",
    tokens="int in [1, 10000000]",
    which="int in [0, 1]",
)
prf_refuses_negative_inputs = cases(
    parameters="real in [1e6, 1e12]",
    attention="real in [0, 1e12]",
    tokens_per_second="real in [1, 1e7]",
    peak="real in [1e12, 1e16]",
    which="int in [0, 1]",
)
prf_refuses_roofs_inputs = cases(
    intensity="real in [0.01, 10000]",
    peak="real in [1e12, 1e16]",
    bandwidth="real in [1e11, 1e13]",
    which="int in [0, 2]",
)
prf_refuses_launches_inputs = cases(
    layers="int in [0, 200]",
    per_layer="int in [0, 1000]",
    outside="int in [0, 1000]",
    accumulation="int in [1, 1000]",
    per_update="int in [0, 10000]",
    which="int in [0, 4]",
)
prf_refuses_transfers_inputs = cases(
    sequence="int in [1, 100000]",
    hidden="int in [1, 20000]",
    vocabulary="int in [1, 200000]",
    bytes_each="int in {1, 2, 4}",
    which="int in [0, 3]",
)
prf_refuses_explained_inputs = cases(
    number="int in [0, 1000000]",
    seconds_each="real in [1e-7, 1]",
    step_seconds="real in [0.001, 1000]",
    which="int in [0, 2]",
)
throughput_inputs = cases(
    tokens="int in [1, 100000000]",
    seconds="real in [0.001, 1000]",
)
speedup_inputs = cases(
    tokens_before="int in [1, 1000000]",
    seconds_before="real in [0.001, 1000]",
    tokens_after="int in [1, 1000000]",
    seconds_after="real in [0.001, 1000]",
)
step_products_inputs = cases(
    layers="int in [0, 200]",
    attention="bool",
)
step_budget_inputs = cases(
    dims={"N": "1..9"},
    times="f64[N] in [0.01, 10]",
    budgets="f64[N] in [0.001, 10]",
    step="real in [0.001, 50]",
)
forward_tokens_inputs = cases(
    prompt="int in [1, 100000]",
    generated="int in [1, 10000]",
    cached="bool",
)
prf_refuses_rate_inputs = cases(
    tokens="int in [1, 100000000]",
    seconds="real in [0.001, 1000]",
    which="int in [0, 1]",
)
prf_refuses_gain_inputs = cases(
    tokens_before="int in [1, 1000000]",
    seconds_before="real in [0.001, 1000]",
    tokens_after="int in [1, 1000000]",
    seconds_after="real in [0.001, 1000]",
    which="int in [0, 3]",
)
prf_refuses_layers_inputs = cases(
    layers="int in [0, 200]",
    attention="bool",
    wrong="int in [-3, -1]",
)
prf_refuses_budget_inputs = cases(
    dims={"N": "1..9"},
    times="f64[N] in [0, 10]",
    budgets="f64[N] in [0.001, 10]",
    step="real in [0.001, 50]",
    which="int in [0, 2]",
)
prf_refuses_answer_inputs = cases(
    prompt="int in [1, 100000]",
    generated="int in [1, 10000]",
    cached="bool",
    which="int in [0, 1]",
)
prf_large_runs_inputs = cases(
    parameters="int in [1000000000, 2000000000000]",
    tokens="int in [2000000000, 100000000000000]",
)
prf_large_products_inputs = cases(
    m="int in [2000000, 100000000]",
    n="int in [2000000, 100000000]",
    k="int in [2000000, 100000000]",
)
prf_large_attention_inputs = cases(
    batch="int in [1, 8]",
    sequence="int in [200001, 400000] or [10000001, 20000000]",
    hidden="int in [4001, 8000]",
    layers="int in [21, 60]",
    causal="bool",
)
prf_large_answers_inputs = cases(
    prompt="int in [10000000, 100000000]",
    generated="int in [500, 1500]",
    cached="bool",
)
prf_def_gemm_flops_inputs = cases(
    m="int in [1, 100000]",
    n="int in [1, 100000]",
    k="int in [1, 100000]",
)
prf_def_training_flops_inputs = cases(
    parameters="int in [1, 10000000]",
    tokens="int in [1, 10000000]",
)
prf_def_step_launches_inputs = cases(
    layers="int in [0, 200]",
    per_layer="int in [0, 1000]",
    outside="int in [0, 1000]",
    accumulation="int in [1, 1000]",
    per_update="int in [0, 10000]",
)
prf_def_step_budget_inputs = cases(
    dims={"N": "1..9"},
    times="f64[N] in [0, 10]",
    budgets="f64[N] in [0.001, 10]",
    step="real in [0.001, 50]",
)


@obligation("PRF-THREE-PRODUCTS", equation="training_flops", type="equivalence")
@given(case=training_flops_inputs)
def test_prf_three_products(kernel, case):
    """A matrix of n k parameters takes three products with T tokens: forward, and a gradient of each factor."""
    tokens, n, k = kernel.receives(case, "tokens n k")
    claim(kernel.training_flops(n * k, tokens) == kernel.gemm_flops(tokens, n, k) + kernel.gemm_flops(tokens, k, n) + kernel.gemm_flops(n, k, tokens))


@obligation("PRF-SPLIT", equation="gemm_flops", type="conservation")
@given(case=gemm_flops_inputs)
def test_prf_split(kernel, case):
    """A sum cut in two has as many operations; the order of the sizes does not matter; one element takes two."""
    m, n, k, more = kernel.receives(case, "m n k more")
    claim(kernel.gemm_flops(m, n, k + more) == kernel.gemm_flops(m, n, k) + kernel.gemm_flops(n, m, more))
    claim(kernel.gemm_flops(1, 1, 1) == 2)


@obligation("PRF-INTENSITY", equation="gemm_intensity", type="homogeneity")
@given(case=gemm_intensity_inputs)
def test_prf_intensity(kernel, case):
    """Twice the sizes, twice the intensity; half the bytes, twice as well; it stays below 2 / bytes_each times the
    smallest size."""
    m, n, k, bytes_each = kernel.receives(case, "m n k bytes_each")
    here = kernel.gemm_intensity(m, n, k, bytes_each)
    claim(approx(kernel.gemm_intensity(2 * m, 2 * n, 2 * k, bytes_each), 2 * here))
    claim(approx(kernel.gemm_intensity(m, n, k, 2 * bytes_each), here / 2))
    claim(here <= ratio(2 * min(m, n, k), bytes_each))
    claim(approx(kernel.gemm_intensity(k, m, n, bytes_each), here))


@obligation("PRF-CAUSAL", equation="attention_flops", type="conservation")
@given(case=attention_flops_inputs)
def test_prf_causal(kernel, case):
    """The causal half and the other half, which share the diagonal, are the whole."""
    batch, sequence, hidden, layers = kernel.receives(case, "batch sequence hidden layers")
    claim(2 * kernel.attention_flops(batch, sequence, hidden, layers, True) == kernel.attention_flops(batch, sequence, hidden, layers, False) + 12 * batch * sequence * hidden * layers)
    claim(kernel.attention_flops(batch, 1, hidden, layers, True) == kernel.attention_flops(batch, 1, hidden, layers, False))


@obligation("PRF-PRODUCTS-OF-ATTENTION", equation="attention_flops", type="equivalence")
@given(case=attention_flops_inputs)
def test_prf_products_of_attention(kernel, case):
    """Scores and weighted values are two products of S x S x H forward, and twice as many backward."""
    batch, sequence, hidden, layers = kernel.receives(case, "batch sequence hidden layers")
    claim(kernel.attention_flops(batch, sequence, hidden, layers, False) == 6 * batch * layers * kernel.gemm_flops(sequence, sequence, hidden))


@obligation("PRF-FULL", equation="utilization", type="boundary")
@given(case=utilization_inputs)
def test_prf_full(kernel, case):
    """As many tokens as the peak allows are a utilization of 1, and the share grows with the tokens."""
    parameters, attention, tokens_per_second, peak = kernel.receives(case, "parameters attention tokens_per_second peak")
    most = single(ratio(peak, 6 * parameters + attention))
    claim(approx(kernel.utilization(parameters, attention, most, peak), 1))
    claim(approx(kernel.utilization(parameters, attention, 2 * tokens_per_second, peak), 2 * kernel.utilization(parameters, attention, tokens_per_second, peak)))


@obligation("PRF-ROOF", equation="attainable", type="bound")
@given(case=attainable_inputs)
def test_prf_roof(kernel, case):
    """Neither roof is exceeded, one of them is met, and they meet at peak / bandwidth."""
    intensity, peak, bandwidth = kernel.receives(case, "intensity peak bandwidth")
    rate = kernel.attainable(intensity, peak, bandwidth)
    claim(rate <= peak)
    claim(rate <= intensity * bandwidth)
    claim(approx(max(rate / peak, rate / (intensity * bandwidth)), 1))
    claim(approx(kernel.attainable(ratio(peak, bandwidth), peak, bandwidth), peak))


@obligation("PRF-UPDATE-ONCE", equation="step_launches", type="conservation")
@given(case=step_launches_inputs)
def test_prf_update_once(kernel, case):
    """Another micro-batch repeats the layers, not the update."""
    layers, per_layer, outside, accumulation, per_update = kernel.receives(case, "layers per_layer outside accumulation per_update")
    claim(kernel.step_launches(layers, per_layer, outside, accumulation + 1, per_update) == kernel.step_launches(layers, per_layer, outside, accumulation, per_update) + layers * per_layer + outside)
    claim(kernel.step_launches(0, per_layer, 0, accumulation, per_update) == per_update)


@obligation("PRF-TRANSFERS", equation="loss_on_host_bytes", type="conservation")
@given(case=loss_on_host_bytes_inputs)
def test_prf_transfers(kernel, case):
    """A token of the vocabulary costs twice a number of every position, a unit of the width once."""
    sequence, hidden, vocabulary, bytes_each = kernel.receives(case, "sequence hidden vocabulary bytes_each")
    claim(kernel.loss_on_host_bytes(sequence, hidden, vocabulary + 1, bytes_each) == kernel.loss_on_host_bytes(sequence, hidden, vocabulary, bytes_each) + 2 * sequence * bytes_each)
    claim(kernel.loss_on_host_bytes(sequence, hidden + 1, vocabulary, bytes_each) == kernel.loss_on_host_bytes(sequence, hidden, vocabulary, bytes_each) + sequence * bytes_each)


@obligation("PRF-EXPLAINED", equation="explained", type="linearity")
@given(case=explained_inputs)
def test_prf_explained(kernel, case):
    """As many as fill the step explain all of it; twice as many twice as much."""
    number, seconds_each, step_seconds = kernel.receives(case, "number seconds_each step_seconds")
    claim(approx(kernel.explained(number, step_seconds / max(1, number), step_seconds), real(min(1, number))))
    claim(approx(kernel.explained(2 * number, seconds_each, step_seconds), 2 * kernel.explained(number, seconds_each, step_seconds)))


@obligation("PRF-REFUSES", equation="utilization", type="rejection")
@given(case=prf_refuses_inputs)
def test_prf_refuses(kernel, case):
    """A peak or a model of size zero is refused."""
    parameters, attention, tokens_per_second, peak, which = kernel.receives(case, "parameters attention tokens_per_second peak which")
    top = single(where(which, 0, peak))
    size = single(where(which, parameters, 0))
    rejects(kernel, "utilization", (size, attention, tokens_per_second, top), ValueError, mentions=["positive"])


@obligation("PRF-REFUSES-PRODUCT", equation="gemm_flops", type="rejection")
@given(case=prf_refuses_product_inputs)
def test_prf_refuses_product(kernel, case):
    """A product of a size below 1 is refused."""
    m, n, k, which = kernel.receives(case, "m n k which")
    bad_m = single(where(which == 0, 0, m))
    bad_n = single(where(which == 1, 0, n))
    bad_k = single(where(which == 2, 0, k))
    rejects(kernel, "gemm_flops", (bad_m, bad_n, bad_k), ValueError, mentions=["must"])


@obligation("PRF-REFUSES-INTENSITY", equation="gemm_intensity", type="rejection")
@given(case=prf_refuses_intensity_inputs)
def test_prf_refuses_intensity(kernel, case):
    """The intensity of a product of a size below 1, or of a type without width, is refused."""
    m, n, k, bytes_each, which = kernel.receives(case, "m n k bytes_each which")
    bad_m = single(where(which == 0, 0, m))
    bad_n = single(where(which == 1, 0, n))
    bad_k = single(where(which == 2, 0, k))
    bad_bytes_each = single(where(which == 3, 0, bytes_each))
    rejects(kernel, "gemm_intensity", (bad_m, bad_n, bad_k, bad_bytes_each), ValueError, mentions=["must"])


@obligation("PRF-REFUSES-ATTENTION", equation="attention_flops", type="rejection")
@given(case=prf_refuses_attention_inputs)
def test_prf_refuses_attention(kernel, case):
    """Attention of a size below 1 is refused."""
    batch, sequence, hidden, layers, causal, which = kernel.receives(case, "batch sequence hidden layers causal which")
    bad_batch = single(where(which == 0, 0, batch))
    bad_sequence = single(where(which == 1, 0, sequence))
    bad_hidden = single(where(which == 2, 0, hidden))
    bad_layers = single(where(which == 3, 0, layers))
    rejects(
        kernel,
        "attention_flops",
        (bad_batch, bad_sequence, bad_hidden, bad_layers, causal),
        ValueError,
        mentions=["must"],
    )


@obligation("PRF-REFUSES-TRAINING", equation="training_flops", type="rejection")
@given(case=prf_refuses_training_inputs)
def test_prf_refuses_training(kernel, case):
    """Training of no parameters, or on no tokens, is refused."""
    parameters, tokens, which = kernel.receives(case, "parameters tokens which")
    bad_parameters = single(where(which == 0, 0, parameters))
    bad_tokens = single(where(which == 1, 0, tokens))
    rejects(kernel, "training_flops", (bad_parameters, bad_tokens), ValueError, mentions=["must"])


@obligation("PRF-REFUSES-NEGATIVE", equation="utilization", type="rejection")
@given(case=prf_refuses_negative_inputs)
def test_prf_refuses_negative(kernel, case):
    """Negative operations of attention, or tokens a second, are refused."""
    parameters, attention, tokens_per_second, peak, which = kernel.receives(case, "parameters attention tokens_per_second peak which")
    bad_attention = single(where(which == 0, -1, attention))
    bad_tokens_per_second = single(where(which == 1, -1, tokens_per_second))
    rejects(
        kernel,
        "utilization",
        (parameters, bad_attention, bad_tokens_per_second, peak),
        ValueError,
        mentions=["negative"],
    )


@obligation("PRF-REFUSES-ROOFS", equation="attainable", type="rejection")
@given(case=prf_refuses_roofs_inputs)
def test_prf_refuses_roofs(kernel, case):
    """A roof of 0, or an intensity of 0, is refused."""
    intensity, peak, bandwidth, which = kernel.receives(case, "intensity peak bandwidth which")
    bad_intensity = single(where(which == 0, 0, intensity))
    bad_peak = single(where(which == 1, 0, peak))
    bad_bandwidth = single(where(which == 2, 0, bandwidth))
    rejects(kernel, "attainable", (bad_intensity, bad_peak, bad_bandwidth), ValueError, mentions=["positive"])


@obligation("PRF-REFUSES-LAUNCHES", equation="step_launches", type="rejection")
@given(case=prf_refuses_launches_inputs)
def test_prf_refuses_launches(kernel, case):
    """Negative counts, and a step of no micro-batch, are refused."""
    layers, per_layer, outside, accumulation, per_update, which = kernel.receives(case, "layers per_layer outside accumulation per_update which")
    bad_layers = single(where(which == 0, -1, layers))
    bad_per_layer = single(where(which == 1, -1, per_layer))
    bad_outside = single(where(which == 2, -1, outside))
    bad_accumulation = single(where(which == 3, 0, accumulation))
    bad_per_update = single(where(which == 4, -1, per_update))
    rejects(
        kernel,
        "step_launches",
        (bad_layers, bad_per_layer, bad_outside, bad_accumulation, bad_per_update),
        ValueError,
        mentions=["must"],
    )


@obligation("PRF-REFUSES-TRANSFERS", equation="loss_on_host_bytes", type="rejection")
@given(case=prf_refuses_transfers_inputs)
def test_prf_refuses_transfers(kernel, case):
    """Transfers of a size below 1 are refused."""
    sequence, hidden, vocabulary, bytes_each, which = kernel.receives(case, "sequence hidden vocabulary bytes_each which")
    bad_sequence = single(where(which == 0, 0, sequence))
    bad_hidden = single(where(which == 1, 0, hidden))
    bad_vocabulary = single(where(which == 2, 0, vocabulary))
    bad_bytes_each = single(where(which == 3, 0, bytes_each))
    rejects(
        kernel,
        "loss_on_host_bytes",
        (bad_sequence, bad_hidden, bad_vocabulary, bad_bytes_each),
        ValueError,
        mentions=["must"],
    )


@obligation("PRF-REFUSES-EXPLAINED", equation="explained", type="rejection")
@given(case=prf_refuses_explained_inputs)
def test_prf_refuses_explained(kernel, case):
    """A negative number of events, and times that are not positive, are refused."""
    number, seconds_each, step_seconds, which = kernel.receives(case, "number seconds_each step_seconds which")
    bad_number = single(where(which == 0, -1, number))
    bad_seconds_each = single(where(which == 1, 0, seconds_each))
    bad_step_seconds = single(where(which == 2, 0, step_seconds))
    rejects(kernel, "explained", (bad_number, bad_seconds_each, bad_step_seconds), ValueError, mentions=["must"])


@obligation("PRF-RATE", equation="throughput", type="conservation")
@given(case=throughput_inputs)
def test_prf_rate(kernel, case):
    """So many tokens a second, for so many seconds, are the tokens."""
    tokens, seconds = kernel.receives(case, "tokens seconds")
    claim(approx(kernel.throughput(tokens, seconds) * seconds, real(tokens)))


@obligation("PRF-GAIN", equation="speedup", type="conservation")
@given(case=speedup_inputs)
def test_prf_gain(kernel, case):
    """The rate before times the gain is the rate after; the same rate with twice the tokens in a step is no gain."""
    tokens_before, seconds_before, tokens_after, seconds_after = kernel.receives(case, "tokens_before seconds_before tokens_after seconds_after")
    claim(approx(kernel.throughput(tokens_before, seconds_before) * kernel.speedup(tokens_before, seconds_before, tokens_after, seconds_after), kernel.throughput(tokens_after, seconds_after)))
    claim(approx(kernel.speedup(tokens_before, seconds_before, 2 * tokens_before, 2 * seconds_before), 1))


@obligation("PRF-PRODUCTS-OF-STEP", equation="step_products", type="conservation")
@given(case=step_products_inputs)
def test_prf_products_of_step(kernel, case):
    """Another layer has three products for each of its seven matrices, and six of attention where they count; without
    layers the head's three are left."""
    layers, attention = kernel.receives(case, "layers attention")
    claim(kernel.step_products(layers + 1, attention) == kernel.step_products(layers, attention) + where(attention, 27, 21))
    claim(kernel.step_products(0, attention) == 3)


@obligation("PRF-BUDGET", equation="step_budget", type="boundary")
@given(case=step_budget_inputs)
def test_prf_budget(kernel, case):
    """Parts that make up the step cover it, and 94 % of it do not; times as planned go on, and one part alone that
    takes twice its budget stops."""
    times, budgets, step = kernel.receives(case, "times budgets step")
    N = case.N
    n = grid(N)
    total = single(sum[n](times[n]))
    all_of_it, _ = kernel.step_budget(times, budgets, total)
    too_little, _ = kernel.step_budget(times, budgets, total / 0.94)
    slow = array[n](budgets[n] * where(n == 0, 2, 1))
    _, calm = kernel.step_budget(budgets, budgets, step)
    _, alarm = kernel.step_budget(slow, budgets, step)
    claim(all_of_it)
    claim(~truth(too_little))
    claim(~truth(calm))
    claim(alarm)


@obligation("PRF-EACH-TOKEN-ONCE", equation="forward_tokens", type="conservation")
@given(case=forward_tokens_inputs)
def test_prf_each_token_once(kernel, case):
    """With a cache one more token of the answer is one more token through the model; without, the whole text so far.
    The first takes the prompt either way."""
    prompt, generated, cached = kernel.receives(case, "prompt generated cached")
    claim(kernel.forward_tokens(prompt, generated + 1, True) == kernel.forward_tokens(prompt, generated, True) + 1)
    claim(kernel.forward_tokens(prompt, generated + 1, False) == kernel.forward_tokens(prompt, generated, False) + prompt + generated)
    claim(kernel.forward_tokens(prompt, 1, cached) == prompt)


@obligation("PRF-REFUSES-RATE", equation="throughput", type="rejection")
@given(case=prf_refuses_rate_inputs)
def test_prf_refuses_rate(kernel, case):
    """No tokens, and no time, are refused."""
    tokens, seconds, which = kernel.receives(case, "tokens seconds which")
    bad_tokens = single(where(which == 0, 0, tokens))
    bad_seconds = single(where(which == 1, 0, seconds))
    rejects(kernel, "throughput", (bad_tokens, bad_seconds), ValueError, mentions=["positive"])


@obligation("PRF-REFUSES-GAIN", equation="speedup", type="rejection")
@given(case=prf_refuses_gain_inputs)
def test_prf_refuses_gain(kernel, case):
    """Steps of no tokens, or of no time, are not compared."""
    tokens_before, seconds_before, tokens_after, seconds_after, which = kernel.receives(case, "tokens_before seconds_before tokens_after seconds_after which")
    a = single(where(which == 0, 0, tokens_before))
    b = single(where(which == 1, 0, seconds_before))
    c = single(where(which == 2, 0, tokens_after))
    d = single(where(which == 3, 0, seconds_after))
    rejects(kernel, "speedup", (a, b, c, d), ValueError, mentions=["positive"])


@obligation("PRF-REFUSES-LAYERS", equation="step_products", type="rejection")
@given(case=prf_refuses_layers_inputs)
def test_prf_refuses_layers(kernel, case):
    """A negative number of layers is refused."""
    attention, wrong = kernel.receives(case, "attention wrong")
    rejects(kernel, "step_products", (wrong, attention), ValueError, mentions=["layers"])


@obligation("PRF-REFUSES-BUDGET", equation="step_budget", type="rejection")
@given(case=prf_refuses_budget_inputs)
def test_prf_refuses_budget(kernel, case):
    """A negative time, a part without a budget and a step without a time are refused."""
    times, budgets, step, which = kernel.receives(case, "times budgets step which")
    N = case.N
    n = grid(N)
    bad_times = array[n](where(truth(which == 0) & (n == 0), -1, times[n]))
    bad_budgets = array[n](where(truth(which == 1) & (n == 0), 0, budgets[n]))
    bad_step = single(where(which == 2, 0, step))
    rejects(kernel, "step_budget", (bad_times, bad_budgets, bad_step), ValueError, mentions=["must"])


@obligation("PRF-REFUSES-ANSWER", equation="forward_tokens", type="rejection")
@given(case=prf_refuses_answer_inputs)
def test_prf_refuses_answer(kernel, case):
    """No prompt, and no answer, are refused."""
    prompt, generated, cached, which = kernel.receives(case, "prompt generated cached which")
    bad_prompt = single(where(which == 0, 0, prompt))
    bad_generated = single(where(which == 1, 0, generated))
    rejects(kernel, "forward_tokens", (bad_prompt, bad_generated, cached), ValueError, mentions=["must"])


@obligation("PRF-LARGE-RUNS", equation="training_flops", type="equivalence")
@given(case=prf_large_runs_inputs)
def test_prf_large_runs(kernel, case):
    """Runs of billions of parameters on trillions of tokens have their operations to the last one, beyond 2^63 as
    well."""
    parameters, tokens = kernel.receives(case, "parameters tokens")
    claim(exact(kernel.training_flops(parameters, tokens), spec.training_flops(parameters, tokens)))


@obligation("PRF-LARGE-PRODUCTS", equation="gemm_flops", type="equivalence")
@given(case=prf_large_products_inputs)
def test_prf_large_products(kernel, case):
    """Products of large sizes have their operations to the last one, beyond 2^63 as well."""
    m, n, k = kernel.receives(case, "m n k")
    claim(exact(kernel.gemm_flops(m, n, k), spec.gemm_flops(m, n, k)))


@obligation("PRF-LARGE-ATTENTION", equation="attention_flops", type="conservation")
@given(case=prf_large_attention_inputs)
def test_prf_large_attention(kernel, case):
    """Attention over hundreds of thousands of tokens, and over millions, has its operations to the last one, beyond
    2^53 and 2^63 as well."""
    batch, sequence, hidden, layers = kernel.receives(case, "batch sequence hidden layers")
    claim(kernel.attention_flops(batch, sequence, hidden, layers, False) == 12 * batch * sequence * sequence * hidden * layers)
    claim(kernel.attention_flops(batch, sequence, hidden, layers, True) == 6 * batch * sequence * (sequence + 1) * hidden * layers)


@obligation("PRF-LARGE-ANSWERS", equation="forward_tokens", type="equivalence")
@given(case=prf_large_answers_inputs)
def test_prf_large_answers(kernel, case):
    """Answers to prompts of millions of tokens are counted to the last one, beyond 2^31 and 2^32 as well."""
    prompt, generated, cached = kernel.receives(case, "prompt generated cached")
    claim(exact(kernel.forward_tokens(prompt, generated, cached), spec.forward_tokens(prompt, generated, cached)))


@obligation("PRF-DEF-GEMM_FLOPS", equation="gemm_flops", type="definition")
@given(case=prf_def_gemm_flops_inputs)
def test_prf_def_gemm_flops(kernel, case):
    """gemm_flops computes its definition."""
    m, n, k = kernel.receives(case, "m n k")
    flops = kernel.gemm_flops(m, n, k)
    expected_flops = spec.gemm_flops(m, n, k)
    claim(approx(flops, expected_flops))


@obligation("PRF-DEF-GEMM_INTENSITY", equation="gemm_intensity", type="definition")
@given(case=gemm_intensity_inputs)
def test_prf_def_gemm_intensity(kernel, case):
    """gemm_intensity computes its definition."""
    m, n, k, bytes_each = kernel.receives(case, "m n k bytes_each")
    intensity = kernel.gemm_intensity(m, n, k, bytes_each)
    expected_intensity = spec.gemm_intensity(m, n, k, bytes_each)
    claim(approx(intensity, expected_intensity))


@obligation("PRF-DEF-ATTENTION_FLOPS", equation="attention_flops", type="definition")
@given(case=attention_flops_inputs)
def test_prf_def_attention_flops(kernel, case):
    """attention_flops computes its definition."""
    batch, sequence, hidden, layers, causal = kernel.receives(case, "batch sequence hidden layers causal")
    flops = kernel.attention_flops(batch, sequence, hidden, layers, causal)
    expected_flops = spec.attention_flops(batch, sequence, hidden, layers, causal)
    claim(approx(flops, expected_flops))


@obligation("PRF-DEF-TRAINING_FLOPS", equation="training_flops", type="definition")
@given(case=prf_def_training_flops_inputs)
def test_prf_def_training_flops(kernel, case):
    """training_flops computes its definition."""
    parameters, tokens = kernel.receives(case, "parameters tokens")
    flops = kernel.training_flops(parameters, tokens)
    expected_flops = spec.training_flops(parameters, tokens)
    claim(approx(flops, expected_flops))


@obligation("PRF-DEF-UTILIZATION", equation="utilization", type="definition")
@given(case=utilization_inputs)
def test_prf_def_utilization(kernel, case):
    """utilization computes its definition."""
    parameters, attention, tokens_per_second, peak = kernel.receives(case, "parameters attention tokens_per_second peak")
    share = kernel.utilization(parameters, attention, tokens_per_second, peak)
    expected_share = spec.utilization(parameters, attention, tokens_per_second, peak)
    claim(approx(share, expected_share))


@obligation("PRF-DEF-ATTAINABLE", equation="attainable", type="definition")
@given(case=attainable_inputs)
def test_prf_def_attainable(kernel, case):
    """attainable computes its definition."""
    intensity, peak, bandwidth = kernel.receives(case, "intensity peak bandwidth")
    rate = kernel.attainable(intensity, peak, bandwidth)
    expected_rate = spec.attainable(intensity, peak, bandwidth)
    claim(approx(rate, expected_rate))


@obligation("PRF-DEF-STEP_LAUNCHES", equation="step_launches", type="definition")
@given(case=prf_def_step_launches_inputs)
def test_prf_def_step_launches(kernel, case):
    """step_launches computes its definition."""
    layers, per_layer, outside, accumulation, per_update = kernel.receives(case, "layers per_layer outside accumulation per_update")
    launches = kernel.step_launches(layers, per_layer, outside, accumulation, per_update)
    expected_launches = spec.step_launches(layers, per_layer, outside, accumulation, per_update)
    claim(approx(launches, expected_launches))


@obligation("PRF-DEF-LOSS_ON_HOST_BYTES", equation="loss_on_host_bytes", type="definition")
@given(case=loss_on_host_bytes_inputs)
def test_prf_def_loss_on_host_bytes(kernel, case):
    """loss_on_host_bytes computes its definition."""
    sequence, hidden, vocabulary, bytes_each = kernel.receives(case, "sequence hidden vocabulary bytes_each")
    total = kernel.loss_on_host_bytes(sequence, hidden, vocabulary, bytes_each)
    expected_total = spec.loss_on_host_bytes(sequence, hidden, vocabulary, bytes_each)
    claim(approx(total, expected_total))


@obligation("PRF-DEF-EXPLAINED", equation="explained", type="definition")
@given(case=explained_inputs)
def test_prf_def_explained(kernel, case):
    """explained computes its definition."""
    number, seconds_each, step_seconds = kernel.receives(case, "number seconds_each step_seconds")
    share = kernel.explained(number, seconds_each, step_seconds)
    expected_share = spec.explained(number, seconds_each, step_seconds)
    claim(approx(share, expected_share))


@obligation("PRF-DEF-THROUGHPUT", equation="throughput", type="definition")
@given(case=throughput_inputs)
def test_prf_def_throughput(kernel, case):
    """throughput computes its definition."""
    tokens, seconds = kernel.receives(case, "tokens seconds")
    rate = kernel.throughput(tokens, seconds)
    expected_rate = spec.throughput(tokens, seconds)
    claim(approx(rate, expected_rate))


@obligation("PRF-DEF-SPEEDUP", equation="speedup", type="definition")
@given(case=speedup_inputs)
def test_prf_def_speedup(kernel, case):
    """speedup computes its definition."""
    tokens_before, seconds_before, tokens_after, seconds_after = kernel.receives(case, "tokens_before seconds_before tokens_after seconds_after")
    gain = kernel.speedup(tokens_before, seconds_before, tokens_after, seconds_after)
    expected_gain = spec.speedup(tokens_before, seconds_before, tokens_after, seconds_after)
    claim(approx(gain, expected_gain))


@obligation("PRF-DEF-STEP_PRODUCTS", equation="step_products", type="definition")
@given(case=step_products_inputs)
def test_prf_def_step_products(kernel, case):
    """step_products computes its definition."""
    layers, attention = kernel.receives(case, "layers attention")
    products = kernel.step_products(layers, attention)
    expected_products = spec.step_products(layers, attention)
    claim(approx(products, expected_products))


@obligation("PRF-DEF-STEP_BUDGET", equation="step_budget", type="definition")
@given(case=prf_def_step_budget_inputs)
def test_prf_def_step_budget(kernel, case):
    """step_budget computes its definition."""
    times, budgets, step = kernel.receives(case, "times budgets step")
    covered, stop = kernel.step_budget(times, budgets, step)
    expected_covered, expected_stop = spec.step_budget(times, budgets, step)
    claim(approx(covered, expected_covered))
    claim(approx(stop, expected_stop))


@obligation("PRF-DEF-FORWARD_TOKENS", equation="forward_tokens", type="definition")
@given(case=forward_tokens_inputs)
def test_prf_def_forward_tokens(kernel, case):
    """forward_tokens computes its definition."""
    prompt, generated, cached = kernel.receives(case, "prompt generated cached")
    tokens = kernel.forward_tokens(prompt, generated, cached)
    expected_tokens = spec.forward_tokens(prompt, generated, cached)
    claim(approx(tokens, expected_tokens))


@obligation("PRF-PREDICTS-ATTENTION", rule="PRF-PRODUCTS-OF-ATTENTION", type="falsification")
def test_prf_predicts_attention(kernel):
    """398,509,056 parameters, 4 sequences of 1,024: 9.79 TFLOP, and 1.24 TFLOP of attention on top: 12.6 %."""
    case = example(
        {"batch": "int", "sequence": "int", "hidden": "int", "layers": "int", "causal": "bool"},
        batch=4,
        sequence=1024,
        hidden=1024,
        layers=24,
        causal=False,
    )
    batch, sequence, hidden, layers, causal = kernel.receives(case, "batch sequence hidden layers causal")
    share = single(ratio(kernel.attention_flops(batch, sequence, hidden, layers, causal), kernel.training_flops(398509056, 4096)))
    claim(kernel.attention_flops(batch, sequence, hidden, layers, causal) == 1236950581248)
    claim(abs(share - 0.1263) < 0.0001)


@obligation("PRF-PREDICTS-INTENSITY", rule="PRF-DEF-GEMM_INTENSITY", type="falsification")
def test_prf_predicts_intensity(kernel):
    """The query projection of 2,048 tokens of width 1,024 in float32: 204.8 operations a byte."""
    case = example({"m": "int", "n": "int", "k": "int", "bytes_each": "int"}, m=2048, n=1024, k=1024, bytes_each=4)
    m, n, k, bytes_each = kernel.receives(case, "m n k bytes_each")
    claim(approx(kernel.gemm_intensity(m, n, k, bytes_each), 204.8))


@obligation("PRF-PREDICTS-UTILIZATION", rule="PRF-DEF-UTILIZATION", type="falsification")
def test_prf_predicts_utilization(kernel):
    """1,485 tokens a second: 4.3 % of 82.6 TFLOP/s with 398.5M parameters, 2.0 % of 165 with 370M."""
    case = example(
        {"parameters": "real", "attention": "real", "tokens_per_second": "real", "peak": "real"},
        parameters=398509056,
        attention=0,
        tokens_per_second=1485,
        peak=82600000000000,
    )
    parameters, attention, tokens_per_second, peak = kernel.receives(case, "parameters attention tokens_per_second peak")
    claim(abs(kernel.utilization(parameters, attention, tokens_per_second, peak) - 0.043) < 0.0005)
    claim(abs(kernel.utilization(370000000, 0, 1485, 165000000000000) - 0.02) < 0.0005)


@obligation("PRF-PREDICTS-TRANSFERS", rule="PRF-DEF-LOSS_ON_HOST_BYTES", type="falsification")
def test_prf_predicts_transfers(kernel):
    """2,048 positions, width 1,024, 32,768 tokens in float32: 545,259,520 bytes. 864 copies of 10 us: 0.1 % of 8.4
    s."""
    case = example(
        {"sequence": "int", "hidden": "int", "vocabulary": "int", "bytes_each": "int"},
        sequence=2048,
        hidden=1024,
        vocabulary=32768,
        bytes_each=4,
    )
    sequence, hidden, vocabulary, bytes_each = kernel.receives(case, "sequence hidden vocabulary bytes_each")
    claim(kernel.loss_on_host_bytes(sequence, hidden, vocabulary, bytes_each) == 545259520)
    claim(abs(kernel.explained(864, 1e-05, 8.4) - 0.00103) < 1e-05)


@obligation("PRF-PREDICTS-UNITS", rule="PRF-DEF-UTILIZATION", type="falsification")
def test_prf_predicts_units(kernel):
    """Any unit will do, of both alike: half a billion parameters at a quarter of a token a second, and a peak of 0.75,
    are a utilization of 1; at no tokens, 0."""
    case = example(
        {"parameters": "real", "attention": "real", "tokens_per_second": "real", "peak": "real"},
        parameters=0.5,
        attention=0,
        tokens_per_second=0.25,
        peak=0.75,
    )
    parameters, attention, tokens_per_second, peak = kernel.receives(case, "parameters attention tokens_per_second peak")
    claim(approx(kernel.utilization(parameters, attention, tokens_per_second, peak), 1))
    claim(kernel.utilization(parameters, attention, 0, peak) == 0)


@obligation("PRF-PREDICTS-ROOF", rule="PRF-DEF-ATTAINABLE", type="falsification")
def test_prf_predicts_roof(kernel):
    """Half an operation a byte at half a unit of bandwidth is a quarter, below a roof of one half."""
    case = example({"intensity": "real", "peak": "real", "bandwidth": "real"}, intensity=0.5, peak=0.5, bandwidth=0.5)
    intensity, peak, bandwidth = kernel.receives(case, "intensity peak bandwidth")
    claim(approx(kernel.attainable(intensity, peak, bandwidth), 0.25))


@obligation("PRF-PREDICTS-GAIN", rule="PRF-DEF-SPEEDUP", type="falsification")
def test_prf_predicts_gain(kernel):
    """Steps of 4,096 tokens and steps of 2,048 that take 1 / 3.19 of the time: 1.59 times the tokens a second, not
    3.19. 131,072 tokens in 541 ms are 242 thousand a second."""
    case = example(
        {"tokens_before": "int", "seconds_before": "real", "tokens_after": "int", "seconds_after": "real"},
        tokens_before=4096,
        seconds_before=3.19,
        tokens_after=2048,
        seconds_after=1.0,
    )
    tokens_before, seconds_before, tokens_after, seconds_after = kernel.receives(case, "tokens_before seconds_before tokens_after seconds_after")
    claim(abs(kernel.speedup(tokens_before, seconds_before, tokens_after, seconds_after) - 1.595) < 0.001)
    claim(abs(kernel.throughput(131072, 0.541) - 242277) < 1)


@obligation("PRF-PREDICTS-PRODUCTS", rule="PRF-DEF-STEP_PRODUCTS", type="falsification")
def test_prf_predicts_products(kernel):
    """24 layers: 507 products of weights, 651 with attention's. 552 and 555 were published."""
    case = example({"layers": "int", "attention": "bool"}, layers=24, attention=True)
    layers, attention = kernel.receives(case, "layers attention")
    claim(kernel.step_products(layers, attention) == 651)
    claim(kernel.step_products(layers, False) == 507)
    claim(kernel.step_products(layers, False) + 2 * 24 == 555)


@obligation("PRF-PREDICTS-WAITS", rule="PRF-DEF-STEP_LAUNCHES", type="falsification")
def test_prf_predicts_waits(kernel):
    """Waits of an inference pass follow the same law: 48 layers that wait four times each, and one wait more, are 193;
    five and three for each of 8 experts are 1,393."""
    case = example(
        {"layers": "int", "per_layer": "int", "outside": "int", "accumulation": "int", "per_update": "int"},
        layers=48,
        per_layer=4,
        outside=1,
        accumulation=1,
        per_update=0,
    )
    layers, per_layer, outside, accumulation, per_update = kernel.receives(case, "layers per_layer outside accumulation per_update")
    claim(kernel.step_launches(layers, per_layer, outside, accumulation, per_update) == 193)
    claim(kernel.step_launches(layers, 5 + 3 * 8, outside, accumulation, per_update) == 1393)


@obligation("PRF-PREDICTS-ANSWER", rule="PRF-DEF-FORWARD_TOKENS", type="falsification")
def test_prf_predicts_answer(kernel):
    """A prompt of 1,000 tokens and an answer of 512: 1,511 tokens through the model with a cache, 642,816 without."""
    case = example({"prompt": "int", "generated": "int", "cached": "bool"}, prompt=1000, generated=512, cached=True)
    prompt, generated, cached = kernel.receives(case, "prompt generated cached")
    claim(kernel.forward_tokens(prompt, generated, cached) == 1511)
    claim(kernel.forward_tokens(prompt, generated, False) == 642816)


@obligation("PRF-PREDICTS-SHARE", rule="PRF-DEF-STEP_BUDGET", type="falsification")
def test_prf_predicts_share(kernel):
    """Parts of 59 and 36 ms of a step of 100 ms just cover it; 59 and 34 do not. 36 ms of a budget of 18 stop, 36 of 19
    do not."""
    case = example(
        {"times": "f64[N]", "budgets": "f64[N]", "step": "real"},
        times=[59.0, 36.0],
        budgets=[40.0, 19.0],
        step=100.0,
    )
    times, budgets, step = kernel.receives(case, "times budgets step")
    n = grid(2)
    less = array[n](where(n == 0, 59, 34) + 0 * times[n])
    tight = array[n](where(n == 0, 40, 18) + 0 * budgets[n])
    covered, stop = kernel.step_budget(times, budgets, step)
    short, _ = kernel.step_budget(less, budgets, step)
    _, stopped = kernel.step_budget(times, tight, step)
    claim(covered)
    claim(~truth(stop))
    claim(~truth(short))
    claim(stopped)
