"""The reference's files against the safetensors package and against GGUF written out by hand."""

from __future__ import annotations

import json
import struct

import numpy as np
import safetensors
import safetensors.torch
import torch
from albor_reference.training import checkpoint_formats as ref
from hypothesis import given, settings
from hypothesis import strategies as st

ELEMENT = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8,
}  # fmt: skip
NAMES = ["lm_head.weight", *(f"model.layers.{k}.self_attn.{p}_proj.bias" for k in (0, 10, 9) for p in "qkv")]


@st.composite
def models(draw):
    lines = []
    for name in draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=5)):
        dtype = draw(st.sampled_from(list(ref.TYPES)))
        shape = draw(st.lists(st.integers(1, 3), min_size=1, max_size=4))
        _, per_block, size = ref.TYPES[dtype]
        count = int(np.prod(shape)) * size
        shape[-1] *= per_block
        data = np.random.default_rng(draw(st.integers(0, 99))).bytes(count)  # signalling NaN, -0 and subnormals too
        lines.append(f"{name} {dtype} {','.join(map(str, shape))} {data.hex()}\n")
    return "".join(lines)


@given(models())
@settings(deadline=None, max_examples=150)
def test_safetensors_files_are_those_of_the_package(text: str) -> None:
    file = ref.safetensors_file(text)
    expected = {}
    for name, dtype, shape, digits in (line.split(" ") for line in text.splitlines()):
        raw = torch.frombuffer(bytearray.fromhex(digits), dtype=torch.uint8)
        sizes = [int(s) for s in shape.split(",")]
        expected[name] = raw.view(ELEMENT[dtype]).reshape(sizes) if dtype in ELEMENT else raw.reshape(*sizes[:-1], -1)
    header = json.loads(file[8 : 8 + int.from_bytes(file[:8], "little")])
    assert file == safetensors.torch.save(expected, header.get("__metadata__"))
    for name, tensor in safetensors.deserialize(file):
        assert bytes(tensor["data"]) == expected[name].contiguous().view(torch.uint8).numpy().tobytes()
    assert ref.safetensors_listing(file) == ref.listing(text)


@given(models(), st.sampled_from([8, 16, 32, 64, 4096]))
@settings(deadline=None, max_examples=150)
def test_both_files_hold_the_model(text: str, alignment: int) -> None:
    gguf = ref.gguf_file(text, alignment)
    assert len(gguf) % alignment == 0
    assert ref.gguf_listing(gguf) == ref.safetensors_listing(ref.safetensors_file(text)) == ref.listing(text)
    assert ref.differences(ref.gguf_listing(gguf), text) == ""


def test_a_gguf_file_written_out_by_hand() -> None:
    text = "lm_head.weight F16 2,3 000102030405060708090a0b\nmodel.norm.weight F32 1 0000803f\n"
    header = b"GGUF\3\0\0\0\2\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0"
    header += b"\x14\0\0\0\0\0\0\0general.architecture\x08\0\0\0\5\0\0\0\0\0\0\0qwen2"
    header += b"\x11\0\0\0\0\0\0\0general.alignment\4\0\0\0\x20\0\0\0"
    header += b"\x0d\0\0\0\0\0\0\0output.weight\2\0\0\0\3\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0\1\0\0\0"
    header += bytes(8)
    header += b"\x12\0\0\0\0\0\0\0output_norm.weight\1\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\x20\0\0\0\0\0\0\0"
    assert len(header) == 205
    data = bytes(range(12)) + bytes(20) + b"\0\0\x80\x3f" + bytes(28)
    assert ref.gguf_file(text, 32) == header + bytes(19) + data


def test_metadata_of_every_type_is_passed_over_and_the_default_alignment_is_32() -> None:
    def entry(key: str, kind: int, value: bytes) -> bytes:
        return struct.pack("<Q", len(key)) + key.encode() + struct.pack("<I", kind) + value

    text = struct.pack("<Q", 3) + b"abc"
    sizes = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
    entries = [entry(f"number.{kind}", kind, bytes([1]) * size) for kind, size in sizes.items()]
    entries.append(entry("text", 8, text))
    entries.append(entry("texts", 9, struct.pack("<IQ", 8, 2) + text + text))
    entries.append(entry("nested", 9, struct.pack("<IQ", 9, 1) + struct.pack("<IQ", 2, 3) + bytes(6)))
    info = struct.pack("<Q", 13) + b"output.weight" + ref.tensor_info(np.array([4]), 24, 0).tobytes()
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, len(entries)) + b"".join(entries) + info
    file = head + bytes(-len(head) % 32) + b"\1\2\3\4" + bytes(28)
    assert ref.gguf_listing(file) == "lm_head.weight I8 4 01020304\n"


def test_numbers_of_the_published_comparison() -> None:
    assert ref.stored_bytes(18944, 3584, 256, 144) == 38_191_104
    assert ref.stored_bytes(18944, 3584, 1, 2) == 2 * 18944 * 3584


def test_the_table_of_names_is_a_bijection() -> None:
    names = [f"{n}.{kind}" for n in ref.WHOLE for kind in ("weight", "bias")]
    names += [f"model.layers.{k}.{n}.{kind}" for n in ref.IN_LAYER for kind in ("weight", "bias") for k in (0, 3, 30)]
    renamed = [ref.gguf_name(name) for name in names]
    assert len(set(renamed)) == len(names)
    assert [ref.checkpoint_name(name) for name in renamed] == names


def test_a_report_says_what_and_where() -> None:
    a = "lm_head.weight F16 2,3 000102030405060708090a0b\nmodel.norm.weight F32 1 00000000\n"
    b = "lm_head.weight BF16 3,2 000102030405060708090a0b\nmodel.norm.weight F32 1 00000080\n"
    assert ref.differences(a, b) == (
        "lm_head.weight: dtype F16 in a, BF16 in b\nlm_head.weight: shape 2,3 in a, 3,2 in b\n"
        "model.norm.weight: 1 of 4 bytes differ, the first is byte 3: 00 in a, 80 in b\n"
    )
