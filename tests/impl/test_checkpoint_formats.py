"""The converter that ships against the reference: the same bytes, the same listings, and refusals that say why."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
import torch
from albor_impl.training import checkpoint_formats as impl
from albor_reference.training import checkpoint_formats as reference
from hypothesis import example, given, settings
from hypothesis import strategies as st

BIAS = "model.layers.0.self_attn.q_proj.bias"
ONE = f"{BIAS} F32 2 0000803f00000040\n"
MODEL = (
    f"model.layers.0.mlp.down_proj.weight Q8_0 1,32 {'5a' * 34}\n" + ONE + "model.norm.weight BF16 1,2,1,1 803fc07f\n"
)


def outcome(module, function: str, *arguments):
    try:
        return getattr(module, function)(*arguments)
    except module.CheckpointError:
        return "refused"


def both(function: str, *arguments):
    """What both say, which must be the same; any error but a CheckpointError is a failure."""
    found = outcome(impl, function, *arguments)
    assert found == outcome(reference, function, *arguments)
    return found


words = st.sampled_from([
    BIAS, "lm_head.weight", "__metadata__", "x" * 63, "y" * 64, "é", 'a"\\b', "F32", "F16", "I8", "Q8_0", "U8", "1",
    "2", "2,1", "0", "1,1,1,1", "1,1,1,1,1", "-1", "٣", ",", "00", "0000", "00000000", "0000000000000000", "0g", "AB",
    "",
])  # fmt: skip
lines = st.lists(words, min_size=3, max_size=5).map(" ".join)


@given(st.lists(lines, max_size=2).map("\n".join), st.booleans(), st.sampled_from([0, 7, 8, 24, 32, -8]))
@example(ONE + ONE, False, 32)
@example("\n", False, 32)
@example("\n\n", False, 32)
@example('a"\\b I8 1 00', False, 32)
@settings(deadline=None, max_examples=200)
def test_any_listing_means_what_it_means_to_the_reference(text: str, ended: bool, alignment: int) -> None:
    text += "\n" * ended
    for function in ("listing", "safetensors_file"):
        both(function, text)
    both("gguf_file", text, alignment)
    both("differences", text, MODEL)
    both("differences", MODEL, text)


def test_both_write_the_same_files() -> None:
    for text in ("", ONE, MODEL):
        for file, back in (
            (both("safetensors_file", text), "safetensors_listing"),
            (both("gguf_file", text, 64), "gguf_listing"),
        ):
            assert both(back, file) == both("listing", text) != "refused"


FILES = {
    "safetensors_listing": [impl.safetensors_file(MODEL), impl.safetensors_file(ONE)],
    "gguf_listing": [impl.gguf_file(MODEL, 8), impl.gguf_file(ONE, 32)],
}


@given(st.sampled_from(sorted(FILES)), st.integers(0, 1), st.integers(0, 10**6), st.integers(0, 255), st.booleans())
@settings(deadline=None, max_examples=300)
def test_a_damaged_file_is_refused_or_read_alike(function: str, which: int, at: int, byte: int, cut: bool) -> None:
    file = FILES[function][which]
    at %= len(file)
    damaged = file[:at] if cut else file[:at] + bytes([byte]) + file[at + 1 :]
    found = both(function, damaged)
    if cut and function == "safetensors_listing":
        assert found == "refused"


def framed(header: object, data: bytes = b"") -> bytes:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + data


X = {"dtype": "I8", "shape": [2], "data_offsets": [0, 2]}
REFUSED = {
    "empty": b"",
    "seven bytes": bytes(7),
    "a header longer than the file": struct.pack("<Q", 2**63) + b"{}",
    "no JSON": framed(b"{"),
    "a list": framed([]),
    "a number": framed({"x": 3}),
    "no dtype": framed({"x": {"shape": [2], "data_offsets": [0, 2]}}, b"ab"),
    "not UTF-8": framed(b'{"\xff": 1}'),
    "a gap": framed({"x": X | {"data_offsets": [1, 3]}}, b"abc"),
    "an overlap": framed({"x": X, "y": X | {"data_offsets": [1, 3]}}, b"abc"),
    "more data": framed({"x": X}, b"abc"),
    "less data": framed({"x": X}, b"a"),
    "turned round": framed({"x": X | {"data_offsets": [2, 0]}}, b"ab"),
    "another size": framed({"x": X | {"shape": [3]}}, b"ab"),
    "a negative size": framed({"x": X | {"shape": [-1, -2]}}, b"ab"),
    "a fraction": framed({"x": X | {"shape": [2.0]}}, b"ab"),
    "no dimension": framed({"x": X | {"shape": [], "data_offsets": [0, 1]}}, b"a"),
    "an empty dimension": framed({"x": X | {"shape": [0], "data_offsets": [0, 0]}}),
    "a type GGUF has not": framed({"x": X | {"dtype": "U8"}}, b"ab"),
    "truth values": framed({"x": X | {"dtype": "BOOL"}}, b"ab"),
    "metadata of numbers": framed({"__metadata__": {"ggml_types": 3}, "x": X}, b"ab"),
    "metadata that is a text": framed({"__metadata__": "x", "x": X}, b"ab"),
    "types that are no JSON": framed({"__metadata__": {"ggml_types": "Q4_K"}, "x": X}, b"ab"),
    "types that are a list": framed({"__metadata__": {"ggml_types": "[]"}, "x": X | {"dtype": "U8"}}, b"ab"),
    "a type that is unknown": framed({"__metadata__": {"ggml_types": '{"x":"Q9"}'}, "x": X | {"dtype": "U8"}}, b"ab"),
    "a type that is a list": framed({"__metadata__": {"ggml_types": '{"x":[]}'}, "x": X | {"dtype": "U8"}}, b"ab"),
    "a size that is a text": framed({"x": X | {"shape": ["2"]}}, b"ab"),
    "offsets that are texts": framed({"x": X | {"data_offsets": ["0", "2"]}}, b"ab"),
    "three offsets": framed({"x": X | {"data_offsets": [0, 2, 2]}}, b"ab"),
    "a dtype that is a number": framed({"x": X | {"dtype": 8}}, b"ab"),
    "nested too deeply": framed(b"[" * 10**5),
    "types nested too deeply": framed({"__metadata__": {"ggml_types": "[" * 10**5}}),
    "metadata that holds a number": framed({"__metadata__": {"format": 1}, "x": X}, b"ab"),
    "metadata that are null": framed({"__metadata__": None, "x": X}, b"ab"),
    "a size that is a truth value": framed({"x": X | {"shape": [2, True]}}, b"ab"),
    "a name with a blank": framed({"x y": X}, b"ab"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_these_are_no_safetensors_files(what: str) -> None:
    assert both("safetensors_listing", REFUSED[what]) == "refused"


def test_a_key_that_occurs_twice_is_refused_though_the_package_takes_the_last() -> None:
    x = b'"x":{"dtype":"I8","shape":[1],"data_offsets":[0,1]}'
    assert both("safetensors_listing", framed(b"{" + x + b"," + x + b"}", b"a")) == "refused"
    assert both("safetensors_listing", framed(b"{" + x + b"}", b"a")) == "x I8 1 61\n"
    with pytest.raises(impl.CheckpointError, match="x occurs twice"):
        impl.safetensors_listing(framed(b"{" + x + b"," + x + b"}", b"a"))


def gguf(name: bytes = b"output.weight", shape=(2,), code: int = 24, offset: int = 0, version: int = 3, count: int = 1):
    info = struct.pack("<Q", len(name)) + name + impl._info(shape, code, offset)
    head = b"GGUF" + struct.pack("<IQQ", version, count, 0) + info * count
    return head + bytes(-len(head) % 32) + b"ab" + bytes(30)


@pytest.mark.parametrize(
    "file",
    [
        gguf(version=2), gguf(version=0x03000000), gguf(name=b"blk.0.attn_q"), gguf(name=b"\xff.weight"),
        gguf(shape=()), gguf(shape=(0,)), gguf(shape=(1, 1, 1, 1, 2)), gguf(shape=(40,)), gguf(shape=(2**63, 2)),
        gguf(code=2), gguf(code=12), gguf(offset=32), gguf(count=2), gguf()[:40], b"GGML" + gguf()[4:],
        b"GGUF" + struct.pack("<IQQQIIQ", 3, 0, 1, 0, 9, 9, 1) + struct.pack("<IQ", 9, 1) * 10**4,
        b"GGUF" + struct.pack("<IQQ", 3, 2**60, 0), b"GGUF" + struct.pack("<IQQ", 3, 0, 2**60),
    ],
)  # fmt: skip
def test_these_are_no_gguf_files(file: bytes) -> None:
    assert both("gguf_listing", gguf()) == "lm_head.weight I8 2 6162\n"
    assert both("gguf_listing", file) == "refused"


def aligned(kind: int, value: bytes) -> bytes:
    key = b"general.alignment"
    head = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", len(key)) + key + struct.pack("<I", kind) + value
    return head + bytes(-len(head) % 32)


@pytest.mark.parametrize(
    "file",
    [
        aligned(6, struct.pack("<f", 32.0)), aligned(7, b"\x01"), aligned(8, struct.pack("<Q", 2) + b"32"),
        aligned(9, struct.pack("<IQI", 4, 1, 32)), aligned(5, struct.pack("<i", -32)), aligned(4, struct.pack("<I", 0)),
    ],
    ids=["a real", "a truth value", "a text", "a list", "negative", "zero"],
)  # fmt: skip
def test_an_alignment_of_another_type_is_refused(file: bytes) -> None:
    assert both("gguf_listing", aligned(4, struct.pack("<I", 32))) == ""
    assert both("gguf_listing", file) == "refused"


def test_the_last_padding_may_be_missing_the_data_not() -> None:
    file = impl.gguf_file(ONE, 32)
    assert both("gguf_listing", file[:-24]) == ONE
    assert both("gguf_listing", file[:-25]) == "refused"


def test_messages_name_the_tensor_and_what_is_wrong() -> None:
    for text, words_ in (
        (ONE + ONE, f"the tensor {BIAS} occurs twice"),
        ("x F31 1 00", "x: unknown dtype F31, there are F64"),
        ("x F32 3 00000000", r"x: F32 of shape \[3\] has 12 bytes, found 4"),
        ("x Q4_K 2,255 00", "x: 255 columns do not fill whole blocks of 256"),
        ("x F32 0 ", "x: expected 1 to 4 dimensions of at least 1"),
        (f"{'x' * 64} F32 1 00000000", "expected 1 to 63 printable characters"),
    ):
        with pytest.raises(impl.CheckpointError, match=words_):
            impl.listing(text)
    with pytest.raises(impl.CheckpointError, match=r"'visual\.weight' is not in the table of names"):
        impl.gguf_file("visual.weight I8 1 00", 32)
    with pytest.raises(impl.CheckpointError, match="a power of two from 8 on, got 24"):
        impl.gguf_file(ONE, 24)
    with pytest.raises(impl.CheckpointError, match="7 bytes are no whole number of F32 blocks of 4 bytes"):
        impl.vector_line("x", "F32", torch.zeros(7, dtype=torch.uint8))


def test_lines_of_tensors_that_are_views_on_other_memory() -> None:
    data = torch.arange(48, dtype=torch.uint8).reshape(4, 12)[:, ::3].T
    assert impl.tensor_line("x", "F32", data) == reference.tensor_line("x", "F32", np.asarray(data))
    assert impl.pack(data[0]) == bytes([0, 12, 24, 36])
