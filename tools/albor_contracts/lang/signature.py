"""`rmsnorm(x: float[R, N], w: float[N], eps: real) -> y: float[R, N]` as data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from ..errors import Text, problem
from .names import why_not
from .types import Type, parse_type

MAX_SIGNATURE = 2000
_SHAPE = re.compile(r"\s*([A-Za-z_]\w*)\s*\((.*)\)\s*->\s*(.+?)\s*", re.DOTALL | re.ASCII)


@dataclass(frozen=True)
class Parameter:
    name: str
    type: Type


@dataclass(frozen=True)
class Signature:
    name: str
    inputs: tuple[Parameter, ...]
    outputs: tuple[Parameter, ...]
    on_device: frozenset[str] = frozenset()  # arrays that lie on the device before the call, or after it

    @property
    def types(self) -> dict[str, Type]:
        return {p.name: p.type for p in (*self.inputs, *self.outputs)}

    @cached_property
    def has_arrays(self) -> bool:
        return any(p.type.is_array for p in (*self.inputs, *self.outputs))

    @cached_property
    def single_values(self) -> tuple[int, ...]:
        """Positions of the inputs that are no arrays."""
        return tuple(k for k, p in enumerate(self.inputs) if not p.type.is_array)

    @cached_property
    def only_floats(self) -> bool:
        """Whether every output is floating."""
        return all(p.type.is_floating for p in self.outputs)

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of dimensions, in order of appearance."""
        found: dict[str, None] = {}
        for p in (*self.inputs, *self.outputs):
            for d in p.type.shape or ():
                if isinstance(d, str):
                    found[d] = None
        return tuple(found)

    def with_elements(self, dtypes: Mapping[str, str]) -> Signature:
        """The same, with other elements in the named inputs."""
        inputs = (replace(p, type=replace(p.type, dtype=dtypes.get(p.name, p.type.dtype))) for p in self.inputs)
        return replace(self, inputs=tuple(inputs))

    def __str__(self) -> str:
        inputs = ", ".join(f"{p.name}: {p.type}" for p in self.inputs)
        outputs = ", ".join(f"{p.name}: {p.type}" for p in self.outputs)
        return f"{self.name}({inputs}) -> {outputs}"


def parse_signature(text: str) -> Signature:
    place = text if isinstance(text, Text) else None
    if len(text) > MAX_SIGNATURE:
        raise problem("E406", f"this signature has {len(text)} characters; the limit is {MAX_SIGNATURE}", place)
    match = _SHAPE.fullmatch(text)
    if not match:
        raise problem(
            "E406", f"cannot read the signature {text.strip()!r}", place, "name(x: float[B, N], ...) -> y: float[B, N]"
        )
    name, inside, outside = match.groups()
    inputs = tuple(_parameter(part, place) for part in _split(inside) if part.strip())
    outputs = tuple(_parameter(part, place) for part in _split(outside))
    seen: set[str] = set()
    for p in (*inputs, *outputs):
        if p.name in seen:
            raise problem(
                "E406", f"{p.name!r} stands twice in the signature", place, "inputs and outputs need names of their own"
            )
        seen.add(p.name)
    signature = Signature(name, inputs, outputs)
    for d in signature.dims:
        if d in seen:
            raise problem("E406", f"{d!r} names both a dimension and a parameter", place)
    if not inputs:
        raise problem("E406", f"{name} has no input", place, "a kernel computes something from something")
    roles = [
        (name, "equation"),
        *((p.name, "input") for p in inputs),
        *((p.name, "output") for p in outputs),
        *((d, "dimension") for d in signature.dims),
    ]
    for word, role in roles:
        reason = why_not(word, role)
        if reason:
            raise problem("E413", reason, place, "choose another name")
    return signature


def _parameter(part: str, place: Text | None) -> Parameter:
    name, colon, rest = part.partition(":")
    name = name.strip()
    if not colon or not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
        raise problem("E406", f"cannot read the parameter {part.strip()!r}", place, "name: type, e.g. x: float[B, N]")
    type_, extra = parse_type(Text(rest, place.starts, False) if place is not None else rest)
    if extra:
        raise problem("E406", f"unexpected {extra!r} after the type of {name!r}", place, "domains stand under `domain`")
    return Parameter(name, type_)


def _split(text: str) -> list[str]:
    """Split at commas outside brackets."""
    parts, depth, start = [], 0, 0
    for k, c in enumerate(text):
        depth += (c == "[") - (c == "]")
        if c == "," and not depth:
            parts.append(text[start:k])
            start = k + 1
    return [*parts, text[start:]]
