"""GGUF checkpoints against the `gguf` package: it reads what is written here, and what it writes is read here."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from albor_impl.training import checkpoint_formats as impl
from albor_reference.training import checkpoint_formats as reference

gguf = pytest.importorskip("gguf", reason="the gguf package is not installed (extra: oracles)")

SHAPES = ((5,), (2, 3), (4, 3, 2), (2, 1, 2, 3))
both = pytest.mark.parametrize("module", [reference, impl], ids=["reference", "impl"])


def model(seed: int = 0) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    """A tensor of random bytes of each dtype; each number of dimensions occurs."""
    rng = np.random.default_rng(seed)
    tensors = {}
    for k, (dtype, (_, per_block, size)) in enumerate(reference.TYPES.items()):
        shape = SHAPES[k % len(SHAPES)]
        data = rng.bytes(int(np.prod(shape)) * size)
        tensors[f"model.layers.{k}.self_attn.q_proj.bias"] = (dtype, (*shape[:-1], shape[-1] * per_block), data)
    return tensors


def text(tensors: dict[str, tuple[str, tuple[int, ...], bytes]]) -> str:
    return "".join(f"{n} {d} {','.join(map(str, s))} {b.hex()}\n" for n, (d, s, b) in tensors.items())


def test_types_are_those_of_the_package() -> None:
    for dtype, (code, per_block, size) in reference.TYPES.items():
        assert gguf.GGMLQuantizationType[dtype] == code
        assert gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[dtype]] == (per_block, size)
        assert (impl.KINDS[dtype].code, impl.KINDS[dtype].per_block, impl.KINDS[dtype].block_bytes) == (
            code,
            per_block,
            size,
        )


@both
def test_names_are_those_of_the_package(module: ModuleType) -> None:
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[reference.ARCHITECTURE.upper()], 31)
    for name in [*reference.WHOLE, *(f"model.layers.{k}.{n}" for n in reference.IN_LAYER for k in (0, 9, 30))]:
        for kind in (".weight", ".bias"):
            expected = names.get_name(name + kind, try_suffixes=(".weight", ".bias"))
            assert module.gguf_name(name + kind) == expected
            assert module.checkpoint_name(expected) == name + kind


@both
@pytest.mark.parametrize("alignment", [8, 32, 64, 1024])
def test_the_package_reads_what_is_written_here(module: ModuleType, alignment: int, tmp_path: Path) -> None:
    tensors = model()
    file = tmp_path / "model.gguf"
    file.write_bytes(module.gguf_file(text(tensors), alignment))
    reader = gguf.GGUFReader(file)
    assert reader.alignment == alignment
    assert reader.get_field("general.architecture").contents() == reference.ARCHITECTURE
    assert [t.name for t in reader.tensors] == [module.gguf_name(name) for name in tensors]
    for tensor, (dtype, shape, data) in zip(reader.tensors, tensors.values(), strict=True):
        assert tensor.tensor_type.name == dtype
        assert tuple(tensor.shape.tolist()) == shape[::-1]
        assert tensor.data.tobytes() == data
        assert tensor.data_offset % alignment == 0


@both
@pytest.mark.parametrize("alignment", [32, 128])
def test_what_the_package_writes_is_read_here(module: ModuleType, alignment: int, tmp_path: Path) -> None:
    tensors = model(1)
    file = tmp_path / "model.gguf"
    writer = gguf.GGUFWriter(file, reference.ARCHITECTURE)
    if alignment != 32:
        writer.add_custom_alignment(alignment)
    writer.add_array("tokenizer.ggml.tokens", ["<s>", "", "é"])
    writer.add_array("scores", [0.5, 1.5])
    writer.add_bool("flag", True)
    for name, (dtype, shape, data) in tensors.items():
        _, per_block, size = reference.TYPES[dtype]
        raw = np.frombuffer(data, dtype=np.uint8).reshape(*shape[:-1], shape[-1] // per_block * size)
        writer.add_tensor(module.gguf_name(name), raw, raw_dtype=gguf.GGMLQuantizationType[dtype])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert module.differences(module.gguf_listing(file.read_bytes()), text(tensors)) == ""
