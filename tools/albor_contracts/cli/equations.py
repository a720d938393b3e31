"""`albor-contracts equations [CONTRACT...]`"""

from __future__ import annotations

import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("contracts", nargs="*", metavar="CONTRACT", help="contract or family (default: all)")
    parser.add_argument("--format", choices=("text", "latex", "json"), default="text")


def run(options: argparse.Namespace) -> int:
    from ..lang.to_latex import escape, latex_equation, text_equation
    from ..library import open_selected
    from ..report.page import equation_lines
    from ._project import print_json

    found = open_selected(options.contracts).select(options.contracts)
    if options.format == "json":
        print_json([
            {
                "contract": name,
                "equation": equation.name,
                "signature": str(equation.signature),
                "formula": str(equation.model.formula),
                "dims": {str(k): str(v) for k, v in equation.space.dims.items()},
                "domain": {str(k): str(v) for k, v in equation.model.domain.items()},
                "executable": equation.define is not None,
                "text": text_equation(equation),
                "latex": latex_equation(equation),
            }
            for name, contract in found.items()
            for equation in contract.equations.values()
        ])  # fmt: skip
        return 0 if found else 1
    for name, contract in found.items():
        if options.format == "latex":
            print(rf"\section{{{escape(str(contract.model.metadata.title))}}} % {name}")
            for equation in contract.equations.values():
                print(f"\\[\n{latex_equation(equation)}\n\\]")
            continue
        print(f"{name}: {contract.model.metadata.title}")
        for equation in contract.equations.values():
            print("\n".join(f"  {line}" for line in equation_lines(equation)))
        print()
    return 0 if found else 1
