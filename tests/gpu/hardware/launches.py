"""Kernels a step of a model, and how long the card is idle: `python -m gpu.hardware.launches MODEL`.

The engine runs in this process, beside PyTorch's profiler, to which CUPTI tells every kernel of the process, CuPy's too.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from gpu.hardware.card import Card
from support.inprocess import LocalSession
from support.local_engine import LocalEngine
from support.models import MODELS

import telegrad as tg
from telegrad._runtime.process import stream

STEPS: Final = 10


def main(name: str) -> None:
    import torch

    if not torch.cuda.is_available():
        raise SystemExit("PyTorch with CUDA is not installed: its profiler is what counts")
    card = Card(emulated=False)
    stream.restart(LocalSession(LocalEngine(backend=card.backend)))  # all that is named `cpu` is on the card
    step = _stepper(name)
    _steps(step)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as prof:
        begun = time.perf_counter()
        _steps(step)
        wall = time.perf_counter() - begun
    spans = [
        (event.time_range.start, event.time_range.end)
        for event in prof.events()
        if event.device_type == torch.autograd.DeviceType.CUDA
    ]
    busy = busy_microseconds(spans) / 1e6
    print(
        json.dumps({"launches": len(spans) / STEPS, "idle_share": 1 - busy / wall, "milliseconds": 1000 * wall / STEPS})
    )


def busy_microseconds(spans: Iterable[tuple[float, float]]) -> float:
    """How long at least one of some spans lasts.

    >>> busy_microseconds([(0, 2), (1, 3), (5, 6)])
    4.0
    """
    total, until = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


def _stepper(name: str) -> Any:
    _, optimizer, loss_of = MODELS[name].build(tg)
    batch = [tg.tensor(array) for array in MODELS[name].batch(np.random.default_rng(0))]

    def step() -> Any:
        loss = loss_of(*batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step


def _steps(step: Any) -> None:
    for _ in range(STEPS):
        loss = step()
    loss.item()


if __name__ == "__main__":
    main(sys.argv[1])
