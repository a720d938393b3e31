"""Under an obligation of determinism a kernel that is given a text is called in a second process as well."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from albor_contracts.run import Elsewhere
from albor_contracts.runtime.session import session
from albor_contracts.runtime.target import Target
from toys import HEAD, Toy

TOY = (
    HEAD
    + """
equations:
  key: {signature: "key(text: text) -> k: int", domain: {text: "length 1..8"}}
proof_obligations:
  - {id: TY-AGAIN, equation: key, type: determinism, property: "The same text has the same key.", call: key(text)}
  - {id: TY-RANGE, equation: key, type: conservation, property: "Keys are not negative.", check: "key(text) >= 0"}
"""
)


class Named(Toy):
    """Judges functions of modules, under the names by which another process finds them."""

    def kernel(self, dtype="f64", **functions):
        kernel = super().kernel(dtype, **functions)
        kernel.targets = {e: Target(f, f"{f.__module__}:{f.__name__}") for e, f in functions.items()}
        return kernel


@pytest.fixture(scope="module")
def toy() -> Toy:
    return Named(TOY)


@pytest.fixture
def texts(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "kernels"))
    monkeypatch.setattr(session, "elsewhere", Elsewhere)
    monkeypatch.setenv("OURS", "7")
    monkeypatch.setenv("PYTHONHASHSEED", "7")  # what this process says of itself
    import texts

    yield texts
    del sys.modules["texts"]


def test_what_no_process_decides_passes(toy, texts):
    assert toy.judge("TY-AGAIN", key=texts.key) == "passed"


@pytest.mark.parametrize("name", ["hashed", "set_in_its_order"])
def test_hashes_of_texts_are_found(toy, texts, name):
    said = toy.judge("TY-AGAIN", key=getattr(texts, name))
    assert said.startswith(
        f"texts:{name} was called on the same inputs in another process, and not the same came back:"
    )
    assert "k is not bitwise equal" in said and "hashlib" in said


def test_other_obligations_do_not_ask(toy, texts):
    assert toy.judge("TY-RANGE", key=texts.hashed) == "passed"


def test_what_a_kernel_prints_is_no_answer(toy, texts):
    assert toy.judge("TY-AGAIN", key=texts.printed) == "passed"


@pytest.mark.parametrize(
    ("name", "words"), [("ends_elsewhere", "the process ended"), ("raises_elsewhere", "LookupError")]
)
def test_without_a_result_there_is_a_reason(toy, texts, name, words):
    said = toy.judge("TY-AGAIN", key=getattr(texts, name))
    assert "in another process" in said and words in said and "hashlib" not in said


def test_what_only_this_process_has_is_not_asked_for(toy, texts):
    """A function made here has the name of another one there."""

    def key(text):
        return texts.hashed(text)

    key.__module__ = "texts"
    assert toy.judge("TY-AGAIN", key=key) == "passed"


def test_planted_faults_are_there_as_well():
    other = Elsewhere([("albor_reference.optim.weight_init:_key", "sha256", "sha1")])
    plain = Elsewhere()
    try:
        keys = [o.call("albor_reference.optim.weight_init:_key", [1, "w"], {}) for o in (other, plain, other)]
    finally:
        other.close()
        plain.close()
    assert keys[0] == keys[2] != keys[1]
