"""training/checkpoint-formats: Checkpoint formats.

Compiled from contracts/training/checkpoint-formats-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 1df840d76cbf53de6cfdc5ec105c099013b6343ceb8676c2f6ed6738a758ed5f
"""

from albor_contracts.testing import (
    all, approx, array, cases, claim, clip, defines, definitions, exact, example, given, grid, join, length, obligation,
    occurrences, rejects, single, sum, where, whole,
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
ckf_def_stored_bytes_inputs = cases(
    height="int in [1, 20000]",
    columns="int in {256, 768, 3584, 18944}",
    per_block="int in {1, 32, 256}",
    block_bytes="int in {2, 4, 34, 144, 210}",
)
data_offsets_inputs = cases(
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


@obligation("CKF-DEF-STORED_BYTES", equation="stored_bytes", type="definition")
@given(case=ckf_def_stored_bytes_inputs)
def test_ckf_def_stored_bytes(kernel, case):
    """stored_bytes computes its definition."""
    height, columns, per_block, block_bytes = kernel.receives(case, "height columns per_block block_bytes")
    total = kernel.stored_bytes(height, columns, per_block, block_bytes)
    expected_total = spec.stored_bytes(height, columns, per_block, block_bytes)
    claim(approx(total, expected_total))


@obligation("CKF-DEF-DATA_OFFSETS", equation="data_offsets", type="definition")
@given(case=data_offsets_inputs)
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
