"""data/fim: Fill-in-the-middle.

Compiled from contracts/data/fim-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 9895d2d326721cfdcec887611ec346b8e62c6fdb3a867be2a8939e8f11c7cabd
"""

from albor_contracts.testing import (
    abs, all, any, array, cases, claim, definitions, exact, example, given, grid, int, join, length, mean, obligation,
    occurrences, ratio, rejects, same_twice, single, statistically, sum, truth, where,
)

CONTRACT = "data/fim"


spec = definitions(
    CONTRACT,
    "fim(text: text, seed: int, rate: real, spm: bool) -> transformed: text",
    "unfim(text: text) -> original: text",
    "fim_parts(transformed: text) -> prefix: text, middle: text, suffix: text, order: text",
)

unfim_inputs = cases(
    text="text length 0..64",
    seed="int in [0, 4294967295]",
    rate="real in [0, 1]",
    spm="bool",
)
fim_inputs = cases(
    text="text length 4..64",
    seed="int in [0, 4294967295]",
    rate="real in [0, 1]",
    spm="bool",
    first="bool",
)
fim_plain_text_inputs = cases(
    text="text length 0..64",
)
fim_rate_inputs = cases(
    dims={"S": "220"},
    text="text length 0..8",
    seed="int in [0, 100000]",
    rate="real in [0, 1]",
    spm="bool",
    order="permutation[S]",
)
fim_cuts_inputs = cases(
    dims={"S": "570"},
    text="text length 1..3",
    seed="int in [0, 100000]",
    rate="real in [0, 1]",
    spm="bool",
    order="permutation[S]",
)
fim_fine_rate_inputs = cases(
    dims={"S": "10000"},
    text="text length 0..64",
    seed="int in [0, 100000]",
    rate="real in {0.25, 0.35, 0.65, 0.75}",
    spm="bool",
)
fim_halves_inputs = cases(
    dims={"S": "1000"},
    text="text length 100..200",
    seed="int in [0, 100000]",
    rate="real in [0, 1]",
    spm="bool",
    tail="text length 100..200",
    which="bool",
)
fim_every_place_inputs = cases(
    dims={"S": "300"},
    text="text length 5..8",
    seed="int in [0, 100000]",
    rate="real in [0, 1]",
    spm="bool",
    tail="text length 5..8",
)
fim_wide_characters_inputs = cases(
    dims={"S": "1000"},
    text="text length 0..64",
    seed="int in [0, 100000]",
    rate="real in [0, 1]",
    spm="bool",
)
fim_blind_inputs = cases(
    text="text length 1..64",
    seed="int in [0, 4294967295]",
    rate="real in [0, 1]",
    spm="bool",
    other="text length 4..64",
)
fim_seed_bits_inputs = cases(
    work={"32 * 8": 2**18},
    text="text length 33..64",
    seed="int in [0, 2147483639]",
    rate="real in [0, 1]",
    spm="bool",
)
fim_refuses_sentinels_inputs = cases(
    text="text length 0..64",
    seed="int in [0, 4294967295]",
    rate="real in [0, 1]",
    spm="bool",
    head="text length 0..20",
    which="int in [0, 2]",
)
fim_refuses_rates_inputs = cases(
    text="text length 0..64",
    seed="int in [0, 4294967295]",
    rate="real in [-100, -0.001] or [1.001, 100]",
    spm="bool",
)
fim_refuses_no_rate_inputs = cases(
    text="text length 0..64",
    seed="int in [0, 4294967295]",
    rate="real in [0, 1]",
    spm="bool",
    wrong="real in {nan, inf}",
)
fim_refuses_damaged_inputs = cases(
    text="text length 0..64",
    head="text length 0..20",
    tail="text length 0..20",
    which="int in [0, 4]",
)
fim_refuses_seeds_inputs = cases(
    text="text length 0..64",
    seed="int in [0, 4294967295]",
    rate="real in [0, 1]",
    spm="bool",
    wrong="int in [-3, -1]",
)


@obligation("FIM-LOSSLESS", equation="unfim", type="roundtrip")
@given(case=unfim_inputs)
def test_fim_lossless(kernel, case):
    """The original text is recovered, character for character."""
    text, seed, rate, spm = kernel.receives(case, "text seed rate spm")
    claim(exact(kernel.unfim(kernel.fim(text, seed, rate, spm)), text))


@obligation("FIM-ORDER", equation="fim", type="conservation")
@given(case=unfim_inputs)
def test_fim_order(kernel, case):
    """A transformed text is its parts between the three sentinels in their order, nothing added, nothing lost; SPM
    keeps nothing before the suffix."""
    text, seed, spm = kernel.receives(case, "text seed spm")
    transformed = kernel.fim(text, seed, 1, spm)
    prefix, middle, suffix, order = kernel.fim_parts(transformed)
    claim(transformed == join('<|fim_prefix|>', prefix, '<|fim_suffix|>', suffix, '<|fim_middle|>', middle))
    claim(join(prefix, middle, suffix) == text)
    claim(length(transformed) == length(text) + 42)
    claim(~truth(spm) | truth(length(prefix) == 0))
    claim(order == where(length(prefix) == 0, 'spm', 'psm'))


@obligation("FIM-BOTH-ORDERS", equation="fim", type="equivalence")
@given(case=fim_inputs)
def test_fim_both_orders(kernel, case):
    """One text and seed in both orders: the same cuts, prefix and middle apart in PSM and together in SPM, whichever is
    asked for first."""
    text, seed, first = kernel.receives(case, "text seed first")
    one = kernel.fim(text, seed, 1, first)
    two = kernel.fim(text, seed, 1, ~truth(first))
    p, m, s, _ = kernel.fim_parts(where(first, two, one))
    none, both, rest, order = kernel.fim_parts(where(first, one, two))
    claim(length(none) == 0)
    claim(order == 'spm')
    claim(join(p, m) == both)
    claim(s == rest)
    claim(join(both, rest) == text)


@obligation("FIM-UNCHANGED", equation="fim", type="boundary")
@given(case=unfim_inputs)
def test_fim_unchanged(kernel, case):
    """At rate 0 every text is returned as it is; at rate 1 none is."""
    text, seed, spm = kernel.receives(case, "text seed spm")
    claim(exact(kernel.fim(text, seed, 0, spm), text))
    claim(kernel.fim(text, seed, 1, spm) != text)


@obligation("FIM-PLAIN-TEXT", equation="unfim", type="boundary")
@given(case=fim_plain_text_inputs)
def test_fim_plain_text(kernel, case):
    """A text that was not transformed is returned as it is."""
    text = kernel.receives(case, "text")
    claim(exact(kernel.unfim(text), text))


@obligation("FIM-SAME-SEED", equation="fim", type="determinism")
@given(case=unfim_inputs)
def test_fim_same_seed(kernel, case):
    """The same seed gives the same text."""
    text, seed, rate, spm = kernel.receives(case, "text seed rate spm")
    same_twice(lambda: kernel.fim(text, seed, rate, spm))


@obligation("FIM-RATE", equation="fim", type="statistical")
@given(case=fim_rate_inputs)
def test_fim_rate(kernel, case):
    """Over seeds, the share of transformed texts is the rate."""
    text, seed, rate, spm, order = kernel.receives(case, "text seed rate spm order")
    S = case.S
    s = grid(S)
    changed = array[s](int(kernel.fim(text, seed + order[s], rate, spm) != text))
    statistically(
        statistic=mean[s](changed[s]),
        expect=rate,
        variance=rate * (1 - rate),
        observations=S,
        detects=0.5,
        trials=1,
        false_alarm=1e-09,
    )


@obligation("FIM-CUTS", equation="fim", type="statistical")
@given(case=fim_cuts_inputs)
def test_fim_cuts(kernel, case):
    """The middle is empty with probability 1 / (n + 1): two cuts with replacement among all n + 1 places."""
    text, seed, order = kernel.receives(case, "text seed order")
    S = case.S
    s = grid(S)
    share = single(ratio(1, length(text) + 1))
    empty = array[s](occurrences(join(kernel.fim(text, seed + order[s], 1, False), '(end)'), '<|fim_middle|>(end)'))
    statistically(
        statistic=mean[s](empty[s]),
        expect=share,
        variance=share * (1 - share),
        observations=S,
        detects=0.28,
        trials=1,
        false_alarm=1e-09,
    )


@obligation("FIM-FINE-RATE", equation="fim", type="statistical", cost=25)
@given(case=fim_fine_rate_inputs)
def test_fim_fine_rate(kernel, case):
    """A rate is taken as it is: of 0.25 a quarter is transformed, not two or three tenths; nor is the chance taken
    twice."""
    seed, rate, spm = kernel.receives(case, "seed rate spm")
    S = case.S
    s = grid(S)
    changed = array[s](int(kernel.fim('x', seed + s, rate, spm) != 'x'))
    statistically(
        statistic=mean[s](changed[s]),
        expect=rate,
        variance=rate * (1 - rate),
        observations=S,
        detects=0.055,
        trials=1,
        false_alarm=1e-09,
    )


@obligation("FIM-HALVES", equation="fim", type="statistical", cost=12)
@given(case=fim_halves_inputs)
def test_fim_halves(kernel, case):
    """Each cut lies on its side of a place in a long text as often as its share of all places says: both at it or
    behind it, both at it or before it."""
    text, seed, tail, which = kernel.receives(case, "text seed tail which")
    S = case.S
    s = grid(S)
    places = single(length(text) + length(tail) + 1)
    share = single(ratio(where(which, length(text), length(tail)) + 1, places))
    long = single(join(text, tail))
    at = single(where(which, join(tail, '<|fim_middle|>'), join('<|fim_prefix|>', text)))
    beside = array[s](occurrences(kernel.fim(long, seed + s, 1, False), at))
    statistically(
        statistic=mean[s](beside[s]),
        expect=share ** 2,
        variance=share ** 2 * (1 - share ** 2),
        observations=S,
        detects=0.22,
        trials=1,
        false_alarm=1e-09,
    )


@obligation("FIM-EVERY-PLACE", equation="fim", type="conservation", cost=4)
@given(case=fim_every_place_inputs)
def test_fim_every_place(kernel, case):
    """Any place of a text is cut: among 300 seeds one at least ends the prefix or begins the suffix there."""
    text, seed, tail = kernel.receives(case, "text seed tail")
    S = case.S
    s = grid(S)
    both = single(join(text, tail))
    first = array[s](occurrences(kernel.fim(both, seed + s, 1, False), join('<|fim_prefix|>', text, '<|fim_suffix|>')))
    second = array[s](occurrences(kernel.fim(both, seed + s, 1, False), join('<|fim_suffix|>', tail, '<|fim_middle|>')))
    claim(any[s](first[s] + second[s] > 0))


@obligation("FIM-WIDE-CHARACTERS", equation="fim", type="statistical", cost=25)
@given(case=fim_wide_characters_inputs)
def test_fim_wide_characters(kernel, case):
    """A character beyond 16 bits has two places, as likely as each other: both cuts lie before it in a quarter of the
    draws."""
    seed = kernel.receives(case, "seed")
    S = case.S
    s = grid(S)
    before = array[s](int(kernel.fim('🙂', seed + s, 1, False) == '<|fim_prefix|><|fim_suffix|>🙂<|fim_middle|>'))
    statistically(
        statistic=mean[s](before[s]),
        expect=0.25,
        variance=0.1875,
        observations=S,
        detects=0.2,
        trials=1,
        false_alarm=1e-09,
    )


@obligation("FIM-BLIND", equation="fim", type="invariance")
@given(case=fim_blind_inputs)
def test_fim_blind(kernel, case):
    """What is drawn depends on the seed and the length: two texts of one length are both transformed or both not, and
    cut at the same places."""
    text, seed, rate, spm, other = kernel.receives(case, "text seed rate spm other")
    one = kernel.fim(join(text, other), seed, 1, False)
    two = kernel.fim(join(other, text), seed, 1, False)
    p, m, s, _ = kernel.fim_parts(one)
    p2, m2, s2, _ = kernel.fim_parts(two)
    here = single(length(kernel.fim(join(text, other), seed, rate, spm)))
    there = single(length(kernel.fim(join(other, text), seed, rate, spm)))
    claim(length(p) == length(p2))
    claim(length(m) == length(m2))
    claim(length(s) == length(s2))
    claim(here == there)


@obligation("FIM-SEED-BITS", equation="fim", type="conservation", cost=12)
@given(case=fim_seed_bits_inputs)
def test_fim_seed_bits(kernel, case):
    """Every bit of a seed of 32 bits counts: with any of them changed one of eight seeds, at least, cuts a text
    elsewhere."""
    text, seed = kernel.receives(case, "text seed")
    k, b = grid(32, 8)
    differ = array[k, b](int(kernel.fim(text, seed + b, 1, False) != kernel.fim(text, seed + b + (1 << k), 1, False)))
    claim(all[k](any[b](differ[k, b] > 0)))


@obligation("FIM-UNSEEN-CHARACTERS", equation="unfim", type="roundtrip")
@given(case=unfim_inputs)
def test_fim_unseen_characters(kernel, case):
    """Characters that are not seen are recovered at both ends: the byte order mark, NUL, carriage return, line and
    paragraph separators, characters in two parts."""
    text, seed, rate, spm = kernel.receives(case, "text seed rate spm")
    mark = single(join('\ufeff', text, '\u2028\ufeff'))
    line = single(join('\x00\r\u2028', text, '\x85\x0b\x0c\x1c\u2029\r\x00'))
    parts = single(join('é\xadﬁ', text, 'éÅ\u200b'))
    claim(exact(kernel.unfim(kernel.fim(mark, seed, rate, spm)), mark))
    claim(exact(kernel.unfim(mark), mark))
    claim(exact(kernel.unfim(kernel.fim(line, seed, rate, spm)), line))
    claim(exact(kernel.unfim(line), line))
    claim(exact(kernel.unfim(kernel.fim(parts, seed, rate, spm)), parts))
    claim(exact(kernel.unfim(parts), parts))


@obligation("FIM-REFUSES-SENTINELS", equation="fim", type="rejection")
@given(case=fim_refuses_sentinels_inputs)
def test_fim_refuses_sentinels(kernel, case):
    """A text that holds any of the sentinels is refused."""
    text, seed, rate, spm, head, which = kernel.receives(case, "text seed rate spm head which")
    sentinel = single(where(which == 0, '<|fim_prefix|>', where(which == 1, '<|fim_suffix|>', '<|fim_middle|>')))
    holding = single(join(head, sentinel, text))
    rejects(kernel, "fim", (holding, seed, rate, spm), ValueError, mentions=["sentinel"])


@obligation("FIM-REFUSES-RATES", equation="fim", type="rejection")
@given(case=fim_refuses_rates_inputs)
def test_fim_refuses_rates(kernel, case):
    """A rate outside [0, 1] is refused."""
    text, seed, rate, spm = kernel.receives(case, "text seed rate spm")
    rejects(kernel, "fim", (text, seed, rate, spm), ValueError, mentions=["rate"])


@obligation("FIM-REFUSES-NO-RATE", equation="fim", type="rejection")
@given(case=fim_refuses_no_rate_inputs)
def test_fim_refuses_no_rate(kernel, case):
    """A rate that is no number, or infinite, is refused."""
    text, seed, spm, wrong = kernel.receives(case, "text seed spm wrong")
    rejects(kernel, "fim", (text, seed, wrong, spm), ValueError, mentions=["rate"])


@obligation("FIM-REFUSES-DAMAGED", equation="unfim", type="rejection")
@given(case=fim_refuses_damaged_inputs)
def test_fim_refuses_damaged(kernel, case):
    """A text that holds sentinels and was not made by the transform is refused."""
    text, head, tail, which = kernel.receives(case, "text head tail which")
    no_middle = single(join('<|fim_prefix|>', head, '<|fim_suffix|>', text))
    not_first = single(join('x', head, '<|fim_prefix|><|fim_suffix|><|fim_middle|>', text))
    turned = single(join('<|fim_prefix|>', head, '<|fim_middle|>', tail, '<|fim_suffix|>', text))
    twice = single(join('<|fim_prefix|>', head, '<|fim_suffix|>', text, '<|fim_middle|>', tail, '<|fim_middle|>'))
    one = single(join(head, '<|fim_suffix|>', text))
    damaged = single(where(which == 0, no_middle, where(which == 1, not_first, where(which == 2, turned, where(which == 3, twice, one)))))
    rejects(kernel, "unfim", (damaged,), ValueError, mentions=["sentinel"])


@obligation("FIM-REFUSES-SEEDS", equation="fim", type="rejection")
@given(case=fim_refuses_seeds_inputs)
def test_fim_refuses_seeds(kernel, case):
    """A negative seed is refused."""
    text, rate, spm, wrong = kernel.receives(case, "text rate spm wrong")
    rejects(kernel, "fim", (text, wrong, rate, spm), ValueError, mentions=["seed"])


@obligation("FIM-PREDICTS-CHARACTERS", rule="FIM-LOSSLESS", type="falsification")
def test_fim_predicts_characters(kernel):
    """Characters of one to four bytes, a combining accent and a joined emoji survive any cut."""
    case = example(
        {"text": "text", "seed": "int", "rate": "real", "spm": "bool"},
        text="\xe9\u0301\u4e2d\u6587\U0001f642\U0001f469\u200d\U0001f4bb\t\r\n  x",
        seed=3,
        rate=1,
        spm=False,
    )
    text, seed, rate, spm = kernel.receives(case, "text seed rate spm")
    claim(exact(kernel.unfim(kernel.fim(text, seed, rate, spm)), text))
    claim(exact(kernel.unfim(kernel.fim(text, seed + 1, rate, True)), text))


@obligation("FIM-PREDICTS-EMPTY", rule="FIM-ORDER", type="falsification")
def test_fim_predicts_empty(kernel):
    """The empty text is transformed to the three sentinels alone."""
    case = example({"text": "text", "seed": "int", "rate": "real", "spm": "bool"}, text="", seed=0, rate=1, spm=False)
    text, seed, rate, spm = kernel.receives(case, "text seed rate spm")
    claim(kernel.fim(text, seed, rate, spm) == '<|fim_prefix|><|fim_suffix|><|fim_middle|>')


@obligation("FIM-PREDICTS-NESTED", rule="FIM-REFUSES-SENTINELS", type="falsification")
def test_fim_predicts_nested(kernel):
    """A transformed text is not transformed again."""
    case = example(
        {"text": "text", "seed": "int", "rate": "real", "spm": "bool"},
        text="<|fim_prefix|>def f(<|fim_suffix|>: return x<|fim_middle|>x)",
        seed=1,
        rate=0,
        spm=True,
    )
    text, seed, rate, spm = kernel.receives(case, "text seed rate spm")
    rejects(kernel, "fim", (text, seed, rate, spm), ValueError, mentions=["<|fim_prefix|>"])


@obligation("FIM-PREDICTS-TWO-PLACES", rule="FIM-ORDER", type="falsification")
def test_fim_predicts_two_places(kernel):
    """A text of one character has two places for a cut, as likely as each other: over 8,000 seeds half of the middles
    are empty."""
    case = example({"text": "text", "seed": "int", "rate": "real", "spm": "bool"}, text="x", seed=0, rate=1, spm=False)
    text, seed = kernel.receives(case, "text seed")
    s = grid(8000)
    empty = array[s](occurrences(join(kernel.fim(text, seed + s, 1, False), '(end)'), '<|fim_middle|>(end)'))
    claim(abs(sum[s](empty[s]) - 4000) < 270)
