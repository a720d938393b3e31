"""The graph of depends_on."""

from __future__ import annotations

import dataclasses
import itertools
import json

import pytest
from albor_contracts.graph import FORMATS, Graph, render
from contract_builder import softmax, text
from hypothesis import given
from hypothesis import strategies as st


def contracts(edges):
    found = {}
    for name, targets in edges.items():
        base = softmax(name)
        found[name] = dataclasses.replace(base, metadata=dataclasses.replace(base.metadata, depends_on=text(targets)))
    return found


CHAIN = {"optim/adamw": ["core/norm"], "core/norm": ["core/sum"], "core/sum": [], "loss/ce": ["core/sum", "core/gone"]}
CIRCLE = {"a/a": ["b/b"], "b/b": ["c/c"], "c/c": ["b/b"]}


def test_the_order_puts_dependencies_first():
    assert Graph.of(contracts(CHAIN)).order() == ("core/sum", "core/norm", "loss/ce", "optim/adamw")


@given(st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdefgh")), max_size=6))
def test_every_graph_has_an_order_or_a_cycle(edges):
    graph = Graph({name: tuple(dict.fromkeys(targets)) for name, targets in edges.items()})
    cycle = graph.cycle()
    if cycle:
        assert cycle[0] == cycle[-1]
        assert all(b in edges[a] for a, b in itertools.pairwise(cycle))
        with pytest.raises(ValueError, match="circle"):
            graph.order()
    else:
        order = graph.order()
        assert sorted(order) == sorted(edges)
        assert all(order.index(b) < order.index(a) for a in edges for b in edges[a] if b in edges)


def test_a_cycle_is_named():
    graph = Graph.of(contracts(CIRCLE))
    assert graph.cycle() == ("b/b", "c/c", "b/b")
    with pytest.raises(ValueError, match="b/b -> c/c -> b/b"):
        render(graph, "text")
    assert json.loads(render(graph, "json"))["cycle"] == ["b/b", "c/c", "b/b"]


def test_a_contract_may_not_depend_on_itself():
    assert Graph.of(contracts({"a/a": ["a/a"]})).cycle() == ("a/a", "a/a")


def test_long_chains_do_not_exhaust_the_stack():
    n = 5000
    graph = Graph({f"n{k}": (f"n{k + 1}",) if k + 1 < n else () for k in range(n)})
    assert graph.cycle() == ()


def test_text_gives_the_order_and_what_is_missing():
    assert render(Graph.of(contracts(CHAIN)), "text").splitlines() == [
        "core/sum",
        "core/norm -> core/sum",
        "loss/ce -> core/sum, core/gone (missing)",
        "optim/adamw -> core/norm",
        "4 contracts, 4 dependencies",
    ]


def test_json_dot_and_mermaid():
    graph = Graph.of(contracts(CHAIN))
    data = json.loads(render(graph, "json"))
    assert {"from": "core/norm", "to": "core/sum"} in data["edges"]
    assert data["missing"] == ["core/gone"]
    assert '  "core/norm" -> "core/sum";' in render(graph, "dot").splitlines()
    mermaid = render(graph, "mermaid").splitlines()
    assert mermaid[0] == "graph LR"
    assert '  n0["core/norm"]' in mermaid
    assert "  n0 --> n1" in mermaid


def test_names_cannot_leave_their_quotes():
    graph = Graph({'a"];x': (), "b\nc": ()})
    assert '"]' not in render(graph, "mermaid").replace('"]\n', "").removesuffix('"]')
    assert "\\n" in render(graph, "dot")


def test_unknown_formats_are_refused():
    with pytest.raises(ValueError, match=", ".join(FORMATS)):
        render(Graph({}), "png")
