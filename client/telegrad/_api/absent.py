"""Names that PyTorch has and telegrad has not: the error says so, and what to use instead.

Modules answer for their own names, `Tensor` and `Module` for their methods, a finder for whole modules. Every answer is
an AttributeError or ImportError as Python's own, so `hasattr` stays False; names that are not PyTorch's keep Python's
own words, with its suggestions.
"""

from __future__ import annotations

import functools
import opcode
import os
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Final

from telegrad._tracing.frames import hide_frames

_NO_FILES: Final = "np.savez(path, **{name: t.numpy() for name, t in model.state_dict().items()}), and np.load"
_AS_IT_IS: Final = "the function or module as it is: nothing has to be compiled"
_NO_MEMORY: Final = "t.numpy() and torch.from_numpy(array): the tensor's memory is on the server"
_SERVERS: Final = "`telegrad serve` has the threads: OMP_NUM_THREADS in its environment sets how many"
_PROFILE: Final = "`with telegrad.profile() as prof:`, then print(prof) or prof.export_chrome_trace(path)"

INSTEAD: Final[dict[str, str]] = {
    "torch.save": _NO_FILES,
    "torch.load": _NO_FILES,
    "torch.compile": _AS_IT_IS,
    "torch.compiler": _AS_IT_IS,
    "torch.jit": _AS_IT_IS,
    "torch.nn.Module.compile": _AS_IT_IS,
    "torch.profiler": _PROFILE,
    "torch.autograd.profiler": _PROFILE,
    "torch.set_num_threads": _SERVERS,
    "torch.get_num_threads": _SERVERS,
    "torch.set_num_interop_threads": _SERVERS,
    "torch.asarray": "torch.as_tensor",
    "torch.from_dlpack": _NO_MEMORY,
    "torch.Tensor.data_ptr": _NO_MEMORY,
    "torch.Tensor.untyped_storage": _NO_MEMORY,
    "torch.Tensor.storage": _NO_MEMORY,
    "torch.Tensor.pin_memory": "the tensor as it is: there is no memory to pin on this side",
    "torch.Tensor.is_pinned": "False: there is no memory to pin on this side",
    "torch.Tensor.is_cpu": "t.device.type == 'cpu'",
    "torch.Tensor.ndimension": "t.dim()",
    "torch.Tensor.ravel": "t.flatten()",
    "torch.ravel": "torch.flatten",
    "torch.Tensor.inverse": "torch.linalg.inv(t)",
    "torch.inverse": "torch.linalg.inv",
    "torch.logdet": "torch.linalg.slogdet(t).logabsdet",
    "torch.solve": "torch.linalg.solve",
    "torch.cholesky": "torch.linalg.cholesky",
    "torch.symeig": "torch.linalg.eigh",
    "torch.linalg.matmul": "torch.matmul",
    "torch.linalg.diagonal": "torch.diagonal",
    "torch.column_stack": "torch.cat(tensors, dim=1)",
    "torch.row_stack": "torch.cat(tensors, dim=0)",
    "torch.range": "torch.arange(start, end + step, step)",
    "torch.normal": "mean + std * torch.randn(size)",
    "torch.set_default_tensor_type": "torch.set_default_dtype",
    "torch.FloatTensor": "torch.tensor(data, dtype=torch.float32)",
    "torch.DoubleTensor": "torch.tensor(data, dtype=torch.float64)",
    "torch.LongTensor": "torch.tensor(data, dtype=torch.int64)",
    "torch.IntTensor": "torch.tensor(data, dtype=torch.int32)",
    "torch.BoolTensor": "torch.tensor(data, dtype=torch.bool)",
    "torch.Tensor.unsqueeze_": "t = t.unsqueeze(dim)",
    "torch.Tensor.squeeze_": "t = t.squeeze(dim)",
    "torch.Tensor.t_": "t = t.t()",
    "torch.Tensor.transpose_": "t = t.transpose(dim0, dim1)",
    "torch.Tensor.detach_": "t = t.detach()",
    "torch.autograd.Variable": "the tensor itself, with requires_grad=True",
    "torch.nn.DataParallel": "the module as it is: one device serves it",
    "torch.nn.ParameterList": "setattr(self, f'p{i}', parameter), or nn.ModuleList of modules",
    "torch.nn.Upsample": "nn.functional.interpolate",
    "torch.nn.functional.upsample": "nn.functional.interpolate",
    "torch.nn.PairwiseDistance": "torch.linalg.vector_norm(a - b, dim=-1)",
    "torch.nn.Softmax2d": "nn.Softmax(dim=-3)",
    "torch.nn.init.normal": "nn.init.normal_",
    "torch.nn.init.uniform": "nn.init.uniform_",
    "torch.nn.init.constant": "nn.init.constant_",
    "torch.nn.init.xavier_normal": "nn.init.xavier_normal_",
    "torch.nn.init.xavier_uniform": "nn.init.xavier_uniform_",
    "torch.nn.init.kaiming_normal": "nn.init.kaiming_normal_",
    "torch.nn.init.kaiming_uniform": "nn.init.kaiming_uniform_",
    "torch.nn.utils.clip_grad_norm": "nn.utils.clip_grad_norm_",
    "torch.cuda.Stream": "nothing: what is recorded runs in order, and nothing waits but a read",
    "torch.cuda.Event": "time.perf_counter() around torch.synchronize()",
    "torch.cuda.OutOfMemoryError": "torch.OutOfMemoryError",
    "torch.backends": "nothing: the server chooses, and its results do not depend on timing",
    "torch.multiprocessing": "multiprocessing, with a torch.connect(url) of each process's own",
}
"""Replacements for missing names."""

_OTHER_NAMES: Final = {"telegrad.functional": "torch.nn.functional"}
"""Modules whose own name is not PyTorch's."""


@functools.cache
def names() -> dict[str, frozenset[str]]:
    """PyTorch's public names by module or class, and under "modules" the modules themselves."""
    with open(os.path.join(os.path.dirname(os.path.dirname(__file__)), "_torch_names.txt"), encoding="ascii") as file:
        lines = file.read().replace("\n ", " ").splitlines()[1:]
    pairs = [line.partition(": ") for line in lines]
    return {owner: frozenset(listed.split()) for owner, _, listed in pairs}


def missing(owner: str, name: str) -> str | None:
    """What to say of a name that PyTorch has in a module or class; None if it has none of that name."""
    if name not in names().get(owner, ()) and f"{owner}.{name}" not in names()["modules"]:
        return None
    full = f"{owner}.{name}"
    return f"telegrad has no {full} yet; " + (
        f"instead: {INSTEAD[full]}" if full in INSTEAD else "the README's section on coverage says what there is"
    )


def absent(owner: str, holder: Any, name: str) -> AttributeError:
    """The error for a name that a module, a class or an object of it has not; `owner` is PyTorch's name for it."""
    said = None if name.startswith("_") else missing(owner, name)
    if said is not None:
        return AttributeError(said)
    if isinstance(holder, ModuleType):
        subject = f"module {owner.replace('torch', 'telegrad', 1)!r}"
    elif isinstance(holder, type):
        subject = f"type object {holder.__name__!r}"
    else:
        subject = f"{type(holder).__name__!r} object"
    return AttributeError(f"{subject} has no attribute {name!r}", name=name, obj=holder)


class Absent:
    """A method of PyTorch's tensors that ours have not.

    It is not left to a `__getattr__`, which would double the cost of every attribute of every tensor.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, tensor: Any, owner: type) -> Any:
        try:
            raise absent("torch.Tensor", owner if tensor is None else tensor, self._name)
        except AttributeError as problem:
            hide_frames(problem)
            raise


def install() -> None:
    """Let telegrad's public modules, and tensors, answer for the names that they have not."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "telegrad" and "._" not in name and "__getattr__" not in vars(module):
            owner = _OTHER_NAMES.get(name, "torch" + name.removeprefix("telegrad"))
            module.__dict__["__getattr__"] = _answer(module, owner)
    sys.meta_path.append(Modules())
    tensor = sys.modules["telegrad"].Tensor
    for name in names()["torch.Tensor"]:
        if not hasattr(tensor, name):
            setattr(tensor, name, Absent(name))


def _answer(module: ModuleType, owner: str) -> Callable[[str], Any]:
    """The `__getattr__` of a module."""

    def answer(name: str) -> Any:
        try:
            if _is_import(sys._getframe(1)) and (said := missing(owner, name)) is not None:
                raise ImportError(said, name=module.__name__)  # an AttributeError's words Python would replace
            raise absent(owner, module, name)
        except (AttributeError, ImportError) as problem:
            hide_frames(problem)
            raise

    return answer


def _is_import(frame: Any) -> bool:
    """Whether a frame is executing `from module import name`."""
    return bool(opcode.opname[frame.f_code.co_code[frame.f_lasti]] == "IMPORT_FROM")


class Modules:
    """The last of the finders: it says which modules of PyTorch's telegrad has not."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        owner, _, last = name.replace("telegrad", "torch", 1).rpartition(".")
        try:
            if name.startswith("telegrad.") and f"{owner}.{last}" in names()["modules"]:
                raise ModuleNotFoundError(missing(owner, last), name=name)
        except ModuleNotFoundError as problem:
            hide_frames(problem)
            raise
        return None
