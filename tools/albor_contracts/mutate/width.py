"""Whether the offsets of an implementation fit their integers at sizes that no memory holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..lang.signature import Signature
from ..runtime.target import Target

_SCALARS = {"int": 1, "bool": False, "real": 0.5}


Sizes = tuple[str, Mapping[str, int]]  # equation, its dimensions and integer inputs


def overflows(
    signatures: Mapping[str, Signature], targets: Mapping[str, Target], launches: Sequence[Sizes]
) -> str | None:
    """What goes wrong when kernels are launched at these sizes; None if nothing."""
    for equation, sizes in launches:
        try:
            wide_launches(signatures[equation], targets[equation], sizes)
        except Exception as error:
            return f"{equation}: {type(error).__name__}: {error}"
    return None


def wide_launches(signature: Signature, target: Target, sizes: Mapping[str, int]) -> list[Any]:
    """The launches that one call makes. Triton kernels only: see `albor_impl._triton.large`, which raises
    `IndexOverflow`."""
    from albor_impl._triton.large import last_programs

    with last_programs() as launches:
        target.call(*(_value(p.name, p.type, sizes) for p in signature.inputs))
    if not launches:
        raise ValueError(f"no Triton kernel was launched by {target.name}: its offsets cannot be judged")
    return launches


def _value(name: str, kind: Any, sizes: Mapping[str, int]) -> Any:
    import torch

    if not kind.is_array:
        return sizes.get(name, _SCALARS[kind.dtype])
    dtypes = {
        "float": torch.bfloat16, "accum": torch.float32, "bool": torch.bool, "u8": torch.uint8, "i8": torch.int8,
        "i32": torch.int32, "i64": torch.int64, "f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16,
    }  # fmt: skip
    shape = [sizes[d] if isinstance(d, str) else d for d in kind.shape]
    return torch.empty(shape, dtype=dtypes[kind.dtype], device="meta")
