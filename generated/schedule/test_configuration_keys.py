"""schedule/configuration-keys: Keys of a configuration.

Compiled from contracts/schedule/configuration-keys-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: a0f26086d4c16992375e8df6434dd1ff0c442b4667b1588bd1a201e9d550cf78
"""

from albor_contracts.testing import (
    abs, array, cases, claim, defines, definitions, exact, example, given, grid, join, length, max, min, obligation,
    occurrences, rejects, single, where,
)

CONTRACT = "schedule/configuration-keys"


@defines(
    "model_parameters(vocabulary: int, hidden: int, layers: int, kv_width: int, inner: int, tied: bool)"
    " -> parameters: int"
)
def model_parameters(vocabulary, hidden, layers, kv_width, inner, tied):
    """V H (once tied, else twice) + L (2 H^2 + 2 H D + 3 H I + 2 H) + H"""
    layer = 2 * hidden * hidden + 2 * hidden * kv_width + 3 * hidden * inner + 2 * hidden
    parameters = single(where(tied, 1, 2) * vocabulary * hidden + layers * layer + hidden)
    return parameters


spec = definitions(
    CONTRACT,
    model_parameters,
    "read_configuration(text: text) -> canonical: text",
    "plan_run(text: text) -> plan: text",
    "model_size(text: text) -> parameters: int",
    "edit_distance(a: text, b: text) -> distance: int",
    "nearest_key(word: text, known: text) -> key: text",
    "dead_keys(keys: text, used: text) -> dead: text",
)

plan_run_inputs = cases(
    text="text length 0..6",
    which="int in [0, 7]",
    swap="bool",
)
read_configuration_inputs = cases(
    text="text length 0..6",
    which="int in [0, 7]",
)
cfk_written_out_inputs = cases(
    text="text length 0..6",
    which="int in [0, 3]",
)
cfk_names_inputs = cases(
    text="text length 0..6",
    which="int in [0, 2]",
)
cfk_refuses_values_inputs = cases(
    text="text length 0..6",
    which="int in [0, 6]",
)
edit_distance_inputs = cases(
    a="text length 0..9",
    b="text length 0..9",
    c="text length 0..6",
)
cfk_common_inputs = cases(
    a="text length 0..9",
    b="text length 0..9",
    c="text length 1..1",
)
nearest_key_inputs = cases(
    word="text length 0..9",
    known="text length 0..9",
    which="int in [0, 3]",
)
dead_keys_inputs = cases(
    keys="text length 0..9",
    used="text length 0..9",
    which="int in [0, 2]",
)
cfk_refuses_rates_inputs = cases(
    text="text length 0..6",
    which="int in [0, 11]",
)
model_size_inputs = cases(
    text="text length 0..6",
    which="int in [0, 7]",
    theirs="bool",
    first="bool",
)
cfk_refuses_heads_inputs = cases(
    text="text length 0..6",
    which="int in [0, 4]",
)
cfk_neighbours_inputs = cases(
    a="text length 0..9",
    b="text length 0..9",
    x="text length 0..12",
    y="text length 0..12",
)
cfk_moved_inputs = cases(
    a="text length 0..9",
    b="text length 0..9",
    which="int in [0, 3]",
    other="int in [0, 3]",
)
cfk_table_inputs = cases(
    work={"6 * 6": 2**18, "7 * 7": 2**18},
    a="text length 0..9",
    b="text length 0..9",
    one="int in [0, 63]",
    two="int in [0, 63]",
)


@obligation("CFK-ALIVE", equation="plan_run", type="conservation")
@given(case=plan_run_inputs)
def test_cfk_alive(kernel, case):
    """No key is dead: two values of any key give two plans."""
    which, swap = kernel.receives(case, "which swap")
    low = single(where(which == 0, 'batch', where(which == 1, 'accumulation', where(which == 2, 'sequence', 'steps'))))
    high = single(where(which == 4, 'warmup', where(which == 5, 'peak', where(which == 6, 'save_every', 'eval_every'))))
    key = single(where(which < 4, low, high))
    one = single(join(key, ': ', where(swap, '7', '5')))
    two = single(join(key, ': ', where(swap, '5', '7')))
    claim(kernel.plan_run(one) != kernel.plan_run(two))


@obligation("CFK-REACHES", equation="read_configuration", type="conservation")
@given(case=read_configuration_inputs)
def test_cfk_reaches(kernel, case):
    """The value that is given stands in the written-out configuration, once, and every key stands there."""
    which = kernel.receives(case, "which")
    low = single(where(which == 0, 'batch', where(which == 1, 'accumulation', where(which == 2, 'sequence', 'steps'))))
    high = single(where(which == 4, 'warmup', where(which == 5, 'peak', where(which == 6, 'save_every', 'eval_every'))))
    key = single(where(which < 4, low, high))
    canonical = kernel.read_configuration(join('\n# a remark: 3\n  ', key, ' :  7 \n'))
    claim(occurrences(canonical, join(key, ': 7')) == 1)
    claim(occurrences(canonical, '\n') == 8)
    claim(occurrences(kernel.read_configuration(''), join(key, ': ')) == 1)


@obligation("CFK-WRITTEN-OUT", equation="read_configuration", type="idempotency")
@given(case=cfk_written_out_inputs)
def test_cfk_written_out(kernel, case):
    """The written-out configuration is one: it reads as itself, and its plan is the same."""
    which = kernel.receives(case, "which")
    some = single(where(which < 2, where(which == 0, 'steps: 12\nbatch: 3', 'peak: 0.25'), where(which == 2, 'save_interval: 9\nsequence: 8', '')))
    canonical = kernel.read_configuration(some)
    claim(exact(kernel.read_configuration(canonical), canonical))
    claim(exact(kernel.plan_run(canonical), kernel.plan_run(some)))


@obligation("CFK-NAMES", equation="plan_run", type="equivalence")
@given(case=cfk_names_inputs)
def test_cfk_names(kernel, case):
    """The three names of one key are one key, and the order of lines does not matter."""
    which = kernel.receives(case, "which")
    name = single(where(which == 0, 'save_interval', where(which == 1, 'checkpoint.save_every', 'save_every')))
    claim(exact(kernel.plan_run(join(name, ': 9\nsteps: 50')), kernel.plan_run('steps: 50\nsave_every: 9')))
    claim(kernel.plan_run(join(name, ': 9')) != kernel.plan_run(''))


@obligation("CFK-REFUSES-UNKNOWN", equation="plan_run", type="rejection")
@given(case=cfk_written_out_inputs)
def test_cfk_refuses_unknown(kernel, case):
    """A key that nothing reads is refused."""
    which = kernel.receives(case, "which")
    key = single(where(which < 2, where(which == 0, 'bacth', 'Batch'), where(which == 2, 'eval_ever', 'lr_scheduler')))
    rejects(kernel, "plan_run", (join('steps: 7\n', key, ': 4'),), ValueError, mentions=["unknown key"])


@obligation("CFK-REFUSES-TWICE", equation="plan_run", type="rejection")
@given(case=cfk_written_out_inputs)
def test_cfk_refuses_twice(kernel, case):
    """A key given twice is refused, under two names as well, equal values or not."""
    which = kernel.receives(case, "which")
    second = single(where(which < 2, where(which == 0, 'save_every', 'save_interval'), where(which == 2, 'checkpoint.save_every', 'save_every ')))
    rejects(
        kernel,
        "plan_run",
        (join('save_every: 7\nsteps: 20\n', second, ': 7'),),
        ValueError,
        mentions=["twice", "save_every"],
    )


@obligation("CFK-REFUSES-VALUES", equation="read_configuration", type="rejection")
@given(case=cfk_refuses_values_inputs)
def test_cfk_refuses_values(kernel, case):
    """A line without a colon and a value of another kind or sign are refused, with the key."""
    which = kernel.receives(case, "which")
    low = single(where(which == 0, 'four', where(which == 1, '-4', where(which == 2, '0', ''))))
    value = single(where(which < 4, low, where(which == 4, '2.5', where(which == 5, 'true', '1e400'))))
    rejects(kernel, "read_configuration", (join('batch: ', value),), ValueError, mentions=["batch", "expected"])


@obligation("CFK-METRIC", equation="edit_distance", type="bound")
@given(case=edit_distance_inputs)
def test_cfk_metric(kernel, case):
    """A distance: 0 for the same text only, symmetric, at most the longer length, at least the difference of lengths,
    no detour is shorter."""
    a, b, c = kernel.receives(case, "a b c")
    d = kernel.edit_distance(a, b)
    way = single(kernel.edit_distance(a, c) + kernel.edit_distance(c, b))
    claim((d == 0) == (a == b))
    claim(d == kernel.edit_distance(b, a))
    claim(d <= max(length(a), length(b)))
    claim(d >= abs(length(a) - length(b)))
    claim(d <= way)
    claim(kernel.edit_distance(a, a) == 0)


@obligation("CFK-COMMON", equation="edit_distance", type="invariance")
@given(case=cfk_common_inputs)
def test_cfk_common(kernel, case):
    """What both begin or end with does not count; one more character is one edit."""
    a, b, c = kernel.receives(case, "a b c")
    claim(kernel.edit_distance(join(c, a), join(c, b)) == kernel.edit_distance(a, b))
    claim(kernel.edit_distance(join(a, c), join(b, c)) == kernel.edit_distance(a, b))
    claim(kernel.edit_distance(join(a, c, b), join(a, b)) == 1)


@obligation("CFK-HINT", equation="nearest_key", type="boundary")
@given(case=nearest_key_inputs)
def test_cfk_hint(kernel, case):
    """A known key is nearest to itself; one edit away it is still found; far from every key there is no hint. Capital
    and small letters differ."""
    which = kernel.receives(case, "which")
    key = single(where(which < 2, where(which == 0, 'batch', 'warmup'), where(which == 2, 'save_every', 'eval_every')))
    names = 'batch accumulation warmup save_every eval_every'
    claim(exact(kernel.nearest_key(key, names), key))
    claim(exact(kernel.nearest_key(join(key, 's'), names), key))
    claim(exact(kernel.nearest_key('BATCH', names), ''))
    claim(exact(kernel.nearest_key('lr', 'LR'), ''))
    claim(exact(kernel.nearest_key(join('_', key), names), key))
    claim(exact(kernel.nearest_key('zzzzzzzzz', names), ''))
    claim(exact(kernel.nearest_key(key, ''), ''))


@obligation("CFK-UNREAD", equation="dead_keys", type="conservation")
@given(case=dead_keys_inputs)
def test_cfk_unread(kernel, case):
    """Exactly the keys that were not used are reported, in their order; a key is no part of another."""
    which = kernel.receives(case, "which")
    x = single(where(which == 0, 'batch', where(which == 1, 'save', 'a')))
    y = single(where(which == 0, 'batch_size', where(which == 1, 'save_every', 'ab')))
    claim(exact(kernel.dead_keys(join(x, ' ', y), y), x))
    claim(exact(kernel.dead_keys(join(x, ' ', y), x), y))
    claim(exact(kernel.dead_keys(join(y, ' ', x), ''), join(y, ' ', x)))
    claim(exact(kernel.dead_keys(join(x, ' ', y), join(y, ' ', x)), ''))
    claim(exact(kernel.dead_keys('', x), ''))


@obligation("CFK-REFUSES-RATES", equation="read_configuration", type="rejection")
@given(case=cfk_refuses_rates_inputs)
def test_cfk_refuses_rates(kernel, case):
    """A rate is digits, perhaps a point between digits, perhaps an exponent; all else is refused, and so are 0 and what
    is too large to be finite."""
    which = kernel.receives(case, "which")
    low = single(where(which < 2, where(which == 0, '0', '1e400'), where(which == 2, '.5', where(which == 3, '1.', '1_0'))))
    mid = single(where(which == 5, '-1', where(which == 6, 'nan', where(which == 7, '1.2.3', '2e'))))
    high = single(where(which == 9, '1e+', where(which == 10, '٣', 'fast')))
    value = single(where(which < 5, low, where(which < 9, mid, high)))
    rejects(
        kernel,
        "read_configuration",
        (join('peak: ', value),),
        ValueError,
        mentions=["peak", "expected a positive number"],
    )


@obligation("CFK-ARCHITECTURE", equation="model_size", type="equivalence")
@given(case=model_size_inputs)
def test_cfk_architecture(kernel, case):
    """The model has the parameters that its configuration gives it: every key of the architecture reaches it, under
    either of its names."""
    which, theirs, first = kernel.receives(case, "which theirs first")
    v = single(where(which == 0, 128, 96))
    h = single(where(which == 1, 64, 32))
    l = single(where(which == 2, 5, 3))
    a = single(where(which == 3, 16, 8))
    k = single(where(which == 4, 2, 4))
    i = single(where(which == 5, 48, 40))
    tied = which == 6
    size = single(join(where(theirs, 'vocab_size: ', 'vocabulary: '), where(which == 0, '128', '96')))
    width = single(join(where(theirs, 'hidden_size: ', 'hidden: '), where(which == 1, '64', '32')))
    depth = single(join(where(theirs, 'num_hidden_layers: ', 'layers: '), where(which == 2, '5', '3')))
    heads = single(join(where(theirs, 'num_attention_heads: ', 'heads: '), where(which == 3, '16', '8')))
    keys = single(join(where(theirs, 'num_key_value_heads: ', 'kv_heads: '), where(which == 4, '2', '4')))
    inner = single(join(where(theirs, 'intermediate_size: ', 'inner: '), where(which == 5, '48', '40')))
    head = single(join(where(theirs, 'tie_word_embeddings: ', 'tied: '), where(which == 6, 'true', 'false')))
    some = single(join(size, '\n', width, '\n', depth, '\n', heads))
    rest = single(join(keys, '\n# a remark: 3\n', inner, '\n', head))
    together = single(where(first, join(some, '\n', rest), join(rest, '\n', some)))
    claim(kernel.model_size(together) == spec.model_parameters(v, h, l, k * h // a, i, tied))


@obligation("CFK-REFUSES-MODEL", equation="model_size", type="rejection")
@given(case=cfk_refuses_values_inputs)
def test_cfk_refuses_model(kernel, case):
    """An architecture with a key missing is refused by its name: no model stands in for it."""
    which = kernel.receives(case, "which")
    v = single(where(which == 0, '', 'vocabulary: 96\n'))
    h = single(where(which == 1, '', 'hidden: 32\n'))
    l = single(where(which == 2, '', 'layers: 3\n'))
    a = single(where(which == 3, '', 'heads: 8\n'))
    k = single(where(which == 4, '', 'kv_heads: 4\n'))
    i = single(where(which == 5, '', 'inner: 40\n'))
    t = single(where(which == 6, '', 'tied: true\n'))
    rejects(kernel, "model_size", (join(v, h, l, a, k, i, t),), ValueError, mentions=["missing"])


@obligation("CFK-REFUSES-HEADS", equation="model_size", type="rejection")
@given(case=cfk_refuses_heads_inputs)
def test_cfk_refuses_heads(kernel, case):
    """Heads that do not divide the width, key heads that do not divide the heads, and sizes below 1 are refused."""
    which = kernel.receives(case, "which")
    heads = single(where(which == 0, '5', '8'))
    keys = single(where(which == 1, '3', where(which == 2, '16', '4')))
    inner = single(where(which == 3, '0', '40'))
    tied = single(where(which == 4, '1', 'true'))
    rejects(
        kernel,
        "model_size",
        (join('vocabulary: 96\nhidden: 32\nlayers: 3\nheads: ', heads, '\nkv_heads: ', keys, '\ninner: ', inner, '\ntied: ', tied),),
        ValueError,
        mentions=["expected"],
    )


@obligation("CFK-REFUSES-OTHERS", equation="model_size", type="rejection")
@given(case=cfk_written_out_inputs)
def test_cfk_refuses_others(kernel, case):
    """A key that no architecture has, and one that is given under both of its names, are refused."""
    which = kernel.receives(case, "which")
    low = single(where(which == 0, 'hiden: 32', 'hidden_size: 32'))
    key = single(where(which < 2, low, where(which == 2, 'tie_word_embeddings: true', 'num_heads: 8')))
    rejects(
        kernel,
        "model_size",
        (join('vocabulary: 96\nhidden: 32\nlayers: 3\nheads: 8\nkv_heads: 4\ninner: 40\ntied: true\n', key),),
        ValueError,
        mentions=["line 8"],
    )


@obligation("CFK-NEIGHBOURS", equation="edit_distance", type="conservation")
@given(case=cfk_neighbours_inputs)
def test_cfk_neighbours(kernel, case):
    """Two neighbours exchanged are two edits, whatever stands around them: a transposition is no edit of its own."""
    x, y = kernel.receives(case, "x y")
    claim(kernel.edit_distance(join(x, 'ab', y), join(x, 'ba', y)) == 2)
    claim(kernel.edit_distance(join('_', x, 'ev', y), join('_', x, 've', y)) == 2)


@obligation("CFK-MOVED", equation="edit_distance", type="conservation")
@given(case=cfk_moved_inputs)
def test_cfk_moved(kernel, case):
    """A part left out costs its length, and a part moved past another the shorter of both twice, where no character
    occurs twice: in words of thirty characters, too."""
    which, other = kernel.receives(case, "which other")
    x = single(where(which < 2, where(which == 0, '1', '123'), where(which == 2, '1234567', '1234567890-+')))
    y = single(where(other < 2, where(other == 0, 'a', 'abcde'), where(other == 2, 'abcdefghijk', 'abcdefghijklmnopqrst')))
    shorter = single(min(length(x), length(y)))
    claim(kernel.edit_distance(join(x, y), join(y, x)) == 2 * shorter)
    claim(kernel.edit_distance(join(x, y), y) == length(x))
    claim(kernel.edit_distance(x, join(x, y)) == length(y))
    claim(kernel.edit_distance(join('=', x, y), join('=', y)) == length(x))
    claim(kernel.edit_distance(join('=', x), join('=', x, y)) == length(y))
    claim(kernel.edit_distance(x, y) == max(length(x), length(y)))


@obligation("CFK-TABLE", equation="edit_distance", type="equivalence")
@given(case=cfk_table_inputs)
def test_cfk_table(kernel, case):
    """Between words of six letters a and b the distance is that of the table, filled row by row."""
    one, two = kernel.receives(case, "one two")
    i, m, j, k = grid(6, 6, 7, 7)
    first = single(join(where(one % 2 == 0, 'a', 'b'), where(one // 2 % 2 == 0, 'a', 'b'), where(one // 4 % 2 == 0, 'a', 'b'), where(one // 8 % 2 == 0, 'a', 'b'), where(one // 16 % 2 == 0, 'a', 'b'), where(one // 32 % 2 == 0, 'a', 'b')))
    second = single(join(where(two % 2 == 0, 'a', 'b'), where(two // 2 % 2 == 0, 'a', 'b'), where(two // 4 % 2 == 0, 'a', 'b'), where(two // 8 % 2 == 0, 'a', 'b'), where(two // 16 % 2 == 0, 'a', 'b'), where(two // 32 % 2 == 0, 'a', 'b')))
    found = kernel.edit_distance(first, second)
    other_way = kernel.edit_distance(second, first)
    differs = array[i, m](((one >> i) + (two >> m)) % 2)
    row_0 = array[j](j)
    step_1 = array[j](where(j > 0, min(row_0[j] + 1, row_0[max(j - 1, 0)] + differs[0, max(j - 1, 0)]), 1))
    row_1 = array[j](min[k](step_1[k] + j - k, where=k <= j))
    step_2 = array[j](where(j > 0, min(row_1[j] + 1, row_1[max(j - 1, 0)] + differs[1, max(j - 1, 0)]), 2))
    row_2 = array[j](min[k](step_2[k] + j - k, where=k <= j))
    step_3 = array[j](where(j > 0, min(row_2[j] + 1, row_2[max(j - 1, 0)] + differs[2, max(j - 1, 0)]), 3))
    row_3 = array[j](min[k](step_3[k] + j - k, where=k <= j))
    step_4 = array[j](where(j > 0, min(row_3[j] + 1, row_3[max(j - 1, 0)] + differs[3, max(j - 1, 0)]), 4))
    row_4 = array[j](min[k](step_4[k] + j - k, where=k <= j))
    step_5 = array[j](where(j > 0, min(row_4[j] + 1, row_4[max(j - 1, 0)] + differs[4, max(j - 1, 0)]), 5))
    row_5 = array[j](min[k](step_5[k] + j - k, where=k <= j))
    step_6 = array[j](where(j > 0, min(row_5[j] + 1, row_5[max(j - 1, 0)] + differs[5, max(j - 1, 0)]), 6))
    row_6 = array[j](min[k](step_6[k] + j - k, where=k <= j))
    claim(found == row_6[6])
    claim(other_way == row_6[6])


@obligation("CFK-PREDICTS-HINT", rule="CFK-REFUSES-UNKNOWN", type="falsification")
def test_cfk_predicts_hint(kernel):
    """save_evry is refused, with its line and the key that was meant."""
    case = example({"text": "text"}, text="batch: 4\nsave_evry: 3")
    text = kernel.receives(case, "text")
    rejects(kernel, "plan_run", (text,), ValueError, mentions=["line 2", "save_evry", "did you mean save_every"])


@obligation("CFK-PREDICTS-KITTEN", rule="CFK-COMMON", type="falsification")
def test_cfk_predicts_kitten(kernel):
    """kitten and sitting are 3 edits apart, ab and ba 2 (a transposition is no edit of its own)."""
    case = example({"a": "text", "b": "text"}, a="kitten", b="sitting")
    a, b = kernel.receives(case, "a b")
    claim(kernel.edit_distance(a, b) == 3)
    claim(kernel.edit_distance('ab', 'ba') == 2)
    claim(kernel.edit_distance('', a) == 6)


@obligation("CFK-PREDICTS-PLAN", rule="CFK-ALIVE", type="falsification")
def test_cfk_predicts_plan(kernel):
    """4 * 2 * 16 tokens a step; saved at 4, 8 and at the end of 10 steps; evaluated at 5 and 10."""
    case = example(
        {"text": "text"},
        text="batch: 4\naccumulation: 2\nsequence: 16\nsteps: 10\nsave_every: 4\neval_every: 5\nwarmup: 4\npeak: 1",
    )
    text = kernel.receives(case, "text")
    plan = kernel.plan_run(text)
    claim(exact(plan, 'tokens a step: 128\nsteps: 10\nrate at step 1: 0.25\nsaves: 3 of which the first at 4\nevaluations: 2 of which the first at 5\n'))


@obligation("CFK-PREDICTS-QUOTIENT", rule="CFK-ALIVE", type="falsification")
def test_cfk_predicts_quotient(kernel):
    """The rate of the first step is one quotient, rounded once: 0.0003 / 7 is 4.2857142857142856e-05; without a warm-up
    it is the peak."""
    case = example({"text": "text"}, text="warmup: 7\npeak: 0.0003")
    text = kernel.receives(case, "text")
    claim(occurrences(kernel.plan_run(text), 'rate at step 1: 4.2857142857142856e-05\n') == 1)
    claim(occurrences(kernel.plan_run('warmup: 0\npeak: 0.0003'), 'rate at step 1: 0.0003\n') == 1)


@obligation("CFK-PREDICTS-RATES", rule="CFK-REACHES", type="falsification")
def test_cfk_predicts_rates(kernel):
    """1e-3 is 0.001, 2.5e+1 is 25 and 3e0 is 3."""
    case = example({"text": "text", "which": "int"}, text="peak: 1e-3", which=5)
    text = kernel.receives(case, "text")
    claim(occurrences(kernel.read_configuration(text), 'peak: 0.001\n') == 1)
    claim(occurrences(kernel.read_configuration('peak: 2.5e+1'), 'peak: 25\n') == 1)
    claim(occurrences(kernel.read_configuration('peak: 3e0'), 'peak: 3\n') == 1)


@obligation("CFK-PREDICTS-NO-RATE", rule="CFK-REFUSES-RATES", type="falsification")
def test_cfk_predicts_no_rate(kernel):
    """1.2.3 is no rate, and the refusal says which key it was meant for."""
    case = example({"text": "text", "which": "int"}, text="peak: 1.2.3", which=7)
    text = kernel.receives(case, "text")
    rejects(kernel, "read_configuration", (text,), ValueError, mentions=["peak", "expected a positive number", "1.2.3"])


@obligation("CFK-PREDICTS-NO-COLON", rule="CFK-REFUSES-VALUES", type="falsification")
def test_cfk_predicts_no_colon(kernel):
    """A line without a colon is refused, with its number."""
    case = example({"text": "text", "which": "int"}, text="steps: 3\nbatch 4", which=0)
    text = kernel.receives(case, "text")
    rejects(kernel, "read_configuration", (text,), ValueError, mentions=["line 2", "batch 4", "expected"])


@obligation("CFK-PREDICTS-NEAREST", rule="CFK-HINT", type="falsification")
def test_cfk_predicts_nearest(kernel):
    """Of five letters two may be wrong, of four or fewer one; the nearest is meant, the first of equals. LR is two
    edits away from lr, and no misspelling of it."""
    case = example({"word": "text", "known": "text", "which": "int"}, word="abcde", known="abcxy", which=0)
    word, known = kernel.receives(case, "word known")
    claim(exact(kernel.nearest_key(word, known), 'abcxy'))
    claim(exact(kernel.nearest_key(word, 'abxyz'), ''))
    claim(exact(kernel.nearest_key('abcd', 'abxy'), ''))
    claim(exact(kernel.nearest_key('a', 'b'), 'b'))
    claim(exact(kernel.nearest_key(word, 'abcde abcdf'), 'abcde'))
    claim(exact(kernel.nearest_key(word, 'abcdf abcdg'), 'abcdf'))
    claim(exact(kernel.nearest_key(word, 'abcxy abcdf'), 'abcdf'))
    claim(exact(kernel.nearest_key('LR', 'lr'), ''))
    claim(exact(kernel.nearest_key('Lr', 'lr'), 'lr'))


@obligation("CFK-PREDICTS-MODELS", rule="CFK-ARCHITECTURE", type="falsification")
def test_cfk_predicts_models(kernel):
    """The models called 350M and 50M, from their configurations: 398,509,056 and 62,403,072 parameters; the smallest
    that there is has 11."""
    case = example(
        {"text": "text", "which": "int", "theirs": "bool", "first": "bool"},
        text="vocab_size: 32768\nhidden_size: 1024\nnum_hidden_layers: 24\nnum_attention_heads: 16\nnum_key_value_heads: 4\nintermediate_size: 4096\ntie_word_embeddings: true",
        which=0,
        theirs=True,
        first=True,
    )
    text = kernel.receives(case, "text")
    claim(kernel.model_size(text) == 398509056)
    claim(kernel.model_size('tied: true\ninner: 2048\nkv_heads: 2\nheads: 8\nlayers: 12\nhidden: 512\nvocabulary: 32768') == 62403072)
    claim(kernel.model_size('tied: true\ninner: 1\nkv_heads: 1\nheads: 1\nlayers: 1\nhidden: 1\nvocabulary: 1') == 11)


@obligation("CFK-PREDICTS-MISSING", rule="CFK-REFUSES-MODEL", type="falsification")
def test_cfk_predicts_missing(kernel):
    """Of two keys that are missing both are named; a key that is nearly right is named with the one that was meant."""
    case = example(
        {"text": "text", "which": "int"},
        text="vocabulary: 96\nhidden: 32\nlayers: 3\nheads: 8\ninner: 40",
        which=4,
    )
    text = kernel.receives(case, "text")
    rejects(kernel, "model_size", (text,), ValueError, mentions=["missing", "kv_heads", "tied"])


@obligation("CFK-PREDICTS-MEANT", rule="CFK-REFUSES-OTHERS", type="falsification")
def test_cfk_predicts_meant(kernel):
    """num_attention_head is refused, with the name that was meant."""
    case = example({"text": "text", "which": "int"}, text="num_attention_head: 8", which=3)
    text = kernel.receives(case, "text")
    rejects(kernel, "model_size", (text,), ValueError, mentions=["line 1", "did you mean num_attention_heads"])
