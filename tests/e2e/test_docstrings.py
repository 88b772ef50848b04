"""Every example in a docstring of the three packages gives the output that stands below it."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import telegrad as tg

ROOTS = [Path(__file__).parents[2] / root for root in ("client", "server", "protocol")]


def examples_in(path: Path, root: Path) -> Iterator[doctest.DocTest]:
    """A test for each string that stands alone in a file and has examples: docstrings of any kind."""
    module = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            found = doctest.DocTestParser().get_doctest(node.value.value, {}, module, str(path), node.lineno - 1)
            if found.examples:
                yield found


EXAMPLES = [found for root in ROOTS for path in sorted(root.rglob("*.py")) for found in examples_in(path, root)]


def namespace(test: doctest.DocTest) -> dict[str, Any]:
    """What an example sees: nothing but its own imports if users can read it, else its module's names."""
    is_users = test.examples[0].source.startswith("import ") or _is_public(test.name)
    return {} if is_users else {**vars(_module(test.name))}


def _is_public(module: str) -> bool:
    return module.startswith("telegrad.") and "._" not in module


def _module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "cupy":
            raise
        pytest.skip("CuPy is not installed")


def failures(test: doctest.DocTest) -> str:
    """What an example printed instead of its output; empty if it is right."""
    told: list[str] = []
    test.globs = namespace(test)
    doctest.DocTestRunner(verbose=False).run(test, out=told.append)
    return "".join(told)


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize("test", EXAMPLES, ids=lambda test: f"{test.name}:{test.lineno + 1}")
def test_an_example_gives_its_output(test: doctest.DocTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", tg)  # the examples of ops are PyTorch's own programs
    assert not failures(test)


@pytest.mark.parametrize(
    ("text", "told"),
    [(">>> 1 + 1\n3", "Expected:\n    3\nGot:\n    2"), (">>> missing", "NameError: name 'missing' is not defined")],
)
def test_a_wrong_example_fails(text: str, told: str, tmp_path: Path) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text(f'"""A module.\n\n{text}\n"""\n')
    (test,) = examples_in(planted, tmp_path)
    test.name = "telegrad.random"  # a module of users
    assert told in failures(test)


def test_examples_that_help_shows_are_among_them() -> None:
    known = {example.source for test in EXAMPLES for example in test.examples}
    shown = {example.source for text in _help() for example in doctest.DocTestParser().get_examples(text)}
    assert len(shown) > 30
    assert shown <= known


def _help() -> Iterator[str]:
    """The docstrings of public modules and their names, methods of classes among them."""
    modules = [module for name, module in sys.modules.items() if name == "telegrad" or _is_public(name)]
    classes = {value for module in modules for value in _own(module) if isinstance(value, type)}
    for holder in (*modules, *classes):
        yield from (inspect.getdoc(value) or "" for value in (holder, *_own(holder)))


def _own(holder: Any) -> list[Any]:
    """The public values of a module or class that telegrad defines."""
    values = [getattr(holder, name, None) for name in dir(holder) if not name.startswith("_")]
    return [value for value in values if (getattr(value, "__module__", None) or "").startswith("telegrad")]
