"""The table of what is measured: one entry for each kernel of the implementation.

Sizes are those of training a model of 350 million parameters (hidden 1,024, 16 heads of 64, 4 of them for keys,
feed-forward 4,096, 16 sequences of 1,024) and one of 7 billion (4,096, 32 heads of 128, 8 for keys, 14,336, 2
sequences of 4,096), with vocabularies from 32,768 to 131,072. A size belongs to the model its name begins with.

The target is 90 percent of a copy unless an entry says otherwise: 80 for a backward pass that also sums over rows, as
RMSNorm's; a loss fused with its linear layer is held to 70 percent of a product (`limit="gemm", target=70.0`).

To measure another kernel, add an entry. Traffic counts every input and output once, FLOPs one for each arithmetic
operation or function of an element. Products by cuBLAS have no target in percent, since the ceiling is cuBLAS at its
best shape; neither has attention, whose softmax stands between its products.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
import torch.nn.functional as F

from . import peers
from .workload import Peer, Workload, heads, integers, normal, positive, truths

EPS = 1e-6
ROPE = (0, 10_000.0)
LIGER = "liger_kernel.ops"

WIDE = {"350m": {"R": 16384, "N": 1024}, "7b": {"R": 8192, "N": 4096}}
FEED_FORWARD = {"350m": {"R": 16384, "N": 4096}, "7b": {"R": 8192, "N": 14336}}
QUERIES = {"350m": {"B": 16, "H": 16, "T": 1024, "D": 64}, "7b": {"B": 2, "H": 32, "T": 4096, "D": 128}}
ATTENTION = {
    "350m": {"B": 16, "H": 16, "K": 4, "S": 1024, "D": 64},
    "7b": {"B": 2, "H": 32, "K": 8, "S": 4096, "D": 128},
}
LOGITS = {
    "350m": {"T": 8192, "V": 32768},
    "7b": {"T": 8192, "V": 32768},
    "7b V=65536": {"T": 8192, "V": 65536},
    "7b V=131072": {"T": 8192, "V": 131072},
}
# The formula written out in PyTorch keeps several tensors of the size of the logits.
TWO_LOGITS = {name: {**dims, "T": 4096} for name, dims in LOGITS.items()}
PRODUCT = {"350m": {"M": 16384, "K": 1024, "N": 4096}, "7b": {"M": 8192, "K": 4096, "N": 14336}}
TENSORS = {"350m": {"L": 96, "P": 1 << 20}, "7b": {"L": 12, "P": 1 << 24}}
VECTORS = {"350m": {"M": 3, "N": 1 << 24}, "7b": {"M": 3, "N": 4096 * 14336}}
MATRIX = {"350m": {"R": 4096, "C": 1024, "T": 4096}, "7b": {"R": 14336, "C": 4096, "T": 4096}}
ROWS = {**WIDE, "7b V=131072": {"R": 8192, "N": 131072}}
FLAT = {"350m": {"N": 1 << 24}, "7b": {"N": 4096 * 14336}}
SCORES = {"350m": {"B": 64, "S": 1024}, "7b": {"B": 16, "S": 4096}}
TABLE = {"350m": {"T": 16384, "V": 32768, "D": 1024}, "7b": {"T": 8192, "V": 32768, "D": 4096}}
HEADS = {
    "350m": {"H": 256, "G": 64, "M": 1024, "K": 64, "N": 1024},
    "7b": {"H": 64, "G": 16, "M": 4096, "K": 128, "N": 4096},
}
LOW_RANK = {name: {**dims, "r": 16} for name, dims in PRODUCT.items()}
HEAD = {
    "350m": {"T": 8192, "H": 1024, "V": 32768},
    "7b": {"T": 8192, "H": 4096, "V": 32768},
    "7b V=131072": {"T": 8192, "H": 4096, "V": 131072},
}
BLOCKS = {"350m": {"B": 4 * 4096}, "7b": {"B": 16 * 14336}}

_GEMM = {
    # name: shapes of a and b, and the same product in PyTorch
    "gemm": ("M K", "K N", lambda a, b: a @ b),
    "gemm_tn": ("K M", "K N", lambda a, b: a.T @ b),
    "gemm_nt": ("M K", "N K", lambda a, b: a @ b.T),
    "gemm_tt": ("K M", "N K", lambda a, b: a.T @ b.T),
}


def _workloads() -> Iterable[Workload]:
    yield Workload(
        "core/rmsnorm", "rmsnorm", {"x": normal("R N"), "w": normal("N")}, scalars=(EPS,),
        bytes="(2 * R * N + N) * s", flops="4 * R * N", sizes=WIDE, tiny={"R": 3, "N": 64},
        eager=peers.rmsnorm,
        liger=Peer(f"{LIGER}.rms_norm:LigerRMSNormFunction.apply", lambda x, w, eps: [x, w, eps, 0.0, "llama", False]),
    )  # fmt: skip
    yield Workload(
        "core/rmsnorm", "rmsnorm_backward", {"g": normal("R N"), "x": normal("R N"), "w": normal("N")}, scalars=(EPS,),
        bytes="(3 * R * N + 2 * N) * s", flops="10 * R * N", sizes=WIDE, tiny={"R": 3, "N": 64},
        own="rmsnorm_autograd", form="backward", eager=peers.rmsnorm, target=80.0,
        liger=Peer(f"{LIGER}.rms_norm:LigerRMSNormFunction.apply", lambda x, w, eps: [x, w, eps, 0.0, "llama", False]),
    )  # fmt: skip
    yield Workload(
        "core/swiglu", "swiglu", {"gate": normal("R N"), "up": normal("R N")},
        bytes="3 * R * N * s", flops="5 * R * N", sizes=FEED_FORWARD, tiny={"R": 3, "N": 64},
        eager=peers.swiglu, liger=Peer(f"{LIGER}.swiglu:LigerSiLUMulFunction.apply"),
    )  # fmt: skip
    yield Workload(
        "core/swiglu", "swiglu_backward", {"g": normal("R N"), "gate": normal("R N"), "up": normal("R N")},
        bytes="5 * R * N * s", flops="12 * R * N", sizes=FEED_FORWARD, tiny={"R": 3, "N": 64},
        own="swiglu_autograd", form="backward", eager=peers.swiglu,
        liger=Peer(
            f"{LIGER}.swiglu:swiglu_backward", lambda g, gate, up: [gate.clone(), up.clone(), g], form="call",
            note="in place: each call reads what the last one left",
        ),
    )  # fmt: skip
    for name, table in (("rope", peers.rope_arguments), ("rope_inverse", peers.rope_inverse_arguments)):
        yield Workload(
            "core/rope", name, {"x": heads("B T H D")}, scalars=ROPE,
            bytes="2 * B * H * T * D * s + T * D * 4", flops="3 * B * H * T * D", sizes=QUERIES,
            tiny={"B": 1, "H": 2, "T": 8, "D": 16}, eager=Peer(peers.rope, table),
            liger=Peer(
                f"{LIGER}.rope:LigerRopeFunction.apply", peers.liger_rope_arguments,
                note="in place, queries and keys in one launch", result=lambda qk: torch.cat(qk, dim=1),
            ) if name == "rope" else None,
        )  # fmt: skip
    for name, (a, b, product) in _GEMM.items():
        yield Workload(
            "core/gemm", name, {"a": normal(a), "b": normal(b)}, limit="gemm",
            bytes="(M * K + K * N + M * N) * s", flops="2 * M * N * K", sizes=PRODUCT, tiny={"M": 8, "K": 16, "N": 8},
            eager=product, target=None,
        )  # fmt: skip
    yield Workload(
        "core/gemm", "gemm_backward", {"g": normal("M N"), "a": normal("M K"), "b": normal("K N")}, limit="gemm",
        bytes="2 * (M * K + K * N) * s + M * N * s", flops="4 * M * N * K", sizes=PRODUCT,
        tiny={"M": 8, "K": 16, "N": 8}, eager=peers.gemm_backward, target=None,
    )  # fmt: skip
    qkv = {"q": normal("B H S D"), "k": normal("B K S D"), "v": normal("B K S D")}
    yield Workload(
        "attention/causal-gqa", "attention", qkv, limit="gemm",
        bytes="(2 * H + 2 * K) * B * S * D * s + 4 * B * H * S", flops="2 * B * H * S * (S + 1) * D", sizes=ATTENTION,
        tiny={"B": 1, "H": 2, "K": 1, "S": 16, "D": 16}, eager=peers.attention, target=None,
    )  # fmt: skip
    yield Workload(
        "attention/causal-gqa", "attention_backward", {"g": normal("B H S D"), **qkv}, limit="gemm",
        bytes="(4 * H + 4 * K) * B * S * D * s + 4 * B * H * S", flops="5 * B * H * S * (S + 1) * D", sizes=ATTENTION,
        tiny={"B": 1, "H": 2, "K": 1, "S": 16, "D": 16}, own="causal_attention", form="backward",
        eager=peers.attention, target=None,
    )  # fmt: skip
    yield Workload(
        "loss/cross-entropy", "cross_entropy", {"z": normal("T V"), "y": integers("T", below="V")}, scalars=(-100,),
        bytes="2 * T * V * s + 8 * T", flops="6 * T * V", sizes=LOGITS, tiny={"T": 3, "V": 64},
        form="loss", eager=peers.cross_entropy,
        liger=Peer(
            f"{LIGER}.cross_entropy:LigerCrossEntropyFunction.apply",
            lambda z, y, ignore: [z.detach().clone().requires_grad_(), y, None, ignore], form="call",
            note="in place: each call reads what the last one left",
        ),
    )  # fmt: skip
    yield Workload(
        "distill/knowledge-distillation", "knowledge_distillation",
        {"s": normal("T V"), "t": normal("T V"), "y": integers("T", below="V")}, scalars=(0.5, 2.0, -100),
        bytes="3 * T * V * s + 8 * T", flops="16 * T * V", sizes=TWO_LOGITS, tiny={"T": 3, "V": 64},
        form="loss", eager=peers.distillation,
    )  # fmt: skip
    yield Workload(
        "optim/adamw", "adamw",
        {
            "p": normal("L P", scale=0.02), "g": normal("L P", scale=1e-3), "m": normal("L P", scale=1e-4),
            "v": positive("L P"),
        },
        scalars=(100, 3e-4, 0.9, 0.95, 1e-8, 0.1, 1.0),
        bytes="32 * L * P", flops="18 * L * P", sizes=TENSORS, tiny={"L": 2, "P": 64}, dtype=torch.float32,
        own=Peer(peers.own_adamw, peers.own_adamw_arguments),
        # The fused optimizer is PyTorch's best; there is nothing in it to compile.
        eager=Peer(peers.adamw, peers.adamw_arguments), compiled=False,
    )  # fmt: skip
    yield Workload(
        "merge/slerp", "slerp", {"a": normal("N"), "b": normal("N")}, scalars=(0.3,),
        bytes="5 * N * s", flops="9 * N", sizes=VECTORS, tiny={"N": 64}, eager=peers.slerp,
        synchronises="a refusal has to be seen before there is a result",
    )  # fmt: skip
    yield Workload(
        "merge/ties", "ties", {"base": normal("N"), "models": normal("M N")},
        scalars=lambda dims: ([1.0] * dims["M"], dims["N"] // 5, 1.0),
        bytes="(2 * (M + 1) + 1) * N * s", flops="8 * M * N", sizes=VECTORS, tiny={"M": 3, "N": 64},
        # float32: among bfloat16 changes many are equal at the threshold, and kthvalue keeps all of those.
        eager=Peer(peers.ties, peers.ties_arguments), dtype=torch.float32,
    )  # fmt: skip
    yield Workload(
        "merge/dare", "dare_rescale", {"base": normal("N"), "tuned": normal("N"), "mask": truths("N", 0.5)},
        scalars=(0.5,), bytes="3 * N * s + N", flops="3 * N", sizes=VECTORS, tiny={"N": 64}, eager=peers.dare_rescale,
    )  # fmt: skip
    yield Workload(
        "prune/wanda", "wanda", {"w": normal("R C"), "x": normal("T C")}, scalars=(1, 2),
        bytes="(2 * R * C + T * C) * s + R * C", flops="2 * (R + T) * C", sizes=MATRIX,
        tiny={"R": 4, "C": 16, "T": 8}, eager=peers.wanda,
    )  # fmt: skip
    yield Workload(
        "prune/wanda", "magnitude", {"w": normal("R C")}, scalars=(1, 2),
        bytes="2 * R * C * s + R * C", flops="R * C", sizes=MATRIX, tiny={"R": 4, "C": 16}, eager=peers.magnitude,
    )  # fmt: skip
    yield Workload(
        "quantize/q4-k", "q4k_decode", {"blocks": _q4k_blocks}, bytes="(144 + 4 * 256) * B",
        flops="3 * 256 * B", sizes=BLOCKS, tiny={"B": 3}, eager=peers.q4k_decode,
    )  # fmt: skip
    yield Workload(
        "quantize/q4-k", "q4k_encode", {"x": _q4k_weights}, bytes="(144 + 4 * 256) * B", flops="5 * 256 * B",
        sizes=BLOCKS, tiny={"B": 3}, dtype=torch.float32,
        synchronises="a range that the format cannot hold has to be refused",
    )  # fmt: skip


def _elementwise_and_rows() -> Iterable[Workload]:
    """Kernels whose backward pass is a function of the gradient and the input."""
    rows = {"x": normal("R N")}
    given = {"g": normal("R N"), **rows}
    forward_backward = [
        # contract, equation, peer in PyTorch, operations of an element forward and backward, sizes, Liger's function
        ("core/softmax", "softmax", lambda x: F.softmax(x, dim=-1), 4, 5, ROWS, "softmax:LigerSoftmaxFunction.apply"),
        ("core/silu", "silu", F.silu, 4, 8, FEED_FORWARD, ""),
        ("core/gelu", "gelu", F.gelu, 4, 9, FEED_FORWARD, ""),
        ("core/gelu", "gelu_tanh", lambda x: F.gelu(x, approximate="tanh"), 9, 16, FEED_FORWARD, ""),
    ]
    for contract, name, eager, forward, backward, sizes, liger in forward_backward:
        theirs = Peer(f"{LIGER}.{liger}") if liger else None
        yield Workload(
            contract, name, rows, bytes="2 * R * N * s", flops=f"{forward} * R * N", sizes=sizes,
            tiny={"R": 3, "N": 64}, eager=eager, liger=theirs,
        )  # fmt: skip
        module = f"albor_impl.{contract.replace('/', '.')}"
        yield Workload(
            contract, f"{name}_backward", given, bytes="3 * R * N * s", flops=f"{backward} * R * N", sizes=sizes,
            tiny={"R": 3, "N": 64}, own=Peer(f"{module}:{name}_backward", form="call"), form="backward", eager=eager,
            liger=theirs,
        )  # fmt: skip
    affine = {**rows, "w": normal("N"), "b": normal("N")}
    norm = Peer(f"{LIGER}.layer_norm:LigerLayerNormFunction.apply")
    for name, inputs, form, formula, flops, target in (
        ("layernorm", affine, "call", "(2 * R * N + 2 * N) * s", "8 * R * N", 90.0),
        (
            "layernorm_backward",
            {"g": normal("R N"), **affine},
            "backward",
            "(3 * R * N + 3 * N) * s",
            "14 * R * N",
            80.0,
        ),
    ):
        yield Workload(
            "core/layernorm", name, inputs, scalars=(EPS,), bytes=formula, flops=flops, sizes=WIDE,
            tiny={"R": 3, "N": 64}, own="layernorm_autograd" if form == "backward" else "", form=form, target=target,
            eager=lambda x, w, b, eps: F.layer_norm(x, w.shape, w, b, eps), liger=norm,
        )  # fmt: skip
    yield Workload(
        "core/logsumexp", "logsumexp", rows, bytes="R * N * s + 4 * R", flops="3 * R * N", sizes=ROWS,
        tiny={"R": 3, "N": 64}, eager=lambda x: torch.logsumexp(x, dim=-1),
    )  # fmt: skip
    yield Workload(
        "core/logsumexp", "logsumexp_chunked", rows, scalars=(16384,), bytes="R * N * s + 4 * R", flops="3 * R * N",
        sizes=ROWS, tiny={"R": 3, "N": 64}, eager=lambda x, chunk: torch.logsumexp(x, dim=-1),
    )  # fmt: skip
    yield Workload(
        "core/logsumexp", "logsumexp_backward", {"g": normal("R", torch.float32), **rows},
        bytes="2 * R * N * s + 4 * R", flops="5 * R * N", sizes=ROWS, tiny={"R": 3, "N": 64}, form="backward",
        own=Peer("albor_impl.core.logsumexp:logsumexp_backward", form="call"),
        eager=lambda x: torch.logsumexp(x.float(), dim=-1),
    )  # fmt: skip


def _layers() -> Iterable[Workload]:
    """What stands between the products of a layer, and the products with something added."""
    two = {"x": normal("R N"), "f": normal("R N")}
    tiny = {"R": 3, "N": 64}
    yield Workload(
        "core/residual-add", "residual_add", two, scalars=(1.0,), bytes="3 * R * N * s", flops="2 * R * N", sizes=WIDE,
        tiny=tiny, eager=lambda x, f, c: torch.add(x, f, alpha=c),
    )  # fmt: skip
    yield Workload(
        "core/bias-add", "bias_add", {"x": normal("R N"), "b": normal("N")}, bytes="(2 * R * N + N) * s",
        flops="R * N", sizes=WIDE, tiny=tiny, eager=lambda x, b: x + b,
    )  # fmt: skip
    yield Workload(
        "core/bias-add", "bias_add_backward", {"g": normal("R N")}, bytes="(R * N + N) * s", flops="R * N", sizes=WIDE,
        tiny=tiny, eager=lambda g: g.sum(0), target=80.0,
    )  # fmt: skip
    choice = truths("R N", 0.5)
    yield Workload(
        "core/select", "select", {"pred": choice, "a": normal("R N"), "b": normal("R N")},
        bytes="3 * R * N * s + R * N", flops="R * N", sizes=WIDE, tiny=tiny, eager=torch.where,
    )  # fmt: skip
    yield Workload(
        "core/select", "select_backward", {"g": normal("R N"), "pred": choice}, bytes="3 * R * N * s + R * N",
        flops="2 * R * N", sizes=WIDE, tiny=tiny, eager=peers.select_backward,
    )  # fmt: skip
    yield Workload(
        "core/transpose", "batched_transpose", {"x": normal("L R C")}, bytes="2 * L * R * C * s", flops="L * R * C",
        sizes={name: {**dims, "L": 4} for name, dims in MATRIX.items()}, tiny={"L": 2, "R": 8, "C": 16},
        eager=lambda x: x.transpose(1, 2).contiguous(),
    )  # fmt: skip
    yield Workload(
        "core/squared-sum", "squared_sum", {"x": normal("N")}, bytes="N * s + 4", flops="2 * N", sizes=FLAT,
        tiny={"N": 64}, eager=lambda x: x.square().sum(), dtype=torch.float32,
    )  # fmt: skip
    yield Workload(
        "attention/activation-statistics", "activation_statistics", {"x": normal("N")}, bytes="N * s + 8",
        flops="4 * N", sizes=FLAT, tiny={"N": 64}, eager=lambda x: torch.std_mean(x.float(), correction=0)[::-1],
    )  # fmt: skip
    for name, source, target in (
        ("to_bf16", torch.float32, torch.bfloat16), ("from_bf16", torch.bfloat16, torch.float32),
        ("to_f16", torch.float32, torch.float16), ("from_f16", torch.float16, torch.float32),
    ):  # fmt: skip
        yield Workload(
            "core/cast", name, {"x": normal("N")}, bytes="6 * N", flops="N", sizes=FLAT, tiny={"N": 64},
            eager=lambda x, target=target: x.to(target), dtype=source,
        )  # fmt: skip
    yield Workload(
        "core/embedding", "embedding", {"ids": integers("T", below="V"), "w": normal("V D")},
        bytes="2 * T * D * s + 8 * T", flops="T * D", sizes=TABLE, tiny={"T": 5, "V": 4, "D": 16}, eager=F.embedding,
        liger=Peer(f"{LIGER}.experimental.embedding:LigerEmbeddingFunction.apply", lambda ids, w: [w, ids]),
    )  # fmt: skip
    yield Workload(
        "core/embedding", "embedding_backward",
        {"g": normal("T D"), "ids": integers("T", below="V"), "w": normal("V D")},
        bytes="(T * D + V * D) * s + 8 * T", flops="T * D", sizes=TABLE, tiny={"T": 5, "V": 4, "D": 16},
        own=Peer("albor_impl.core.embedding:embedding_backward", form="call"), form="backward", eager=F.embedding,
    )  # fmt: skip
    for name, form in (("causal_softmax", "call"), ("causal_softmax_backward", "backward")):
        backward = form == "backward"
        yield Workload(
            "attention/causal-softmax", name,
            {**({"g": normal("B S S")} if backward else {}), "x": normal("B S S")}, scalars=(0.125,),
            # The future is written and not read.
            bytes="2 * B * S * (S + 1) // 2 * s + B * S * S * s" if backward
            else "B * S * (S + 1) // 2 * s + B * S * S * s",
            flops="5 * B * S * S" if backward else "4 * B * S * S", sizes=SCORES, tiny={"B": 2, "S": 16},
            own="causal_softmax_autograd" if backward else "", form=form, eager=peers.causal_softmax,
        )  # fmt: skip
    affine = {"x": normal("M K"), "w": normal("N K"), "b": normal("N")}
    small = {"M": 8, "K": 16, "N": 8}
    yield Workload(
        "core/linear", "linear", affine, limit="gemm", bytes="(M * K + N * K + N + M * N) * s", flops="2 * M * N * K",
        sizes=PRODUCT, tiny=small, eager=F.linear, target=None,
    )  # fmt: skip
    yield Workload(
        "core/linear", "linear_backward", {"g": normal("M N"), **affine}, limit="gemm",
        bytes="(2 * M * K + 2 * N * K + M * N + N) * s", flops="4 * M * N * K", sizes=PRODUCT, tiny=small,
        own="linear_autograd", form="backward", eager=F.linear, target=None,
    )  # fmt: skip
    yield Workload(
        "core/lora-linear", "lora_linear",
        {"x": normal("M K"), "w": normal("N K"), "a": normal("K r"), "b": normal("r N")}, scalars=(32.0,),
        limit="gemm", bytes="(M * K + N * K + K * r + r * N + M * N) * s", sizes=LOW_RANK, tiny={**small, "r": 2},
        flops="2 * M * N * K + 2 * M * r * (K + N)", eager=peers.lora_linear, target=None,
    )  # fmt: skip
    for name, b, eager in (
        ("batched_gemm", "G K N", peers.batched_gemm), ("batched_gemm_nt", "G N K", peers.batched_gemm_nt),
    ):  # fmt: skip
        yield Workload(
            "core/batched-gemm", name, {"a": normal("H M K"), "b": normal(b)}, limit="gemm",
            bytes="(H * M * K + G * K * N + H * M * N) * s", flops="2 * H * M * N * K", sizes=HEADS,
            tiny={"H": 2, "G": 1, **small}, eager=eager, target=None,
        )  # fmt: skip


def _losses() -> Iterable[Workload]:
    yield Workload(
        "loss/chunked-cross-entropy", "chunked_cross_entropy", {"z": normal("T V"), "y": integers("T", below="V")},
        scalars=(-100, 8192), bytes="2 * T * V * s + 8 * T", flops="6 * T * V", sizes=LOGITS, tiny={"T": 3, "V": 64},
        form="loss", eager=Peer(peers.cross_entropy, lambda z, y, ignore, chunk: [z, y, ignore]),
    )  # fmt: skip
    yield Workload(
        "loss/fused-linear-cross-entropy", "fused_linear_cross_entropy",
        {"h": normal("T H"), "w": normal("V H", scale=0.02), "y": integers("T", below="V")}, scalars=(-100,),
        bytes="2 * (T * H + V * H) * s + 8 * T", flops="6 * T * V * H", sizes=HEAD,
        tiny={"T": 4, "H": 16, "V": 32}, form="loss", wrt=2, eager=peers.fused_linear_cross_entropy, limit="gemm",
        target=70.0,
        liger=Peer(
            f"{LIGER}.fused_linear_cross_entropy:LigerFusedLinearCrossEntropyFunction.apply",
            lambda h, w, y, ignore: [h, w, y, None, None, ignore],
        ),
    )  # fmt: skip
    logits = {"p": normal("T V"), "q": normal("T V")}
    yield Workload(
        "loss/kl-divergence", "kl_divergence", logits, bytes="2 * T * V * s + 4 * T", flops="8 * T * V",
        sizes=TWO_LOGITS, tiny={"T": 3, "V": 64}, eager=peers.kl_divergence,
    )  # fmt: skip
    yield Workload(
        "loss/kl-divergence", "kl_backward", {"g": normal("T", torch.float32), **logits},
        bytes="4 * T * V * s + 4 * T", flops="14 * T * V", sizes=TWO_LOGITS, tiny={"T": 3, "V": 64},
        own="kl_divergence_autograd", form="backward", eager=peers.kl_divergence,
    )  # fmt: skip


def _q4k_blocks(draw):
    """Blocks whose two float16 scales are ordinary numbers; the other bytes are any."""
    blocks = torch.randint(256, (draw.dims["B"], 144), generator=draw.generator, device=draw.device, dtype=torch.uint8)
    blocks[:, 1] = blocks[:, 1] % 60  # exponents below that of infinity, sign 0
    blocks[:, 3] = blocks[:, 3] % 60
    return blocks


def _q4k_weights(draw):
    return torch.randn(draw.dims["B"], 256, generator=draw.generator, device=draw.device)


WORKLOADS: tuple[Workload, ...] = (*_workloads(), *_elementwise_and_rows(), *_layers(), *_losses())

# Kernels of the implementation without an entry, by contract and equation ("*": all of the contract), and why.
ABSENT: Mapping[tuple[str, str], str] = {
    ("schedule/training-config", "*"): "arithmetic of the host: it runs once or once a step, on numbers",
    ("data/fim", "*"): "text, on the host",
    ("schedule/learning-rate", "*"): "arithmetic of the host: once a step, on numbers",
    ("schedule/batch-algebra", "*"): "arithmetic of the host: once a run, on numbers",
    ("schedule/successive-halving", "*"): "arithmetic of the host: once a run, on numbers",
    ("schedule/sweep-sampling", "*"): "arithmetic of the host: once a sweep, on numbers",
    ("schedule/configuration-keys", "*"): "texts, on the host",
    ("accounting/parameters", "*"): "arithmetic of the host, on numbers",
    ("accounting/performance", "*"): "arithmetic of the host, on numbers",
    ("training/early-stopping", "*"): "a decision of the host, on numbers",
    ("training/evaluation-cadence", "*"): "a decision of the host, on numbers",
    (
        "training/device-step",
        "*",
    ): "a program made of kernels that are measured one by one: its copies and waits are counted",
    ("training/llama-step", "*"): "a whole model made of the kernels that are measured one by one",
    ("optim/gradient-noise-scale", "*"): "arithmetic of the host, on numbers",
    ("optim/global-clip", "*"): "a norm and a product; training applies the coefficient inside optim/adamw",
    ("optim/activation-clip", "*"): "a norm and a product of one small array, on its way to the host",
    ("optim/gradient-accumulation", "*"): "additions into buffers; the backward pass beside them is what takes time",
    ("optim/tied-embedding", "*"): "products and an embedding, which are measured one by one",
    ("optim/update-order", "*"): "the order of steps, not their time",
    ("optim/weight-init", "*"): "once a run",
    ("training/alert-rules", "*"): "a decision of the host, on numbers",
    ("training/resume", "*"): "a decision of the host, on numbers",
    ("training/checkpoint-formats", "*"): "files and texts, on the host",
    ("optim/zclip", "*"): "arithmetic of the host: once a step, on numbers",
    ("inference/prompt-guard", "*"): "places in a text, on the host",
    ("inference/sampling", "*"): "a step of decoding, no kernel of training",
    ("inference/expert-dispatch", "*"): "products and copies whose sizes the data decide; decoding",
    ("inference/router", "*"): "a few numbers a token: its time is that of a launch",
    ("attention/kv-cache", "*"): "decoding: the sizes measured here are those of training",
    ("attention/flash-recurrence", "*"): "the recurrence by itself; the kernel is attention/causal-gqa",
    ("attention/residual-block", "*"): "RMSNorm and products, which are measured one by one",
    ("attention/causal-softmax", "causal_mask"): "part of causal_softmax, which does not write it",
    ("core/residual-add", "residual_add_backward"): "the gradient itself when the sum is not scaled",
    (
        "attention/activation-statistics",
        "captured_statistics",
    ): "products and activation_statistics, which are measured one by one",
    ("attention/activation-statistics", "largest_difference"): "a comparison of two programs, once in a while",
    ("core/squared-sum", "squared_sums"): "squared_sum over several tensors in one launch",
    ("core/lora-linear", "lora_linear_backward"): "products of core/gemm, two of them thin",
    ("loss/chunked-cross-entropy", "chunk_update"): "one step of chunked_cross_entropy",
    ("loss/loss-scaling", "*"): "the order of things around a backward pass",
    ("loss/perplexity", "*"): "evaluation: cross-entropy and a sum",
    ("merge/ties", "kept"): "one number, on the host",
    ("merge/ties", "kept_count"): "one number, on the host",
    (
        "merge/dare",
        "dare",
    ): "dare_rescale behind a mask from PyTorch's generator, whose time it would be",
    ("prune/wanda", "prune_layers"): "wanda in a loop over layers",
    ("prune/wanda", "prune_count"): "one number, on the host",
    ("prune/wanda", "sparsity_ratio"): "one number, on the host",
    ("quantize/q4-k", "q4k_fields"): "takes blocks apart for people and tests; the decoder does not go through it",
}


def select(contracts: Iterable[str]) -> list[Workload]:
    """The workloads of contracts, families or single kernels (`core/rmsnorm:rmsnorm`); all when nothing is named."""
    wanted = {name.rstrip("/") for name in contracts}
    return [
        w for w in WORKLOADS
        if not wanted or wanted & {w.contract, w.contract.partition("/")[0], f"{w.contract}:{w.kernel}"}
    ]  # fmt: skip


def sizes_of(workload: Workload, model: str) -> dict[str, Mapping[str, int]]:
    """The sizes of one model (350m, 7b), or of all."""
    return {name: dims for name, dims in workload.sizes.items() if model in ("all", name.split(maxsplit=1)[0])}
