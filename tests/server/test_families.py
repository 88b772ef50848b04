"""An op is declared, computed and sampled in files of one name: its family's."""

from __future__ import annotations

import pkgutil
from importlib.util import find_spec, module_from_spec
from typing import Any

import pytest

from telegrad_protocol import ops
from telegrad_protocol.spec import OPS
from telegrad_server import kernels, samples

ROWS = {"optim", "session"}
"""Families of rows that act on the session: the worker handles them, without kernels and samples."""


def files(package: Any) -> set[str]:
    """The public modules of a package."""
    return {module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_")}


def declared(family: str) -> set[str]:
    return {name for name, spec in OPS.items() if spec.family == family}


def added(monkeypatch: pytest.MonkeyPatch, package: Any, family: str, module: str, table: str) -> set[str]:
    """The ops that a family's file adds to the package's table, seen by running the file over an empty one."""
    fresh: dict[str, Any] = {}
    monkeypatch.setattr(f"{package.__name__}.{module}.{table}", fresh)
    spec = find_spec(f"{package.__name__}.{family}")
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(module_from_spec(spec))
    return set(fresh)


def test_every_package_has_a_file_for_each_family() -> None:
    families = files(ops)
    assert {spec.family for spec in OPS.values()} == families
    assert files(kernels) - {"registry"} == families - ROWS
    assert files(samples) - {"base"} == families - ROWS


@pytest.mark.parametrize("family", sorted(files(ops) - ROWS))
def test_an_op_is_in_one_family_everywhere(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert added(monkeypatch, kernels, family, "registry", "IMPLS") == declared(family)
    assert added(monkeypatch, samples, family, "base", "SAMPLES") == declared(family)
