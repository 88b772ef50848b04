"""`telegrad run train.py`: a PyTorch script, unmodified, with telegrad where it imports torch."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import os
import runpy
import sys
from collections.abc import Sequence
from types import ModuleType


class TorchImports(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Answers `import torch` and `import torch.x.y` with telegrad's own modules, the very same objects."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != "torch" and not name.startswith("torch."):
            return None
        ours = "telegrad" + name.removeprefix("torch")
        try:
            importlib.import_module(ours)
        except ModuleNotFoundError as error:
            if error.name != ours:
                raise
            raise ModuleNotFoundError(f"telegrad has no module in the place of '{name}'", name=name) from None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def __init__(self) -> None:
        self._specs: dict[str, importlib.machinery.ModuleSpec | None] = {}

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        module = importlib.import_module("telegrad" + spec.name.removeprefix("torch"))
        self._specs[module.__name__] = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing is left to execute; the import system has put its own spec in the place of the module's."""
        module.__spec__ = self._specs[module.__name__]


def install() -> None:
    """Let `import torch` mean telegrad in this process. Raises RuntimeError if torch was imported before."""
    if "torch" in sys.modules and not sys.modules["torch"].__name__.startswith("telegrad"):
        raise RuntimeError("torch has been imported already")
    if not any(isinstance(finder, TorchImports) for finder in sys.meta_path):
        sys.meta_path.insert(0, TorchImports())


def run(script: str, arguments: list[str]) -> int:
    """Run a script as `python script arguments` would; its exit status."""
    if not os.path.isfile(script):
        print(f"telegrad run: there is no file {script}", file=sys.stderr)
        return 2
    install()
    sys.argv = [script, *arguments]
    sys.path.insert(0, os.path.dirname(os.path.abspath(script)))
    runpy.run_path(script, run_name="__main__")
    return 0
