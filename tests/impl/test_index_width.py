"""Offsets that overflow 32 bits are found without a GPU, at sizes that no memory holds, in every declared kernel."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import triton.language as tl
from albor_contracts.aot import contract_of
from albor_contracts.bindings import bind
from albor_contracts.falsify.generated import load_generated
from albor_contracts.library import find_root
from albor_contracts.mutate import known_mutants
from albor_contracts.runtime.width import wide_launches
from albor_impl._triton import declared_kernels, kernel
from albor_impl._triton.large import IndexOverflow, last_programs
from albor_impl.loss.cross_entropy import scale_

ROOT = Path(find_root())
CONTRACTS = sorted(str(p.relative_to(ROOT / "mutants").with_suffix("")) for p in ROOT.glob("mutants/*/[!_]*.yaml"))
# Their offsets depend on tables in memory, which are 0 here: tests/impl/test_adamw.py runs them with the check for
# overflow on small tensors only.
BY_TABLES = {("optim/adamw", name) for name in ("_square_sum_kernel", "_norm_kernel", "_update_kernel")}

# Kernels of modules that contracts share: those contracts launch them.
SHARED = {"_count_kernel", "_mean_kernel"}

# No equation launches it: autograd does, in the backward pass. It has a test of its own below.
SCALING = {("loss/cross-entropy", "_scale_kernel")}


def large_launches(contract: str) -> list[tuple[str, object]]:
    known = known_mutants(ROOT, contract)
    assert known is not None
    module = load_generated(ROOT / "generated" / f"{contract.replace('-', '_').replace('/', '/test_')}.py")
    bound = bind("impl", contract, module.spec.signatures, ROOT)
    assert bound is not None
    found = []
    for entry in known.large:
        sizes = dict(entry.sizes)
        signature = module.spec.signatures[str(entry.of)]
        found += [(contract, launch) for launch in wide_launches(signature, bound.targets[str(entry.of)], sizes)]
    return found


@pytest.fixture(scope="module")
def launched():
    return {contract: large_launches(contract) for contract in CONTRACTS}


def test_every_declared_kernel_is_launched_at_large_sizes(launched):
    names = {(contract, launch.kernel) for contract, launches in launched.items() for _, launch in launches}
    declared = {(contract_of(k.module), k.__name__) for k in declared_kernels()}
    assert {kernel for contract, kernel in declared if "/_" in contract} == SHARED <= {kernel for _, kernel in names}
    declared = {(contract, kernel) for contract, kernel in declared if "/_" not in contract}
    # Some contracts launch kernels of others besides their own.
    assert names & declared == declared - BY_TABLES - SCALING and len(names) > 8
    assert {kernel for _, kernel in names - declared} <= {kernel for _, kernel in declared} | SHARED


def test_the_kernel_that_scales_a_gradient():
    with last_programs() as launches:
        scale_(torch.empty(2**33, dtype=torch.bfloat16, device="meta"), torch.empty(1, device="meta"))
    assert [launch.kernel for launch in launches] == ["_scale_kernel"]


@kernel
def _copy_kernel(x, y, stride, n, BLOCK: tl.constexpr, WIDE: tl.constexpr):
    row = tl.program_id(0)
    if WIDE:
        row = row.to(tl.int64)
    for start in range(0, n, BLOCK):
        at = row * stride + start + tl.arange(0, BLOCK)
        tl.store(y + at, tl.load(x + at, mask=start + tl.arange(0, BLOCK) < n, other=0.0))


def copy(x, wide):
    y = torch.empty_like(x)
    _copy_kernel[(x.shape[0],)](x, y, x.stride(0), x.shape[1], BLOCK=1024, WIDE=wide, num_warps=4)
    return y


def test_an_int32_row_offset_is_caught():
    large = torch.empty(2**20, 2**13, dtype=torch.bfloat16, device="meta")
    with last_programs() as launches:
        copy(large, wide=True)
        with pytest.raises(IndexOverflow, match=r"_copy_kernel, last program of \(1048576,\): int32 overflow detected"):
            copy(large, wide=False)
        copy(large[: 2**17], wide=False)  # the last row ends below 2^31 elements
    assert [launch.kernel for launch in launches] == ["_copy_kernel"] * 3
    # Outside the block nothing has changed.
    small = torch.arange(6.0).reshape(2, 3)
    assert torch.equal(copy_small(small), small)
    with pytest.raises(ValueError, match="not on meta"):
        copy(large, wide=True)


def copy_small(x):
    y = torch.zeros_like(x)
    _copy_kernel[(x.shape[0],)](x.contiguous(), y, x.stride(0), x.shape[1], BLOCK=1, WIDE=True, num_warps=1)
    return y


@kernel
def _long_kernel(x, n, BLOCK: tl.constexpr, MORE: tl.constexpr):
    for start in tl.range(0, n, BLOCK, num_stages=3):
        tl.store(x + (start + tl.arange(0, BLOCK) + MORE), 0.0)


def test_of_a_pipelined_loop_too_only_the_ends_are_looked_at():
    """It has half a billion steps, and its last offset is the largest that fits."""
    with last_programs() as launches:
        _long_kernel[(1,)](torch.empty(1, device="meta"), 2**31 - 1, BLOCK=4, MORE=0)
    assert len(launches) == 1
    with last_programs(), pytest.raises(IndexOverflow):
        _long_kernel[(1,)](torch.empty(1, device="meta"), 2**31 - 1, BLOCK=4, MORE=1)


def test_a_grid_that_no_device_takes_is_caught():
    x = torch.empty(2**31, 1, device="meta")
    with last_programs(), pytest.raises(IndexOverflow, match="passes 2147483647 in axis 0"):
        copy(x, wide=True)


def test_memory_is_used_by_no_launch():
    """64 GiB are addressed; what is stored goes nowhere."""
    with last_programs():
        y = copy(torch.empty(2**21, 2**14, device="meta"), wide=True)
    assert y.device.type == "meta"
