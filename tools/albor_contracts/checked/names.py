"""What the texts of a contract can mention."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import Text, problem
from ..lang.names import why_not
from ..lang.signature import Signature
from ..model import Contract


@dataclass(frozen=True)
class Names:
    """What the texts of a contract can mention: equations in sight, its own ones, and those with a definition."""

    contract: Contract
    visible: Mapping[str, Signature]
    own: frozenset[str]
    defined: frozenset[str]

    def dims(self, *more: Mapping[str, Text]) -> dict[str, Text]:
        texts = dict(self.contract.dims)
        for other in more:
            texts.update(other)
        for name, text in texts.items():
            reason = why_not(name, "dimension")
            if reason:
                raise problem("E413", reason, place_of(name) or text, "choose another name")
        return texts


def place_of(text: object) -> Text | None:
    return text if isinstance(text, Text) else None
