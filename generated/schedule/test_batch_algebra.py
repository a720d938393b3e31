"""schedule/batch-algebra: Batches, in sequences and tokens.

Compiled from contracts/schedule/batch-algebra-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 19158a2f180815118d1789d9d910e6ad11287ed89e3a9d0d793c30acd2ac9688
"""

from albor_contracts.testing import (
    abs, all, any, approx, array, cases, claim, defines, definitions, exact, example, given, grid, join, length, log,
    max, min, obligation, ratio, real, rejects, single, truth, where,
)

CONTRACT = "schedule/batch-algebra"


@defines("step_tokens(micro: int, accumulation: int, world: int, sequence: int) -> tokens: int")
def step_tokens(micro, accumulation, world, sequence):
    """tokens = micro accumulation world sequence"""
    tokens = micro * accumulation * world * sequence
    return tokens


@defines("accumulation_for(target: int, per_pass: int) -> accumulation: int")
def accumulation_for(target, per_pass):
    """accumulation = ceil(target / per_pass), per_pass the tokens of one micro-batch on all workers"""
    accumulation = -(-target // per_pass)
    return accumulation


@defines("common_steps(shards: i64[W], micro: int, accumulation: int) -> steps: int")
def common_steps(shards, micro, accumulation):
    """steps = min over workers of floor(shard / (micro accumulation))"""
    (W,) = shards.shape
    w = grid(W)
    steps = single(min[w](shards[w] // (micro * accumulation)))
    return steps


@defines("noise_scale(small: real, big: real, small_square: real, big_square: real) -> scale: real")
def noise_scale(small, big, small_square, big_square):
    """scale = [(s - b) / (1/small - 1/big)] / [(big b - small s) / (big - small)], s and b the mean squared gradient
    norms"""
    signal = single(ratio(big * big_square - small * small_square, big - small))
    noise = single(ratio(small_square - big_square, ratio(1, small) - ratio(1, big)))
    scale = single(ratio(noise, signal))
    return scale


@defines("steps_needed(least: real, scale: real, batch: real) -> steps: real")
def steps_needed(least, scale, batch):
    """steps = least (1 + scale / batch)"""
    steps = single(least * (1 + ratio(scale, batch)))
    return steps


@defines("step_law(parameters: real, tokens: real) -> rate: real, batch: real")
def step_law(parameters, tokens):
    """rate = 1.79 N^-0.713 D^0.307, batch = 0.58 D^0.571 tokens"""
    rate = single(1.79 * real(parameters) ** (-0.713) * real(tokens) ** 0.307)
    batch = single(0.58 * real(tokens) ** 0.571)
    return rate, batch


@defines("small_model_rate(parameters: real) -> rate: real")
def small_model_rate(parameters):
    """rate = 0.01 (N / 1e7)^-0.25"""
    rate = single(0.01 * real(parameters / 10000000.0) ** (-0.25))
    return rate


@defines("tokens_wanted(parameters: int) -> least: int, wanted: int")
def tokens_wanted(parameters):
    """10 N and 20 N"""
    least = 10 * parameters
    wanted = 20 * parameters
    return least, wanted


spec = definitions(
    CONTRACT,
    step_tokens,
    accumulation_for,
    common_steps,
    noise_scale,
    steps_needed,
    step_law,
    small_model_rate,
    tokens_wanted,
    "parse_count(text: text) -> number: int",
    "format_count(number: int) -> text: text",
    "check_scale(parameters: int, batch: int, steps: int, warmup: int) -> verdict: nothing",
)

step_tokens_inputs = cases(
    micro="int in [1, inf)",
    accumulation="int in [1, inf)",
    world="int in [1, inf)",
    sequence="int in [1, inf)",
)
accumulation_for_inputs = cases(
    target="int in [1, inf)",
    per_pass="int in [1, inf)",
)
common_steps_inputs = cases(
    dims={"W": "1..9"},
    shards="i64[W] in [0, 5000]",
    micro="int in [1, 16]",
    accumulation="int in [1, 16]",
)
format_count_inputs = cases(
    number="int in [0, 9223372036854775807]",
)
parse_count_inputs = cases(
    text="text",
    n="int in [0, 999]",
)
bal_shortest_inputs = cases(
    number="int in [0, 9223372036854775807]",
    n="int in [1, 999]",
    which="int in [0, 4]",
)
bal_refuses_inputs = cases(
    text="text",
    n="int in [1, 999]",
    which="int in [0, 13]",
)
noise_scale_inputs = cases(
    small="real in [1, 1000]",
    big="real in [2 * small, 1000 * small]",
    small_square="real in [1.01 * big_square, 0.9 * big * big_square / small]",
    big_square="real in [0.001, 100]",
)
bal_noise_unit_inputs = cases(
    small="real in [1, 1000]",
    big="real in [2 * small, 1000 * small]",
    small_square="real in [1.01 * big_square, 0.9 * big * big_square / small]",
    big_square="real in [0.001, 100]",
    c="real in [0.5, 4096]",
)
steps_needed_inputs = cases(
    least="real in [1, 1000000]",
    scale="real in [1, 100]",
    batch="real in [1, 100]",
)
step_law_inputs = cases(
    parameters="real in [1e6, 1e12]",
    tokens="real in [1e8, 1e14]",
)
small_model_rate_inputs = cases(
    parameters="real in [1e6, 1e12]",
)
bal_refuses_counts_inputs = cases(
    micro="int in [1, 300]",
    accumulation="int in [1, 300]",
    world="int in [1, 3000]",
    sequence="int in [1, 100000]",
    which="int in [0, 3]",
    bad="int in [-3, 0]",
)
bal_refuses_no_noise_inputs = cases(
    small="real in [1, 1000]",
    big="real in [2 * small, 1000 * small]",
    small_square="real in [1.01 * big_square, 0.9 * big * big_square / small]",
    big_square="real in [0.001, 100]",
    which="int in [0, 1]",
)
bal_refuses_target_inputs = cases(
    target="int in [1, 100000000]",
    per_pass="int in [1, 10000000]",
    which="int in [0, 1]",
    bad="int in [-2, 0]",
)
bal_refuses_shards_inputs = cases(
    dims={"W": "1..9"},
    shards="i64[W] in [0, 5000]",
    micro="int in [1, 16]",
    accumulation="int in [1, 16]",
    which="int in [0, 2]",
    bad="int in [-2, 0]",
)
bal_refuses_places_inputs = cases(
    text="text",
    n="int in [1, 999]",
    which="int in [0, 7]",
)
bal_refuses_writing_inputs = cases(
    number="int in [0, 9223372036854775807]",
    below="bool",
    beyond="int in [0, 1000]",
)
bal_refuses_no_steps_inputs = cases(
    least="real in [1, 1000000]",
    scale="real in [0.1, 1000000]",
    batch="real in [1, 1000000]",
    which="int in [0, 2]",
)
bal_refuses_no_model_inputs = cases(
    parameters="real in [1e6, 1e12]",
    tokens="real in [1e8, 1e14]",
    which="int in [0, 1]",
)
bal_refuses_no_parameters_inputs = cases(
    parameters="real in [1e6, 1e12]",
    wrong="real in {0, -1}",
)
tokens_wanted_inputs = cases(
    parameters="int in [1, 1000000000000]",
)
check_scale_inputs = cases(
    parameters="int in [1, 1000000000000]",
    batch="int in [65536, 4194304]",
    steps="int in [1000 + 10 * parameters // batch, 1000000000]",
    warmup="int in [-(-steps // 100), steps]",
    small="int in [1, 99999999]",
)
bal_refuses_small_batch_inputs = cases(
    parameters="int in [100000000, 1000000000]",
    batch="int in [1000, 65535]",
    steps="int in [1000 + 10 * parameters // batch, 1000000000]",
    warmup="int in [-(-steps // 100), steps]",
)
bal_refuses_short_run_inputs = cases(
    parameters="int in [1, 1000]",
    batch="int in [65536, 4194304]",
    steps="int in [1, 999]",
    warmup="int in [-(-steps // 100), steps]",
)
bal_refuses_short_warmup_inputs = cases(
    parameters="int in [1, 1000000000000]",
    batch="int in [65536, 4194304]",
    steps="int in [1000 + 10 * parameters // batch, 1000000000]",
    warmup="int in [0, (steps - 1) // 100]",
)
bal_refuses_few_tokens_inputs = cases(
    parameters="int in [1000000000, 100000000000]",
    batch="int in [65536, 4194304]",
    steps="int in [1000, (10 * parameters - 1) // batch]",
    warmup="int in [-(-steps // 100), steps]",
)
bal_refuses_scale_inputs = cases(
    parameters="int in [1, 1000000000000]",
    batch="int in [65536, 4194304]",
    steps="int in [1000 + 10 * parameters // batch, 1000000000]",
    warmup="int in [-(-steps // 100), steps]",
    which="int in [0, 3]",
    bad="int in [-3, 0]",
)
bal_refuses_nothing_to_train_inputs = cases(
    parameters="int in [1, 1000000000000]",
    wrong="int in [-2, 0]",
)
bal_either_case_inputs = cases(
    text="text",
    which="int in [0, 3]",
)
bal_def_step_tokens_inputs = cases(
    micro="int in [1, 300]",
    accumulation="int in [1, 300]",
    world="int in [1, 3000]",
    sequence="int in [1, 100000]",
)
bal_def_accumulation_for_inputs = cases(
    target="int in [1, 100000000]",
    per_pass="int in [1, 10000000]",
)
bal_def_steps_needed_inputs = cases(
    least="real in [1, 1000000]",
    scale="real in [0.1, 1000000]",
    batch="real in [1, 1000000]",
)


@obligation("BAL-FOLD", equation="step_tokens", type="equivalence")
@given(case=step_tokens_inputs)
def test_bal_fold(kernel, case):
    """Workers, micro-batches and their size are interchangeable: only the product counts."""
    micro, accumulation, world, sequence = kernel.receives(case, "micro accumulation world sequence")
    claim(kernel.step_tokens(micro, accumulation, world, sequence) == kernel.step_tokens(micro * accumulation, 1, world, sequence))
    claim(kernel.step_tokens(micro, accumulation, world, sequence) == kernel.step_tokens(micro, accumulation * world, 1, sequence))


@obligation("BAL-REACHES", equation="accumulation_for", type="bound")
@given(case=accumulation_for_inputs)
def test_bal_reaches(kernel, case):
    """So many micro-batches reach the target, and one fewer does not."""
    target, per_pass = kernel.receives(case, "target per_pass")
    accumulation = kernel.accumulation_for(target, per_pass)
    claim(accumulation * per_pass >= target)
    claim((accumulation - 1) * per_pass < target)


@obligation("BAL-NO-WORKER-SHORT", equation="common_steps", type="bound")
@given(case=common_steps_inputs)
def test_bal_no_worker_short(kernel, case):
    """Every worker has the samples of all steps, and some worker has not enough for one more."""
    shards, micro, accumulation = kernel.receives(case, "shards micro accumulation")
    W = case.W
    w = grid(W)
    steps = kernel.common_steps(shards, micro, accumulation)
    claim(all[w](steps * micro * accumulation <= shards[w]))
    claim(any[w](shards[w] < (steps + 1) * micro * accumulation))


@obligation("BAL-WRITTEN", equation="format_count", type="roundtrip")
@given(case=format_count_inputs)
def test_bal_written(kernel, case):
    """What is written is read back, in lower case as well as with blanks around it."""
    number = kernel.receives(case, "number")
    claim(exact(kernel.parse_count(join(' ', kernel.format_count(number), '\n')), number))


@obligation("BAL-SUFFIXES", equation="parse_count", type="boundary")
@given(case=parse_count_inputs)
def test_bal_suffixes(kernel, case):
    """K, M and G are powers of 1024; B and T powers of ten; e is an exponent of ten; a half is a half of the unit."""
    n = kernel.receives(case, "n")
    digits = kernel.format_count(n)
    k = kernel.parse_count(join(digits, 'K'))
    m = kernel.parse_count(join(digits, 'm'))
    g = kernel.parse_count(join(digits, 'G'))
    b = kernel.parse_count(join(digits, 'b'))
    t = kernel.parse_count(join(digits, 'T'))
    e = kernel.parse_count(join(digits, 'e3'))
    half = kernel.parse_count(join(digits, '.5k'))
    claim(k == 1024 * n)
    claim(m == 1024 * k)
    claim(g == 1024 * m)
    claim(b == 1000000000 * n)
    claim(t == 1000 * b)
    claim(e == 1000 * n)
    claim(half == k + 512)


@obligation("BAL-SHORTEST", equation="format_count", type="bound")
@given(case=bal_shortest_inputs)
def test_bal_shortest(kernel, case):
    """No text of a count is longer than its digits, and a whole multiple of a unit is written with it."""
    number, n, which = kernel.receives(case, "number n which")
    digits = kernel.format_count(n)
    unit = single(where(which == 0, 1024, where(which == 1, 1048576, where(which == 2, 1073741824, where(which == 3, 1000000000, 1000000000000)))))
    claim(length(kernel.format_count(n * unit)) <= length(digits) + 1)
    claim(length(kernel.format_count(number)) <= 19)


@obligation("BAL-REFUSES", equation="parse_count", type="rejection")
@given(case=bal_refuses_inputs)
def test_bal_refuses(kernel, case):
    """What is no count is refused: nothing, a suffix alone, a sign, an unknown suffix, a fraction left over, too large
    a number, other digits and words of floating point."""
    n, which = kernel.receives(case, "n which")
    d = kernel.format_count(n)
    low = single(where(which == 0, '', where(which == 1, 'K', where(which == 2, join('-', d), where(which == 3, join(d, 'Q'), join(d, '.3'))))))
    mid = single(where(which == 5, join(d, '.0001K'), where(which == 6, join(d, 'e40'), where(which == 7, join(d, 'e-9'), where(which == 8, 'inf', 'nan')))))
    high = single(where(which == 10, join(d, 'KB'), where(which == 11, '٣', where(which == 12, join(d, '_'), join(d, 'e999999999')))))
    wrong = single(where(which < 5, low, where(which < 10, mid, high)))
    rejects(kernel, "parse_count", (wrong,), ValueError, mentions=["expected a count"])


@obligation("BAL-NOISE-FOUND", equation="noise_scale", type="conservation")
@given(case=noise_scale_inputs)
def test_bal_noise_found(kernel, case):
    """Both squared norms are G^2 (1 + scale / batch), with one G^2."""
    small, big, small_square, big_square = kernel.receives(case, "small big small_square big_square")
    scale = kernel.noise_scale(small, big, small_square, big_square)
    claim(approx(small_square * (1 + scale / big), big_square * (1 + scale / small)))


@obligation("BAL-NOISE-UNIT", equation="noise_scale", type="homogeneity")
@given(case=bal_noise_unit_inputs)
def test_bal_noise_unit(kernel, case):
    """The scale has the unit of the batches, and none of the gradient."""
    small, big, small_square, big_square, c = kernel.receives(case, "small big small_square big_square c")
    claim(approx(kernel.noise_scale(c * small, c * big, small_square, big_square), c * kernel.noise_scale(small, big, small_square, big_square)))
    claim(approx(kernel.noise_scale(small, big, 4 * small_square, 4 * big_square), kernel.noise_scale(small, big, small_square, big_square)))


@obligation("BAL-TRADE", equation="steps_needed", type="conservation")
@given(case=steps_needed_inputs)
def test_bal_trade(kernel, case):
    """Steps and samples trade off on a hyperbola: (steps / least - 1)(samples / fewest - 1) = 1."""
    least, scale, batch = kernel.receives(case, "least scale batch")
    steps = kernel.steps_needed(least, scale, batch)
    more = kernel.steps_needed(least, scale, scale)
    claim(approx((steps / least - 1) * (steps * batch / (least * scale) - 1), 1))
    claim(approx(more, 2 * least))


@obligation("BAL-POWERS", equation="step_law", type="homogeneity")
@given(case=step_law_inputs)
def test_bal_powers(kernel, case):
    """Twice the parameters: the rate falls by 2^-0.713, the batch stays. Twice the tokens: the rate rises by 2^0.307,
    the batch by 2^0.571."""
    parameters, tokens = kernel.receives(case, "parameters tokens")
    rate, batch = kernel.step_law(parameters, tokens)
    wide, same = kernel.step_law(2 * parameters, tokens)
    long, more = kernel.step_law(parameters, 2 * tokens)
    claim(approx(log(wide / rate), -0.713 * log(2)))
    claim(approx(same, batch))
    claim(approx(log(long / rate), 0.307 * log(2)))
    claim(approx(log(more / batch), 0.571 * log(2)))


@obligation("BAL-SIXTEENTH", equation="small_model_rate", type="homogeneity")
@given(case=small_model_rate_inputs)
def test_bal_sixteenth(kernel, case):
    """Sixteen times the parameters: half the rate."""
    parameters = kernel.receives(case, "parameters")
    claim(approx(kernel.small_model_rate(16 * parameters), kernel.small_model_rate(parameters) / 2))


@obligation("BAL-REFUSES-COUNTS", equation="step_tokens", type="rejection")
@given(case=bal_refuses_counts_inputs)
def test_bal_refuses_counts(kernel, case):
    """A count below 1 is refused, whichever it is."""
    micro, accumulation, world, sequence, which, bad = kernel.receives(case, "micro accumulation world sequence which bad")
    a = single(where(which == 0, bad, micro))
    b = single(where(which == 1, bad, accumulation))
    c = single(where(which == 2, bad, world))
    d = single(where(which == 3, bad, sequence))
    rejects(kernel, "step_tokens", (a, b, c, d), ValueError, mentions=["must be at least 1"])


@obligation("BAL-REFUSES-NO-NOISE", equation="noise_scale", type="rejection")
@given(case=bal_refuses_no_noise_inputs)
def test_bal_refuses_no_noise(kernel, case):
    """Measurements that no noise scale explains are refused: batches not in order, or a larger batch with the larger
    norm."""
    small, big, small_square, big_square, which = kernel.receives(case, "small big small_square big_square which")
    first = single(where(which == 0, big, small))
    loud = single(where(which == 1, small_square + big_square, big_square))
    rejects(kernel, "noise_scale", (first, big, small_square, loud), ValueError, mentions=["noise scale"])


@obligation("BAL-REFUSES-TARGET", equation="accumulation_for", type="rejection")
@given(case=bal_refuses_target_inputs)
def test_bal_refuses_target(kernel, case):
    """A target or a pass of no tokens is refused."""
    target, per_pass, which, bad = kernel.receives(case, "target per_pass which bad")
    bad_target = single(where(which == 0, bad, target))
    bad_per_pass = single(where(which == 1, bad, per_pass))
    rejects(kernel, "accumulation_for", (bad_target, bad_per_pass), ValueError, mentions=["must be at least 1"])


@obligation("BAL-REFUSES-SHARDS", equation="common_steps", type="rejection")
@given(case=bal_refuses_shards_inputs)
def test_bal_refuses_shards(kernel, case):
    """Micro-batches or accumulations below 1, and a shard of negative size, are refused."""
    shards, micro, accumulation, which, bad = kernel.receives(case, "shards micro accumulation which bad")
    W = case.W
    w = grid(W)
    m = single(where(which == 0, bad, micro))
    a = single(where(which == 1, bad, accumulation))
    sizes = array[w](where(truth(which == 2) & (w == 0), -1, shards[w]))
    rejects(kernel, "common_steps", (sizes, m, a), ValueError, mentions=["at least"])


@obligation("BAL-REFUSES-PLACES", equation="parse_count", type="rejection")
@given(case=bal_refuses_places_inputs)
def test_bal_refuses_places(kernel, case):
    """An underscore that does not stand between two digits, a point or an exponent without digits, two suffixes, and an
    exponent of four digits are refused."""
    n, which = kernel.receives(case, "n which")
    d = kernel.format_count(n)
    low = single(where(which == 0, join('_', d), where(which == 1, join(d, '__', d), where(which == 2, join(d, '_K'), join(d, '0.')))))
    high = single(where(which == 4, join(d, 'e'), where(which == 5, join(d, 'e+'), where(which == 6, join(d, 'GB'), '0e1000'))))
    wrong = single(where(which < 4, low, high))
    rejects(kernel, "parse_count", (wrong,), ValueError, mentions=["expected a count"])


@obligation("BAL-REFUSES-WRITING", equation="format_count", type="rejection")
@given(case=bal_refuses_writing_inputs)
def test_bal_refuses_writing(kernel, case):
    """A negative count, and one of 2^63 or more, is not written."""
    below, beyond = kernel.receives(case, "below beyond")
    wrong = single(where(below, -1 - beyond, 9223372036854775807 + 1 + beyond))
    rejects(kernel, "format_count", (wrong,), ValueError, mentions=["count"])


@obligation("BAL-REFUSES-NO-STEPS", equation="steps_needed", type="rejection")
@given(case=bal_refuses_no_steps_inputs)
def test_bal_refuses_no_steps(kernel, case):
    """Steps, a scale or a batch of 0 are refused."""
    least, scale, batch, which = kernel.receives(case, "least scale batch which")
    bad_least = single(where(which == 0, 0, least))
    bad_scale = single(where(which == 1, 0, scale))
    bad_batch = single(where(which == 2, 0, batch))
    rejects(kernel, "steps_needed", (bad_least, bad_scale, bad_batch), ValueError, mentions=["positive"])


@obligation("BAL-REFUSES-NO-MODEL", equation="step_law", type="rejection")
@given(case=bal_refuses_no_model_inputs)
def test_bal_refuses_no_model(kernel, case):
    """No parameters, or no tokens, are refused."""
    parameters, tokens, which = kernel.receives(case, "parameters tokens which")
    bad_parameters = single(where(which == 0, 0, parameters))
    bad_tokens = single(where(which == 1, 0, tokens))
    rejects(kernel, "step_law", (bad_parameters, bad_tokens), ValueError, mentions=["positive"])


@obligation("BAL-REFUSES-NO-PARAMETERS", equation="small_model_rate", type="rejection")
@given(case=bal_refuses_no_parameters_inputs)
def test_bal_refuses_no_parameters(kernel, case):
    """A model without parameters is refused."""
    wrong = kernel.receives(case, "wrong")
    rejects(kernel, "small_model_rate", (wrong,), ValueError, mentions=["positive"])


@obligation("BAL-TWENTY", equation="tokens_wanted", type="homogeneity")
@given(case=tokens_wanted_inputs)
def test_bal_twenty(kernel, case):
    """Twice the parameters, twice the tokens; the least is half of what is wanted."""
    parameters = kernel.receives(case, "parameters")
    least, wanted = kernel.tokens_wanted(parameters)
    more, much = kernel.tokens_wanted(2 * parameters)
    claim(more == 2 * least)
    claim(much == 2 * wanted)
    claim(wanted == 2 * least)
    claim(least == 10 * parameters)


@obligation("BAL-SCALE-ACCEPTED", equation="check_scale", type="boundary")
@given(case=check_scale_inputs)
def test_bal_scale_accepted(kernel, case):
    """A run that meets the four rules is accepted, one that just meets them too; below 100 million parameters a step
    may be small."""
    parameters, batch, steps, warmup, small = kernel.receives(case, "parameters batch steps warmup small")
    kernel.check_scale(parameters, batch, steps, warmup)
    fewest = single(max(1000, -(-10 * parameters // 65536)))
    kernel.check_scale(parameters, 65536, fewest, -(-fewest // 100))
    long = single(max(1000, 10 * small))
    kernel.check_scale(small, 1, long, -(-long // 100))
    claim(100 * warmup >= steps)
    claim(steps * batch >= 10 * parameters)


@obligation("BAL-REFUSES-SMALL-BATCH", equation="check_scale", type="rejection")
@given(case=bal_refuses_small_batch_inputs)
def test_bal_refuses_small_batch(kernel, case):
    """From 100 million parameters on, a step of fewer than 65,536 tokens is refused."""
    parameters, batch, steps, warmup = kernel.receives(case, "parameters batch steps warmup")
    rejects(kernel, "check_scale", (parameters, batch, steps, warmup), ValueError, mentions=["batch >= 65536"])


@obligation("BAL-REFUSES-SHORT-RUN", equation="check_scale", type="rejection")
@given(case=bal_refuses_short_run_inputs)
def test_bal_refuses_short_run(kernel, case):
    """A run of fewer than 1,000 steps is refused."""
    parameters, batch, steps, warmup = kernel.receives(case, "parameters batch steps warmup")
    rejects(kernel, "check_scale", (parameters, batch, steps, warmup), ValueError, mentions=["steps >= 1000"])


@obligation("BAL-REFUSES-SHORT-WARMUP", equation="check_scale", type="rejection")
@given(case=bal_refuses_short_warmup_inputs)
def test_bal_refuses_short_warmup(kernel, case):
    """A warm-up of less than 1 % of the steps is refused, with the one that would do."""
    parameters, batch, steps, warmup = kernel.receives(case, "parameters batch steps warmup")
    rejects(
        kernel,
        "check_scale",
        (parameters, batch, steps, warmup),
        ValueError,
        mentions=["100 * warmup >= steps", "warmup >= "],
    )


@obligation("BAL-REFUSES-FEW-TOKENS", equation="check_scale", type="rejection")
@given(case=bal_refuses_few_tokens_inputs)
def test_bal_refuses_few_tokens(kernel, case):
    """Fewer than ten tokens a parameter are refused, with the steps that would do."""
    parameters, batch, steps, warmup = kernel.receives(case, "parameters batch steps warmup")
    rejects(
        kernel,
        "check_scale",
        (parameters, batch, steps, warmup),
        ValueError,
        mentions=["10 * parameters", "steps >= "],
    )


@obligation("BAL-REFUSES-SCALE", equation="check_scale", type="rejection")
@given(case=bal_refuses_scale_inputs)
def test_bal_refuses_scale(kernel, case):
    """A count below 1 is refused, whichever it is; only the warm-up may be 0 to begin with."""
    parameters, batch, steps, warmup, which, bad = kernel.receives(case, "parameters batch steps warmup which bad")
    n = single(where(which == 0, bad, parameters))
    b = single(where(which == 1, bad, batch))
    s = single(where(which == 2, bad, steps))
    w = single(where(which == 3, bad - 1, warmup))
    rejects(kernel, "check_scale", (n, b, s, w), ValueError, mentions=["must be at least"])


@obligation("BAL-REFUSES-NOTHING-TO-TRAIN", equation="tokens_wanted", type="rejection")
@given(case=bal_refuses_nothing_to_train_inputs)
def test_bal_refuses_nothing_to_train(kernel, case):
    """A model without parameters is refused."""
    wrong = kernel.receives(case, "wrong")
    rejects(kernel, "tokens_wanted", (wrong,), ValueError, mentions=["must be at least 1"])


@obligation("BAL-EITHER-CASE", equation="parse_count", type="equivalence")
@given(case=bal_either_case_inputs)
def test_bal_either_case(kernel, case):
    """Every suffix has one value, as a capital and as a small letter."""
    which = kernel.receives(case, "which")
    d = single(where(which < 2, where(which == 0, '1', '3'), where(which == 2, '640', '2.5')))
    tenths = single(where(which < 2, where(which == 0, 10, 30), where(which == 2, 6400, 25)))
    claim(kernel.parse_count(join(d, 'k')) == 1024 * tenths // 10)
    claim(kernel.parse_count(join(d, 'K')) == 1024 * tenths // 10)
    claim(kernel.parse_count(join(d, 'm')) == 1048576 * tenths // 10)
    claim(kernel.parse_count(join(d, 'M')) == 1048576 * tenths // 10)
    claim(kernel.parse_count(join(d, 'g')) == 1073741824 * tenths // 10)
    claim(kernel.parse_count(join(d, 'G')) == 1073741824 * tenths // 10)
    claim(kernel.parse_count(join(d, 'b')) == 1000000000 * tenths // 10)
    claim(kernel.parse_count(join(d, 'B')) == 1000000000 * tenths // 10)
    claim(kernel.parse_count(join(d, 't')) == 1000000000000 * tenths // 10)
    claim(kernel.parse_count(join(d, 'T')) == 1000000000000 * tenths // 10)
    claim(kernel.parse_count('3E2k') == 307200)
    claim(kernel.parse_count('3e2K') == 307200)


@obligation("BAL-DEF-STEP_TOKENS", equation="step_tokens", type="definition")
@given(case=bal_def_step_tokens_inputs)
def test_bal_def_step_tokens(kernel, case):
    """step_tokens computes its definition."""
    micro, accumulation, world, sequence = kernel.receives(case, "micro accumulation world sequence")
    tokens = kernel.step_tokens(micro, accumulation, world, sequence)
    expected_tokens = spec.step_tokens(micro, accumulation, world, sequence)
    claim(approx(tokens, expected_tokens))


@obligation("BAL-DEF-ACCUMULATION_FOR", equation="accumulation_for", type="definition")
@given(case=bal_def_accumulation_for_inputs)
def test_bal_def_accumulation_for(kernel, case):
    """accumulation_for computes its definition."""
    target, per_pass = kernel.receives(case, "target per_pass")
    accumulation = kernel.accumulation_for(target, per_pass)
    expected_accumulation = spec.accumulation_for(target, per_pass)
    claim(approx(accumulation, expected_accumulation))


@obligation("BAL-DEF-COMMON_STEPS", equation="common_steps", type="definition")
@given(case=common_steps_inputs)
def test_bal_def_common_steps(kernel, case):
    """common_steps computes its definition."""
    shards, micro, accumulation = kernel.receives(case, "shards micro accumulation")
    steps = kernel.common_steps(shards, micro, accumulation)
    expected_steps = spec.common_steps(shards, micro, accumulation)
    claim(approx(steps, expected_steps))


@obligation("BAL-DEF-NOISE_SCALE", equation="noise_scale", type="definition")
@given(case=noise_scale_inputs)
def test_bal_def_noise_scale(kernel, case):
    """noise_scale computes its definition."""
    small, big, small_square, big_square = kernel.receives(case, "small big small_square big_square")
    scale = kernel.noise_scale(small, big, small_square, big_square)
    expected_scale = spec.noise_scale(small, big, small_square, big_square)
    claim(approx(scale, expected_scale))


@obligation("BAL-DEF-STEPS_NEEDED", equation="steps_needed", type="definition")
@given(case=bal_def_steps_needed_inputs)
def test_bal_def_steps_needed(kernel, case):
    """steps_needed computes its definition."""
    least, scale, batch = kernel.receives(case, "least scale batch")
    steps = kernel.steps_needed(least, scale, batch)
    expected_steps = spec.steps_needed(least, scale, batch)
    claim(approx(steps, expected_steps))


@obligation("BAL-DEF-STEP_LAW", equation="step_law", type="definition")
@given(case=step_law_inputs)
def test_bal_def_step_law(kernel, case):
    """step_law computes its definition."""
    parameters, tokens = kernel.receives(case, "parameters tokens")
    rate, batch = kernel.step_law(parameters, tokens)
    expected_rate, expected_batch = spec.step_law(parameters, tokens)
    claim(approx(rate, expected_rate))
    claim(approx(batch, expected_batch))


@obligation("BAL-DEF-SMALL_MODEL_RATE", equation="small_model_rate", type="definition")
@given(case=small_model_rate_inputs)
def test_bal_def_small_model_rate(kernel, case):
    """small_model_rate computes its definition."""
    parameters = kernel.receives(case, "parameters")
    rate = kernel.small_model_rate(parameters)
    expected_rate = spec.small_model_rate(parameters)
    claim(approx(rate, expected_rate))


@obligation("BAL-DEF-TOKENS_WANTED", equation="tokens_wanted", type="definition")
@given(case=tokens_wanted_inputs)
def test_bal_def_tokens_wanted(kernel, case):
    """tokens_wanted computes its definition."""
    parameters = kernel.receives(case, "parameters")
    least, wanted = kernel.tokens_wanted(parameters)
    expected_least, expected_wanted = spec.tokens_wanted(parameters)
    claim(approx(least, expected_least))
    claim(approx(wanted, expected_wanted))


@obligation("BAL-PREDICTS-STEP-LAW", rule="BAL-DEF-STEP_LAW", type="falsification")
def test_bal_predicts_step_law(kernel):
    """350M parameters and 7B tokens: a rate of 1.53e-3 and 243 thousand tokens a step."""
    case = example({"parameters": "real", "tokens": "real"}, parameters=350000000, tokens=7000000000)
    parameters, tokens = kernel.receives(case, "parameters tokens")
    rate, batch = kernel.step_law(parameters, tokens)
    claim(abs(rate - 0.00153) < 1e-05)
    claim(abs(batch - 243000) < 1000)


@obligation("BAL-PREDICTS-SMALL", rule="BAL-DEF-SMALL_MODEL_RATE", type="falsification")
def test_bal_predicts_small(kernel):
    """350M parameters: 4.11e-3."""
    case = example({"parameters": "real"}, parameters=350000000)
    parameters = kernel.receives(case, "parameters")
    claim(abs(kernel.small_model_rate(parameters) - 0.00411) < 1e-05)


@obligation("BAL-PREDICTS-TEXTS", rule="BAL-SUFFIXES", type="falsification")
def test_bal_predicts_texts(kernel):
    """32K, 1M, 10B, 1.5K, 2.5B, 64k, 3.2e4 and 1_000 are what they are."""
    case = example({"text": "text"}, text="64k")
    text = kernel.receives(case, "text")
    claim(kernel.parse_count(text) == 65536)
    claim(kernel.parse_count('32K') == 32768)
    claim(kernel.parse_count('1M') == 1048576)
    claim(kernel.parse_count('10B') == 10000000000)
    claim(kernel.parse_count('1.5K') == 1536)
    claim(kernel.parse_count('2.5B') == 2500000000)
    claim(kernel.parse_count('3.2e4') == 32000)
    claim(kernel.parse_count('1_000') == 1000)
    claim(kernel.parse_count('8388607.999999999T') == 8388607999999999000)


@obligation("BAL-PREDICTS-SHARDS", rule="BAL-NO-WORKER-SHORT", type="falsification")
def test_bal_predicts_shards(kernel):
    """Shards of 100, 10 and 100 samples in steps of 4 * 2 on each worker: one step, not eight."""
    case = example(
        {"shards": "i64[W]", "micro": "int", "accumulation": "int"},
        shards=[100, 10, 100],
        micro=4,
        accumulation=2,
    )
    shards, micro, accumulation = kernel.receives(case, "shards micro accumulation")
    claim(kernel.common_steps(shards, micro, accumulation) == 1)


@obligation("BAL-PREDICTS-SUFFIX-HINT", rule="BAL-REFUSES", type="falsification")
def test_bal_predicts_suffix_hint(kernel):
    """An unknown suffix is named, with those there are."""
    case = example({"text": "text"}, text="64Q")
    text = kernel.receives(case, "text")
    rejects(kernel, "parse_count", (text,), ValueError, mentions=["64Q", "K, M, G", "B, T"])


@obligation("BAL-PREDICTS-PLACES", rule="BAL-SUFFIXES", type="falsification")
def test_bal_predicts_places(kernel):
    """Underscores between digits, and exponents with a sign or three digits, are read."""
    case = example({"text": "text"}, text="1_0")
    text = kernel.receives(case, "text")
    claim(kernel.parse_count(text) == 10)
    claim(kernel.parse_count('12_345_678') == 12345678)
    claim(kernel.parse_count('1_23K') == 123 * 1024)
    claim(kernel.parse_count('5000e-3') == 5)
    claim(kernel.parse_count('5e+3') == 5000)
    claim(kernel.parse_count('0e100') == 0)
    claim(kernel.parse_count('25e-1K') == 2560)


@obligation("BAL-PREDICTS-WRITING", rule="BAL-SHORTEST", type="falsification")
def test_bal_predicts_writing(kernel):
    """1,125,000,000 is written 1.125B; 1,310,720 is 1280K, which is as short as 1.25M."""
    case = example({"number": "int", "n": "int", "which": "int"}, number=1310720, n=1, which=0)
    number = kernel.receives(case, "number")
    claim(kernel.format_count(number) == '1280K')
    claim(kernel.format_count(1125000000) == '1.125B')
    claim(kernel.format_count(1073741824) == '1G')


@obligation("BAL-PREDICTS-SILENCE", rule="BAL-NOISE-FOUND", type="falsification")
def test_bal_predicts_silence(kernel):
    """Equal norms at two batches mean no noise: a scale of 0; in other units batches below 1 are batches."""
    case = example(
        {"small": "real", "big": "real", "small_square": "real", "big_square": "real"},
        small=0.25,
        big=0.5,
        small_square=4,
        big_square=4,
    )
    small, big, small_square, big_square = kernel.receives(case, "small big small_square big_square")
    claim(kernel.noise_scale(small, big, small_square, big_square) == 0)
    claim(approx(kernel.noise_scale(small, big, 4, 3), 0.25))


@obligation("BAL-PREDICTS-ONLY-NOISE", rule="BAL-REFUSES-NO-NOISE", type="falsification")
def test_bal_predicts_only_noise(kernel):
    """Twice the batch and half the squared norm leave no signal: refused."""
    case = example(
        {"small": "real", "big": "real", "small_square": "real", "big_square": "real", "which": "int"},
        small=1,
        big=2,
        small_square=4,
        big_square=2,
        which=0,
    )
    small, big, small_square, big_square = kernel.receives(case, "small big small_square big_square")
    rejects(kernel, "noise_scale", (small, big, small_square, big_square), ValueError, mentions=["noise scale"])


@obligation("BAL-PREDICTS-NO-BATCH", rule="BAL-REFUSES-NO-NOISE", type="falsification")
def test_bal_predicts_no_batch(kernel):
    """A batch of 0 is refused."""
    case = example(
        {"small": "real", "big": "real", "small_square": "real", "big_square": "real", "which": "int"},
        small=0,
        big=2,
        small_square=4,
        big_square=2,
        which=0,
    )
    small, big, small_square, big_square = kernel.receives(case, "small big small_square big_square")
    rejects(kernel, "noise_scale", (small, big, small_square, big_square), ValueError, mentions=["noise scale"])


@obligation("BAL-PREDICTS-UNITS", rule="BAL-DEF-STEPS_NEEDED", type="falsification")
def test_bal_predicts_units(kernel):
    """In thousands of steps and millions of tokens figures below 1 are figures: 0.5 at a batch of the scale is 1."""
    case = example({"least": "real", "scale": "real", "batch": "real"}, least=0.5, scale=0.25, batch=0.25)
    least, scale, batch = kernel.receives(case, "least scale batch")
    claim(approx(kernel.steps_needed(least, scale, batch), 1))


@obligation("BAL-PREDICTS-HALF", rule="BAL-DEF-STEP_LAW", type="falsification")
def test_bal_predicts_half(kernel):
    """The laws are powers all the way down: half a parameter and half a token have a rate."""
    case = example({"parameters": "real", "tokens": "real"}, parameters=0.5, tokens=0.5)
    parameters, tokens = kernel.receives(case, "parameters tokens")
    _, batch = kernel.step_law(parameters, tokens)
    claim(approx(batch, 0.58 * real(0.5) ** 0.571))
    claim(approx(kernel.small_model_rate(parameters), 0.01 * real(parameters / 10000000.0) ** (-0.25)))


@obligation("BAL-PREDICTS-WARMUP", rule="BAL-REFUSES-SHORT-WARMUP", type="falsification")
def test_bal_predicts_warmup(kernel):
    """93 of 38,349 steps are 0.24 %: refused; 384 would do."""
    case = example(
        {"parameters": "int", "batch": "int", "steps": "int", "warmup": "int"},
        parameters=398509056,
        batch=131072,
        steps=38349,
        warmup=93,
    )
    parameters, batch, steps, warmup = kernel.receives(case, "parameters batch steps warmup")
    rejects(
        kernel,
        "check_scale",
        (parameters, batch, steps, warmup),
        ValueError,
        mentions=["100 * 93 < 38349", "warmup >= 384"],
    )


@obligation("BAL-PREDICTS-FIVE-TOKENS", rule="BAL-REFUSES-FEW-TOKENS", type="falsification")
def test_bal_predicts_five_tokens(kernel):
    """2.04 billion tokens for 398,509,056 parameters are five each: refused; 30,404 steps of 131,072 would do, and 7.97
    billion are wanted."""
    case = example(
        {"parameters": "int", "batch": "int", "steps": "int", "warmup": "int"},
        parameters=398509056,
        batch=131072,
        steps=15564,
        warmup=156,
    )
    parameters, batch, steps, warmup = kernel.receives(case, "parameters batch steps warmup")
    rejects(
        kernel,
        "check_scale",
        (parameters, batch, steps, warmup),
        ValueError,
        mentions=["2040004608 < 3985090560", "steps >= 30404", "7970181120"],
    )


@obligation("BAL-PREDICTS-SMALL-BATCH", rule="BAL-REFUSES-SMALL-BATCH", type="falsification")
def test_bal_predicts_small_batch(kernel):
    """Steps of 4,096 tokens for 398.5M parameters are refused, whatever else holds."""
    case = example(
        {"parameters": "int", "batch": "int", "steps": "int", "warmup": "int"},
        parameters=398509056,
        batch=4096,
        steps=1000000,
        warmup=10000,
    )
    parameters, batch, steps, warmup = kernel.receives(case, "parameters batch steps warmup")
    rejects(
        kernel,
        "check_scale",
        (parameters, batch, steps, warmup),
        ValueError,
        mentions=["4096 < 65536", "batch >= 65536"],
    )


@obligation("BAL-PREDICTS-JUST-SHORT", rule="BAL-REFUSES-SHORT-WARMUP", type="falsification")
def test_bal_predicts_just_short(kernel):
    """1,999 tokens are less than ten for each of 200 parameters, and 19 steps less than 1 % of as many."""
    case = example(
        {"parameters": "int", "batch": "int", "steps": "int", "warmup": "int"},
        parameters=200,
        batch=1,
        steps=1999,
        warmup=19,
    )
    parameters, batch, steps, warmup = kernel.receives(case, "parameters batch steps warmup")
    rejects(
        kernel,
        "check_scale",
        (parameters, batch, steps, warmup),
        ValueError,
        mentions=["100 * 19 < 1999", "warmup >= 20", "1999 < 2000", "steps >= 2000"],
    )


@obligation("BAL-PREDICTS-ONE-STEP-SHORT", rule="BAL-REFUSES-SHORT-WARMUP", type="falsification")
def test_bal_predicts_one_step_short(kernel):
    """Ten warm-up steps are 1 % of 1,000 steps, and not of 1,001."""
    case = example(
        {"parameters": "int", "batch": "int", "steps": "int", "warmup": "int"},
        parameters=200,
        batch=100,
        steps=1001,
        warmup=10,
    )
    parameters, batch, steps, warmup = kernel.receives(case, "parameters batch steps warmup")
    rejects(
        kernel,
        "check_scale",
        (parameters, batch, steps, warmup),
        ValueError,
        mentions=["100 * 10 < 1001", "warmup >= 11"],
    )


@obligation("BAL-PREDICTS-NO-WARMUP-BELOW", rule="BAL-REFUSES-SCALE", type="falsification")
def test_bal_predicts_no_warmup_below(kernel):
    """A warm-up of -1 is no short one: it is refused as a count."""
    case = example(
        {"parameters": "int", "batch": "int", "steps": "int", "warmup": "int", "which": "int", "bad": "int"},
        parameters=200,
        batch=100,
        steps=1000,
        warmup=-1,
        which=3,
        bad=0,
    )
    parameters, batch, steps, warmup = kernel.receives(case, "parameters batch steps warmup")
    rejects(
        kernel,
        "check_scale",
        (parameters, batch, steps, warmup),
        ValueError,
        mentions=["warmup must be at least 0"],
    )


@obligation("BAL-PREDICTS-ALL-REASONS", rule="BAL-REFUSES-SHORT-RUN", type="falsification")
def test_bal_predicts_all_reasons(kernel):
    """Of a run that meets no rule all four are said."""
    case = example(
        {"parameters": "int", "batch": "int", "steps": "int", "warmup": "int"},
        parameters=100000000,
        batch=65535,
        steps=999,
        warmup=0,
    )
    parameters, batch, steps, warmup = kernel.receives(case, "parameters batch steps warmup")
    rejects(
        kernel,
        "check_scale",
        (parameters, batch, steps, warmup),
        ValueError,
        mentions=["batch >= 65536", "steps >= 1000", "warmup >= 10", "steps >= 15260"],
    )
