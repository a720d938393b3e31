"""On a CPU, what PyTorch's own products of narrow types accumulate in depends on the processor: they get float32."""

import pytest
import torch
from albor_impl.core.batched_gemm import batched_gemm, batched_gemm_nt
from albor_impl.core.gemm import gemm, gemm_backward, gemm_nt, gemm_tn, gemm_tt
from albor_impl.core.linear import linear, linear_backward
from albor_impl.core.lora_linear import lora_linear, lora_linear_backward
from core_bounds import draw
from torch.utils._python_dispatch import TorchDispatchMode

PRODUCTS = {"mm", "addmm", "bmm", "baddbmm"}


class Operands(TorchDispatchMode):
    """The dtypes that matrix products are called with in the block."""

    def __init__(self):
        super().__init__()
        self.dtypes = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function.overloadpacket.__name__ in PRODUCTS:
            self.dtypes.append({a.dtype for a in args if isinstance(a, torch.Tensor)})
        return function(*args, **(kwargs or {}))


SQUARE = {gemm: 2, gemm_tn: 2, gemm_nt: 2, gemm_tt: 2, gemm_backward: 3, linear_backward: 3}


def calls(dtype):
    """Functions with arguments of their own."""
    m = [draw((3, 3), dtype, seed) for seed in range(5)]
    batch = [draw((4, 3, 3), dtype, seed) for seed in (5, 6)]
    return [
        *((function, m[:count]) for function, count in SQUARE.items()),
        (linear, [m[0], m[1], m[2][0]]),
        (lora_linear, [*m[:4], 2.0]),
        (lora_linear_backward, [*m[:5], 2.0]),
        (batched_gemm, batch),
        (batched_gemm_nt, batch),
    ]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_products_of_narrow_types_are_computed_in_float32(dtype):
    for function, arguments in calls(dtype):
        with Operands() as seen:
            found = function(*arguments)
        assert seen.dtypes and all(dtypes == {torch.float32} for dtypes in seen.dtypes), function.__name__
        for result in found if isinstance(found, tuple) else [found]:
            assert result.dtype == dtype


def test_products_of_float32_are_taken_as_they_are():
    for function, arguments in calls(torch.float32):
        with Operands() as seen:
            function(*arguments)
        assert seen.dtypes and all(dtypes == {torch.float32} for dtypes in seen.dtypes), function.__name__
