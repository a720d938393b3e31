"""`albor-contracts audit [CONTRACT...]`

Exits 1 where something leads nowhere: an equation without obligation, an obligation that kills no fault, a fault that
nothing must kill, an equation without kernel in a binding that has others, a kernel module without contract. Helpers
that a kernel module exports and no contract names are listed as information.
"""

from __future__ import annotations

import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "contracts", nargs="*", metavar="CONTRACT", help="contract or family (default: all, and all kernel modules)"
    )
    parser.add_argument("--format", choices=("text", "json"), default="text")


def run(options: argparse.Namespace) -> int:
    from ..audit import audit, to_dict, to_text
    from ._project import bindings_of, coverage_of, open_project, print_json, targets_of

    project = open_project()
    coverage = coverage_of(project, options.contracts)
    chosen = {t.contract for t in coverage.tables}
    contracts = {name: c for name, c in project.library.contracts.items() if name in chosen}
    # Modules without a contract can only be told when all contracts are looked at.
    folders = (
        [] if options.contracts else [f for f in (project.root / "reference", project.root / "impl") if f.is_dir()]
    )
    found = audit(contracts, coverage, targets_of(bindings_of(project.root)), folders)
    if options.format == "json":
        print_json(to_dict(found))
    else:
        print(to_text(found))
    return 0 if found.complete else 1
