"""A stub under construction: its text, and what the annotations in it need to be imported."""

from __future__ import annotations

import ast
import builtins
import inspect
import subprocess
import sys
import textwrap
import typing
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import telegrad
import telegrad._api.signatures as words
from telegrad import _tensor, random
from telegrad_protocol import dtypes
from telegrad_protocol.spec import OPS

BESIDE = Path(telegrad.__file__).with_suffix(".pyi")
"""A file for whose place ruff has its settings."""

HEAD = '"""{doc}\n\nMade by `make stubs` from the op table and the functions beside it: not to be edited.\n"""\n\n'


def result_class(returns: tuple[str, ...]) -> str:
    """The named tuple of several results, named for what it holds."""
    return "".join(part.capitalize() for name in returns for part in name.split("_"))


RESULT_CLASSES = {
    result_class(spec.returns): spec.returns for spec in OPS.values() if spec.on and len(spec.returns or ()) > 1
}


VOCABULARY = tuple(vars(module) for module in (words, _tensor, random, dtypes, typing))
"""Where a name is looked up that an annotation's own module imports for type checkers alone."""


class Stub:
    """Text of one stub.

    `scope`: the names that the stub itself defines, with what they are at run time. An annotation that means something
    else by such a name (`bool`, in a module where `bool` is a dtype) gets it under another one.
    """

    def __init__(self, module: str, doc: str, scope: Mapping[str, Any]) -> None:
        self.module = module
        self.doc = doc
        self.scope = scope
        self.imports: set[str] = set()
        self.lines: list[str] = []

    def add(self, text: str, indent: int = 0) -> None:
        self.lines.append(textwrap.indent(text, "    " * indent))

    def annotation(self, text: str, home: Mapping[str, Any]) -> str:
        """An annotation as written in `home`, as it is written here; what it names is imported."""
        tree = ast.parse(text, mode="eval")
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                node.id = self.name(node.id, home)
        return ast.unparse(tree)

    def name(self, name: str, home: Mapping[str, Any]) -> str:
        """What a name of `home` is called here."""
        if hasattr(builtins, name) and name not in home:
            return self._imported("builtins", name, name) if name in self.scope else name
        if name in RESULT_CLASSES:
            return self._imported("telegrad._api.declared", name, name)
        found = next((place[name] for place in (home, *VOCABULARY) if name in place), None)
        if isinstance(found, ModuleType):
            self.imports.add(f"import {found.__name__} as {name}")
            return name
        if name in words.__annotations__:
            return self._imported("telegrad._api.signatures", name, name)
        if found is None:
            raise NameError(f"{self.module}: an annotation says {name}, which is not known where it stands")
        return self._imported(found.__module__, getattr(found, "__qualname__", None) or found._name, name)

    def _imported(self, module: str, name: str, wanted: str) -> str:
        if module == self.module:
            return name
        if self._is(module, name, wanted):
            return wanted
        alias = f"_{wanted}" if wanted in self.scope else wanted
        self.imports.add(f"from {module} import {name}" + (f" as {alias}" if alias != name else ""))
        return alias

    def _is(self, module: str, name: str, wanted: str) -> bool:
        """Whether the stub defines this name, and means the same by it."""
        return wanted in self.scope and getattr(sys.modules.get(module), name, None) is self.scope[wanted]

    def finished(self) -> str:
        """The text, formatted."""
        body = "\n".join(self.lines)
        text = HEAD.format(doc=self.doc) + "\n".join(sorted(self.imports)) + "\n\n" + body + "\n"
        for command in (["check", "--fix-only", "--select", "I,UP"], ["format"]):
            text = _ruff([*command, "--quiet", "--stdin-filename", str(BESIDE), "-"], text)
        return text


def _ruff(arguments: list[str], text: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *arguments], input=text, capture_output=True, text=True, encoding="utf-8"
    )
    if done.returncode:
        raise RuntimeError(f"ruff {' '.join(arguments)}: {done.stderr}")
    return done.stdout


def docstring(text: str | None, indent: int) -> str:
    """A docstring as it stands in a stub, or nothing."""
    if not text:
        return ""
    inner = inspect.cleandoc(text).replace("\\", "\\\\").replace('"""', r"\"\"\"")
    if inner.endswith('"'):
        inner += " "
    many = "\n" in inner
    return textwrap.indent(f'"""{inner}' + ("\n" if many else "") + '"""', "    " * indent) + "\n"
