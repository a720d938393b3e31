"""accounting/performance: Arithmetic, traffic and utilization.

Compiled from contracts/accounting/performance-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 3e06f4fe94f5069036e637de36e2b3000ca59137da2bcf701e12a57ebfe0fa9c
"""

from albor_contracts.testing import (
    abs, approx, cases, claim, defines, definitions, example, given, max, min, obligation, ratio, real, rejects, single,
    where,
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
