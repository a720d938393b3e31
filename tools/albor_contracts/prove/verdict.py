"""What is known about an obligation after an attempt to prove it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

PROVED = "proved"
REFUTED = "refuted"
UNDECIDED = "undecided"
VACUOUS = "vacuous"


@dataclass(frozen=True)
class Verdict:
    """One obligation, judged. `status` counts as evidence only where it is `proved`.

    `semantics` says over what: "integers", "integers and finite structures", "reals", "reals, axioms: exp_positive",
    "IEEE float16, exhaustive". `canary` says how the assumptions were seen to be satisfiable. `replayed` is true when
    the counterexample was evaluated concretely and found to meet the assumptions and break the claim.
    `redundant` holds assumptions and axioms without which the proof goes through as well, where that was asked for.
    """

    obligation: str
    engine: str
    status: str
    semantics: str
    seconds: float
    counterexample: str = ""
    replayed: bool = False
    canary: str = ""
    assumptions: tuple[str, ...] = ()
    axioms: tuple[str, ...] = ()
    reason: str = ""
    statement: str = ""
    file: str = ""
    function: str = ""
    redundant: tuple[str, ...] | None = None

    @property
    def proved(self) -> bool:
        return self.status == PROVED

    def to_json(self) -> dict[str, Any]:
        """A dictionary that `json` can write."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Verdict:
        """The inverse of `to_json`. Unknown keys are dropped."""
        known = {f.name for f in fields(cls)}
        kept: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items() if k in known}
        return cls(**kept)

    def __str__(self) -> str:
        tail = self.counterexample if self.status == REFUTED else self.reason
        return f"{self.obligation}: {self.status} ({self.semantics}, {self.seconds:.2f} s){': ' + tail if tail else ''}"
