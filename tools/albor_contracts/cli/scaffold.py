"""`albor-contracts scaffold FAMILY/KERNEL`"""

from __future__ import annotations

import argparse
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="FAMILY/KERNEL", help="for example core/layer-norm")
    parser.add_argument("--format", choices=("text", "json"), default="text")


def run(options: argparse.Namespace) -> int:
    """Exit status 0 says that the files were written. They fail `verify` until they are filled in."""
    from ..load import load_contracts
    from ..scaffold import scaffold, write
    from ._project import print_json

    here = Path.cwd()
    # With no project here or above, this begins one.
    root = next((folder for folder in (here, *here.parents) if (folder / "contracts").is_dir()), here)
    # Other contracts may be broken: only their prefixes matter here.
    others = load_contracts([root / "contracts"]).contracts.values() if (root / "contracts").is_dir() else ()
    plan = scaffold(root, options.name, {str(c.metadata.prefix) for c in others})
    write(plan)
    written = [str(p.relative_to(root)) for p in plan.new]
    changed = [str(p.relative_to(root)) for p in plan.changed]
    steps = [
        f"fill in every FILL IN of {written[0]}, the reference and the implementation",
        "albor-contracts generate",
        f"albor-contracts verify {options.name}",
        f"albor-contracts falsify {options.name}",
    ]
    if options.format == "json":
        print_json(
            {
                "contract": plan.name,
                "equation": plan.equation,
                "prefix": plan.prefix,
                "written": written,
                "changed": changed,
                "next": steps,
            }
        )
        return 0
    print("\n".join([*(f"new: {p}" for p in written), *(f"changed: {p}" for p in changed)]))
    print("next:")
    print("\n".join(f"  {k}. {step}" for k, step in enumerate(steps, 1)))
    return 0
