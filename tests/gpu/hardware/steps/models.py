"""Milliseconds a step of models over HTTP, beside PyTorch on the same card; launches, and how long the card is idle."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from typing import Any, Final

import numpy as np
from gpu.hardware.card import Card
from gpu.hardware.findings import Findings
from gpu.hardware.torch_side import asked
from support.models import MODELS

import telegrad as tg

STEPS: Final = {"mlp": 100, "cnn": 50, "gpt": 50, "gpt-768": 5, "tiny": 2, "gpt-tiny": 2}
PATIENCE: Final = 40.0
"""Seconds for PyTorch, which compiles."""

WHOLE: Final = 95.0
"""Seconds after which PyTorch is asked nothing more: the step must end by itself."""

RESNET_50: Final = (
    *((3, 64, 224, 7, 2), (64, 64, 56, 1, 1), (64, 64, 56, 3, 1), (64, 256, 56, 1, 1), (256, 64, 56, 1, 1)),
    *((256, 128, 56, 1, 1), (128, 128, 56, 3, 2), (128, 128, 28, 3, 1), (128, 512, 28, 1, 1), (512, 128, 28, 1, 1)),
    *((512, 256, 28, 1, 1), (256, 256, 28, 3, 2), (256, 256, 14, 3, 1), (256, 1024, 14, 1, 1), (1024, 256, 14, 1, 1)),
    *((1024, 512, 14, 1, 1), (512, 512, 14, 3, 2), (512, 512, 7, 3, 1), (512, 2048, 7, 1, 1), (2048, 512, 7, 1, 1)),
    *((256, 512, 56, 1, 2), (512, 1024, 28, 1, 2), (1024, 2048, 14, 1, 2)),
)
"""ResNet-50's convolutions: channels in and out, side of the image, of the kernel, stride."""


def run(card: Card, findings: Findings) -> None:
    names = ("tiny", "gpt-tiny") if card.emulated else ("mlp", "cnn", "gpt", "gpt-768")
    until = time.monotonic() + WHOLE
    with card.server() as url:
        for name in names:
            findings.attempt(f"{name}: a step", _step, card, url, name, until)
        findings.attempt("ResNet-50's convolutions, forward and backward", _convolutions, card, url, until)
    for name in names:
        findings.attempt(f"{name}: launches a step", _launches, card, name, until)


def _step(card: Card, url: str, name: str, until: float) -> dict[str, Any]:
    """Ours, with one read for all steps, and PyTorch's."""
    steps = STEPS[name]
    with tg.connect(url, device=card.name):
        _, optimizer, loss_of = MODELS[name].build(tg)
        batch = [tg.tensor(array) for array in MODELS[name].batch(np.random.default_rng(0))]

        def block() -> None:
            for _ in range(steps):
                loss = loss_of(*batch)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            loss.item()

        ours = _milliseconds(block, 1 if card.emulated else 3) / steps
    theirs = asked(card.emulated, "model", _patience(until), name=name, steps=steps)
    ratios = {f"ratio_to_{kind}": ours / theirs[kind] for kind in ("eager", "compile", "graph") if kind in theirs}
    figures = {key if key == "why" else f"torch_{key}": value for key, value in theirs.items()}
    told = {"why": "PyTorch on the CPU: only tried"} if card.emulated and "why" not in theirs else {}
    return {"milliseconds": ours, **ratios, **figures, **told}


def _patience(until: float) -> float:
    return min(PATIENCE, until - time.monotonic())


def _milliseconds(work: Any, repeats: int) -> float:
    taken = []
    for _ in range(1 + repeats):
        begun = time.perf_counter()
        work()
        taken.append(1000 * (time.perf_counter() - begun))
    return statistics.median(taken[1:])


def _convolutions(card: Card, url: str, until: float) -> dict[str, Any]:
    shapes = [(2, 3, 8, 3, 1)] if card.emulated else RESNET_50
    batch = 2 if card.emulated else 32
    theirs = asked(card.emulated, "convolutions", _patience(until), shapes=shapes, batch=batch)
    ours = {}
    with tg.connect(url, device=card.name):
        for shape in shapes:
            channels, out, side, kernel, stride = shape
            layer = tg.nn.Conv2d(channels, out, kernel, stride, kernel // 2, bias=False)
            x = tg.ones(batch, channels, side, side, requires_grad=True)

            def work(layer: Any = layer, x: Any = x) -> None:
                layer(x).sum().backward()
                tg.synchronize()

            ours[str(list(shape))] = _milliseconds(work, 1 if card.emulated else 5)
    ratios = {shape: value / theirs[shape] for shape, value in ours.items() if shape in theirs}
    why = {"why": theirs["why"]} if "why" in theirs else {"ratio_to_torch_eager": ratios}
    return {"milliseconds_in_all": sum(ours.values()), "milliseconds": ours, **why}


def _launches(card: Card, name: str, until: float) -> dict[str, Any]:
    """Kernels a step, and the share of a step in which the card does nothing, as CUPTI tells PyTorch's profiler."""
    if card.emulated:
        return {"why": "an emulated device has no profiler"}
    command = [sys.executable, "-P", "-m", "gpu.hardware.launches", name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=max(_patience(until), 0.1))
    except subprocess.TimeoutExpired:
        return {"why": "no time was left"}
    if done.returncode:
        return {"why": (done.stderr.strip().splitlines() or ["no answer"])[-1][:300]}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
