"""One model as safetensors and as GGUF: conversion between the files and bitwise comparison, for the host.

Models travel as listings, a line `name dtype rows,columns hexadecimal-bytes` a tensor. safetensors files are written
and taken apart by the safetensors package; GGUF files by a cursor over NumPy's little-endian types.

Errors: CheckpointError (a ValueError), as each function says; `pack`, `data_offsets` and `tensor_info` check nothing.
Sources: ggml, docs/gguf.md, for GGUF version 3; Hugging Face, safetensors, for the format and its Rust reader.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch

NAME_BYTES = 63
ARCHITECTURE = "qwen2"


@dataclass(frozen=True)
class Kind:
    """A type of elements: ggml's number, elements and bytes of a block, and PyTorch's type, if it has one."""

    code: int
    per_block: int
    block_bytes: int
    torch: torch.dtype | None = None


KINDS = {
    "F64": Kind(28, 1, 8, torch.float64),
    "F32": Kind(0, 1, 4, torch.float32),
    "F16": Kind(1, 1, 2, torch.float16),
    "BF16": Kind(30, 1, 2, torch.bfloat16),
    "I64": Kind(27, 1, 8, torch.int64),
    "I32": Kind(26, 1, 4, torch.int32),
    "I16": Kind(25, 1, 2, torch.int16),
    "I8": Kind(24, 1, 1, torch.int8),
    "Q8_0": Kind(8, 32, 34),
    "Q4_K": Kind(12, 256, 144),
    "Q6_K": Kind(14, 256, 210),
}
BY_CODE = {kind.code: name for name, kind in KINDS.items()}
LAYER, BLOCK = "model.layers.", "blk."
PAIRS = (
    ("model.embed_tokens.", "token_embd."),
    ("model.norm.", "output_norm."),
    ("lm_head.", "output."),
    ("input_layernorm.", "attn_norm."),
    ("post_attention_layernorm.", "ffn_norm."),
    ("self_attn.q_proj.", "attn_q."),
    ("self_attn.k_proj.", "attn_k."),
    ("self_attn.v_proj.", "attn_v."),
    ("self_attn.o_proj.", "attn_output."),
    ("mlp.gate_proj.", "ffn_gate."),
    ("mlp.up_proj.", "ffn_up."),
    ("mlp.down_proj.", "ffn_down."),
)
_OUTSIDE = 3  # as many of the pairs stand outside the layers


class CheckpointError(ValueError):
    """A listing, file or tensor that is not what the format says."""


@dataclass(frozen=True)
class Entry:
    """A tensor, checked: its bytes are as many as its dtype and shape say."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    data: bytes

    def __post_init__(self) -> None:
        if not (0 < len(self.name) <= NAME_BYTES and all("!" <= c <= "~" for c in self.name)) or (
            self.name == "__metadata__"
        ):
            raise CheckpointError(
                f"{self.name!r} is no name: expected 1 to {NAME_BYTES} printable characters without blanks"
            )
        expected = size_of(self.name, self.dtype, self.shape)
        if len(self.data) != expected:
            raise CheckpointError(
                f"{self.name}: {self.dtype} of shape {list(self.shape)} has {expected} bytes, found {len(self.data)}"
            )

    @property
    def line(self) -> str:
        """Its line of a listing."""
        return f"{self.name} {self.dtype} {','.join(map(str, self.shape))} {self.data.hex()}\n"


def kind_of(name: str, dtype: str) -> Kind:
    """The properties of a dtype. CheckpointError for one that only one of the formats has."""
    try:
        return KINDS[dtype]
    except KeyError:
        raise CheckpointError(f"{name}: unknown dtype {dtype}, there are {', '.join(KINDS)}") from None


def size_of(name: str, dtype: str, shape: tuple[int, ...]) -> int:
    """Bytes of a tensor. CheckpointError for a shape or dtype that cannot be written."""
    kind = kind_of(name, dtype)
    if len(shape) not in (1, 2, 3, 4) or any(d < 1 for d in shape):
        raise CheckpointError(f"{name}: expected 1 to 4 dimensions of at least 1, got the shape {list(shape)}")
    if shape[-1] % kind.per_block:
        raise CheckpointError(f"{name}: {shape[-1]} columns do not fill whole blocks of {kind.per_block}")
    return math.prod(shape) // kind.per_block * kind.block_bytes


def elements_of(name: str, dtype: str, row_bytes: int) -> int:
    """Elements that `row_bytes` bytes hold. CheckpointError when they end within a block."""
    kind = kind_of(name, dtype)
    if row_bytes % kind.block_bytes:
        raise CheckpointError(
            f"{name}: {row_bytes} bytes are no whole number of {dtype} blocks of {kind.block_bytes} bytes"
        )
    return row_bytes // kind.block_bytes * kind.per_block


def pack(data: torch.Tensor) -> bytes:
    """The bytes of data[N], uint8, as a byte string."""
    return data.cpu().contiguous().numpy().tobytes()


def stored_bytes(height: int, columns: int, per_block: int, block_bytes: int) -> int:
    """height * (columns / per_block) * block_bytes. CheckpointError when the columns do not fill whole blocks."""
    if columns % per_block:
        raise CheckpointError(f"{columns} columns do not fill whole blocks of {per_block}")
    return height * columns // per_block * block_bytes


def data_offsets(sizes: torch.Tensor, alignment: int) -> tuple[torch.Tensor, int]:
    """(offsets[T] int64, total) of tensors of sizes[T] bytes, each padded to the alignment, within the data."""
    offsets, total = [], 0
    for size in sizes.tolist():
        offsets.append(total)
        total += size + -size % alignment
    return torch.tensor(offsets, dtype=torch.int64, device=sizes.device), total


def tensor_info(shape: torch.Tensor, code: int, offset: int) -> torch.Tensor:
    """What follows the name in a GGUF tensor info, uint8[16 + 8 K]: K, the dimensions fastest first, type, offset."""
    raw = bytearray(_info(tuple(shape.tolist()), code, offset))
    return torch.frombuffer(raw, dtype=torch.uint8).to(shape.device)


def _info(shape: tuple[int, ...], code: int, offset: int) -> bytes:
    return (
        _little(len(shape), 4)
        + b"".join(_little(d, 8) for d in _fastest_first(shape))
        + _little(code, 4)
        + _little(offset, 8)
    )


def _fastest_first(shape: Iterable[int]) -> tuple[int, ...]:
    """GGUF lists the dimension that runs fastest first, safetensors last; the bytes are in the same order."""
    return tuple(shape)[::-1]


def _little(number: int, size: int) -> bytes:
    return number.to_bytes(size, "little")


def gguf_name(name: str) -> str:
    """The GGUF name of a tensor, blk.3.attn_q.bias. CheckpointError for a name that is not in the table."""
    return _renamed(name, LAYER, BLOCK, dict(PAIRS[:_OUTSIDE]), dict(PAIRS[_OUTSIDE:]))


def checkpoint_name(name: str) -> str:
    """The inverse of `gguf_name`. CheckpointError for a name that is not in the table."""
    back = [(new, old) for old, new in PAIRS]
    return _renamed(name, BLOCK, LAYER, dict(back[:_OUTSIDE]), dict(back[_OUTSIDE:]))


def _renamed(name: str, old: str, new: str, outside: dict[str, str], inside: dict[str, str]) -> str:
    stem, dot, kind = name.rpartition(".")
    if kind in ("weight", "bias"):
        if stem + dot in outside:
            return outside[stem + dot] + kind
        if stem.startswith(old):
            layer, _, part = stem[len(old) :].partition(".")
            plain = layer.isascii() and layer.isdecimal() and str(int(layer)) == layer
            if plain and part + dot in inside:
                return f"{new}{layer}.{inside[part + dot]}{kind}"
    raise CheckpointError(f"the tensor {name!r} is not in the table of names: it cannot be renamed")


def tensor_line(name: str, dtype: str, data: torch.Tensor) -> str:
    """The line of a matrix whose rows are the bytes data[R, W]. Errors: as `listing`."""
    rows, width = data.shape
    return Entry(name, dtype, (rows, elements_of(name, dtype, width)), pack(data)).line


def vector_line(name: str, dtype: str, data: torch.Tensor) -> str:
    """The line of a vector whose bytes are data[W]. Errors: as `listing`."""
    return Entry(name, dtype, (elements_of(name, dtype, data.numel()),), pack(data)).line


def parse(text: str) -> dict[str, Entry]:
    """The tensors of a listing by name, in its order.

    Errors: CheckpointError (a ValueError) for a line of another form, an unknown dtype, a name that occurs twice or
    cannot be written, a shape that has not 1 to 4 dimensions of at least 1, rows that do not fill whole blocks, and
    bytes that are not as many as dtype and shape say.
    """
    return _by_name(_entry(line) for line in text.removesuffix("\n").split("\n")) if text else {}


def _entry(line: str) -> Entry:
    fields = line.split(" ")
    if len(fields) == 4 and set(fields[3]) <= set("0123456789abcdef") and len(fields[3]) % 2 == 0:
        sizes = fields[2].split(",")
        if all(s.isascii() and s.isdecimal() for s in sizes):
            return Entry(fields[0], fields[1], tuple(int(s) for s in sizes), bytes.fromhex(fields[3]))
    raise CheckpointError(f"expected `name dtype shape bytes`, got {line[:80]!r}")


def _by_name(entries: Iterable[Entry]) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for entry in entries:
        if entry.name in found:
            raise CheckpointError(f"the tensor {entry.name} occurs twice")
        found[entry.name] = entry
    return found


def _listed(entries: dict[str, Entry]) -> str:
    return "".join(entries[name].line for name in sorted(entries))


def listing(text: str) -> str:
    """The same model with its tensors in the order of their names. Errors: as `parse`."""
    return _listed(parse(text))


def safetensors_file(text: str) -> bytes:
    """A model as a safetensors file. What is quantized is U8 there, with bytes for columns, its type in the metadata.

    The metadata entry "ggml_types" is a JSON object of names and types; there is none when nothing is quantized.
    Errors: CheckpointError as in `listing`.
    """
    tensors, quantized = {}, {}
    for name, entry in parse(text).items():
        raw = torch.frombuffer(bytearray(entry.data), dtype=torch.uint8)
        element = KINDS[entry.dtype].torch
        if element is None:
            quantized[name] = entry.dtype
            tensors[name] = raw.reshape(*entry.shape[:-1], -1)
        else:
            tensors[name] = raw.view(element).reshape(entry.shape)
    types = json.dumps(quantized, sort_keys=True, separators=(",", ":"))
    return safetensors.torch.save(tensors, {"ggml_types": types} if quantized else None)


def safetensors_listing(file: bytes) -> str:
    """The model in a safetensors file, in canonical form.

    Errors: CheckpointError (a ValueError) for what the package refuses, for a name that occurs twice (the package takes
    the last), a dtype without a ggml type, and as `listing`.
    """
    try:
        stored = dict(safetensors.deserialize(file))
        header = json.loads(file[8 : 8 + int.from_bytes(file[:8], "little")], object_pairs_hook=_unique)
        metadata = header.get("__metadata__", {})
        if metadata is None:  # which the package takes for none
            raise CheckpointError("not a safetensors file: its metadata are null, expected names and texts")
        types = json.loads(metadata.get("ggml_types", "{}"), object_pairs_hook=_unique)
    except (safetensors.SafetensorError, json.JSONDecodeError, RecursionError) as error:
        raise CheckpointError(f"not a safetensors file: {error}") from error
    if not isinstance(types, dict) or not all(isinstance(dtype, str) for dtype in types.values()):
        raise CheckpointError(f"its ggml_types are {types}, expected an object of names and types")
    return _listed(_by_name(_stored(name, stored[name], types) for name in stored))


def _stored(name: str, tensor: dict[str, Any], types: dict[str, str]) -> Entry:
    dtype, shape = tensor["dtype"], tuple(tensor["shape"])
    if dtype == "U8" and name in types and shape:
        dtype = types[name]
        shape = (*shape[:-1], elements_of(name, dtype, shape[-1]))
    return Entry(name, dtype, shape, bytes(tensor["data"]))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise CheckpointError(f"the key {key} occurs twice in the header; which one is meant?")
        found[key] = value
    return found


def gguf_file(text: str, alignment: int) -> bytes:
    """A model as a GGUF file of version 3, little-endian, its tensors in the order of the listing.

    Errors: CheckpointError as in `listing` and `gguf_name`, and for an alignment that is not a power of two from 8 on.
    """
    _check_alignment(alignment)
    entries = parse(text)
    head = bytearray(b"GGUF" + _little(3, 4) + _little(len(entries), 8) + _little(2, 8))
    head += _text("general.architecture") + _little(8, 4) + _text(ARCHITECTURE)
    head += _text("general.alignment") + _little(4, 4) + _little(alignment, 4)
    data = bytearray()
    for entry in entries.values():
        head += _text(gguf_name(entry.name)) + _info(entry.shape, KINDS[entry.dtype].code, len(data))
        data += entry.data
        data += bytes(-len(data) % alignment)
    head += bytes(-len(head) % alignment)
    return bytes(head + data)


def _check_alignment(alignment: Any) -> None:
    if not isinstance(alignment, int) or alignment < 8 or alignment.bit_count() != 1:
        raise CheckpointError(f"alignment: expected a power of two from 8 on, got {alignment}")


def _text(text: str) -> bytes:
    raw = text.encode()
    return _little(len(raw), 8) + raw


# The types of values in the metadata that are numbers, as NumPy names them; 8 is a text, 9 an array.
_NUMBERS = {0: "u1", 1: "i1", 2: "u2", 3: "i2", 4: "u4", 5: "i4", 6: "f4", 7: "u1", 10: "u8", 11: "i8", 12: "f8"}


class _Cursor:
    """Reads numbers and texts one after the other."""

    def __init__(self, file: bytes) -> None:
        self.file, self.place = file, 0

    def take(self, size: int) -> bytes:
        if size > len(self.file) - self.place:
            raise CheckpointError(f"the GGUF file is cut off: {size} more bytes expected at byte {self.place}")
        self.place += size
        return self.file[self.place - size : self.place]

    def number(self, kind: str = "u8") -> Any:
        dtype = np.dtype("<" + kind)
        return np.frombuffer(self.take(dtype.itemsize), dtype)[0].item()

    def text(self) -> str:
        return self.take(self.number()).decode("utf-8", "replace")

    def value(self, kind: int) -> Any:
        if kind == 8:
            return self.text()
        if kind == 9:
            inner, count = self.number("u4"), self.number()
            return [self.value(inner) for _ in range(count)]
        if kind not in _NUMBERS:
            raise CheckpointError(f"the metadata of the GGUF file has a value of the unknown type {kind}")
        return self.number(_NUMBERS[kind])


def gguf_listing(file: bytes) -> str:
    """The model in a GGUF file, in canonical form. Of the metadata general.alignment is used, 32 where it is absent.

    Errors: CheckpointError (a ValueError) for a file that is not GGUF 3 in little-endian order or is cut off, data that
    does not follow the data before it, a name that occurs twice, names and types that are not in the tables, and as
    `listing`.
    """
    cursor = _Cursor(file)
    magic = file[:4]
    if magic != b"GGUF":
        raise CheckpointError(f"not a GGUF file: it begins with {magic!r}")
    cursor.take(4)
    version = cursor.number("u4")
    if version != 3:
        raise CheckpointError(f"GGUF version {version}: expected 3, little-endian")
    count, entries = cursor.number(), cursor.number()
    try:
        metadata = dict(_metadata(cursor, entries))
    except RecursionError:
        raise CheckpointError("the metadata of the GGUF file is nested too deeply") from None
    alignment = metadata.get("general.alignment", 32)
    _check_alignment(alignment)
    infos = []
    for _ in range(count):
        name = cursor.text()
        shape = _fastest_first(cursor.number() for _ in range(cursor.number("u4")))
        infos.append((name, shape, cursor.number("u4"), cursor.number()))
    cursor.take(-cursor.place % alignment if infos else 0)
    return _listed(_by_name(_tensors(cursor, infos, alignment)))


def _metadata(cursor: _Cursor, entries: int) -> Iterator[tuple[str, Any]]:
    for _ in range(entries):
        key = cursor.text()
        yield key, cursor.value(cursor.number("u4"))


def _tensors(cursor: _Cursor, infos: list[tuple[str, tuple[int, ...], int, int]], alignment: int) -> Iterator[Entry]:
    start = cursor.place
    for name, shape, code, offset in infos:
        dtype = BY_CODE.get(code, f"of ggml type {code}")
        cursor.place += -(cursor.place - start) % alignment
        if offset != cursor.place - start:
            raise CheckpointError(f"{name}: its data begins at {offset}, expected {cursor.place - start}")
        yield Entry(checkpoint_name(name), dtype, shape, cursor.take(size_of(name, dtype, shape)))


def differences(a: str, b: str) -> str:
    """What differs between two listings, a line each, by name; empty when all tensors are the same bit for bit.

    A tensor is missing, has another dtype, another shape, or, where both are the same, other bytes.
    Errors: CheckpointError as in `listing`.
    """
    one, two = parse(a), parse(b)
    lines = []
    for name in sorted({*one, *two}):
        lines += [f"{name}: {what}\n" for what in _between(one.get(name), two.get(name))]
    return "".join(lines)


def _between(x: Entry | None, y: Entry | None) -> Iterator[str]:
    if x is None or y is None:
        yield f"missing in {'a' if x is None else 'b'}"
        return
    if x.dtype != y.dtype:
        yield f"dtype {x.dtype} in a, {y.dtype} in b"
    if x.shape != y.shape:
        yield f"shape {','.join(map(str, x.shape))} in a, {','.join(map(str, y.shape))} in b"
    if x.dtype == y.dtype and x.shape == y.shape and x.data != y.data:
        p, q = (np.frombuffer(t.data, dtype=np.uint8) for t in (x, y))
        places = np.flatnonzero(p != q)
        k = int(places[0])
        yield f"{places.size} of {p.size} bytes differ, the first is byte {k}: {p[k]:02x} in a, {q[k]:02x} in b"
