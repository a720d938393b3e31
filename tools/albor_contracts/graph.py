"""The graph of `depends_on`: which contract calls equations of which."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from .model import Contract

FORMATS = ("text", "dot", "json", "mermaid")


@dataclass(frozen=True)
class Graph:
    """`edges[a]` are the contracts that a depends on. A name without a contract of its own is in `missing`."""

    edges: Mapping[str, tuple[str, ...]]
    missing: tuple[str, ...] = ()

    @staticmethod
    def of(contracts: Mapping[str, Contract]) -> Graph:
        """The graph of all `contracts`, by name."""
        edges = {name: tuple(dict.fromkeys(map(str, c.metadata.depends_on))) for name, c in sorted(contracts.items())}
        named = {target for targets in edges.values() for target in targets}
        return Graph(edges, tuple(sorted(named - set(edges))))

    def cycle(self) -> tuple[str, ...]:
        """A cycle as a path whose last name is its first, or the empty tuple."""
        done: set[str] = set()
        for start in self.edges:
            path: list[str] = []
            waiting = [(start, False)]  # (name, all that it depends on has been seen)
            while waiting:
                name, leaving = waiting.pop()
                if leaving:
                    done.add(path.pop())
                elif name in path:
                    return (*path[path.index(name) :], name)
                elif name not in done:
                    path.append(name)
                    waiting.append((name, True))
                    waiting += [(target, False) for target in reversed(self.edges.get(name, ()))]
        return ()

    def order(self) -> tuple[str, ...]:
        """All contracts, each after those it depends on; by name where that leaves a choice. ValueError on a cycle."""
        cycle = self.cycle()
        if cycle:
            raise ValueError(f"depends_on goes round in a circle: {' -> '.join(cycle)}")
        placed: list[str] = []
        left = dict(self.edges)
        while left:
            ready = [name for name, targets in left.items() if not set(targets) & set(left)]
            placed += ready
            for name in ready:
                del left[name]
        return tuple(placed)


def render(graph: Graph, form: str) -> str:
    """The graph as text, dot, json or mermaid. Text and JSON give the order; ValueError on a cycle."""
    match form:
        case "text":
            return _text(graph)
        case "json":
            return _json(graph)
        case "dot":
            return _dot(graph)
        case "mermaid":
            return _mermaid(graph)
    raise ValueError(f"unknown format {form!r}; expected one of {', '.join(FORMATS)}")


def _text(graph: Graph) -> str:
    lines = []
    for name in graph.order():
        targets = [f"{t} (missing)" if t in graph.missing else t for t in graph.edges[name]]
        lines.append(f"{name} -> {', '.join(targets)}" if targets else name)
    edges = sum(map(len, graph.edges.values()))
    return "\n".join([*lines, f"{len(graph.edges)} contracts, {edges} dependencies"])


def _json(graph: Graph) -> str:
    cycle = graph.cycle()
    data = {
        "contracts": list(graph.edges),
        "edges": [{"from": name, "to": target} for name, targets in graph.edges.items() for target in targets],
        "missing": list(graph.missing),
        "cycle": list(cycle),
        "order": [] if cycle else list(graph.order()),
    }
    return json.dumps(data, indent=2)


def _dot(graph: Graph) -> str:
    lines = ["digraph contracts {", "  rankdir=LR;", "  node [shape=box];"]
    lines += [f"  {json.dumps(name)};" for name in graph.edges]
    lines += [f"  {json.dumps(name)} [style=dashed];" for name in graph.missing]
    lines += [f"  {json.dumps(a)} -> {json.dumps(b)};" for a, targets in graph.edges.items() for b in targets]
    return "\n".join([*lines, "}"])


def _mermaid(graph: Graph) -> str:
    names = [*graph.edges, *graph.missing]
    number = {name: f"n{k}" for k, name in enumerate(names)}
    lines = ["graph LR", *(f'  {number[name]}["{_mermaid_text(name)}"]' for name in names)]
    lines += [f"  {number[a]} --> {number[b]}" for a, targets in graph.edges.items() for b in targets]
    return "\n".join(lines)


def _mermaid_text(name: str) -> str:
    return "".join(c if c.isalnum() or c in "/-_ ." else f"#{ord(c)};" for c in name)
