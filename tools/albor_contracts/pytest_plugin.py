"""pytest: which kernels a generated test runs on, and with how many cases.

pytest generated/                                  reference and implementation, quick profile
pytest generated/core --binding torch --profile ci
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .runtime.kernel import Kernel


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("albor-contracts")
    group.addoption(
        "--binding",
        action="append",
        default=None,
        help="binding under test (may be repeated; default: reference and impl)",
    )
    group.addoption("--device", default="cpu", help="cpu or cuda")
    group.addoption("--dtype", action="append", default=None, help="only these dtypes under test")
    group.addoption("--profile", default=None, help="quick, ci or thorough")
    group.addoption("--albor-seed", type=int, default=None, help="seed of the generated cases")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "obligation: a generated test of one proof obligation")


def _root(config: pytest.Config) -> Path:
    from .load import find_root

    return Path(find_root(Path(str(config.invocation_params.dir))))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    spec = getattr(metafunc.module, "spec", None)
    if "kernel" not in metafunc.fixturenames or not hasattr(metafunc.function, "obligation") or spec is None:
        return
    _tell_more(metafunc.config)
    if why := _outdated(metafunc):
        pytest.fail(why, pytrace=False)
    kernels = _kernels(metafunc, spec)
    metafunc.parametrize("kernel", kernels, ids=[repr(k) for k in kernels])


def _outdated(metafunc: pytest.Metafunc) -> str:
    """Why the module is not what its contract says today; empty where it is, or where the contract is not at hand."""
    from .evidence.hashing import meaning_hash
    from .library import read_closure

    cache = metafunc.config.stash.setdefault(_MEANING, {})
    module = metafunc.module
    if module not in cache:
        name = module.CONTRACT
        contracts = read_closure(_root(metafunc.config), name)
        current = name not in contracts or meaning_hash(contracts[name], contracts) in (module.__doc__ or "")
        words = f"{name} has changed since its tests were generated: run `albor-contracts generate {name}`"
        cache[module] = "" if current else words
    return cache[module]


def _tell_more(config: pytest.Config) -> None:
    """What a failure says beyond the numbers. Contracts are read only then."""
    from functools import partial

    from .falsify.diagnose import known_fault
    from .library import what_failure_means, where_stated
    from .mutate.known import beyond_memory
    from .run import Elsewhere
    from .runtime.session import session as run

    root = _root(config)
    run.locate = run.locate or partial(where_stated, root)
    run.why = run.why or partial(what_failure_means, root)
    run.diagnose = run.diagnose or partial(known_fault, root)
    run.elsewhere, run.large = Elsewhere, partial(beyond_memory, root)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """A failed obligation is told by its text alone: the way to it through the tool tells nothing."""
    report = yield
    if call.excinfo is not None and hasattr(getattr(item, "obj", None), "obligation"):
        from .runtime.session import ObligationFailed

        failed = call.excinfo.value
        if isinstance(failed, ObligationFailed) and not item.config.getoption("fulltrace"):
            report.longrepr = "\n".join(filter(None, (str(failed), failed.failure.traceback)))
        from .runtime.session import session as run

        if run.lost:
            item.session.shouldfail = f"the GPU cannot be used any more in this process: {run.lost}"
    return report


def _kernels(metafunc: pytest.Metafunc, spec: Any) -> list[Kernel]:
    from .bindings import bind

    config = metafunc.config
    cache: dict[Any, Any] = config.stash.setdefault(_BOUND, {})
    device = config.getoption("--device")
    dtypes = config.getoption("--dtype")
    equation = getattr(metafunc.function, "equation", "") or _equation_of_rule(metafunc)
    found: list[Kernel] = []
    for name in config.getoption("--binding") or ["reference", "impl"]:
        key = (name, spec.contract)
        if key not in cache:
            cache[key] = bind(name, spec.contract, spec.signatures, _root(config))
        bound = cache[key]
        if bound is None or equation not in bound.targets:
            continue
        allowed = bound.targets[equation].dtypes or bound.dtypes
        found += [k for k in bound.kernels(spec, device, tuple(dtypes) if dtypes else None) if k.dtype in allowed]
    return found


_BOUND = pytest.StashKey[dict[Any, Any]]()
_MEANING = pytest.StashKey[dict[Any, str]]()


def _equation_of_rule(metafunc: pytest.Metafunc) -> str:
    rule = getattr(metafunc.function, "rule", "")
    for value in vars(metafunc.module).values():
        if getattr(value, "obligation", None) == rule and getattr(value, "equation", ""):
            return value.equation
    return ""


def pytest_sessionstart(session: pytest.Session) -> None:
    config = session.config
    profile = config.getoption("--profile")
    seed = config.getoption("--albor-seed")
    if profile is None and seed is None:
        return
    from .inputs import profiles
    from .runtime.session import session as run

    profiles.load(profile or "quick", seed)
    run.profile, run.seed = profile or "quick", seed
