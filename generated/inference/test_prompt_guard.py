"""inference/prompt-guard: Prompts against the context.

Compiled from contracts/inference/prompt-guard-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 78b5721aa2db585f41ac68a3b4bef25683589f0aa9dc38498275a3563b66c89d
"""

from albor_contracts.testing import (
    approx, cases, claim, defines, definitions, example, given, max, min, obligation, rejects, single, truth, where,
)

CONTRACT = "inference/prompt-guard"


@defines("room(prompt: int, wanted: int, context: int) -> allowed: int")
def room(prompt, wanted, context):
    """allowed = min(wanted, context - prompt)"""
    allowed = single(min(wanted, context - prompt))
    return allowed


@defines("first_kept(prompt: int, context: int, reserve: int) -> first: int")
def first_kept(prompt, context, reserve):
    """first = max(0, prompt - (context - reserve)): the tokens from `first` on are kept"""
    first = single(max(0, prompt - (context - reserve)))
    return first


@defines("windows(tokens: int, context: int, stride: int) -> number: int")
def windows(tokens, context, stride):
    """number = 1 + ceil((tokens - context) / stride), at least 1"""
    number = single(1 + max(0, -((context - tokens) // stride)))
    return number


@defines("window(tokens: int, context: int, stride: int, index: int) -> start: int, first: int, end: int")
def window(tokens, context, stride, index):
    """the model sees start..end and scores first..end"""
    start = index * stride
    end = single(min(start + context, tokens))
    first = single(where(index == 0, 0, min(start - stride + context, tokens)))
    return start, first, end


spec = definitions(CONTRACT, room, first_kept, windows, window)

room_inputs = cases(
    prompt="int in [1, context)",
    wanted="int in [1, inf)",
    context="int in [2, inf)",
)
first_kept_inputs = cases(
    prompt="int in [1, inf)",
    context="int in [2, inf)",
    reserve="int in [1, context)",
)
pgd_room_after_cut_inputs = cases(
    prompt="int in [1, context)",
    wanted="int in [1, 100000]",
    context="int in [2, 100000]",
    reserve="int in [1, context - 1]",
    long="int in [1, 200000]",
)
window_inputs = cases(
    tokens="int in [1, 20000]",
    context="int in [1, 5000]",
    stride="int in [1, context]",
    index="int in [0, tokens]",
)
windows_inputs = cases(
    tokens="int in [1, inf)",
    context="int in [1, inf)",
    stride="int in [1, context]",
)
pgd_refuses_inputs = cases(
    prompt="int in [1, context)",
    wanted="int in [1, 100000]",
    context="int in [2, 100000]",
    which="int in [0, 2]",
    more="int in [0, 50]",
)
pgd_refuses_stride_inputs = cases(
    tokens="int in [1, 20000]",
    context="int in [1, 5000]",
    stride="int in [1, context]",
    which="int in [0, 2]",
)
pgd_refuses_window_inputs = cases(
    tokens="int in [1, 20000]",
    context="int in [1, 5000]",
    stride="int in [1, context]",
    index="int in [0, tokens]",
    before="int in [1, 3]",
)
pgd_refuses_gaps_inputs = cases(
    tokens="int in [1, 20000]",
    context="int in [1, 5000]",
    stride="int in [1, context]",
    index="int in [0, tokens]",
    which="int in [0, 2]",
)
pgd_refuses_cut_inputs = cases(
    prompt="int in [1, 200000]",
    context="int in [2, 100000]",
    reserve="int in [1, context)",
    which="int in [0, 2]",
    more="int in [0, 1]",
)
pgd_def_room_inputs = cases(
    prompt="int in [1, context)",
    wanted="int in [1, 100000]",
    context="int in [2, 100000]",
)
pgd_def_first_kept_inputs = cases(
    prompt="int in [1, 200000]",
    context="int in [2, 100000]",
    reserve="int in [1, context)",
)
pgd_def_windows_inputs = cases(
    tokens="int in [1, 20000]",
    context="int in [1, 5000]",
    stride="int in [1, context]",
)


@obligation("PGD-FITS", equation="room", type="bound")
@given(case=room_inputs)
def test_pgd_fits(kernel, case):
    """Prompt and generated tokens fit; fewer than wanted only where the context is full."""
    prompt, wanted, context = kernel.receives(case, "prompt wanted context")
    allowed = kernel.room(prompt, wanted, context)
    claim(1 <= allowed)
    claim(allowed <= wanted)
    claim(prompt + allowed <= context)
    claim(truth(allowed == wanted) | truth(prompt + allowed == context))


@obligation("PGD-END-KEPT", equation="first_kept", type="bound")
@given(case=first_kept_inputs)
def test_pgd_end_kept(kernel, case):
    """What is kept of a prompt leaves the reserve, is its end, and is all of it where all of it fits."""
    prompt, context, reserve = kernel.receives(case, "prompt context reserve")
    first = kernel.first_kept(prompt, context, reserve)
    claim(0 <= first)
    claim(first < prompt)
    claim(prompt - first + reserve <= context)
    claim(truth(first == 0) | truth(prompt - first + reserve == context))


@obligation("PGD-ROOM-AFTER-CUT", equation="room", type="equivalence")
@given(case=pgd_room_after_cut_inputs)
def test_pgd_room_after_cut(kernel, case):
    """After a prompt was cut for a reserve, the reserve can be generated."""
    context, reserve, long = kernel.receives(case, "context reserve long")
    left = single(long - kernel.first_kept(long, context, reserve))
    claim(kernel.room(left, reserve, context) == reserve)


@obligation("PGD-TILES", equation="window", type="conservation")
@given(case=window_inputs)
def test_pgd_tiles(kernel, case):
    """Every token is scored once: the first window begins at 0, each ends where the next goes on, the last ends the
    text."""
    tokens, context, stride, index = kernel.receives(case, "tokens context stride index")
    number = kernel.windows(tokens, context, stride)
    at = single(min(index, number - 1))
    _, first, end = kernel.window(tokens, context, stride, at)
    _, next_first, _ = kernel.window(tokens, context, stride, at + 1)
    s, f, _ = kernel.window(tokens, context, stride, 0)
    claim(f == 0)
    claim(s == 0)
    claim(first < end)
    claim(truth(at == number - 1) | truth(next_first == end))
    claim(truth(at < number - 1) | truth(end == tokens))


@obligation("PGD-LAST-WINDOW", equation="window", type="boundary")
@given(case=window_inputs)
def test_pgd_last_window(kernel, case):
    """The last window, too, scores what the one before did not reach, up to the end of the text, however short it
    is."""
    tokens, context, stride = kernel.receives(case, "tokens context stride")
    last = single(max(0, -((context - tokens) // stride)))
    start, first, end = kernel.window(tokens, context, stride, last)
    claim(start == last * stride)
    claim(end == tokens)
    claim(first == where(last == 0, 0, start - stride + context))


@obligation("PGD-CONTEXT-SEEN", equation="window", type="bound")
@given(case=window_inputs)
def test_pgd_context_seen(kernel, case):
    """No window is longer than the context, and a scored token sees at least context - stride tokens before it, or all
    there are."""
    tokens, context, stride, index = kernel.receives(case, "tokens context stride index")
    at = single(min(index, kernel.windows(tokens, context, stride) - 1))
    start, first, end = kernel.window(tokens, context, stride, at)
    claim(end - start <= context)
    claim(start <= first)
    claim(truth(start == 0) | truth(first - start == context - stride))


@obligation("PGD-FEWEST", equation="windows", type="bound")
@given(case=windows_inputs)
def test_pgd_fewest(kernel, case):
    """The windows reach the end of the text, and one fewer would not."""
    tokens, context, stride = kernel.receives(case, "tokens context stride")
    number = kernel.windows(tokens, context, stride)
    claim(number >= 1)
    claim((number - 1) * stride + context >= tokens)
    claim(truth(number == 1) | truth((number - 2) * stride + context < tokens))


@obligation("PGD-REFUSES", equation="room", type="rejection")
@given(case=pgd_refuses_inputs)
def test_pgd_refuses(kernel, case):
    """A prompt that leaves no room for a token is refused before anything runs, and so is an empty one."""
    prompt, wanted, context, which, more = kernel.receives(case, "prompt wanted context which more")
    long = single(where(which == 0, context + more, where(which == 1, 0, prompt)))
    none = single(where(which == 2, 0, wanted))
    rejects(kernel, "room", (long, none, context), ValueError)


@obligation("PGD-REFUSES-STRIDE", equation="windows", type="rejection")
@given(case=pgd_refuses_stride_inputs)
def test_pgd_refuses_stride(kernel, case):
    """A stride longer than the context would skip tokens, a stride of 0 never ends, and an empty text has no window:
    refused."""
    tokens, context, stride, which = kernel.receives(case, "tokens context stride which")
    rejects(
        kernel,
        "windows",
        (where(which == 0, 0, tokens), context, where(which == 1, 0, where(which == 2, context + 1, stride))),
        ValueError,
    )


@obligation("PGD-REFUSES-WINDOW", equation="window", type="rejection")
@given(case=pgd_refuses_window_inputs)
def test_pgd_refuses_window(kernel, case):
    """A window before the first one is refused."""
    tokens, context, stride, before = kernel.receives(case, "tokens context stride before")
    rejects(kernel, "window", (tokens, context, stride, -before), ValueError, mentions=["index"])


@obligation("PGD-REFUSES-GAPS", equation="window", type="rejection")
@given(case=pgd_refuses_gaps_inputs)
def test_pgd_refuses_gaps(kernel, case):
    """A window of windows that leave tokens out is refused, and so is one of an empty text."""
    tokens, context, stride, which = kernel.receives(case, "tokens context stride which")
    rejects(
        kernel,
        "window",
        (where(which == 0, 0, tokens), context, where(which == 1, 0, where(which == 2, context + 1, stride)), 0),
        ValueError,
    )


@obligation("PGD-REFUSES-CUT", equation="first_kept", type="rejection")
@given(case=pgd_refuses_cut_inputs)
def test_pgd_refuses_cut(kernel, case):
    """No reserve, a reserve that takes the whole context, and an empty prompt are refused."""
    prompt, context, reserve, which, more = kernel.receives(case, "prompt context reserve which more")
    rejects(
        kernel,
        "first_kept",
        (where(which == 0, 0, prompt), context, where(which == 1, 0, where(which == 2, context + more, reserve))),
        ValueError,
    )


@obligation("PGD-DEF-ROOM", equation="room", type="definition")
@given(case=pgd_def_room_inputs)
def test_pgd_def_room(kernel, case):
    """room computes its definition."""
    prompt, wanted, context = kernel.receives(case, "prompt wanted context")
    allowed = kernel.room(prompt, wanted, context)
    expected_allowed = spec.room(prompt, wanted, context)
    claim(approx(allowed, expected_allowed))


@obligation("PGD-DEF-FIRST_KEPT", equation="first_kept", type="definition")
@given(case=pgd_def_first_kept_inputs)
def test_pgd_def_first_kept(kernel, case):
    """first_kept computes its definition."""
    prompt, context, reserve = kernel.receives(case, "prompt context reserve")
    first = kernel.first_kept(prompt, context, reserve)
    expected_first = spec.first_kept(prompt, context, reserve)
    claim(approx(first, expected_first))


@obligation("PGD-DEF-WINDOWS", equation="windows", type="definition")
@given(case=pgd_def_windows_inputs)
def test_pgd_def_windows(kernel, case):
    """windows computes its definition."""
    tokens, context, stride = kernel.receives(case, "tokens context stride")
    number = kernel.windows(tokens, context, stride)
    expected_number = spec.windows(tokens, context, stride)
    claim(approx(number, expected_number))


@obligation("PGD-DEF-WINDOW", equation="window", type="definition")
@given(case=window_inputs)
def test_pgd_def_window(kernel, case):
    """window computes its definition."""
    tokens, context, stride, index = kernel.receives(case, "tokens context stride index")
    start, first, end = kernel.window(tokens, context, stride, index)
    expected_start, expected_first, expected_end = spec.window(tokens, context, stride, index)
    claim(approx(start, expected_start))
    claim(approx(first, expected_first))
    claim(approx(end, expected_end))


@obligation("PGD-PREDICTS-ROOM", rule="PGD-FITS", type="falsification")
def test_pgd_predicts_room(kernel):
    """1,000 tokens of prompt in a context of 1,024 leave 24 of the 100 that are wanted."""
    case = example({"prompt": "int", "wanted": "int", "context": "int"}, prompt=1000, wanted=100, context=1024)
    prompt, wanted, context = kernel.receives(case, "prompt wanted context")
    claim(kernel.room(prompt, wanted, context) == 24)
    claim(kernel.first_kept(prompt, context, wanted) == 76)


@obligation("PGD-PREDICTS-WINDOWS", rule="PGD-TILES", type="falsification")
def test_pgd_predicts_windows(kernel):
    """10 tokens in a context of 4 with a stride of 3: 0..4, 3..7 from 4, 6..10 from 7."""
    case = example(
        {"tokens": "int", "context": "int", "stride": "int", "index": "int"},
        tokens=10,
        context=4,
        stride=3,
        index=2,
    )
    tokens, context, stride, index = kernel.receives(case, "tokens context stride index")
    start, first, end = kernel.window(tokens, context, stride, index)
    number = kernel.windows(tokens, context, stride)
    claim(start == 6)
    claim(first == 7)
    claim(end == 10)
    claim(number == 3)
