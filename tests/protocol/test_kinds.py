"""Kinds own what annotations of arguments mean: nobody else reads annotations, and every kind's code agrees with it."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from telegrad_protocol.kinds import KINDS, Kind, Role
from telegrad_protocol.spec import OPS, Param

ROOTS = [
    Path(importlib.import_module(name).__path__[0]) for name in ("telegrad", "telegrad_server", "telegrad_protocol")
]
DISTINCT = {name for name in KINDS if not name.isidentifier() or not name.islower()} | {"Number"}
BEGINNINGS = ("Tensor |", "list[")
TESTS_OF_TEXT = ("startswith", "endswith", "removesuffix", "removeprefix")


def _texts_compared(tree: ast.AST) -> Iterator[str]:
    """Every text that a module compares something with."""
    for node in ast.walk(tree):
        found: list[ast.expr] = []
        if isinstance(node, ast.Compare):
            found = [node.left, *node.comparators]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in TESTS_OF_TEXT:
            found = node.args
        for part in found:
            yield from [x.value for x in ast.walk(part) if isinstance(x, ast.Constant) and isinstance(x.value, str)]


@pytest.mark.parametrize("root", ROOTS, ids=lambda root: root.name)
def test_annotations_are_read_in_one_file(root: Path) -> None:
    for path in sorted(root.rglob("*.py")):
        if path.name == "kinds.py":
            continue
        tree = ast.parse(path.read_text())
        found = [text for text in _texts_compared(tree) if text in DISTINCT or text.startswith(BEGINNINGS)]
        assert not found, f"{path} tests for annotations: {found}"


def test_a_parameter_has_no_annotation_but_its_kind() -> None:
    assert Param._fields == ("name", "kind", "default", "keyword_only")


def test_every_declared_argument_has_a_kind_of_the_table() -> None:
    used = {param.kind.annotation for spec in OPS.values() for param in spec.params}
    assert used <= KINDS.keys()
    assert all(KINDS[param.kind.annotation] is param.kind for spec in OPS.values() for param in spec.params)


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.annotation)
def test_the_code_of_a_kind_compiles(kind: Kind) -> None:
    for source in (kind.key("x", "is_{0}"), kind.key("x"), kind.wire_source, kind.check_source, kind.present_source):
        compile((source or "None").format("x"), kind.annotation, "eval")
    if kind.fetch_source is not None:
        compile("def fetch():\n    if True:\n" + kind.fetch_source.format("x"), kind.annotation, "exec")
    assert (kind.fetch_source is not None) <= kind.holds_tensors
    assert kind.schema is not None


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.annotation)
def test_what_conversion_gives_passes_the_check(kind: Kind) -> None:
    for value in (None, True, 3, 0.5, "sum", "cpu", "float32", b"x", (1, 2), [1.5], (None, 2), ((0, None, 1),)):
        try:
            converted = kind.convert(value)
        except (TypeError, ValueError, RuntimeError):
            continue
        if not kind.holds_tensors and kind.role is not Role.DTYPE:
            assert kind.check(converted), (value, converted)
        assert value is not None or kind.optional or kind.annotation in ("Dims", "Generator")


def test_only_optional_kinds_take_none() -> None:
    takes_none = {name for name, kind in KINDS.items() if kind.optional}
    assert takes_none == {name for name in KINDS if name.endswith(" | None")}
