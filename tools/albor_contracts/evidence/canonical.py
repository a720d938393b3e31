"""Text and source reduced to what they mean, in the same words on every supported Python.

`ast.dump` and `ast.unparse` change between Python versions; evidence does not, so the tree is written out here.
"""

from __future__ import annotations

import ast
import hashlib
import json
import math
import re
import textwrap
import warnings
from functools import cache, lru_cache
from typing import Any

_WORD = re.compile(r"[A-Za-z_]\w*|\d[\w.]*|\S")
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_NOT_MEANING = ("ctx", "kind", "type_comment", "type_ignores")
_UNPARSABLE = (SyntaxError, ValueError, RecursionError, MemoryError)


def digest(data: Any) -> str:
    """Sha256 of JSON-like data, keys sorted. NaN and infinities are written by name."""
    text = json.dumps(_jsonable(data), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@lru_cache(maxsize=8192)
def canonical_text(text: str) -> str:
    """An expression, statements or notation of a contract without comments, layout and redundant brackets."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return write_tree(ast.parse(textwrap.dedent(text).strip()))
    except _UNPARSABLE:
        # Signatures, ranges and domains are not Python: words and signs are compared.
        lines = (re.sub(r"(^|\s)#.*", "", line) for line in text.splitlines())
        return " ".join(_WORD.findall(" ".join(lines)))


def canonical_source(source: str) -> str:
    """Python source without comments, docstrings and layout; as it stands where this Python cannot parse it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return write_tree(ast.parse(source))
    except _UNPARSABLE:
        return source


def write_tree(node: Any) -> str:
    """The syntax tree as text, without positions, empty fields and docstrings."""
    if isinstance(node, ast.AST):
        kind: Any = type(node)  # typed as what it is, it would not count as hashable
        parts = []
        for name in _meaning(kind):
            value = getattr(node, name, None)
            if value is None or value == []:
                continue
            if kind is ast.Constant:
                parts.append(f"{name}={_constant(value)}")
                continue
            if name == "body" and isinstance(node, _DOCUMENTED):
                value = _without_docstring(value)
            parts.append(f"{name}={write_tree(value)}")
        return f"{kind.__name__}({','.join(parts)})"
    if isinstance(node, list):
        return f"[{','.join([write_tree(item) for item in node])}]"
    return repr(node)


@cache
def _meaning(kind: type[ast.AST]) -> tuple[str, ...]:
    """The fields of a kind of node that mean something, in alphabetical order."""
    return tuple(name for name in sorted(kind._fields) if name not in _NOT_MEANING)


def _constant(value: Any) -> str:
    return f"{type(value).__name__}:{value!r}"


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return body[1:]
    return body


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    if isinstance(value, int) and abs(value) >= 1 << 64:
        return {"int": hex(value)}  # the decimal form of very long numbers is refused
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    return value if isinstance(value, str | int | float | type(None)) else str(value)
