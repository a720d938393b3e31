"""Engine ieee: a law with one float argument, as NumPy over all its values at once."""

from __future__ import annotations

from collections.abc import Sequence

from ..lang import tree
from ..lang.to_float16 import HalfEmitter
from ..lang.types import Type, parse_domain
from ..lang.unroll import CannotExpress, exact_value
from .proof import Body, ProofOf, sides_of
from .texts import quoted_doc


class HalfProof(ProofOf):
    """A law about a kernel in float16: the target where there is one, else the definition rounded once."""

    def emit(self) -> tuple[Body, str]:
        constants: dict[str, float] = {}
        varying: list[tuple[str, Type, str]] = []
        for name, type_, text in self.inputs():
            domain = None if text.startswith("permutation") or type_.is_opaque else parse_domain(text)
            single = domain is not None and len(domain.values) == 1 and not domain.intervals
            value = exact_value(domain.values[0], {}) if domain is not None and single else None
            if value is not None and not type_.shape:
                constants[name] = float(value)
            elif domain is None or not type_.is_floating:
                raise CannotExpress(f"the input {name} is {type_}", "engine ieee proves laws with one float argument")
            else:
                varying.append((name, type_, text))
        if len(varying) != 1:
            found = ", ".join(n for n, _, _ in varying) or "none"
            message = f"every value of one argument is tried, but the law has {found}"
            raise CannotExpress(message, "give the other scalars one value: domain: {c: 'in {2}'}")
        name, type_, text = varying[0]
        module = self.module

        def function(call: tree.Call) -> str:
            if call.spec or self.p.target is None:
                return module.half_function(module.contract, call)
            return self._wrapped(call)

        emitter = HalfEmitter(self.scope, self.names, function, constants)
        here = self.names(name)
        self.parameters = [f"{here}: np.ndarray"]
        body = Body()
        body.work.append(f"{here} = {here}.astype(np.float64)")
        assumed = self._half_domain(here, text)
        for node, scope in self.conditions:
            emitter.scope = scope
            assumed += emitter.claim(node)
        emitter.scope = self.scope
        body.work += [emitter.statement(s) for s in self.statements]
        for node, scope in self.extra:
            emitter.scope = scope
            assumed += emitter.claim(node)
        emitter.scope, emitter.indices = self.scope, ()
        claims = _every(emitter.claim(self.claim))
        module.half_helpers(emitter)
        if not assumed:
            body.claims = [f"return {claims}"]
            return body, "np.ndarray"
        body.claims = [f"return {_every(assumed)}, {claims}"]
        return body, "tuple[np.ndarray, np.ndarray]"

    def _half_domain(self, name: str, text: str) -> list[str]:
        """The domain as conditions; sizes have no value here."""
        domain = parse_domain(text)
        choices = []
        for interval in domain.intervals:
            parts = [f"{name} {sign} {self._half_bound(bound)}" for sign, bound in sides_of(interval)]
            if not parts:
                return []
            if len(domain.intervals) == 1 and not domain.values:
                return parts
            choices.append(_every(parts))
        choices += [f"{name} == {self._half_bound(v)}" for v in domain.values]
        if len(choices) < 2:
            return choices
        return [f"np.logical_or.reduce([{', '.join(choices)}])"]

    def _half_bound(self, text: str) -> str:
        value = exact_value(text, {})
        if value is None:
            raise CannotExpress(f"the bound {text} is not a number")
        return repr(float(value))

    def _wrapped(self, call: tree.Call) -> str:
        """The shipped function as one from float64 values to float64 values, called with float16."""
        assert self.p.target is not None
        key = ("kernel", str(self.p.target).partition(":")[0], call.equation)
        if key not in self.module.functions:
            shipped = self.module.shipped(self.o, self.p.target, call)
            _, equation = self.module.resolve(self.module.contract, call.equation)
            parameters, arguments = [], []
            for p in equation.signature.inputs:
                here = self.names(p.name)
                parameters.append(here)
                rank = len(p.type.shape or ())
                shape = f".reshape({', '.join(['1'] * (rank - 1) + ['-1'])})" if rank > 1 else ""
                arguments.append(f"{here}.astype(np.float16){shape}" if rank else here)
            function = self.module.unique(f"kernel_{call.equation}")
            self.module.functions[key] = (function, [
                f"def {function}({', '.join(parameters)}):",
                f"    {quoted_doc(f'{self.p.target} on float16 values')}",
                f"    return np.asarray({shipped}({', '.join(arguments)})).reshape(-1)",
            ])  # fmt: skip
        return self.module.functions[key][0]


def _every(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"np.logical_and.reduce([{', '.join(parts)}])"
