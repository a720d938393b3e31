"""`albor-contracts graph`"""

from __future__ import annotations

import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=("text", "dot", "json", "mermaid"), default="text")


def run(options: argparse.Namespace) -> int:
    """Draws whatever can be read. Exits 2 where a contract cannot be, or where the graph has a circle."""
    from ..graph import Graph, render
    from ._project import open_project, warn

    library = open_project().library
    graph = Graph.of(library.contracts)
    warn(library.errors)
    if options.format != "text" or not graph.cycle():
        print(render(graph, options.format))
    return 2 if library.errors else 0
