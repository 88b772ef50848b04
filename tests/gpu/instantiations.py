"""Which kernels the CuPy backend asks for: recorded while the op samples and the optimizers run on it.

The arrays are the strict module's, and the kernels do nothing: only what is asked for counts. That every kernel of the
sources is asked for is the business of `test_nvrtc.py`.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import Any

from gpu.samples import Case, cases
from gpu.strict import Machine, StrictBlas, make_module
from support.engine import Run

from telegrad_protocol import dtypes
from telegrad_protocol.dtypes import DType, bfloat16, float16, float32, float64
from telegrad_protocol.spec import OPS
from telegrad_server.backend.cupy import CupyBackend
from telegrad_server.backend.cupy.device import DeviceSession, kernel_expression
from telegrad_server.samples import SAMPLES
from telegrad_server.samples.base import FLOATING
from telegrad_server.worker.engine import Engine
from telegrad_server.worker.memory import Budget

DTYPES = [dtype.name for dtype in dtypes.ALL]
FAMILIES = {OPS[op].family for op in SAMPLES}
_KERNEL = re.compile(r"__global__\s+(?:__launch_bounds__\([^)]*\)\s+)?void\s+(\w+)\s*\(")


class RecordingDevice(DeviceSession):
    """A device that writes down the kernels asked for, by family, and runs none of them."""

    def __init__(self, cp: Any) -> None:
        super().__init__(cp, StrictBlas())
        self.asked: dict[str, set[str]] = {}

    def function(self, family: str, name: str, types: tuple[Any, ...]) -> Callable[..., None]:
        self.asked.setdefault(family, set()).add(kernel_expression(name, types))
        return lambda grid, block, args: None


def recorded() -> dict[str, set[str]]:
    """Name expressions by family, of every sample in every dtype, and of the optimizers."""
    device = RecordingDevice(make_module(Machine(seed=0)))
    backend = CupyBackend(device)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for call in _calls(backend):
            # Without kernels results are noise, and what works on them may fail; the asking came before.
            try:
                call()
            except Exception:
                continue
    return device.asked


def _calls(xp: CupyBackend) -> Iterator[Callable[[], Any]]:
    for case in cases(FAMILIES, DTYPES):
        yield lambda case=case: _run(xp, case)
    for dtype in (float16, bfloat16, float32, float64):
        yield lambda dtype=dtype: _sgd(xp, dtype)
        yield lambda dtype=dtype: _adam(xp, dtype)


def _run(xp: CupyBackend, case: Case) -> None:
    floating = case.dtype is None or case.dtype in FLOATING
    if case.sample.op.startswith("_") and not floating:
        return  # a private op: the public one has looked at the dtype
    run = Run(case.sample, case.dtype, engine=Engine(xp, Budget(1 << 30)))
    run.spec.infer(run.args)  # refuses dtypes that never come to the backend
    run.call()
    if floating:
        run.grads()


def _sgd(xp: CupyBackend, dtype: DType) -> None:
    p, g, buffer = ([xp.zeros((3,), dtype)] for _ in range(3))
    xp.sgd_update(p, g, buffer, [True], 0.1, 0.9, 0.0, 0.0, False, False)


def _adam(xp: CupyBackend, dtype: DType) -> None:
    p, g, first, second, largest = ([xp.zeros((3,), dtype)] for _ in range(5))
    counts = [xp.zeros((), float32)]
    xp.adam_update(p, g, counts, first, second, largest, 0.1, 0.9, 0.99, 1e-8, 0.0, False, False)


def kernels() -> dict[str, set[str]]:
    """The kernels that the sources have, by family."""
    folder = files("telegrad_server.backend.cupy") / "cuda"
    sources = (path for path in folder.iterdir() if path.name.endswith(".cu"))
    return {path.name.removesuffix(".cu"): set(_KERNEL.findall(path.read_text())) for path in sources}
