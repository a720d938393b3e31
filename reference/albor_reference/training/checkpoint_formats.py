"""One model in two files: the safetensors and the GGUF layout, written byte by byte, and what two models differ in.

A listing is a model as a text: a line `name dtype shape bytes` a tensor, the shape as `rows,columns`, the bytes in
hexadecimal, in memory order. Names are those of safetensors files (model.layers.0.self_attn.q_proj.bias).

Errors: CheckpointError (a ValueError), as each function says; `pack`, `data_offsets` and `tensor_info` check nothing.
Sources: ggml, docs/gguf.md, for GGUF version 3; Hugging Face, safetensors, for the format and its Rust reader.
"""

from __future__ import annotations

import json
import math
import re
import struct
from typing import NamedTuple

import numpy as np

# dtype: ggml's number for it, elements of a block, bytes of a block. safetensors knows the types of one element.
TYPES = {
    "F32": (0, 1, 4), "F16": (1, 1, 2), "Q8_0": (8, 32, 34), "Q4_K": (12, 256, 144), "Q6_K": (14, 256, 210),
    "I8": (24, 1, 1), "I16": (25, 1, 2), "I32": (26, 1, 4), "I64": (27, 1, 8), "F64": (28, 1, 8), "BF16": (30, 1, 2),
}  # fmt: skip
# The order of tensors in a safetensors file. What is in blocks lies there as U8.
SAFETENSORS_ORDER = ("I64", "F64", "F32", "I32", "BF16", "F16", "I16", "I8", "U8")
ARCHITECTURE = "qwen2"  # grouped heads with biases of q, k and v; its converter leaves the rows of q and k in place
LONGEST_NAME = 63  # bytes: ggml keeps names in 64, the last one is NUL
NAME = rf"[!-~]{{1,{LONGEST_NAME}}}"
WHOLE = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
IN_LAYER = {
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}  # fmt: skip
# Types of values in the metadata of a GGUF file: struct's letter for those of one size.
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
UINT32, STRING, ARRAY = 4, 8, 9


class CheckpointError(ValueError):
    """What was given is no model, or cannot be written in, or read from, this format."""


class Tensor(NamedTuple):
    """One tensor: its shape with the slowest dimension first, its bytes in memory order."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    data: bytes


def pack(data: np.ndarray) -> bytes:
    """The bytes of data[N], u8, as a byte string."""
    return bytes(data.tolist())


def stored_bytes(height: int, columns: int, per_block: int, block_bytes: int) -> int:
    """Bytes of height * columns elements, `per_block` of them in a block of `block_bytes`, each row in whole blocks.

    Formula   height * (columns / per_block) * block_bytes
    Errors    CheckpointError (a ValueError): the columns do not fill whole blocks
    """
    blocks, rest = divmod(columns, per_block)
    if rest:
        raise CheckpointError(f"{columns} columns do not fill whole blocks of {per_block}: {rest} are left over")
    return height * blocks * block_bytes


def data_offsets(sizes: np.ndarray, alignment: int) -> tuple[np.ndarray, int]:
    """(offsets[T], total) i64: where tensors of `sizes[T]` bytes begin, each padded to a multiple of `alignment`.

    Counted from the beginning of the data, not of the file. An alignment of 1 is that of safetensors.
    """
    padded = -(-sizes // alignment) * alignment
    return np.cumsum(padded) - padded, int(padded.sum())


def tensor_info(shape: np.ndarray, code: int, offset: int) -> np.ndarray:
    """What follows the name in a GGUF tensor info, u8[16 + 8 K], of shape[K] with the slowest dimension first.

    uint32 K, K times uint64 from the fastest dimension to the slowest, uint32 ggml type, uint64 offset; little-endian.
    """
    dims = [int(d) for d in shape[::-1]]
    return np.frombuffer(struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, code, offset), dtype=np.uint8).copy()


def gguf_name(name: str) -> str:
    """The name of a tensor in a GGUF file. CheckpointError (a ValueError) for one that is not in the table."""
    found = re.fullmatch(r"(?:model\.layers\.(0|[1-9][0-9]*)\.)?(.+)\.(weight|bias)", name)
    if found:
        layer, part, kind = found.groups()
        if layer is None and part in WHOLE:
            return f"{WHOLE[part]}.{kind}"
        if layer is not None and part in IN_LAYER:
            return f"blk.{layer}.{IN_LAYER[part]}.{kind}"
    raise CheckpointError(f"no GGUF name for the tensor {name!r}: it is not in the table of names")


def checkpoint_name(name: str) -> str:
    """The inverse of `gguf_name`. CheckpointError (a ValueError) for a name that is not in the table."""
    found = re.fullmatch(r"(?:blk\.(0|[1-9][0-9]*)\.)?(.+)\.(weight|bias)", name)
    if found:
        layer, part, kind = found.groups()
        for old, new in (WHOLE if layer is None else IN_LAYER).items():
            if new == part:
                return f"{old}.{kind}" if layer is None else f"model.layers.{layer}.{old}.{kind}"
    raise CheckpointError(f"no checkpoint name for the GGUF tensor {name!r}: it is not in the table of names")


def tensor_line(name: str, dtype: str, data: np.ndarray) -> str:
    """The line of a matrix whose rows are the bytes data[R, W], u8. Errors: CheckpointError as in `listing`."""
    columns = _elements(name, dtype, data.shape[1])
    return _write([_checked(Tensor(name, dtype, (data.shape[0], columns), data.tobytes()))])


def vector_line(name: str, dtype: str, data: np.ndarray) -> str:
    """The line of a vector whose bytes are data[W], u8. Errors: CheckpointError as in `listing`."""
    return _write([_checked(Tensor(name, dtype, (_elements(name, dtype, data.size),), data.tobytes()))])


def listing(text: str) -> str:
    """The same model in canonical form: tensors in the order of their names.

    Errors: CheckpointError (a ValueError) for a line of another form, an unknown dtype, a name that occurs twice, is
    longer than 63 bytes or not printable ASCII, a shape that has not 1 to 4 dimensions of at least 1, rows that do not
    fill whole blocks, and bytes that are not as many as dtype and shape say.
    """
    return _write(sorted(_read(text)))


def safetensors_file(text: str) -> bytes:
    """A model as a safetensors file.

    uint64 length of the header, little-endian; the header: JSON, padded with blanks to a multiple of 8; the data
    without gaps. Tensors stand in the order of SAFETENSORS_ORDER, then of their names. What is quantized lies there as
    U8 with bytes for columns, and its type in the metadata: {"ggml_types": "{\\"name\\":\\"Q4_K\\"}"}.
    Errors: CheckpointError as in `listing`.
    """
    tensors = _read(text)
    quantized = {t.name: t.dtype for t in sorted(tensors) if TYPES[t.dtype][1] > 1}
    header: dict = {"__metadata__": {"ggml_types": _json(quantized)}} if quantized else {}
    end, parts = 0, []
    stored = [(t.name, *(("U8", _bytewise(t)) if t.name in quantized else (t.dtype, t.shape)), t.data) for t in tensors]
    for name, dtype, shape, data in sorted(stored, key=lambda t: (SAFETENSORS_ORDER.index(t[1]), t[0])):
        begin, end = end, end + len(data)
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}
        parts.append(data)
    encoded = _json(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    return struct.pack("<Q", len(encoded)) + encoded + b"".join(parts)


def safetensors_listing(file: bytes) -> str:
    """The model in a safetensors file, in canonical form.

    Errors: CheckpointError (a ValueError) for a file that is cut off or goes on after its data, gaps or overlaps, a
    name that occurs twice, a dtype without a ggml type, and as `listing`.
    """
    if len(file) < 8 or struct.unpack("<Q", file[:8])[0] > len(file) - 8:
        raise CheckpointError(f"not a safetensors file: {len(file)} bytes do not hold the header")
    start = 8 + struct.unpack("<Q", file[:8])[0]
    try:
        header = json.loads(file[8:start], object_pairs_hook=_once)
        metadata = header.pop("__metadata__", {})
        quantized = json.loads(metadata.get("ggml_types", "{}"), object_pairs_hook=_once)
        if {type(text) for text in (*metadata.values(), *quantized.values())} - {str}:
            raise CheckpointError("not a safetensors file: its metadata are no texts")
        entries = sorted(_place(name, entry) for name, entry in header.items())
    except CheckpointError:
        raise
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"not a safetensors file: its header is not as described ({error!r})") from None
    tensors, place = [], 0
    for begin, end, name, dtype, shape in entries:
        if begin != place:
            raise CheckpointError(f"{name}: its data begins at {begin}, expected {place}: safetensors has no gaps")
        data, place = file[start + begin : start + end], end
        tensors.append(_stored(name, dtype, shape, data, quantized))
    if place != len(file) - start:
        raise CheckpointError(
            f"the data ends at {place}, the file at {len(file) - start}: safetensors has nothing after it"
        )
    return listing(_write(tensors))


def _place(name: str, entry: dict) -> tuple[int, int, str, str, tuple[int, ...]]:
    (begin, end), shape = entry["data_offsets"], tuple(entry["shape"])
    if {type(number) for number in (begin, end, *shape)} != {int}:
        raise TypeError(f"{name}: sizes and offsets are whole numbers")
    return begin, end, name, str(entry["dtype"]), shape


def _stored(name: str, dtype: str, shape: tuple[int, ...], data: bytes, quantized: dict[str, str]) -> Tensor:
    if dtype == "U8" and name in quantized and shape:
        dtype = quantized[name]
        shape = (*shape[:-1], _elements(name, dtype, shape[-1]))
    return _checked(Tensor(name, dtype, shape, data))


def gguf_file(text: str, alignment: int) -> bytes:
    """A model as a GGUF file, version 3, little-endian.

    "GGUF", uint32 3, uint64 number of tensors, uint64 number of metadata entries (general.architecture = "qwen2" and
    general.alignment); for each tensor, in the order of the listing: its name (uint64 length, bytes) and `tensor_info`;
    zeros up to a multiple of the alignment; the data of each tensor, and zeros up to a multiple of the alignment.
    Errors: CheckpointError as in `listing` and `gguf_name`, and for an alignment that is not a power of two from 8 on.
    """
    if alignment not in [2**k for k in range(3, 32)]:
        raise CheckpointError(f"alignment: expected a power of two from 8 on, got {alignment}")
    tensors = _read(text)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), 2)
    head += _string("general.architecture") + struct.pack("<I", STRING) + _string(ARCHITECTURE)
    head += _string("general.alignment") + struct.pack("<II", UINT32, alignment)
    offsets, _ = data_offsets(np.array([len(t.data) for t in tensors], dtype=np.int64), alignment)
    for t, offset in zip(tensors, offsets.tolist(), strict=True):
        head += _string(gguf_name(t.name)) + tensor_info(np.array(t.shape), TYPES[t.dtype][0], offset).tobytes()
    return _padded(head, alignment) + b"".join(_padded(t.data, alignment) for t in tensors)


def gguf_listing(file: bytes) -> str:
    """The model in a GGUF file, in canonical form. Metadata other than general.alignment (32 where absent) is skipped.

    Errors: CheckpointError (a ValueError) for a file that is not GGUF 3 in little-endian order or is cut off, an offset
    other than `data_offsets` has, a name that occurs twice, a type or name that is not in the tables, and as `listing`.
    """
    if file[:4] != b"GGUF":
        raise CheckpointError(f"not a GGUF file: it begins with {file[:4]!r}")
    try:
        version, count, entries = struct.unpack_from("<IQQ", file, 4)
        if version != 3:
            raise CheckpointError(f"GGUF version {version}: expected 3, little-endian")
        place = 24
        alignment: object = 32
        for _ in range(entries):
            key, place = _read_string(file, place)
            (kind,) = struct.unpack_from("<I", file, place)
            value, place = _read_value(file, place + 4, kind)
            if key == "general.alignment":
                alignment = value
        infos = []
        for _ in range(count):
            name, place = _read_string(file, place)
            (n,) = struct.unpack_from("<I", file, place)
            *dims, code, offset = struct.unpack_from(f"<{n}QIQ", file, place + 4)
            place += 16 + 8 * n
            infos.append((name, dims[::-1], code, offset))
    except (struct.error, OverflowError, MemoryError):  # of a count that no file can hold
        raise CheckpointError("the GGUF file is cut off: it ends within its header") from None
    except RecursionError:
        raise CheckpointError("the metadata of the GGUF file is nested too deeply") from None
    if not isinstance(alignment, int) or alignment < 8 or alignment & (alignment - 1):
        raise CheckpointError(f"general.alignment: expected a power of two from 8 on, got {alignment}")
    start, running, tensors = place + -place % alignment, 0, []
    for name, shape, code, offset in infos:
        dtype = next((d for d, (c, _, _) in TYPES.items() if c == code), f"of ggml type {code}")
        if offset != running:
            raise CheckpointError(f"{name}: its data begins at {offset}, expected {running}")
        size = _size(name, dtype, tuple(shape))
        data = file[start + offset : start + offset + size]
        running += size + -size % alignment
        tensors.append(_checked(Tensor(checkpoint_name(name), dtype, tuple(shape), data)))
    return listing(_write(tensors))


def differences(a: str, b: str) -> str:
    """What differs between two listings, a line each, by name; empty when each byte of each tensor is the same.

    `name: missing in a`, `name: dtype F16 in a, BF16 in b`, `name: shape 2,3 in a, 3,2 in b`, and, where both are the
    same, `name: 3 of 12 bytes differ, the first is byte 5: 00 in a, 80 in b`. Errors: CheckpointError as in `listing`.
    """
    first, second = ({t.name: t for t in _read(text)} for text in (a, b))
    report = []
    for name in sorted(first.keys() | second.keys()):
        if name not in first or name not in second:
            report.append(f"{name}: missing in {'b' if name in first else 'a'}\n")
            continue
        x, y = first[name], second[name]
        if x.dtype != y.dtype:
            report.append(f"{name}: dtype {x.dtype} in a, {y.dtype} in b\n")
        if x.shape != y.shape:
            report.append(f"{name}: shape {_commas(x.shape)} in a, {_commas(y.shape)} in b\n")
        if (x.dtype, x.shape) == (y.dtype, y.shape):
            places = [k for k, (p, q) in enumerate(zip(x.data, y.data, strict=True)) if p != q]
            if places:
                k = places[0]
                report.append(
                    f"{name}: {len(places)} of {len(x.data)} bytes differ, the first is byte {k}: "
                    f"{x.data[k]:02x} in a, {y.data[k]:02x} in b\n"
                )
    return "".join(report)


def _commas(shape: tuple[int, ...]) -> str:
    return ",".join(map(str, shape))


def _write(tensors: list[Tensor]) -> str:
    return "".join(f"{t.name} {t.dtype} {_commas(t.shape)} {t.data.hex()}\n" for t in tensors)


def _read(text: str) -> list[Tensor]:
    """The tensors of a listing in its order, checked."""
    tensors: dict[str, Tensor] = {}
    for line in text.split("\n")[:-1] if text.endswith("\n") else text.split("\n") if text else []:
        found = re.fullmatch(r"(\S+) (\S+) ([0-9]+(?:,[0-9]+)*) ((?:[0-9a-f]{2})*)", line)
        if not found:
            raise CheckpointError(f"expected `name dtype shape bytes`, got {line[:80]!r}")
        name, dtype, shape, digits = found.groups()
        if name in tensors:
            raise CheckpointError(f"the tensor {name} occurs twice")
        tensors[name] = _checked(Tensor(name, dtype, tuple(map(int, shape.split(","))), bytes.fromhex(digits)))
    return list(tensors.values())


def _checked(t: Tensor) -> Tensor:
    if not re.fullmatch(NAME, t.name) or t.name == "__metadata__":
        raise CheckpointError(
            f"{t.name!r} is no name: expected 1 to {LONGEST_NAME} printable characters without blanks"
        )
    size = _size(t.name, t.dtype, t.shape)
    if len(t.data) != size:
        raise CheckpointError(f"{t.name}: {t.dtype} of shape {_commas(t.shape)} has {size} bytes, found {len(t.data)}")
    return t


def _size(name: str, dtype: str, shape: tuple[int, ...]) -> int:
    _, per_block, block_bytes = _type(name, dtype)
    if not 1 <= len(shape) <= 4 or min(shape) < 1:
        raise CheckpointError(f"{name}: expected 1 to 4 dimensions of at least 1, got the shape {list(shape)}")
    try:
        return stored_bytes(math.prod(shape[:-1]), shape[-1], per_block, block_bytes)
    except CheckpointError as error:
        raise CheckpointError(f"{name}: {error}") from None


def _elements(name: str, dtype: str, row: int) -> int:
    """Elements in `row` bytes."""
    _, per_block, block_bytes = _type(name, dtype)
    if row % block_bytes:
        raise CheckpointError(f"{name}: {row} bytes are no whole number of {dtype} blocks of {block_bytes} bytes")
    return row // block_bytes * per_block


def _type(name: str, dtype: str) -> tuple[int, int, int]:
    if dtype not in TYPES:
        raise CheckpointError(f"{name}: unknown dtype {dtype}, there are {', '.join(TYPES)}")
    return TYPES[dtype]


def _bytewise(t: Tensor) -> tuple[int, ...]:
    return (*t.shape[:-1], len(t.data) // math.prod(t.shape[:-1]))


def _json(value: dict) -> str:
    return json.dumps(value, separators=(",", ":"))


def _once(pairs: list[tuple[str, object]]) -> dict:
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise CheckpointError(f"the key {name} occurs twice in the header")
    return dict(pairs)


def _string(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _padded(data: bytes, alignment: int) -> bytes:
    return data + bytes(-len(data) % alignment)


def _read_string(file: bytes, place: int) -> tuple[str, int]:
    (size,) = struct.unpack_from("<Q", file, place)
    raw = file[place + 8 : place + 8 + size]
    if len(raw) != size:
        raise CheckpointError("the GGUF file is cut off: it ends within a text of its header")
    return raw.decode("utf-8", "replace"), place + 8 + size


def _read_value(file: bytes, place: int, kind: int) -> tuple[object, int]:
    if kind in SCALARS:
        return struct.unpack_from("<" + SCALARS[kind], file, place)[0], place + struct.calcsize("<" + SCALARS[kind])
    if kind == STRING:
        return _read_string(file, place)
    if kind == ARRAY:
        inner, count = struct.unpack_from("<IQ", file, place)
        values, place = [], place + 12
        for _ in range(count):
            value, place = _read_value(file, place, inner)
            values.append(value)
        return values, place
    raise CheckpointError(f"the metadata of the GGUF file has a value of the unknown type {kind}")
