"""`telegrad run train.py`: a PyTorch script, unmodified, with telegrad where it imports torch."""

from __future__ import annotations

import builtins
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, Final

from telegrad._api import deferred
from telegrad._api.absent import missing
from telegrad._tracing.frames import hide_frames

from . import profiling

USAGE: Final = f"""\
usage: telegrad run [OPTIONS] SCRIPT.py [ARGUMENTS]
       telegrad run [OPTIONS] -m MODULE [ARGUMENTS]

Runs a PyTorch script or module as `python` would, on a machine without torch: its `import torch` gets telegrad.
Arguments after the script or module are its own. TELEGRAD_URL and TELEGRAD_TOKEN name the server; with neither, a
local one is started.

  --deferred-metrics   `.item()` gives a number that waits only when the script looks at it, as in `tg.deferred()`
{profiling.OPTIONS}"""


def main(command: str, arguments: list[str]) -> int:
    """Run a script or module; its exit status."""
    if arguments and arguments[0] in ("-h", "--help"):
        print(USAGE, end="")
        return 0
    try:
        options, arguments = profiling.split(arguments)
    except ValueError as error:
        print(f"telegrad run: {error}", file=sys.stderr)
        return 2
    if arguments[:1] == ["--deferred-metrics"]:
        deferred.defer_everywhere()
        arguments = arguments[1:]
    as_module = arguments[:1] == ["-m"]
    target = arguments[as_module : as_module + 1]
    if not target or target[0].startswith("-"):
        print(USAGE, end="", file=sys.stderr)
        return 2
    run = run_module if as_module else run_script
    return profiling.profiled(options, lambda: run(target[0], arguments[as_module + 1 :]))


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
            owner, _, last = name.rpartition(".")
            said = missing(owner, last) or f"telegrad has no module in the place of '{name}'"
            raise ModuleNotFoundError(said, name=name) from None
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


Runner = Callable[[str, list[str]], int]


def _showing_its_own_frames(runner: Runner) -> Runner:
    """Let the interpreter tell of an error that ends a script without the frames that ran the script."""

    def run(target: str, arguments: list[str]) -> int:
        try:
            return runner(target, arguments)
        except SystemExit:
            raise
        except BaseException as error:
            hide_frames(error)
            seen, hook = error.__traceback__, sys.excepthook
            sys.excepthook = lambda kind, value, _: hook(kind, value.with_traceback(seen), seen)
            raise

    return run


@_showing_its_own_frames
def run_script(script: str, arguments: list[str]) -> int:
    """Run a script, or a folder or archive with a `__main__.py`, as `python script arguments` would."""
    if not os.path.exists(script):
        print(f"telegrad run: there is no file {script}", file=sys.stderr)
        return 2
    install()
    path = os.path.abspath(script)
    inside = importlib.machinery.PathFinder.find_spec("__main__", [path])  # of a folder or archive
    if inside is None and os.path.isdir(path):
        print(f"telegrad run: can't find '__main__' module in {script}", file=sys.stderr)
        return 1
    loader: Any = inside.loader if inside else importlib.machinery.SourceFileLoader("__main__", path)
    _put_first_on_path(path if inside else os.path.dirname(path))
    sys.argv = [script, *arguments]
    return _execute(loader, inside, (inside and inside.origin) or path)


@_showing_its_own_frames
def run_module(name: str, arguments: list[str]) -> int:
    """Run a module as `python -m name arguments` would."""
    install()
    _put_first_on_path(os.getcwd())
    sys.argv = ["-m", *arguments]
    try:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = importlib.util.find_spec(f"{name}.__main__")
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        spec = None
    if spec is None or spec.loader is None or spec.origin is None:
        print(f"telegrad run: No module named {name}", file=sys.stderr)
        return 1
    sys.argv[0] = spec.origin
    return _execute(spec.loader, spec, spec.origin)


def _put_first_on_path(folder: str) -> None:
    """Import from the script's folder first, in the place of the command's own, as Python does."""
    if not sys.flags.safe_path:
        sys.path[0] = folder


def _execute(loader: Any, spec: importlib.machinery.ModuleSpec | None, file: str) -> int:
    """Execute code as the main module, which stays in place until the interpreter ends, as Python's does."""
    main = ModuleType("__main__")
    main.__spec__, main.__loader__, main.__file__ = spec, loader, file
    main.__package__ = None if spec is None else spec.parent
    main.__dict__["__builtins__"] = builtins
    sys.modules["__main__"] = main
    exec(loader.get_code(spec.name if spec else "__main__"), main.__dict__)
    if deferred.deferring.everywhere:
        deferred.finish()
    return 0
