"""Text to tree: what gets through, and the exact place of what does not."""

from __future__ import annotations

import time

import pytest
from albor_contracts.errors import ContractError, Position, Text
from albor_contracts.lang import tree
from albor_contracts.lang.syntax import MAX_DEPTH, MAX_TEXT, parse_block, parse_expression

# A § stands before the character that the message points at.
BLOCKS = [
    ("E410", "y[i] = 2 §x[i]"),
    ("E410", "a = x[0]\n\ny[i] = §/ 3"),
    ("E410", "§y[i] = 'open"),
    ("E410", "y[i] = x[i]\n  §z[i] = x[i]"),
    ("E412", "§y[i] += x[i]"),
    ("E412", "§import os"),
    ("E412", "§for i in x: pass"),
    ("E412", "§y: int = 3"),
    ("E412", "§a = b = x[0]"),
    ("E412", "§a, b = 3"),
    ("E412", "§x.y = 3"),
    ("E412", "§y[0][i] = 3"),
    ("E412", "y[§0] = 3"),
    ("E412", "y[i, §i + 1] = 3"),
    ("E412", "§y[i, i] = 3"),
    ("E412", "y[i] = §x[i].T"),
    ("E412", "y[i] = §x[i][0]"),
    ("E412", "y[i] = x[§1:2]"),
    ("E412", "y = §[i for i in x]"),
    ("E412", "y = §lambda: 3"),
    ("E412", "y = §(a, b)"),
    ("E412", "y = §f'{x}'"),
    ("E412", "y = §x[0] if True else 3"),
    ("E412", "y = (§a := 3)"),
    ("E412", "y = f(§*a)"),
    ("E412", "y = §x[0] in x"),
    ("E412", "y = §a is a"),
    ("E412", "y = §f.g(x)"),
    ("E412", "y = §f(x)(x)"),
    ("E412", "y = §a @ a"),
    ("E413", "§sum[i] = x[i]"),
    ("E413", "y[§max] = 3"),
    ("E413", "§kernel = 3"),
    ("E413", "§claim = 3"),
    ("E413", "§ValueError = 3"),
    ("E413", "§self = 3"),
    ("E413", "§_ = 3"),
    ("E413", "a, §sum = f(x)"),
    ("E413", "§__import__ = 3"),
    ("E413", "y = §__import__"),
    ("E413", "y = §__import__(x)"),
    ("E413", "y = §exp"),
    ("E413", "y[i] = §\uff58[i]"),  # Python would read the full-width x as x
    ("E413", "y[i] = 2 §\u00b7 x[i]"),
    ("E413", "y[i] = x[i] §\u2212 1"),
    ("E413", "y[i] = x[i] §\x0c"),
    ("E413", "y[i]§\u00a0= x[i]"),
    ("E413", "a = 1 # § is fine here\ny = §\u0430"),
    ("E413", "y = §" + "n" * 65),
    ("E414", "y = §None"),
    ("E414", "y = §b'x'"),
    ("E414", "y = §1j"),
    ("E414", "y = §..."),
    ("E414", "y = §9223372036854775808"),
    ("E414", "y = §1e999"),
    ("E414", "y = exact(x, §'" + "a" * 201 + "')"),
    ("E415", "y = §sum(x[i])"),
    ("E415", "y = 1 + §sum[i]"),
    ("E415", "y = §sum[i](x[i], x[i])"),
    ("E415", "y = §sum[i]()"),
    ("E415", "y = §sum[i](x[i], axis=0)"),
    ("E415", "y = §sum[i](x[i], **k)"),
    ("E415", "y = §sum[i + 1](x[i])"),
    ("E415", "y = §sums[i](x[i])"),
    ("E416", "y = x[0] / §0"),
    ("E416", "y = x[0] // §0"),
    ("E416", "y = x[0] % §0.0"),
    ("E416", "y = x[0] / §-0"),
    ("E417", "y = §exp()"),
    ("E417", "y = §exp(a, a)"),
    ("E417", "y = §where(a > 0, a)"),
    ("E417", "y = §clip(a, low=0)"),
    ("E417", "y = §approx(a)"),
    ("E417", "y = §round_to(f8, a)"),
    ("E417", "y = §round_to(a)"),
    ("E417", "y = §f(x=3)"),
]


def at(text: str) -> tuple[str, Position]:
    """The text without its mark, as it stands in line 10, column 7 of a file, and the marked place."""
    clean, _, _ = text.rpartition("§")
    line, column = clean.count("\n"), len(clean) - clean.rfind("\n") - 1
    body = clean.replace("§", " ") + text.rpartition("§")[2]
    starts = tuple(Position("f", 10 + k, 7) for k in range(body.count("\n") + 1))
    return Text(body, starts), Position("f", 10 + line, 7 + column)


@pytest.mark.parametrize(("code", "text"), BLOCKS, ids=[b[:40] for _, b in BLOCKS])
def test_what_is_no_index_notation_is_refused_at_its_place(code, text):
    clean, place = at(text)
    with pytest.raises(ContractError) as caught:
        parse_block(clean)
    (d,) = caught.value.diagnostics
    assert (d.code, d.position) == (code, place), d.message
    assert d.message and (d.hint or code == "E414" or "texts" in d.message or code in ("E412", "E416", "E417"))


@pytest.mark.parametrize("indent", ["", "    ", "\t"])
def test_places_in_a_block_that_is_indented_as_a_whole(indent):
    body = f"\n{indent}a = x[0]  # § § é\n\n{indent}y[i] = x[i] +\\\n{indent}  1 $ 2\n"
    with pytest.raises(ContractError) as caught:
        parse_block(Text(body, tuple(Position("f", 10 + k, 7) for k in range(6))))
    assert caught.value.diagnostics[0].position == Position("f", 14, 7 + len(indent) + 4)


def test_places_in_an_expression_over_several_lines():
    text = Text(
        "  all[i](  # first\n    x[i] > 0 and\n    1 / 0 > x[i])", tuple(Position("f", 5 + k, 3) for k in range(3))
    )
    with pytest.raises(ContractError) as caught:
        parse_expression(text)
    assert caught.value.diagnostics[0].position == Position("f", 7, 3 + 8)


@pytest.mark.parametrize(
    "text", ["x[i] +\n", "a) + (b", "(a", "", "  \n ", "# only a comment", "a\nb", "a = 3", "a; b"]
)
def test_what_is_no_expression(text):
    with pytest.raises(ContractError) as caught:
        parse_expression(Text(text, tuple(Position("f", 5 + k, 3) for k in range(3))))
    d = caught.value.diagnostics[0]
    assert d.code == "E410"
    assert 5 <= d.position.line <= 7 and d.position.column >= 3


def test_an_empty_block():
    for text in ("", "\n\n", "# nothing\n"):
        with pytest.raises(ContractError, match="E410"):
            parse_block(text)


def test_comments_may_hold_anything_and_texts_may_hold_a_hash():
    statements, _ = parse_block("a = exact(x, 'é # \\' no comment')  # ein Kommentar: é, \u202e, '\ny[i] = a * x[i]")
    assert isinstance(statements[0].value, tree.Apply)
    assert statements[0].value.arguments[1] == tree.Literal((0, 13), "é # ' no comment")
    assert statements[1].place == (1, 0)


def test_places_behind_a_text_that_is_not_ascii():
    clean, place = at("y = exact(x, 'ééé') + §\u0430")
    with pytest.raises(ContractError) as caught:
        parse_block(clean)
    assert caught.value.diagnostics[0].position == place
    clean, place = at("y = exact(x, 'ééé') + §1j")
    with pytest.raises(ContractError) as caught:
        parse_block(clean)
    assert caught.value.diagnostics[0].position == place


@pytest.mark.parametrize(
    "text",
    [
        "(" * 300 + "a" + ")" * 300,
        "-" * (MAX_TEXT - 10) + "a",
        "not " * 4000 + "a",
        "+".join(["a"] * 9000),
        " and ".join(["a"] * 3000),
        "<".join(["a"] * 9000),
        "x[" * 150 + "0" + "]" * 150,
        "where(a, " * 100 + "a" + ", a)" * 100,
        "sum[i](" * 100 + "a" + ")" * 100,
        "a" * (MAX_TEXT + 1),
        "1" * 5000,
        "((((((((((((((((((((((((((((((((((a b",
        "lambda:" * 2500 + "a",
        "f'" + "{" * 400,
        ("(" * 50 + "a and a" + ")" * 50 + " and a" * 50) * 3,
    ],
    ids=lambda t: f"{t[:12]} x {len(t)}",
)
def test_long_and_deep_texts_are_refused_quickly(text):
    begin = time.process_time()
    with pytest.raises(ContractError) as caught:
        parse_expression(text)
    assert caught.value.diagnostics[0].code in ("E410", "E411", "E412", "E413", "E414")
    assert time.process_time() - begin < 1.0


def test_depth_counts_chains():
    fine = " and ".join(["a"] * (MAX_DEPTH - 2))
    parse_expression(fine)
    with pytest.raises(ContractError, match="E411"):
        parse_expression(" and ".join(["a"] * (MAX_DEPTH + 2)))


def test_trees():
    node, _ = parse_expression("0 < a <= 2")
    assert isinstance(node, tree.Logic) and node.op == "and"
    assert tree.form(node) == tree.form(parse_expression("(0 < a)   and (a <= 2)")[0])
    node, _ = parse_expression("-2")
    assert node == tree.Number((0, 0), -2)
    node, _ = parse_expression("-inf")
    assert isinstance(node, tree.Number) and node.value == float("-inf")
    (s,), _ = parse_block("o, _ = attention(q, k, v)")
    assert s.targets == ("o", "_")
    (s,), _ = parse_block("y[i] = max[j, k](x[j, k], where=j < i) + max(a, b)")
    assert isinstance(s.value, tree.Binary)
    assert isinstance(s.value.left, tree.Reduce) and s.value.left.over == ("j", "k")
    assert isinstance(s.value.right, tree.Apply)


def test_keywords_are_named():
    with pytest.raises(ContractError) as caught:
        parse_block("class[r] = y[r] + 1")
    assert "'class' is a word of Python" in caught.value.diagnostics[0].hint
