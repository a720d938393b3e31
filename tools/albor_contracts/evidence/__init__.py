"""Evidence: what was run, on which meaning of a contract and which source of a kernel, and what came out.

hashing   what a verdict depends on: the meaning of an obligation, the source of a kernel
rules     the constants of the bounds, which every verdict depends on
record    one line of evidence
store     files of such lines: appended while a run goes on, read whatever state they are in
"""

from typing import TYPE_CHECKING

from ..lazy import lazily

if TYPE_CHECKING:
    from .hashing import (
        equation_hash,
        fault_hash,
        kernel_hash,
        meaning_hash,
        obligation_hash,
        obligations_of,
        prediction_hash,
        proof_hash,
    )
    from .record import Record, installed_versions, utc_now
    from .rules import rules_hash
    from .store import Reading, Recorder, compact, default_folders, read, save, scratch_file

__all__ = [
    "Reading",
    "Record",
    "Recorder",
    "compact",
    "default_folders",
    "equation_hash",
    "fault_hash",
    "installed_versions",
    "kernel_hash",
    "meaning_hash",
    "obligation_hash",
    "obligations_of",
    "prediction_hash",
    "proof_hash",
    "read",
    "rules_hash",
    "save",
    "scratch_file",
    "utc_now",
]

__getattr__ = lazily(
    __name__,
    {
        "hashing": (
            "equation_hash fault_hash kernel_hash meaning_hash obligation_hash obligations_of prediction_hash "
            "proof_hash"
        ),
        "record": "Record installed_versions utc_now",
        "rules": "rules_hash",
        "store": "Reading Recorder compact default_folders read save scratch_file",
    },
)
