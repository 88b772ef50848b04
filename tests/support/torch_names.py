"""PyTorch's public names, as `telegrad/_torch_names.txt` has them: `python tests/support/torch_names.py > FILE`."""

from __future__ import annotations

import importlib
import pkgutil
import textwrap
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

FILE = Path(__file__).parents[2] / "client" / "telegrad" / "_torch_names.txt"

MODULES = """
    torch torch.accelerator torch.amp torch.autograd torch.autograd.functional torch.autograd.profiler torch.backends
    torch.backends.cuda torch.backends.cudnn torch.compiler torch.cpu torch.cuda torch.cuda.amp torch.distributed
    torch.distributions torch.export torch.fft torch.func torch.futures torch.fx torch.hub torch.jit torch.library
    torch.linalg torch.masked torch.monitor torch.mps torch.multiprocessing torch.nested torch.nn torch.nn.functional
    torch.nn.init torch.nn.parameter torch.nn.utils torch.nn.utils.parametrizations torch.nn.utils.parametrize
    torch.nn.utils.prune torch.nn.utils.rnn torch.onnx torch.optim torch.optim.lr_scheduler torch.optim.swa_utils
    torch.overrides torch.package torch.profiler torch.random torch.serialization torch.signal torch.signal.windows
    torch.sparse torch.special torch.testing torch.types torch.utils torch.utils.benchmark torch.utils.checkpoint
    torch.utils.data torch.utils.data.distributed torch.utils.dlpack torch.version torch.xpu
""".split()
"""The documented modules."""


def collect() -> str:
    """The text of the file: a line per module or class, `name: names of its own`."""
    import torch

    with warnings.catch_warnings(action="ignore"):  # of what is deprecated
        lines = [f"{name}: {' '.join(_public(importlib.import_module(name)))}" for name in MODULES]
    lines += [f"torch.Tensor: {' '.join(_plain(dir(torch.Tensor)))}"]
    lines += [f"torch.nn.Module: {' '.join(_plain(dir(torch.nn.Module)))}"]
    modules = {*MODULES, *(f"torch.{found.name}" for found in pkgutil.iter_modules(torch.__path__))}
    lines += [f"modules: {' '.join(name for name in sorted(modules) if '._' not in name)}"]
    return (
        f"# PyTorch {torch.__version__.partition('+')[0]}: its public names\n" + "\n".join(map(_wrapped, lines)) + "\n"
    )


def _public(module: ModuleType) -> list[str]:
    listed = getattr(module, "__all__", ())
    return _plain({*listed, *(name for name, value in vars(module).items() if _is_torchs(value)), *_constants(module)})


def _constants(module: ModuleType) -> list[str]:
    """Names of dtypes and layouts; `inf`, `nan`, `pi`, `e` and the like are in `__all__`."""
    import torch

    return [name for name, value in vars(module).items() if isinstance(value, torch.dtype | torch.layout)]


def _is_torchs(value: Any) -> bool:
    if isinstance(value, ModuleType):
        return value.__name__.startswith("torch.") and "._" not in value.__name__
    if not (isinstance(value, type) or callable(value)):
        return False
    return (getattr(value, "__module__", None) or "torch").startswith("torch")


def _plain(names: Any) -> list[str]:
    return sorted(name for name in names if not name.startswith("_"))


def _wrapped(line: str) -> str:
    return textwrap.fill(line, 120, subsequent_indent=" ", break_long_words=False, break_on_hyphens=False)


if __name__ == "__main__":
    print(collect(), end="")
