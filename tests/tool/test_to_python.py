"""The emitted Python computes what plain loops compute: on arrays, on values with bounds, and on tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from albor_contracts import testing
from albor_contracts.lang.check import check_block
from albor_contracts.lang.dims import Dims
from albor_contracts.lang.scope import Scope
from albor_contracts.lang.syntax import parse_block
from albor_contracts.lang.to_python import Emitter, grid_line, sizes_header, used_indices
from albor_contracts.lang.types import Type, parse_domain, parse_type
from albor_contracts.runtime.bounded import Bounded
from albor_contracts.runtime.functions import carrying_bounds
from albor_contracts.runtime.traced import Traced, gradients
from albor_contracts.runtime.truth import Truth
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loops import Loops

INPUTS = {
    "x": "float[B, N]",
    "w": "float[N]",
    "u": "float[N, N]",
    "ids": "i64[B] in [0, N)",
    "codes": "i64[B, N] in [0, 255]",
    "mask": "bool[B, N]",
    "a": "real",
    "flag": "bool",
    "k": "int in [1, 3]",
}
SIZES = {"B": 2, "N": 3}


def inputs(rng: np.random.Generator) -> dict[str, Any]:
    def halves(*shape: int) -> np.ndarray:
        return rng.integers(-4, 5, shape) / 2

    return {
        "x": halves(2, 3),
        "w": halves(3),
        "u": halves(3, 3),
        "ids": rng.integers(0, 3, 2),
        "codes": rng.integers(0, 256, (2, 3)),
        "mask": rng.random((2, 3)) < 0.5,
        "a": float(rng.integers(-4, 5)) / 2,
        "flag": bool(rng.random() < 0.5),
        "k": int(rng.integers(1, 4)),
    }


def scope_of() -> Scope:
    types, domains = {}, {}
    for name, text in INPUTS.items():
        types[name], rest = parse_type(text)
        domains[name] = parse_domain(rest)
    return Scope(Dims({}, {"B": 1, "N": 1}), types, domains, {}, outputs={}, dim_names=frozenset(SIZES))


def compiled(text: str) -> tuple[Any, Any, Scope]:
    """A function of the inputs that returns `y`, made as definitions are made; and the tree."""
    statements, source = parse_block(text)
    scope = scope_of()
    shape = tuple({"b": "B"}.get(i, "N") for i in statements[-1].indices or ())
    scope.outputs["y"] = Type("f64", shape)
    check_block(statements, source, scope)
    emitter = Emitter(scope, kernel="spec")
    body = [emitter.statement(s) for s in statements]
    used = used_indices(statements)
    types = [(n, t) for n, t in scope.values.items() if n in INPUTS]
    header = sizes_header(types, {"B", "N"}, {})
    grid = grid_line(scope, used)
    lines = [
        f"def f({', '.join(INPUTS)}):",
        *(f"    {line}" for line in [*header, *([grid] if grid else []), *body, "return y"]),
    ]
    space = {n: getattr(testing, n) for n in testing.__all__}
    exec("\n".join(lines), space)
    return space["f"], statements, scope


def plain(value: Any) -> np.ndarray:
    if isinstance(value, Traced):
        return value.value.detach().numpy()
    return np.asarray(value.value if isinstance(value, Bounded | Truth) else value, dtype=float)


def agree(text: str, seed: int, traced: bool = True, exact: bool = False) -> None:
    function, statements, scope = compiled(text)
    values = inputs(np.random.default_rng(seed))
    expected = np.asarray(Loops(scope, values, SIZES).run(statements)["y"], dtype=float)
    backends = {"arrays": values}
    backends["bounds"] = {
        n: Bounded(v)
        if isinstance(v, np.ndarray) and v.dtype.kind == "f"
        else Bounded(v, 0.0)
        if isinstance(v, float)
        else v
        for n, v in values.items()
    }
    if traced:
        import torch

        backends["tensors"] = {
            n: Traced(torch.tensor(v)) if isinstance(v, np.ndarray) and v.dtype.kind == "f" else v
            for n, v in values.items()
        }
    for name, given_values in backends.items():
        with np.errstate(all="ignore"):
            if name == "bounds":
                with carrying_bounds():
                    found = function(**given_values)
            else:
                found = function(**given_values)
        tolerance = 0 if exact else 1e-9
        np.testing.assert_allclose(plain(found), expected, rtol=tolerance, atol=tolerance, err_msg=f"{name}: {text}")


CORPUS = [
    "y[b, i] = x[b, i] * w[i] + a",
    "y[i] = sum[b](x[b, i])",
    "y[i, b] = x[b, i]",
    "y = sum[b, i](x[b, i] * w[i])",
    "y[b] = sum[i](x[b, i] * w[i] * u[i, i])",
    "y[b, i] = sum[j](u[i, j] * x[b, j])",
    "y[b] = sum[i](x[b, i], where=mask[b, i])",
    "y[b] = mean[i](x[b, i], where=mask[b, i] or i == 0)",
    "y[b] = max[i](x[b, i], where=i >= 1 or mask[b, i])",
    "y[b] = min[i](x[b, i])",
    "y[b] = prod[i](x[b, i])",
    "y[b] = count[i](x[b, i] > 0)",
    "y[b] = argmax[i](x[b, i])",
    "y[b] = argmin[i](x[b, i])",
    "y[b] = int(all[i](mask[b, i]))",
    "y[b] = int(any[i](mask[b, i] and x[b, i] > 0))",
    "y[b] = x[b, ids[b]]",
    "y[b] = w[argmax[j](x[b, j])]",
    "m[b] = argmin[j](x[b, j])\ny[b] = w[m[b]] + x[b, m[b]]",
    "y[b, i] = where(i > 0, x[b, i - 1], 0)",
    "y[b, i] = where(i + 1 < N, x[b, i + 1], 7)",
    "y[b, i] = where(i == N - 1, 7, x[b, i + 1])",
    "y[b, i] = where(not (i > 0), 5, x[b, i - 1])",
    "y[b, i] = sum[j](w[j] * x[b, i - j], where=j <= i)",
    "y[b, i] = sum[j](w[j] * x[b, j - i], where=j >= i)",
    "y[b, i] = x[b, (i + k) % N]",
    "y[b, i] = x[b, N - 1 - i]",
    "y[b, i] = x[b, min(i + 1, N - 1)]",
    "y[b, i] = x[b, max(i - 1, 0)]",
    "y[b, i] = x[b, clip(i + k, 0, N - 1)]",
    "y[b, i] = x[b, clip(codes[b, i], 0, N - 1)]",
    "y[b, i] = ((codes[b, i] >> 2) & 15) | ((codes[b, i] ^ 3) << 4)",
    "y[b, i] = ~codes[b, i] + (codes[b, i] % 7) * (codes[b, i] // 5)",
    "y[b, i] = codes[b, i] / (codes[b, i] + 1)",
    "y[b, i] = floor(x[b, i]) // 2 + round(x[b, i]) % 3",
    "f[b, i] = floor(x[b, i])\ny[b, i] = (f[b, i] & 3) + (ceil(x[b, i]) << 1)",
    "y[b, i] = where(mask[b, i], 1, 2)",
    "y[b, i] = int(where(mask[b, i], x[b, i] > 0, w[i] > 0))",
    "y[b, i] = where(flag, x[b, i], w[i])",
    "y[b, i] = where(not flag, x[b, i], w[i])",
    "y[b, i] = where(not flag and a > 0, x[b, i], w[i])",
    "y[b, i] = where(not (a > 0 or N > 5), x[b, i], w[i])",
    "y[b, i] = int(not (mask[b, i] == flag))",
    "y[b, i] = int(0 < x[b, i] <= 1)",
    "y = int(0 < a < N)",
    "y = 1 / a",
    "y = a / (a - a)",
    "y = (a * a + 1) ** 0.5 + (k - 3) ** 2 + k ** 2",
    "y = (k + 1) ** (k - 4)",
    "y[i] = 2 ** i + 2 ** (0 - i) + k ** i",
    "y = (0 - 2) ** 0.5 + a",
    "y[i] = x[1 - 1, i] - -w[i] + +w[i]",
    "y[b, i] = exp(x[b, i]) + expm1(a) + sin(w[i]) * cos(a) + tanh(x[b, i])",
    "y[b, i] = log(abs(x[b, i]) + 1) + log1p(abs(a)) + sqrt(abs(w[i])) + rsqrt(abs(x[b, i]) + 1) + sigmoid(x[b, i])",
    "y[b, i] = max(x[b, i], w[i], a) + min(x[b, i], 0) + clip(x[b, i], 0 - 1, a)",
    "y[b, i] = sign(x[b, i]) * abs(w[i]) + real(mask[b, i]) + real(codes[b, i]) / 3",
    "y[b] = int(isfinite(1 / x[b, 0]))",
    "y[b] = sum[i, j](x[b, i] * u[i, j] * x[b, j])",
    "y[b] = sum[i](x[b, i] * a)",
    "y = sum[i](a * k + 0 * w[i])",
    "c = sum[i](w[i])\ny[b] = c * x[b, 0] + c",
    "c = a + 1\ny[b] = sum[i](c * w[i]) / (c * c + 1)",
    "y[b] = sum[i](1 + 0 * w[i], where=mask[b, i])",
    "c = a * 2\ny[b] = sum[i](c, where=mask[b, i])",
    "y[b] = prod[i](2, where=mask[b, i])",
    "y[b] = mean[i](codes[b, i])",
    "y[b] = sum[i](codes[b, i] * codes[b, i])",
    "e[b, i] = exp(x[b, i] - max[j](x[b, j]))\ny[b, i] = e[b, i] / sum[j](e[b, j])",
    "y[i] = where(u[i, 0] < 0, -inf, inf)",
    "y[i] = sum[j](u[i, j] * sum[b](x[b, i] * x[b, j]))",
    "y[b] = sum[i](where(x[b, i] > 0, x[b, i], 0) * w[i])",
    "y[i] = count[j](w[j] > w[i] or (w[j] == w[i] and j < i))",
    "f[j: 6] = x[j % B, j % N]\ny[b, i] = f[(3 * b + i) % 6]",
]  # fmt: skip


@pytest.mark.parametrize("text", dict.fromkeys(CORPUS))
def test_corpus(text):
    for seed in range(4):
        agree(text, seed)


def test_single_elements_and_one_wide_axes():
    function, statements, scope = compiled("y[b, i] = sum[j](u[i, j] * x[b, j]) + max[j](x[b, j])")
    values = {**inputs(np.random.default_rng(0)), "x": np.ones((1, 1)), "w": np.ones(1), "u": np.full((1, 1), 3.0)}
    assert function(**values).shape == (1, 1)
    assert function(**values)[0, 0] == Loops(scope, values, {"B": 1, "N": 1}).run(statements)["y"][0, 0] == 4


class Writer:
    """Writes random well-typed expressions. Decisions fall on exact numbers only, so that every backend agrees."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.count = 0

    def pick(self, *options: Any) -> Any:
        return self.draw(st.sampled_from(options))

    def index(self, bound: dict[str, str], dim: str) -> str:
        fitting = [i for i, d in bound.items() if d == dim]
        simple = [*fitting, *(f"({i} + k) % {dim}" for i in fitting), *(f"{dim} - 1 - {i}" for i in fitting), "0"]
        return self.pick(*simple, *(["ids[b]"] if dim == "N" and "b" in bound else []))

    def element(self, bound: dict[str, str]) -> str:
        match self.pick("x", "w", "u", "a"):
            case "x":
                return f"x[{self.index(bound, 'B')}, {self.index(bound, 'N')}]"
            case "w":
                return f"w[{self.index(bound, 'N')}]"
            case "u":
                return f"u[{self.index(bound, 'N')}, {self.index(bound, 'N')}]"
        return "a"

    def exact(self, bound: dict[str, str], depth: int) -> str:
        if depth <= 0:
            return self.pick(self.element(bound), self.element(bound), "0.5", "2", "k", *bound)
        kind = self.pick("leaf", "+", "-", "*", "where", "max", "abs", "reduce", "neg", "floor", "clip", "int")
        a, b = (lambda: self.exact(bound, depth - 1)), (lambda: self.exact(bound, depth - 1))
        match kind:
            case "+" | "-" | "*":
                return f"({a()} {kind} {b()})"
            case "where":
                return f"where({self.condition(bound, depth - 1)}, {a()}, {b()})"
            case "max":
                return f"{self.pick('min', 'max')}({a()}, {b()})"
            case "abs":
                return f"{self.pick('abs', 'sign')}({a()})"
            case "neg":
                return f"(-{a()})"
            case "floor":
                return f"{self.pick('floor', 'ceil', 'round')}({a()})"
            case "clip":
                return f"clip({a()}, -1, {self.pick('2', 'a')})"
            case "int":
                return f"int({self.condition(bound, depth - 1)})"
            case "reduce":
                return self.reduction(bound, depth, self.pick("sum", "max", "min", "count", "prod"))
        return self.exact(bound, 0)

    def reduction(self, bound: dict[str, str], depth: int, op: str) -> str:
        self.count += 1
        name, dim = f"r{self.count}", self.pick("B", "N")
        inner = {**bound, name: dim}
        anchor = f"x[{name}, 0]" if dim == "B" else f"w[{name}]"
        if op in ("count", "all", "any"):
            body = f"{anchor} > {self.exact(inner, depth - 1)}"
        else:
            body = self.pick(
                f"{anchor} * {self.exact(inner, depth - 2)}", f"{anchor} + {self.exact(inner, depth - 2)}", anchor
            )
        where = (
            f", where={self.condition(inner, 0)}"
            if op in ("sum", "count", "prod", "all", "any") and self.pick(True, False)
            else ""
        )
        return f"{op}[{name}]({body}{where})"

    def condition(self, bound: dict[str, str], depth: int) -> str:
        if depth <= 0:
            return self.pick(
                "flag",
                "a > 0",
                *([f"mask[b, {i}]" for i, d in bound.items() if d == "N"] if "b" in bound else []),
                f"{self.element(bound)} > 0",
            )
        match self.pick("compare", "and", "or", "not", "leaf", "all"):
            case "compare":
                left, op = self.exact(bound, depth - 1), self.pick("<", "<=", ">", ">=", "==", "!=")
                return f"{left} {op} {self.exact(bound, depth - 1)}"
            case "and" | "or" as word:
                return f"(({self.condition(bound, depth - 1)}) {word} ({self.condition(bound, depth - 1)}))"
            case "not":
                return f"(not ({self.condition(bound, depth - 1)}))"
            case "all":
                return self.reduction(bound, depth, self.pick("all", "any"))
        return self.condition(bound, 0)

    def smooth(self, bound: dict[str, str], depth: int) -> str:
        if depth <= 0:
            return self.exact(bound, 1)
        match self.pick("f", "/", "mean", "+", "*", "where", "exact"):
            case "f":
                return f"{self.pick('exp', 'sin', 'cos', 'tanh', 'sigmoid')}(0.125 * {self.exact(bound, 1)})"
            case "/":
                return f"({self.smooth(bound, depth - 1)} / (1.5 + abs({self.exact(bound, 1)})))"
            case "mean":
                self.count += 1
                inner = {**bound, f"r{self.count}": "N"}
                return f"mean[r{self.count}](w[r{self.count}] + {self.smooth(inner, depth - 1)})"
            case "+" | "*" as op:
                return f"({self.smooth(bound, depth - 1)} {op} {self.smooth(bound, depth - 1)})"
            case "where":
                condition, first = self.condition(bound, 1), self.smooth(bound, depth - 1)
                return f"where({condition}, {first}, {self.smooth(bound, depth - 1)})"
        return self.exact(bound, depth)


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_random_expressions(data):
    writer = Writer(data.draw)
    bound = data.draw(st.sampled_from([{}, {"b": "B"}, {"i": "N"}, {"b": "B", "i": "N"}]))
    left = f"y[{', '.join(bound)}]" if bound else "y"
    anchors = {"b": "x[b, 0]", "i": "w[i]"}
    anchor = " + ".join(anchors[i] for i in bound) or "0"
    agree(f"{left} = {anchor} + {writer.smooth(bound, 3)}", data.draw(st.integers(0, 3)))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(
        st.sampled_from(["x[b, i]", "w[i]", "w[j]", "u[i, j]", "u[j, j]", "a", "k", "b", "j", "0.5"]),
        min_size=2,
        max_size=4,
    ),
    st.sampled_from(["i", "j", "i, j", "b, j"]),
)
def test_a_sum_of_products_is_the_plain_sum(factors, over):
    """`sum[j](f * g)` lowers to einsum; written as `sum[j](f * g + 0)` it does not."""
    names = [n.strip() for n in over.split(",")]
    rest = [n for n in ("b", "i", "j") if n not in names]
    anchors = " * ".join(f"({a} * 0 + 1)" for a in ("x[b, i]", "w[j]"))
    body = " * ".join([*factors, anchors])
    left = f"[{', '.join(rest)}]" if rest else ""
    values = inputs(np.random.default_rng(len(factors)))
    fast, _, _ = compiled(f"y{left} = sum[{over}]({body})")
    slow, _, _ = compiled(f"y{left} = sum[{over}]({body} + 0)")
    np.testing.assert_allclose(plain(fast(**values)), plain(slow(**values)), rtol=1e-12, atol=1e-12)


SMOOTH = {
    "softmax": "e[b, i] = exp(x[b, i] - max[j](x[b, j]))\ny[b, i] = e[b, i] / sum[j](e[b, j])",
    "rmsnorm": "y[b, i] = x[b, i] / sqrt(mean[j](x[b, j] * x[b, j]) + 0.01) * w[i]",
    "attention": (
        "s[i, j] = sum[b](x[b, i] * x[b, j]) / 2\n"
        "e[i, j] = where(j <= i, exp(s[i, j]), 0)\n"
        "y[i, b] = sum[j](e[i, j] / sum[l](e[i, l]) * x[b, j])"
    ),
    "gather": "y[b] = x[b, ids[b]] * w[ids[b]]",
    "shift": "y[b, i] = where(i > 0, x[b, i - 1] * w[i], 0)",
    "powers": "y[b, i] = (x[b, i] * x[b, i] + 1) ** 0.5 + w[i] ** 3 + 2 ** w[i]",
    "functions": (
        "y[b, i] = sin(x[b, i]) * cos(w[i]) + tanh(x[b, i]) * sigmoid(w[i]) + erf(x[b, i]) + log1p(w[i] * w[i])"
    ),
    "products": "y[b] = prod[i](x[b, i] + 3)",
    "extremes": "y[b] = max[i](x[b, i] + 0.125 * i) + min[i](x[b, i] * w[i] - 0.25 * i)",
    "decisions": "y[b, i] = where(mask[b, i], x[b, i] * w[i], clip(x[b, i], -0.7, 0.7)) + abs(x[b, i] + 0.1)",
    "argmax": "m[b] = argmax[j](x[b, j] + 0.125 * j)\ny[b] = x[b, m[b]] * w[m[b]]",
    "scalar": "y[b, i] = a * x[b, i] + 1 / (a * a + 1)",
}


@pytest.mark.parametrize("name", SMOOTH)
def test_gradients_are_those_of_finite_differences(name):
    function, _, _ = compiled(SMOOTH[name])
    rng = np.random.default_rng(len(name))
    values = inputs(rng)
    values |= {n: rng.normal(size=np.shape(values[n])) for n in ("x", "w", "u")} | {"a": 0.7}
    shape = plain(function(**values)).shape
    cotangent = rng.normal(size=shape)
    wrt = ["x", "w", "a"]
    found = dict(zip(wrt, gradients(function, values, wrt, [cotangent]), strict=True))

    def total(**changed: Any) -> float:
        return float((plain(function(**{**values, **changed})) * cotangent).sum())

    step = 1e-6
    for input_name in wrt:
        value = np.asarray(values[input_name], dtype=float)
        for place in np.ndindex(value.shape):
            up, down = value.copy(), value.copy()
            up[place] += step
            down[place] -= step
            as_given = (lambda v: v) if value.ndim else float
            slope = (total(**{input_name: as_given(up)}) - total(**{input_name: as_given(down)})) / (2 * step)
            assert found[input_name][place] == pytest.approx(slope, rel=1e-5, abs=1e-6), (input_name, place)


def test_a_declared_rounding_has_the_derivative_of_the_identity():
    function, _, _ = compiled("y[b, i] = round_to(bf16, x[b, i]) * w[i]")
    values = inputs(np.random.default_rng(3)) | {"x": np.full((2, 3), 1 / 3)}
    assert plain(function(**values))[0, 0] == 0.333984375 * values["w"][0]
    (found,) = gradients(function, values, ["x"], [np.ones((2, 3))])
    np.testing.assert_array_equal(found, np.broadcast_to(values["w"], (2, 3)))


def test_undecided_indices_leave_the_element_undecided():
    function, _, _ = compiled("y[b] = w[argmax[j](x[b, j])]")
    values = inputs(np.random.default_rng(0))
    near = Bounded(np.array([[1.0, 1.0 + 1e-12, 0.0], [5.0, 0.0, 0.0]]), np.full((2, 3), 1e-6))
    with carrying_bounds():
        found = function(**{**values, "x": near})
    assert np.isinf(found.errors()[0])
    assert found.errors()[1] == 0
    assert found.value[1] == values["w"][0]
