"""accounting/parameters: Parameters and memory of a model.

Compiled from contracts/accounting/parameters-v1.yaml: change the contract and run `albor-contracts generate`, never this file.
Meaning: 95ab60c1a012d5fd0dd09c5f677b947e15079bb5852eb8d3a30cfd53f509f26d
"""

from albor_contracts.testing import (
    approx, cases, claim, defines, definitions, example, given, obligation, rejects, single, where,
)

CONTRACT = "accounting/parameters"


@defines(
    "model_parameters(vocabulary: int, hidden: int, layers: int, kv_width: int, inner: int, tied: bool)"
    " -> parameters: int"
)
def model_parameters(vocabulary, hidden, layers, kv_width, inner, tied):
    """V H (once tied, else twice) + L (2 H^2 + 2 H D + 3 H I + 2 H) + H"""
    layer = 2 * hidden * hidden + 2 * hidden * kv_width + 3 * hidden * inner + 2 * hidden
    parameters = single(where(tied, 1, 2) * vocabulary * hidden + layers * layer + hidden)
    return parameters


@defines("layer_parameters(hidden: int, kv_width: int, inner: int) -> parameters: int")
def layer_parameters(hidden, kv_width, inner):
    """2 H^2 + 2 H D + 3 H I + 2 H"""
    parameters = 2 * hidden * hidden + 2 * hidden * kv_width + 3 * hidden * inner + 2 * hidden
    return parameters


@defines("tensors(layers: int, tied: bool) -> number: int")
def tensors(layers, tied):
    """9 a layer, the embedding, the last norm, the head unless tied"""
    number = single(9 * layers + where(tied, 2, 3))
    return number


@defines("training_bytes(parameters: int, compute_bytes: int) -> weights: int, gradients: int, moments: int, copy: int")
def training_bytes(parameters, compute_bytes):
    """4 P, 4 P, 8 P, and compute_bytes P where compute_bytes < 4"""
    weights = 4 * parameters
    gradients = 4 * parameters
    moments = 8 * parameters
    copy = single(where(compute_bytes < 4, compute_bytes * parameters, 0))
    return weights, gradients, moments, copy


@defines(
    "kept_elements(sequence: int, hidden: int, kv_width: int, inner: int, heads: int, layers: int, vocabulary: int, "
    "fused: bool) -> elements: int"
)
def kept_elements(sequence, hidden, kv_width, inner, heads, layers, vocabulary, fused):
    """S (L (6 H + 2 D + 3 I + heads (S, or 1 where fused)) + 2 H + V)"""
    layer = single(6 * hidden + 2 * kv_width + 3 * inner + heads * where(fused, 1, sequence))
    elements = sequence * (layers * layer + 2 * hidden + vocabulary)
    return elements


@defines("cache_bytes(batch: int, sequence: int, kv_width: int, layers: int, bytes_each: int) -> total: int")
def cache_bytes(batch, sequence, kv_width, layers, bytes_each):
    """2 L B S D bytes_each"""
    total = 2 * layers * batch * sequence * kv_width * bytes_each
    return total


spec = definitions(CONTRACT, model_parameters, layer_parameters, tensors, training_bytes, kept_elements, cache_bytes)

model_parameters_inputs = cases(
    vocabulary="int in [1, 200000]",
    hidden="int in [1, 20000]",
    layers="int in [0, 200]",
    kv_width="int in [1, hidden]",
    inner="int in [1, 60000]",
    tied="bool",
)
layer_parameters_inputs = cases(
    hidden="int in [2, 20000]",
    kv_width="int in [1, hidden)",
    inner="int in [1, 60000]",
)
tensors_inputs = cases(
    layers="int in [0, 1000000000]",
    tied="bool",
)
training_bytes_inputs = cases(
    parameters="int in [1, 1000000000000000]",
    compute_bytes="int in {1, 2, 4}",
)
kept_elements_inputs = cases(
    sequence="int in [1, 10000]",
    hidden="int in [1, 10000]",
    kv_width="int in [1, hidden]",
    inner="int in [1, 30000]",
    heads="int in [1, 128]",
    layers="int in [0, 100]",
    vocabulary="int in [1, 200000]",
    fused="bool",
)
prm_kept_widths_inputs = cases(
    sequence="int in [1, 10000]",
    hidden="int in [2, 10000]",
    kv_width="int in [1, hidden)",
    inner="int in [1, 30000]",
    heads="int in [1, 128]",
    layers="int in [0, 100]",
    vocabulary="int in [1, 200000]",
    fused="bool",
)
cache_bytes_inputs = cases(
    batch="int in [1, 512]",
    sequence="int in [1, 200000]",
    kv_width="int in [1, 20000]",
    layers="int in [1, 200]",
    bytes_each="int in {1, 2, 4}",
)
prm_refuses_inputs = cases(
    vocabulary="int in [1, 200000]",
    hidden="int in [1, 20000]",
    layers="int in [0, 200]",
    kv_width="int in [1, hidden]",
    inner="int in [1, 60000]",
    tied="bool",
    which="int in [0, 4]",
)
prm_refuses_tensors_inputs = cases(
    layers="int in [0, 200]",
    tied="bool",
    wrong="int in [-3, -1]",
)
prm_refuses_bytes_inputs = cases(
    parameters="int in [1, 1000000000000]",
    compute_bytes="int in {1, 2, 4}",
    which="bool",
    width="int in {0, 3, 8, 16, 32}",
)
prm_refuses_kept_inputs = cases(
    sequence="int in [1, 10000]",
    hidden="int in [1, 10000]",
    kv_width="int in [1, hidden]",
    inner="int in [1, 30000]",
    heads="int in [1, 128]",
    layers="int in [0, 100]",
    vocabulary="int in [1, 200000]",
    fused="bool",
    which="int in [0, 6]",
)
prm_refuses_cache_inputs = cases(
    batch="int in [1, 512]",
    sequence="int in [1, 200000]",
    kv_width="int in [1, 20000]",
    layers="int in [1, 200]",
    bytes_each="int in {1, 2, 4}",
    which="int in [0, 4]",
)
prm_def_layer_parameters_inputs = cases(
    hidden="int in [1, 20000]",
    kv_width="int in [1, hidden]",
    inner="int in [1, 60000]",
)
prm_def_tensors_inputs = cases(
    layers="int in [0, 200]",
    tied="bool",
)
prm_def_training_bytes_inputs = cases(
    parameters="int in [1, 1000000000000]",
    compute_bytes="int in {1, 2, 4}",
)


@obligation("PRM-HEAD", equation="model_parameters", type="conservation")
@given(case=model_parameters_inputs)
def test_prm_head(kernel, case):
    """Untying the head adds an embedding, and nothing else."""
    vocabulary, hidden, layers, kv_width, inner = kernel.receives(case, "vocabulary hidden layers kv_width inner")
    claim(kernel.model_parameters(vocabulary, hidden, layers, kv_width, inner, False) == kernel.model_parameters(vocabulary, hidden, layers, kv_width, inner, True) + vocabulary * hidden)


@obligation("PRM-LAYERS", equation="model_parameters", type="conservation")
@given(case=model_parameters_inputs)
def test_prm_layers(kernel, case):
    """One more layer adds its parameters; without layers the embedding and the last norm are left."""
    vocabulary, hidden, layers, kv_width, inner, tied = kernel.receives(case, "vocabulary hidden layers kv_width inner tied")
    claim(kernel.model_parameters(vocabulary, hidden, layers + 1, kv_width, inner, tied) == kernel.model_parameters(vocabulary, hidden, layers, kv_width, inner, tied) + kernel.layer_parameters(hidden, kv_width, inner))
    claim(kernel.model_parameters(vocabulary, hidden, 0, kv_width, inner, True) == vocabulary * hidden + hidden)


@obligation("PRM-WIDTHS", equation="layer_parameters", type="linearity")
@given(case=layer_parameters_inputs)
def test_prm_widths(kernel, case):
    """A unit of the inner width costs three rows of H, a unit of the key width two."""
    hidden, kv_width, inner = kernel.receives(case, "hidden kv_width inner")
    claim(kernel.layer_parameters(hidden, kv_width, inner + 1) == kernel.layer_parameters(hidden, kv_width, inner) + 3 * hidden)
    claim(kernel.layer_parameters(hidden, kv_width + 1, inner) == kernel.layer_parameters(hidden, kv_width, inner) + 2 * hidden)


@obligation("PRM-TENSORS", equation="tensors", type="conservation")
@given(case=tensors_inputs)
def test_prm_tensors(kernel, case):
    """A checkpoint has nine tensors a layer and two more, three with a head of its own."""
    layers, tied = kernel.receives(case, "layers tied")
    claim(kernel.tensors(layers + 1, tied) == kernel.tensors(layers, tied) + 9)
    claim(kernel.tensors(0, True) == 2)
    claim(kernel.tensors(layers, False) == kernel.tensors(layers, True) + 1)


@obligation("PRM-SIXTEEN", equation="training_bytes", type="conservation")
@given(case=training_bytes_inputs)
def test_prm_sixteen(kernel, case):
    """Sixteen bytes a parameter, eighteen with a copy of two bytes."""
    parameters = kernel.receives(case, "parameters")
    a, b, c, d = kernel.training_bytes(parameters, 4)
    e, f, g, h = kernel.training_bytes(parameters, 2)
    claim(a + b + c + d == 16 * parameters)
    claim(e + f + g + h == 18 * parameters)
    claim(c == 2 * a)


@obligation("PRM-SQUARE", equation="kept_elements", type="homogeneity")
@given(case=kept_elements_inputs)
def test_prm_square(kernel, case):
    """Fused attention grows with the sequence, unfused with its square in the probabilities alone: twice the sequence
    adds 2 L heads S^2 elements to twice as many."""
    sequence, hidden, kv_width, inner, heads, layers, vocabulary = kernel.receives(case, "sequence hidden kv_width inner heads layers vocabulary")
    plain = kernel.kept_elements(sequence, hidden, kv_width, inner, heads, layers, vocabulary, False)
    twice = kernel.kept_elements(2 * sequence, hidden, kv_width, inner, heads, layers, vocabulary, False)
    slim = kernel.kept_elements(sequence, hidden, kv_width, inner, heads, layers, vocabulary, True)
    more = kernel.kept_elements(2 * sequence, hidden, kv_width, inner, heads, layers, vocabulary, True)
    claim(twice == 2 * plain + 2 * layers * heads * sequence * sequence)
    claim(more == 2 * slim)
    claim(slim <= plain)


@obligation("PRM-LOGITS", equation="kept_elements", type="boundary")
@given(case=kept_elements_inputs)
def test_prm_logits(kernel, case):
    """Without layers the logits are left, and what the last norm reads and makes."""
    sequence, hidden, kv_width, inner, heads, vocabulary, fused = kernel.receives(case, "sequence hidden kv_width inner heads vocabulary fused")
    claim(kernel.kept_elements(sequence, hidden, kv_width, inner, heads, 0, vocabulary, fused) == sequence * (vocabulary + 2 * hidden))


@obligation("PRM-KEPT-WIDTHS", equation="kept_elements", type="linearity")
@given(case=prm_kept_widths_inputs)
def test_prm_kept_widths(kernel, case):
    """A unit of the width costs six numbers a token and layer, and two beside the layers; one of the inner width three,
    one of the keys two."""
    sequence, hidden, kv_width, inner, heads, layers, vocabulary, fused = kernel.receives(case, "sequence hidden kv_width inner heads layers vocabulary fused")
    here = kernel.kept_elements(sequence, hidden, kv_width, inner, heads, layers, vocabulary, fused)
    claim(kernel.kept_elements(sequence, hidden + 1, kv_width, inner, heads, layers, vocabulary, fused) == here + sequence * (6 * layers + 2))
    claim(kernel.kept_elements(sequence, hidden, kv_width, inner + 1, heads, layers, vocabulary, fused) == here + 3 * sequence * layers)
    claim(kernel.kept_elements(sequence, hidden, kv_width + 1, inner, heads, layers, vocabulary, fused) == here + 2 * sequence * layers)


@obligation("PRM-CACHE", equation="cache_bytes", type="homogeneity")
@given(case=cache_bytes_inputs)
def test_prm_cache(kernel, case):
    """Keys and values of one token of one layer take 2 D bytes_each; batch, sequence and layers multiply it."""
    batch, sequence, kv_width, layers, bytes_each = kernel.receives(case, "batch sequence kv_width layers bytes_each")
    claim(kernel.cache_bytes(batch, sequence, kv_width, layers, bytes_each) == batch * sequence * layers * kernel.cache_bytes(1, 1, kv_width, 1, bytes_each))
    claim(kernel.cache_bytes(1, 1, kv_width, 1, 1) == 2 * kv_width)


@obligation("PRM-REFUSES", equation="model_parameters", type="rejection")
@given(case=prm_refuses_inputs)
def test_prm_refuses(kernel, case):
    """A width below 1 is refused, and so are keys wider than the model and a negative number of layers."""
    vocabulary, hidden, layers, kv_width, inner, tied, which = kernel.receives(case, "vocabulary hidden layers kv_width inner tied which")
    v = single(where(which == 0, 0, vocabulary))
    d = single(where(which == 1, 0, where(which == 2, hidden + 1, kv_width)))
    i = single(where(which == 3, -1, inner))
    l = single(where(which == 4, -1, layers))
    rejects(kernel, "model_parameters", (v, hidden, l, d, i, tied), ValueError, mentions=["at least"])


@obligation("PRM-REFUSES-TENSORS", equation="tensors", type="rejection")
@given(case=prm_refuses_tensors_inputs)
def test_prm_refuses_tensors(kernel, case):
    """A negative number of layers is refused."""
    tied, wrong = kernel.receives(case, "tied wrong")
    rejects(kernel, "tensors", (wrong, tied), ValueError, mentions=["layers"])


@obligation("PRM-REFUSES-BYTES", equation="training_bytes", type="rejection")
@given(case=prm_refuses_bytes_inputs)
def test_prm_refuses_bytes(kernel, case):
    """No parameters, and a type of no such width, are refused."""
    parameters, compute_bytes, which, width = kernel.receives(case, "parameters compute_bytes which width")
    rejects(
        kernel,
        "training_bytes",
        (where(which, 0, parameters), where(which, compute_bytes, width)),
        ValueError,
        mentions=["must be"],
    )


@obligation("PRM-REFUSES-KEPT", equation="kept_elements", type="rejection")
@given(case=prm_refuses_kept_inputs)
def test_prm_refuses_kept(kernel, case):
    """Of the activations, too, every size below 1 is refused, keys wider than the model, and a negative number of
    layers."""
    sequence, hidden, kv_width, inner, heads, layers, vocabulary, fused, which = kernel.receives(case, "sequence hidden kv_width inner heads layers vocabulary fused which")
    s = single(where(which == 0, 0, sequence))
    d = single(where(which == 1, 0, where(which == 2, hidden + 1, kv_width)))
    i = single(where(which == 3, 0, inner))
    h = single(where(which == 4, 0, heads))
    l = single(where(which == 5, -1, layers))
    v = single(where(which == 6, 0, vocabulary))
    rejects(kernel, "kept_elements", (s, hidden, d, i, h, l, v, fused), ValueError, mentions=["at least"])


@obligation("PRM-REFUSES-CACHE", equation="cache_bytes", type="rejection")
@given(case=prm_refuses_cache_inputs)
def test_prm_refuses_cache(kernel, case):
    """A cache of a size below 1 is refused."""
    batch, sequence, kv_width, layers, bytes_each, which = kernel.receives(case, "batch sequence kv_width layers bytes_each which")
    b = single(where(which == 0, 0, batch))
    s = single(where(which == 1, 0, sequence))
    d = single(where(which == 2, 0, kv_width))
    l = single(where(which == 3, 0, layers))
    e = single(where(which == 4, 0, bytes_each))
    rejects(kernel, "cache_bytes", (b, s, d, l, e), ValueError, mentions=["at least"])


@obligation("PRM-DEF-LAYER_PARAMETERS", equation="layer_parameters", type="definition")
@given(case=prm_def_layer_parameters_inputs)
def test_prm_def_layer_parameters(kernel, case):
    """layer_parameters computes its definition."""
    hidden, kv_width, inner = kernel.receives(case, "hidden kv_width inner")
    parameters = kernel.layer_parameters(hidden, kv_width, inner)
    expected_parameters = spec.layer_parameters(hidden, kv_width, inner)
    claim(approx(parameters, expected_parameters))


@obligation("PRM-DEF-MODEL_PARAMETERS", equation="model_parameters", type="definition")
@given(case=model_parameters_inputs)
def test_prm_def_model_parameters(kernel, case):
    """model_parameters computes its definition."""
    vocabulary, hidden, layers, kv_width, inner, tied = kernel.receives(case, "vocabulary hidden layers kv_width inner tied")
    parameters = kernel.model_parameters(vocabulary, hidden, layers, kv_width, inner, tied)
    expected_parameters = spec.model_parameters(vocabulary, hidden, layers, kv_width, inner, tied)
    claim(approx(parameters, expected_parameters))


@obligation("PRM-DEF-TENSORS", equation="tensors", type="definition")
@given(case=prm_def_tensors_inputs)
def test_prm_def_tensors(kernel, case):
    """tensors computes its definition."""
    layers, tied = kernel.receives(case, "layers tied")
    number = kernel.tensors(layers, tied)
    expected_number = spec.tensors(layers, tied)
    claim(approx(number, expected_number))


@obligation("PRM-DEF-TRAINING_BYTES", equation="training_bytes", type="definition")
@given(case=prm_def_training_bytes_inputs)
def test_prm_def_training_bytes(kernel, case):
    """training_bytes computes its definition."""
    parameters, compute_bytes = kernel.receives(case, "parameters compute_bytes")
    weights, gradients, moments, copy = kernel.training_bytes(parameters, compute_bytes)
    expected_weights, expected_gradients, expected_moments, expected_copy = spec.training_bytes(parameters, compute_bytes)
    claim(approx(weights, expected_weights))
    claim(approx(gradients, expected_gradients))
    claim(approx(moments, expected_moments))
    claim(approx(copy, expected_copy))


@obligation("PRM-DEF-KEPT_ELEMENTS", equation="kept_elements", type="definition")
@given(case=kept_elements_inputs)
def test_prm_def_kept_elements(kernel, case):
    """kept_elements computes its definition."""
    sequence, hidden, kv_width, inner, heads, layers, vocabulary, fused = kernel.receives(case, "sequence hidden kv_width inner heads layers vocabulary fused")
    elements = kernel.kept_elements(sequence, hidden, kv_width, inner, heads, layers, vocabulary, fused)
    expected_elements = spec.kept_elements(sequence, hidden, kv_width, inner, heads, layers, vocabulary, fused)
    claim(approx(elements, expected_elements))


@obligation("PRM-DEF-CACHE_BYTES", equation="cache_bytes", type="definition")
@given(case=cache_bytes_inputs)
def test_prm_def_cache_bytes(kernel, case):
    """cache_bytes computes its definition."""
    batch, sequence, kv_width, layers, bytes_each = kernel.receives(case, "batch sequence kv_width layers bytes_each")
    total = kernel.cache_bytes(batch, sequence, kv_width, layers, bytes_each)
    expected_total = spec.cache_bytes(batch, sequence, kv_width, layers, bytes_each)
    claim(approx(total, expected_total))


@obligation("PRM-PREDICTS-398M", rule="PRM-DEF-MODEL_PARAMETERS", type="falsification")
def test_prm_predicts_398m(kernel):
    """The model that was called 350M has 398,509,056 parameters in 218 tensors; the one called 50M 62,403,072 in
    110."""
    case = example(
        {"vocabulary": "int", "hidden": "int", "layers": "int", "kv_width": "int", "inner": "int", "tied": "bool"},
        vocabulary=32768,
        hidden=1024,
        layers=24,
        kv_width=256,
        inner=4096,
        tied=True,
    )
    vocabulary, hidden, layers, kv_width, inner, tied = kernel.receives(case, "vocabulary hidden layers kv_width inner tied")
    claim(kernel.model_parameters(vocabulary, hidden, layers, kv_width, inner, tied) == 398509056)
    claim(kernel.model_parameters(32768, 512, 12, 128, 2048, True) == 62403072)
    claim(kernel.tensors(24, True) == 218)
    claim(kernel.tensors(12, True) == 110)
    claim(kernel.layer_parameters(hidden, kv_width, inner) == 15206400)


@obligation("PRM-PREDICTS-KEPT", rule="PRM-DEF-KEPT_ELEMENTS", type="falsification")
def test_prm_predicts_kept(kernel):
    """At S = H = 1,024 a layer keeps 34.5 S H elements, unfused; the last norm takes 2 S H more, the logits 32 S H: far
    beyond 10 S H."""
    case = example(
        {"sequence": "int", "hidden": "int", "kv_width": "int", "inner": "int", "heads": "int", "layers": "int", "vocabulary": "int", "fused": "bool"},
        sequence=1024,
        hidden=1024,
        kv_width=256,
        inner=4096,
        heads=16,
        layers=1,
        vocabulary=32768,
        fused=False,
    )
    sequence, hidden, kv_width, inner, heads, layers, vocabulary, fused = kernel.receives(case, "sequence hidden kv_width inner heads layers vocabulary fused")
    claim(2 * kernel.kept_elements(sequence, hidden, kv_width, inner, heads, layers, vocabulary, fused) == (69 + 4 + 64) * 1024 * 1024)
