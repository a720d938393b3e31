import re

import numpy as np
import pytest
import torch
from albor_contracts import aot
from albor_impl._triton import poisoned, record_launches
from albor_impl.core import cast
from albor_reference.core import cast as reference

PATTERNS = torch.arange(1 << 16, dtype=torch.int32)


def every_upper_half(lower):
    return ((PATTERNS << 16) | lower).view(torch.float32)


@pytest.mark.parametrize("lower", [0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF])
def test_bit_by_bit_around_every_tie(lower):
    x = every_upper_half(lower)
    nan = x.isnan()
    for name, bits in (("to_bf16", torch.int16), ("to_f16", torch.int16)):
        got = getattr(cast, name)(x)
        wanted = torch.from_numpy(np.asarray(getattr(reference, name)(x.numpy()))).to(got.dtype)
        assert torch.equal(got[~nan].view(bits), wanted[~nan].view(bits))
        assert got[nan].isnan().all()  # also where the payload stands in the lower half alone


@pytest.mark.parametrize(("narrow", "wide"), [("to_bf16", "from_bf16"), ("to_f16", "from_f16")])
def test_every_16_bit_number_comes_back(narrow, wide):
    dtype = torch.bfloat16 if narrow == "to_bf16" else torch.float16
    h = PATTERNS.to(torch.int16).view(dtype)
    back = getattr(cast, narrow)(getattr(cast, wide)(h))
    finite = ~h.isnan()
    assert torch.equal(back[finite].view(torch.int16), h[finite].view(torch.int16)) and back[~finite].isnan().all()


def test_other_dtypes_are_refused():
    for name, x in (
        ("to_bf16", torch.ones(2, dtype=torch.float64)), ("to_f16", torch.ones(2, dtype=torch.bfloat16)),
        ("from_bf16", torch.ones(2, dtype=torch.float16)), ("from_f16", torch.ones(2)),
    ):  # fmt: skip
        with pytest.raises(TypeError, match="expected torch"):
            getattr(cast, name)(x)
    with pytest.raises(TypeError, match=r"x: expected a torch\.Tensor"):
        cast.to_bf16([1.0])


WIDENING = [("from_bf16", torch.bfloat16), ("from_f16", torch.float16)]


@pytest.mark.parametrize(("name", "dtype"), WIDENING)
def test_every_16_bit_number_is_widened_exactly(name, dtype):
    h = PATTERNS.to(torch.int16).view(dtype)
    x, wanted = getattr(cast, name)(h), h.to(torch.float32)
    nan = h.isnan()
    assert x.dtype == torch.float32 and x[nan].isnan().all()
    assert torch.equal(x[~nan].view(torch.int32), wanted[~nan].view(torch.int32))


CASTS = [
    ("to_bf16", torch.float32, torch.bfloat16), ("from_bf16", torch.bfloat16, torch.float32),
    ("to_f16", torch.float32, torch.float16), ("from_f16", torch.float16, torch.float32),
]  # fmt: skip


@pytest.mark.parametrize(("name", "source", "target"), CASTS)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,), (2, 3, 5), (4096,), (2, 4099)], ids=str)
def test_every_shape_is_cast_in_one_launch_to_the_last_element(name, source, target, shape):
    x = torch.arange(max(1, torch.Size(shape).numel()), dtype=torch.float32)[: torch.Size(shape).numel()]
    x = (x.reshape(shape) % 251 - 100).to(source)
    for poison in (float("nan"), 1e30):
        with poisoned(poison), record_launches() as log:
            y = getattr(cast, name)(x)
        assert y.shape == x.shape and y.dtype == target and torch.equal(y, x.to(target))
        assert [launch.kernel for launch in log] == ["_cast_kernel"] * (x.numel() > 0)


@pytest.mark.parametrize(("name", "source", "target"), CASTS)
def test_any_layout_is_read_as_it_is(name, source, target):
    x = torch.arange(60.0).to(source).reshape(3, 4, 5)
    for view in (x.transpose(0, 2), x[:, ::2], x[..., 1:], x[0].expand(6, 4, 5)):
        y = getattr(cast, name)(view)
        assert y.is_contiguous() and torch.equal(y, view.to(target))


@pytest.mark.parametrize("block", [16, 64, 4096])
def test_what_a_program_takes_changes_no_bit(block):
    x = torch.linspace(-7e4, 7e4, 1000)
    for dtype in (torch.bfloat16, torch.float16):
        with poisoned(float("nan")):
            assert torch.equal(cast._cast(x, dtype, {"BLOCK": block, "num_warps": 1}), x.to(dtype))


@pytest.mark.parametrize("target", [80, 90])
def test_compiled_code_rounds_to_nearest_and_keeps_subnormals_and_infinities(target):
    for example in cast._cast_kernel.examples:
        ptx = aot._build(cast._cast_kernel, example, target).asm["ptx"]
        found = set(re.findall(r"\bcvt\.[\w.]*f16[\w.]*", ptx))
        narrow = "bf16" if "bf16" in example.label else "f16"
        to_narrow = {f"cvt.rn.{narrow}x2.f32", f"cvt.rn.{narrow}.f32"}
        assert found and found <= (to_narrow if example.label.startswith("fp32") else {f"cvt.f32.{narrow}"}), example
