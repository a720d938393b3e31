"""training/checkpoint-formats: Checkpoint formats.

Compiled from contracts/training/checkpoint-formats-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 390272f325dcf2cdde5bee3167b80256e611e5737d1df6917cc2ea57135fe0fa
"""

from albor_contracts.testing import (
    all, approx, array, cases, claim, clip, count, defines, definitions, exact, example, given, grid, join, length,
    obligation, occurrences, rejects, single, sum, where, whole,
)

CONTRACT = "training/checkpoint-formats"


@defines("stored_bytes(height: int, columns: int, per_block: int, block_bytes: int) -> total: int")
def stored_bytes(height, columns, per_block, block_bytes):
    """height * (columns / per_block) * block_bytes"""
    total = height * (columns // per_block) * block_bytes
    return total


@defines("tensor_info(shape: i64[K], code: int, offset: int) -> info: u8[I]")
def tensor_info(shape, code, offset):
    """uint32 K, uint64 dimensions fastest first, uint32 ggml type, uint64 offset, little-endian"""
    (K,) = shape.shape
    I = 16 + 8 * K
    i = grid(I)
    info = array[i](where(i < 4, K >> 8 * clip(i, 0, 3) & 255, where(i < 4 + 8 * K, shape[K - 1 - clip((i - 4) // 8, 0, K - 1)] >> 8 * ((i - 4) % 8) & 255, where(i < 8 + 8 * K, code >> 8 * clip(i - 4 - 8 * K, 0, 3) & 255, offset >> 8 * clip(i - 8 - 8 * K, 0, 7) & 255))))
    return info


@defines("data_offsets(sizes: i64[T], alignment: int) -> offsets: i64[T], total: int")
def data_offsets(sizes, alignment):
    """offset of t = sum over s < t of size[s], rounded up to a multiple of the alignment"""
    (T,) = sizes.shape
    t, s = grid(T, T)
    padded = array[t]((sizes[t] + alignment - 1) // alignment * alignment)
    offsets = array[t](sum[s](padded[s], where=s < t))
    total = single(sum[s](padded[s]))
    return offsets, total


spec = definitions(
    CONTRACT,
    stored_bytes,
    tensor_info,
    data_offsets,
    "pack(data: u8[N]) -> raw: bytes",
    "gguf_name(name: text) -> renamed: text",
    "checkpoint_name(name: text) -> renamed: text",
    "tensor_line(name: text, label: text, data: u8[R, Z]) -> line: text",
    "vector_line(name: text, label: text, data: u8[N]) -> line: text",
    "listing(text: text) -> canonical: text",
    "safetensors_file(text: text) -> file: bytes",
    "safetensors_listing(file: bytes) -> canonical: text",
    "gguf_file(text: text, alignment: int) -> file: bytes",
    "gguf_listing(file: bytes) -> canonical: text",
    "differences(a: text, b: text) -> report: text",
)

gguf_name_inputs = cases(
    name="text length 0..9",
    which="int in [0, 8]",
    deep="int in [0, 3]",
    plain="bool",
)
ckf_refuses_names_inputs = cases(
    name="text length 0..9",
    which="int in [0, 3]",
)
stored_bytes_inputs = cases(
    assume=("columns % per_block != 0",),
    height="int in {32, 256, 512}",
    columns="int in [1, 1000]",
    per_block="int in {32, 256}",
    block_bytes="int in {2, 4, 34, 144, 210}",
)
gguf_file_inputs = cases(
    dims={"R": "1..3", "C": "1..5", "W": "4 * C"},
    text="text length 0..9",
    alignment="int in {8, 16, 32, 64}",
    w="u8[R, W]",
    b="u8[W]",
    q="u8[R, 144]",
)
safetensors_file_inputs = cases(
    dims={"R": "1..3", "C": "1..5", "W": "4 * C"},
    text="text length 0..9",
    w="u8[R, W]",
    b="u8[W]",
    q="u8[R, 144]",
)
differences_inputs = cases(
    dims={"R": "1..3", "C": "1..5", "W": "4 * C"},
    a="text length 0..9",
    b="text length 0..9",
    x="u8[W]",
    y="u8[W]",
    z="u8[W]",
    q="u8[R, 144]",
)
ckf_record_inputs = cases(
    dims={"R": "1..3", "C": "1..5", "W": "4 * C", "I": "32"},
    text="text length 0..9",
    alignment="int in {8, 16, 32, 64}",
    w="u8[R, W]",
    h="u8[C, 4]",
)
ckf_size_inputs = cases(
    dims={"R": "1..3", "C": "1..5", "W": "4 * C"},
    text="text length 0..9",
    alignment="int in {8, 16, 32, 64}",
    w="u8[R, W]",
    b="u8[W]",
)
ckf_header_inputs = cases(
    dims={"R": "1..3", "C": "1..5", "W": "4 * C"},
    text="text length 0..9",
    w="u8[R, W]",
    b="u8[W]",
)
ckf_one_byte_inputs = cases(
    dims={"C": "1..5", "W": "4 * C"},
    a="text length 0..9",
    b="text length 0..9",
    v="u8[W]",
    at="int in [0, 4 * C)",
    change="int in [1, 255]",
)
ckf_bits_inputs = cases(
    dims={"C": "1..5", "W": "4 * C"},
    a="text length 0..9",
    b="text length 0..9",
    v="u8[W]",
)
ckf_transposed_inputs = cases(
    dims={"C": "2..4", "W": "4 * C"},
    a="text length 0..9",
    b="text length 0..9",
    w="u8[C, W]",
)
ckf_labels_inputs = cases(
    dims={"C": "1..5", "W": "4 * C"},
    work={"1 * W": 2**18},
    a="text length 0..9",
    b="text length 0..9",
    v="u8[W]",
)
ckf_missing_inputs = cases(
    dims={"R": "1..3", "C": "1..5", "W": "4 * C"},
    a="text length 0..9",
    b="text length 0..9",
    w="u8[R, W]",
    v="u8[W]",
)
ckf_order_inputs = cases(
    dims={"C": "1..5", "W": "4 * C"},
    a="text length 0..9",
    b="text length 0..9",
    x="u8[W]",
    y="u8[W]",
)
listing_inputs = cases(
    dims={"C": "1..5", "W": "4 * C"},
    text="text length 0..9",
    x="u8[W]",
    y="u8[W]",
)
gguf_listing_inputs = cases(
    file="bytes length 0..64",
    start="u8[4] in [0, 70]",
)
safetensors_listing_inputs = cases(
    dims={"C": "1..5", "W": "4 * C"},
    file="bytes length 0..64",
    b="u8[W]",
)
ckf_reads_others_inputs = cases(
    dims={"V": "2", "K": "1", "I": "24"},
    file="bytes length 0..64",
    v="u8[V]",
)
ckf_refuses_cut_inputs = cases(
    file="bytes length 0..64",
    number="int in [1, 255]",
)
ckf_refuses_alignment_inputs = cases(
    text="text length 0..9",
    alignment="int in {8, 16, 32, 64}",
    wrong="int in {-8, 0, 1, 2, 4, 7, 12, 24, 33}",
)
ckf_file_order_inputs = cases(
    dims={"R": "1..3"},
    text="text length 0..9",
    q="u8[R, 34]",
    p="u8[R, 34]",
)
ckf_refuses_lines_inputs = cases(
    text="text length 0..9",
    which="int in [0, 11]",
)
ckf_kept_inputs = cases(
    dims={"R": "1..3", "C": "1..5", "W": "4 * C"},
    text="text length 0..9",
    x="u8[W]",
    y="u8[R, W]",
)
ckf_deep_inputs = cases(
    name="text length 0..9",
    deep="int in [0, 2]",
    plain="bool",
)
ckf_lookalikes_inputs = cases(
    name="text length 0..9",
    which="int in [0, 4]",
)
data_offsets_inputs = cases(
    dims={"T": "1..6"},
    sizes="i64[T] in [0, 1099511627776]",
    alignment="int in {1, 8, 16, 32, 64}",
)
ckf_blanks_inputs = cases(
    dims={"C": "1..5", "W": "4 * C"},
    work={"3 * 8": 2**18},
    text="text length 0..9",
    b="u8[W] in [1, 255]",
)
ckf_reads_unaligned_inputs = cases(
    dims={"K": "1..8"},
    file="bytes length 0..64",
    v="u8[1]",
)
ckf_full_header_inputs = cases(
    dims={"C": "1..5", "W": "4 * C"},
    text="text length 0..9",
    alignment="int in {8, 16, 32}",
    b="u8[W]",
)
ckf_def_stored_bytes_inputs = cases(
    height="int in [1, 20000]",
    columns="int in {256, 768, 3584, 18944}",
    per_block="int in {1, 32, 256}",
    block_bytes="int in {2, 4, 34, 144, 210}",
)
ckf_def_data_offsets_inputs = cases(
    dims={"T": "1..6"},
    sizes="i64[T] in [0, 1000]",
    alignment="int in {1, 8, 16, 32, 64}",
)
tensor_info_inputs = cases(
    dims={"K": "1..4", "I": "16 + 8 * K"},
    shape="i64[K] in [1, 1099511627776]",
    code="int in [0, 400]",
    offset="int in [0, 1099511627776]",
)


@obligation("CKF-NAMES", equation="gguf_name", type="roundtrip")
@given(case=gguf_name_inputs)
def test_ckf_names(kernel, case):
    """Every name of the table has one GGUF name and comes back from it, in any layer, weight or bias."""
    which, deep, plain = kernel.receives(case, "which deep plain")
    kind = single(where(plain, '.weight', '.bias'))
    n = single(where(deep < 2, where(deep == 0, '0', '7'), where(deep == 2, '10', '123')))
    qkv = single(where(which == 0, 'self_attn.q_proj', where(which == 1, 'self_attn.k_proj', 'self_attn.v_proj')))
    mlp = single(where(which == 3, 'mlp.gate_proj', where(which == 4, 'mlp.up_proj', 'mlp.down_proj')))
    rest = single(where(which == 6, 'self_attn.o_proj', where(which == 7, 'input_layernorm', 'post_attention_layernorm')))
    gqkv = single(where(which == 0, 'attn_q', where(which == 1, 'attn_k', 'attn_v')))
    gmlp = single(where(which == 3, 'ffn_gate', where(which == 4, 'ffn_up', 'ffn_down')))
    grest = single(where(which == 6, 'attn_output', where(which == 7, 'attn_norm', 'ffn_norm')))
    old = single(join('model.layers.', n, '.', where(which < 3, qkv, where(which < 6, mlp, rest)), kind))
    new = single(join('blk.', n, '.', where(which < 3, gqkv, where(which < 6, gmlp, grest)), kind))
    outer = single(where(which < 3, 'model.embed_tokens.weight', where(which < 6, 'model.norm.weight', 'lm_head.weight')))
    gouter = single(where(which < 3, 'token_embd.weight', where(which < 6, 'output_norm.weight', 'output.weight')))
    claim(exact(kernel.gguf_name(old), new))
    claim(exact(kernel.checkpoint_name(new), old))
    claim(exact(kernel.gguf_name(outer), gouter))
    claim(exact(kernel.checkpoint_name(gouter), outer))


@obligation("CKF-REFUSES-NAMES", equation="gguf_name", type="rejection")
@given(case=ckf_refuses_names_inputs)
def test_ckf_refuses_names(kernel, case):
    """A name outside the table is refused: another kind, another spelling of a number, a GGUF name."""
    which = kernel.receives(case, "which")
    some = single(where(which == 0, 'model.layers.07.self_attn.q_proj.bias', 'model.layers.0.self_attn.q_proj.scale'))
    other = single(where(which == 2, 'blk.0.attn_q.bias', 'model.layers.-1.mlp.up_proj.weight'))
    rejects(kernel, "gguf_name", (where(which < 2, some, other),), ValueError, mentions=["table of names"])


@obligation("CKF-REFUSES-BLOCKS", equation="stored_bytes", type="rejection")
@given(case=stored_bytes_inputs)
def test_ckf_refuses_blocks(kernel, case):
    """Rows that do not fill whole blocks are refused, also where all rows together would."""
    height, columns, per_block, block_bytes = kernel.receives(case, "height columns per_block block_bytes")
    rejects(kernel, "stored_bytes", (height, columns, per_block, block_bytes), ValueError, mentions=["whole blocks"])


@obligation("CKF-ROUND-GGUF", equation="gguf_file", type="roundtrip")
@given(case=gguf_file_inputs)
def test_ckf_round_gguf(kernel, case):
    """A model comes back from a GGUF file bit for bit, at every alignment, biases and quantized tensors included."""
    alignment, w, b, q = kernel.receives(case, "alignment w b q")
    weight = kernel.tensor_line('model.layers.0.self_attn.q_proj.weight', 'F32', w)
    bias = kernel.vector_line('model.layers.0.self_attn.q_proj.bias', 'F32', b)
    m = single(join(weight, bias, kernel.tensor_line('model.layers.12.mlp.down_proj.weight', 'Q4_K', q), kernel.vector_line('model.norm.weight', 'BF16', b)))
    claim(exact(kernel.gguf_listing(kernel.gguf_file(m, alignment)), join(bias, weight, kernel.tensor_line('model.layers.12.mlp.down_proj.weight', 'Q4_K', q), kernel.vector_line('model.norm.weight', 'BF16', b))))


@obligation("CKF-ROUND-SAFETENSORS", equation="safetensors_file", type="roundtrip")
@given(case=safetensors_file_inputs)
def test_ckf_round_safetensors(kernel, case):
    """A model comes back from a safetensors file bit for bit, quantized tensors with their types."""
    w, b, q = kernel.receives(case, "w b q")
    weight = kernel.tensor_line('model.layers.0.self_attn.q_proj.weight', 'F32', w)
    bias = kernel.vector_line('model.layers.0.self_attn.q_proj.bias', 'F16', b)
    block = kernel.tensor_line('model.layers.12.mlp.down_proj.weight', 'Q4_K', q)
    claim(exact(kernel.safetensors_listing(kernel.safetensors_file(join(block, weight, bias))), join(bias, weight, block)))


@obligation("CKF-SAME", equation="differences", type="equivalence")
@given(case=differences_inputs)
def test_ckf_same(kernel, case):
    """The two files of one model differ in nothing: three biases and a quantized tensor, byte for byte."""
    x, y, z, q = kernel.receives(case, "x y z q")
    biases = single(join(kernel.vector_line('model.layers.3.self_attn.q_proj.bias', 'F32', x), kernel.vector_line('model.layers.3.self_attn.k_proj.bias', 'F32', y), kernel.vector_line('model.layers.3.self_attn.v_proj.bias', 'F32', z)))
    m = single(join(biases, kernel.tensor_line('model.layers.3.mlp.down_proj.weight', 'Q4_K', q)))
    claim(exact(kernel.differences(kernel.safetensors_listing(kernel.safetensors_file(m)), kernel.gguf_listing(kernel.gguf_file(m, 32))), ''))


@obligation("CKF-RECORD", equation="gguf_file", type="boundary")
@given(case=ckf_record_inputs)
def test_ckf_record(kernel, case):
    """A GGUF file holds the dimensions of a tensor fastest first, its type, and its place from the begin of the data, a
    multiple of the alignment."""
    alignment, w, h = kernel.receives(case, "alignment w h")
    R, C, W = case.R, case.C, case.W
    k = grid(2)
    file = kernel.gguf_file(join(kernel.tensor_line('model.layers.0.self_attn.q_proj.weight', 'F32', w), kernel.tensor_line('lm_head.weight', 'BF16', h)), alignment)
    first = array[k](where(k == 0, R, C))
    second = array[k](where(k == 0, C, 2))
    place = (R * W + alignment - 1) // alignment * alignment
    claim(occurrences(file, kernel.pack(spec.tensor_info(first, 0, 0))) >= 1)
    claim(occurrences(file, kernel.pack(spec.tensor_info(second, 30, place))) >= 1)


@obligation("CKF-SIZE", equation="gguf_file", type="conservation")
@given(case=ckf_size_inputs)
def test_ckf_size(kernel, case):
    """A GGUF file of a weight and a bias is its header of 210 bytes and both tensors, each of the three padded."""
    alignment, w, b = kernel.receives(case, "alignment w b")
    R, W = case.R, case.W
    k = grid(3)
    file = kernel.gguf_file(join(kernel.tensor_line('model.layers.0.self_attn.q_proj.weight', 'F32', w), kernel.vector_line('model.layers.0.self_attn.q_proj.bias', 'F32', b)), alignment)
    sizes = array[k](where(k == 0, 210, where(k == 1, R * W, W)))
    _, total = kernel.data_offsets(sizes, alignment)
    claim(length(file) == total)


@obligation("CKF-HEADER", equation="safetensors_file", type="conservation")
@given(case=ckf_header_inputs)
def test_ckf_header(kernel, case):
    """What is not data is 8 bytes with the length of the header, little-endian, and a header of a multiple of 8
    bytes."""
    w, b = kernel.receives(case, "w b")
    R, W = case.R, case.W
    i = grid(8)
    file = kernel.safetensors_file(join(kernel.tensor_line('model.layers.0.self_attn.q_proj.weight', 'F32', w), kernel.vector_line('model.norm.weight', 'BF16', b)))
    h = single(length(file) - 8 - R * W - W)
    first = array[i](whole(whole(h) >> 8 * i) & 255)
    claim(whole(h) % 8 == 0)
    claim(occurrences(file, kernel.pack(first)) >= 1)


@obligation("CKF-ONE-BYTE", equation="differences", type="boundary")
@given(case=ckf_one_byte_inputs)
def test_ckf_one_byte(kernel, case):
    """One changed byte is one difference, wherever it stands; nothing changed is none."""
    v, at, change = kernel.receives(case, "v at change")
    W = case.W
    i = grid(W)
    e = array[i](where(i == at, (v[i] + change) % 256, v[i]))
    x = kernel.vector_line('model.layers.3.self_attn.q_proj.bias', 'F32', v)
    report = kernel.differences(x, kernel.vector_line('model.layers.3.self_attn.q_proj.bias', 'F32', e))
    claim(occurrences(report, '\n') == 1)
    claim(occurrences(report, 'model.layers.3.self_attn.q_proj.bias: 1 of ') == 1)
    claim(exact(kernel.differences(x, x), ''))


@obligation("CKF-BITS", equation="differences", type="boundary")
@given(case=ckf_bits_inputs)
def test_ckf_bits(kernel, case):
    """-0 differs from 0 and one NaN from another, each is the same as itself: bits are compared, not numbers."""
    v = kernel.receives(case, "v")
    W = case.W
    i = grid(W)
    z = array[i](0 * v[i])
    m = array[i](where(i % 4 == 3, 128, 0))
    n = array[i](where(i % 4 == 3, 127, where(i % 4 == 2, 192, 0)))
    o = array[i](where(i % 4 == 3, 127, where(i % 4 == 2, 192, where(i % 4 == 0, 1, 0))))
    zero = kernel.vector_line('model.norm.weight', 'F32', z)
    quiet = kernel.vector_line('model.norm.weight', 'F32', n)
    claim(occurrences(kernel.differences(zero, kernel.vector_line('model.norm.weight', 'F32', m)), 'bytes differ') == 1)
    claim(occurrences(kernel.differences(quiet, kernel.vector_line('model.norm.weight', 'F32', o)), 'bytes differ') == 1)
    claim(exact(kernel.differences(quiet, quiet), ''))
    claim(exact(kernel.differences(zero, zero), ''))


@obligation("CKF-TRANSPOSED", equation="differences", type="boundary")
@given(case=ckf_transposed_inputs)
def test_ckf_transposed(kernel, case):
    """A square matrix and its transpose, which has the same elements and norm, differ unless it is symmetric."""
    w = kernel.receives(case, "w")
    C, W = case.C, case.W
    i, k = grid(C, W)
    t = array[i, k](w[k // 4, 4 * i + k % 4])
    report = kernel.differences(kernel.tensor_line('lm_head.weight', 'F32', w), kernel.tensor_line('lm_head.weight', 'F32', t))
    symmetric = single(all[i, k](t[i, k] == w[i, k]))
    claim((length(report) == 0) == symmetric)


@obligation("CKF-LABELS", equation="differences", type="boundary")
@given(case=ckf_labels_inputs)
def test_ckf_labels(kernel, case):
    """The same bytes under another dtype, or in another shape, are a difference, and the report says which."""
    v = kernel.receives(case, "v")
    W = case.W
    r, k = grid(1, W)
    row = array[r, k](v[k] + 0 * r)
    x = kernel.vector_line('model.norm.weight', 'F16', v)
    label = kernel.differences(x, kernel.vector_line('model.norm.weight', 'BF16', v))
    shape = kernel.differences(x, kernel.tensor_line('model.norm.weight', 'F16', row))
    claim(exact(label, 'model.norm.weight: dtype F16 in a, BF16 in b\n'))
    claim(occurrences(shape, '\n') == 1)
    claim(occurrences(shape, 'model.norm.weight: shape ') == 1)


@obligation("CKF-MISSING", equation="differences", type="boundary")
@given(case=ckf_missing_inputs)
def test_ckf_missing(kernel, case):
    """A tensor that only one side has is a difference, whichever side it is, and the only one."""
    w, v = kernel.receives(case, "w v")
    weight = kernel.tensor_line('model.layers.0.self_attn.v_proj.weight', 'F32', w)
    both = single(join(weight, kernel.vector_line('model.layers.0.self_attn.v_proj.bias', 'F32', v)))
    claim(exact(kernel.differences(both, weight), 'model.layers.0.self_attn.v_proj.bias: missing in b\n'))
    claim(exact(kernel.differences(weight, both), 'model.layers.0.self_attn.v_proj.bias: missing in a\n'))


@obligation("CKF-ORDER", equation="differences", type="invariance")
@given(case=ckf_order_inputs)
def test_ckf_order(kernel, case):
    """The order of tensors does not matter; two tensors that have changed places are two differences."""
    x, y = kernel.receives(case, "x y")
    W = case.W
    i = grid(W)
    m = single(join(kernel.vector_line('model.layers.0.self_attn.q_proj.bias', 'F32', x), kernel.vector_line('model.layers.0.self_attn.k_proj.bias', 'F32', y)))
    turned = single(join(kernel.vector_line('model.layers.0.self_attn.k_proj.bias', 'F32', y), kernel.vector_line('model.layers.0.self_attn.q_proj.bias', 'F32', x)))
    swapped = single(join(kernel.vector_line('model.layers.0.self_attn.q_proj.bias', 'F32', y), kernel.vector_line('model.layers.0.self_attn.k_proj.bias', 'F32', x)))
    same = single(all[i](x[i] == y[i]))
    claim(exact(kernel.differences(m, turned), ''))
    claim(occurrences(kernel.differences(m, swapped), '\n') == where(same, 0, 2))


@obligation("CKF-REFUSES-TWICE", equation="listing", type="rejection")
@given(case=listing_inputs)
def test_ckf_refuses_twice(kernel, case):
    """A name that occurs twice is refused, the same bytes or not."""
    x, y = kernel.receives(case, "x y")
    m = single(join(kernel.vector_line('model.norm.weight', 'F32', x), kernel.vector_line('model.norm.weight', 'F32', y)))
    rejects(kernel, "listing", (m,), ValueError, mentions=["model.norm.weight", "twice"])


@obligation("CKF-REFUSES-NOISE", equation="gguf_listing", type="rejection")
@given(case=gguf_listing_inputs)
def test_ckf_refuses_noise(kernel, case):
    """Bytes that do not begin with GGUF are refused for that reason."""
    file, start = kernel.receives(case, "file start")
    rejects(kernel, "gguf_listing", (join(kernel.pack(start), file),), ValueError, mentions=["not a GGUF file"])


@obligation("CKF-REFUSES-MORE", equation="safetensors_listing", type="rejection")
@given(case=safetensors_listing_inputs)
def test_ckf_refuses_more(kernel, case):
    """A safetensors file that goes on after its data is refused."""
    b = kernel.receives(case, "b")
    entire = kernel.safetensors_file(kernel.vector_line('model.norm.weight', 'F32', b))
    rejects(kernel, "safetensors_listing", (join(entire, kernel.pack(b)),), ValueError, mentions=["safetensors"])


@obligation("CKF-READS-OTHERS", equation="gguf_listing", type="boundary")
@given(case=ckf_reads_others_inputs)
def test_ckf_reads_others(kernel, case):
    """A file that another program wrote is read: without general.alignment, which is then 32, with a list and a long
    number among its metadata; and one without any tensor."""
    v = kernel.receives(case, "v")
    V, K = case.V, case.K
    i, j, m, k, n = grid(24, 27, 21, K, 11)
    start = array[i](where(i == 0, 71, where(i == 1, 71, where(i == 2, 85, where(i == 3, 70, where(i == 4, 3, where(i == 8, 1, where(i == 16, 2, 0))))))))
    list = array[j](where(j == 0, 1, where(j == 8, 97, where(j == 9, 9, where(j == 17, 2, where(j == 25, 5, where(j == 26, 6, 0)))))))
    long = array[m](where(m == 0, 1, where(m == 8, 98, where(m == 9, 10, where(m == 13, 7, 0)))))
    name = array[m](where(m == 0, 13, where(m == 8, 111, where(m == 9, 117, where(m == 10, 116, where(m == 11, 112, where(m == 12, 117, where(m == 13, 116, where(m == 14, 46, where(m == 15, 119, where(m == 16, 101, where(m == 17, 105, where(m == 18, 103, where(m == 19, 104, where(m == 20, 116, 0)))))))))))))))
    size = array[k](V)
    gap = array[n](0)
    other = single(join(kernel.pack(start), kernel.pack(list), kernel.pack(long), kernel.pack(name), kernel.pack(spec.tensor_info(size, 24, 0)), kernel.pack(gap), kernel.pack(v)))
    none = array[i](where((i == 8) | (i == 16), 0, start[i]))
    claim(exact(kernel.gguf_listing(other), kernel.vector_line('lm_head.weight', 'I8', v)))
    claim(exact(kernel.gguf_listing(kernel.pack(none)), ''))


@obligation("CKF-REFUSES-CUT", equation="gguf_listing", type="rejection")
@given(case=ckf_refuses_cut_inputs)
def test_ckf_refuses_cut(kernel, case):
    """A file that ends before the tensors it counts is refused for that reason."""
    number = kernel.receives(case, "number")
    i = grid(24)
    start = array[i](where(i == 8, number, where(i == 0, 71, where(i == 1, 71, where(i == 2, 85, where(i == 3, 70, where(i == 4, 3, 0)))))))
    rejects(kernel, "gguf_listing", (kernel.pack(start),), ValueError, mentions=["cut off"])


@obligation("CKF-REFUSES-ALIGNMENT", equation="gguf_file", type="rejection")
@given(case=ckf_refuses_alignment_inputs)
def test_ckf_refuses_alignment(kernel, case):
    """An alignment that is no power of two, or below 8, is refused."""
    text, wrong = kernel.receives(case, "text wrong")
    rejects(kernel, "gguf_file", (text, wrong), ValueError, mentions=["alignment", "power of two"])


@obligation("CKF-FILE-ORDER", equation="safetensors_file", type="invariance")
@given(case=ckf_file_order_inputs)
def test_ckf_file_order(kernel, case):
    """The bytes of a file do not depend on the order of the listing, with several quantized tensors neither."""
    q, p = kernel.receives(case, "q p")
    one = kernel.tensor_line('model.layers.0.mlp.up_proj.weight', 'Q8_0', q)
    two = kernel.tensor_line('model.layers.0.mlp.down_proj.weight', 'Q8_0', p)
    claim(exact(kernel.safetensors_file(join(one, two)), kernel.safetensors_file(join(two, one))))


@obligation("CKF-REFUSES-LINES", equation="listing", type="rejection")
@given(case=ckf_refuses_lines_inputs)
def test_ckf_refuses_lines(kernel, case):
    """A line of another form is refused: names that are empty, too long, not printable or reserved, more than four
    dimensions or an empty one, digits of other scripts, odd or other digits of bytes, fields too few or too many."""
    which = kernel.receives(case, "which")
    long = single(join('x', 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx', ' I8 1 00'))
    low = single(where(which == 0, ' I8 1 00', where(which == 1, long, where(which == 2, 'é I8 1 00', where(which == 3, '__metadata__ I8 1 00', 'x I8 1,1,1,1,1 00')))))
    mid = single(where(which == 5, 'x I8 0 ', where(which == 6, 'x I8 ٣ 000000', where(which == 7, 'x I8 1 0', 'x I8 1 0g'))))
    high = single(where(which == 9, 'x I8 1', where(which == 10, 'x I8 1 00 00', 'x I8 1 AB')))
    line = single(where(which < 5, low, where(which < 9, mid, high)))
    rejects(kernel, "listing", (line,), ValueError, mentions=["expected"])


@obligation("CKF-KEPT", equation="listing", type="idempotency")
@given(case=ckf_kept_inputs)
def test_ckf_kept(kernel, case):
    """The listing of a listing is that listing."""
    x, y = kernel.receives(case, "x y")
    some = kernel.listing(join(kernel.tensor_line('model.norm.weight', 'F32', y), kernel.vector_line('lm_head.weight', 'BF16', x)))
    claim(exact(kernel.listing(some), some))
    claim(exact(some, join(kernel.vector_line('lm_head.weight', 'BF16', x), kernel.tensor_line('model.norm.weight', 'F32', y))))


@obligation("CKF-DEEP", equation="gguf_name", type="roundtrip")
@given(case=ckf_deep_inputs)
def test_ckf_deep(kernel, case):
    """Numbers of layers have as many digits as they need, and come back."""
    deep, plain = kernel.receives(case, "deep plain")
    n = single(where(deep == 0, '1000', where(deep == 1, '65536', '1234567890')))
    kind = single(where(plain, '.weight', '.bias'))
    old = single(join('model.layers.', n, '.self_attn.k_proj', kind))
    new = single(join('blk.', n, '.attn_k', kind))
    claim(exact(kernel.gguf_name(old), new))
    claim(exact(kernel.checkpoint_name(new), old))


@obligation("CKF-LOOKALIKES", equation="gguf_name", type="rejection")
@given(case=ckf_lookalikes_inputs)
def test_ckf_lookalikes(kernel, case):
    """A name of the table with a line break or a blank after it, or with digits of another script, is not that name."""
    which = kernel.receives(case, "which")
    ends = single(where(which == 0, 'model.layers.0.self_attn.q_proj.weight\n', where(which == 1, 'lm_head.weight\n', 'model.norm.weight ')))
    digits = single(where(which == 3, 'model.layers.٣.self_attn.q_proj.weight', 'model.layers.1٣.mlp.up_proj.bias'))
    rejects(kernel, "gguf_name", (where(which < 3, ends, digits),), ValueError, mentions=["table of names"])


@obligation("CKF-LOOKALIKES-BACK", equation="checkpoint_name", type="rejection")
@given(case=ckf_lookalikes_inputs)
def test_ckf_lookalikes_back(kernel, case):
    """A GGUF name with a line break after it, with digits of another script or another spelling of a number is refused,
    and so is a name of a checkpoint."""
    which = kernel.receives(case, "which")
    ends = single(where(which == 0, 'blk.0.attn_q.weight\n', where(which == 1, 'output.weight\n', 'blk.07.attn_q.bias')))
    others = single(where(which == 3, 'blk.٣.attn_q.weight', 'model.layers.0.self_attn.q_proj.bias'))
    rejects(kernel, "checkpoint_name", (where(which < 3, ends, others),), ValueError, mentions=["table of names"])


@obligation("CKF-LARGE-OFFSETS", equation="data_offsets", type="equivalence")
@given(case=data_offsets_inputs)
def test_ckf_large_offsets(kernel, case):
    """Offsets of tensors beyond 2 and 4 GiB are those of the definition."""
    sizes, alignment = kernel.receives(case, "sizes alignment")
    T = case.T
    t = grid(T)
    offsets, total = kernel.data_offsets(sizes, alignment)
    expected, end = spec.data_offsets(sizes, alignment)
    claim(all[t](offsets[t] == expected[t]))
    claim(total == end)


@obligation("CKF-BLANKS", equation="safetensors_file", type="conservation")
@given(case=ckf_blanks_inputs)
def test_ckf_blanks(kernel, case):
    """A header is padded with blanks: the only bytes of zero are those of its length."""
    b = kernel.receives(case, "b")
    W = case.W
    z, k, i = grid(1, 3, 8)
    one = kernel.safetensors_file(kernel.vector_line('model.layers.7.self_attn.q_proj.bias', 'F32', b))
    two = kernel.safetensors_file(kernel.vector_line('model.layers.77.self_attn.q_proj.bias', 'F32', b))
    five = kernel.safetensors_file(kernel.vector_line('model.layers.77777.self_attn.q_proj.bias', 'F32', b))
    zero = array[z](0)
    header = array[k](where(k == 0, length(one), where(k == 1, length(two), length(five))) - 8 - W)
    digit = array[k, i](whole(whole(header[k]) >> 8 * i) & 255)
    zeros = array[k](count[i](digit[k, i] == 0))
    claim(occurrences(one, kernel.pack(zero)) == zeros[0])
    claim(occurrences(two, kernel.pack(zero)) == zeros[1])
    claim(occurrences(five, kernel.pack(zero)) == zeros[2])


@obligation("CKF-BY-TYPE", equation="safetensors_file", type="ordering")
@given(case=listing_inputs)
def test_ckf_by_type(kernel, case):
    """The data of wider types comes first, whatever the names are: F32 before BF16."""
    x, y = kernel.receives(case, "x y")
    wide = kernel.vector_line('model.norm.weight', 'F32', x)
    narrow = kernel.vector_line('lm_head.bias', 'BF16', y)
    file = kernel.safetensors_file(join(narrow, wide))
    claim(occurrences(file, join(kernel.pack(x), kernel.pack(y))) >= 1)


@obligation("CKF-READS-UNALIGNED", equation="safetensors_listing", type="boundary")
@given(case=ckf_reads_unaligned_inputs)
def test_ckf_reads_unaligned(kernel, case):
    """Data begins where the header ends, however long that is: a file whose header is no multiple of 8 bytes is
    read."""
    v = kernel.receives(case, "v")
    K = case.K
    k, i, j, b = grid(8, 53, 8, K)
    words = array[k](where(k == 0, 9705638824780411, where(k == 1, 16363367723267172, where(k == 2, 32407195269744930, where(k == 3, 25678142285832552, where(k == 4, 32758179996392753, where(k == 5, 28555856290209633, where(k == 6, 12438067350762356, 2105367857))))))))
    header = array[i](words[i // 7] >> 8 * (i % 7) & 255)
    size = array[j](where(j == 0, 53 + K, 0))
    blanks = array[b](32 + 0 * b)
    other = single(join(kernel.pack(size), kernel.pack(header), kernel.pack(blanks), kernel.pack(v)))
    claim(exact(kernel.safetensors_listing(other), kernel.vector_line('x', 'I8', v)))


@obligation("CKF-FULL-HEADER", equation="gguf_file", type="boundary")
@given(case=ckf_full_header_inputs)
def test_ckf_full_header(kernel, case):
    """A header that fills its last unit of alignment is not padded, and its data follows at once: 160 bytes at an
    alignment of 8, 16 or 32."""
    alignment, b = kernel.receives(case, "alignment b")
    W = case.W
    bias = kernel.vector_line('model.layers.1234567890.self_attn.q_proj.bias', 'F32', b)
    file = kernel.gguf_file(bias, alignment)
    claim(length(file) == 160 + (W + alignment - 1) // alignment * alignment)
    claim(exact(kernel.gguf_listing(file), bias))


@obligation("CKF-DEF-STORED_BYTES", equation="stored_bytes", type="definition")
@given(case=ckf_def_stored_bytes_inputs)
def test_ckf_def_stored_bytes(kernel, case):
    """stored_bytes computes its definition."""
    height, columns, per_block, block_bytes = kernel.receives(case, "height columns per_block block_bytes")
    total = kernel.stored_bytes(height, columns, per_block, block_bytes)
    expected_total = spec.stored_bytes(height, columns, per_block, block_bytes)
    claim(approx(total, expected_total))


@obligation("CKF-DEF-DATA_OFFSETS", equation="data_offsets", type="definition")
@given(case=ckf_def_data_offsets_inputs)
def test_ckf_def_data_offsets(kernel, case):
    """data_offsets computes its definition."""
    sizes, alignment = kernel.receives(case, "sizes alignment")
    offsets, total = kernel.data_offsets(sizes, alignment)
    expected_offsets, expected_total = spec.data_offsets(sizes, alignment)
    claim(approx(offsets, expected_offsets))
    claim(approx(total, expected_total))


@obligation("CKF-DEF-TENSOR_INFO", equation="tensor_info", type="definition")
@given(case=tensor_info_inputs)
def test_ckf_def_tensor_info(kernel, case):
    """tensor_info computes its definition."""
    shape, code, offset = kernel.receives(case, "shape code offset")
    info = kernel.tensor_info(shape, code, offset)
    expected_info = spec.tensor_info(shape, code, offset)
    claim(approx(info, expected_info))


@obligation("CKF-PREDICTS-Q4K-BYTES", rule="CKF-DEF-STORED_BYTES", type="falsification")
def test_ckf_predicts_q4k_bytes(kernel):
    """A Q4_K matrix of 18,944 rows of 3,584 has 14 blocks a row and 18944 * 14 * 144 = 38,191,104 bytes."""
    case = example(
        {"height": "int", "columns": "int", "per_block": "int", "block_bytes": "int"},
        height=18944,
        columns=3584,
        per_block=256,
        block_bytes=144,
    )
    height, columns, per_block, block_bytes = kernel.receives(case, "height columns per_block block_bytes")
    claim(kernel.stored_bytes(height, columns, per_block, block_bytes) == 38191104)


@obligation("CKF-PREDICTS-RECORD", rule="CKF-DEF-TENSOR_INFO", type="falsification")
def test_ckf_predicts_record(kernel):
    """A matrix of 2 rows and 3 columns of F16 (1) at 288 is 2; 3, 2; 1; 32 + 1 * 256."""
    case = example({"shape": "i64[K]", "code": "int", "offset": "int"}, shape=[2, 3], code=1, offset=288)
    shape, code, offset = kernel.receives(case, "shape code offset")
    i = grid(32)
    info = kernel.tensor_info(shape, code, offset)
    wanted = array[i](where(i == 0, 2, where(i == 4, 3, where(i == 12, 2, where(i == 20, 1, where(i == 24, 32, where(i == 25, 1, 0)))))))
    claim(all[i](info[i] == wanted[i]))


@obligation("CKF-PREDICTS-OFFSETS", rule="CKF-DEF-DATA_OFFSETS", type="falsification")
def test_ckf_predicts_offsets(kernel):
    """24, 64 and 33 bytes at an alignment of 32 begin at 0, 32 and 96 and end at 160; without alignment at 0, 24, 88
    and 121."""
    case = example({"sizes": "i64[T]", "alignment": "int"}, sizes=[24, 64, 33], alignment=32)
    sizes, alignment = kernel.receives(case, "sizes alignment")
    padded, end = kernel.data_offsets(sizes, alignment)
    tight, last = kernel.data_offsets(sizes, 1)
    claim(padded[0] == 0)
    claim(padded[1] == 32)
    claim(padded[2] == 96)
    claim(end == 160)
    claim(tight[1] == 24)
    claim(tight[2] == 88)
    claim(last == 121)


@obligation("CKF-PREDICTS-BIAS", rule="CKF-ONE-BYTE", type="falsification")
def test_ckf_predicts_bias(kernel):
    """A bias of (1, 2) added twice is (2, 4): bytes 2 and 3 of 1.0 and byte 6 of 2.0 differ, first 80 against 00."""
    case = example(
        {"a": "text", "b": "text"},
        a="model.layers.0.self_attn.q_proj.bias F32 2 0000803f00000040",
        b="model.layers.0.self_attn.q_proj.bias F32 2 0000004000008040",
    )
    a, b = kernel.receives(case, "a b")
    claim(exact(kernel.differences(a, b), 'model.layers.0.self_attn.q_proj.bias: 3 of 8 bytes differ, the first is byte 2: 80 in a, 00 in b\n'))
    claim(exact(kernel.differences(a, ''), 'model.layers.0.self_attn.q_proj.bias: missing in b\n'))


@obligation("CKF-PREDICTS-LINES", rule="CKF-KEPT", type="falsification")
def test_ckf_predicts_lines(kernel):
    """Names of one and of 63 characters, of the first and the last printable one, and one to four dimensions are
    lines."""
    case = example(
        {"text": "text", "x": "u8[W]", "y": "u8[R, W]"},
        text="x I8 1 00\n",
        x=[0, 0, 0, 0],
        y=[[0, 0, 0, 0]],
    )
    text = kernel.receives(case, "text")
    claim(exact(kernel.listing(text), text))
    claim(exact(kernel.listing('!~ I8 1,1 00\n'), '!~ I8 1,1 00\n'))
    claim(exact(kernel.listing('x I8 1,1,1 00\n'), 'x I8 1,1,1 00\n'))
    claim(exact(kernel.listing('x I8 1,1,1,1 00\n'), 'x I8 1,1,1,1 00\n'))
    claim(length(kernel.listing('xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx I8 1 00\n')) == 72)


@obligation("CKF-PREDICTS-ALIGNMENT", rule="CKF-SIZE", type="falsification")
def test_ckf_predicts_alignment(kernel):
    """The alignment stands in the metadata as an unsigned number of 32 bits: type 4."""
    case = example(
        {"text": "text", "alignment": "int", "w": "u8[R, W]", "b": "u8[W]"},
        text="",
        alignment=32,
        w=[[0, 0, 0, 0]],
        b=[0, 0, 0, 0],
    )
    text, alignment = kernel.receives(case, "text alignment")
    i = grid(13)
    record = array[i](where(i == 0, 110, where(i == 1, 109, where(i == 2, 101, where(i == 3, 110, where(i == 4, 116, where(i == 5, 4, where(i == 9, 32, 0))))))))
    file = kernel.gguf_file(text, alignment)
    claim(occurrences(file, kernel.pack(record)) == 1)


@obligation("CKF-PREDICTS-FEW-BYTES", rule="CKF-REFUSES-LINES", type="falsification")
def test_ckf_predicts_few_bytes(kernel):
    """Three numbers of float32 in four bytes are refused."""
    case = example({"text": "text", "which": "int"}, text="x F32 3 00000000", which=0)
    text = kernel.receives(case, "text")
    rejects(kernel, "listing", (text,), ValueError, mentions=["x: F32", "12 bytes", "found 4"])


@obligation("CKF-PREDICTS-NO-TYPE", rule="CKF-REFUSES-LINES", type="falsification")
def test_ckf_predicts_no_type(kernel):
    """A type that only one of the formats has is refused by name."""
    case = example({"text": "text", "which": "int"}, text="x U8 1 00", which=0)
    text = kernel.receives(case, "text")
    rejects(kernel, "listing", (text,), ValueError, mentions=["unknown dtype U8", "I8"])


@obligation("CKF-PREDICTS-NO-BLOCK", rule="CKF-REFUSES-LINES", type="falsification")
def test_ckf_predicts_no_block(kernel):
    """31 columns do not fill a block of Q8_0."""
    case = example({"text": "text", "which": "int"}, text="x Q8_0 2,31 00", which=0)
    text = kernel.receives(case, "text")
    rejects(kernel, "listing", (text,), ValueError, mentions=["x: 31 columns", "blocks of 32"])
