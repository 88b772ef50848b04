"""PyTorch's times on the same card, in a process of its own: `python -m gpu.hardware.torch_side '{"what": ..., ...}'`.

Prints JSON objects, each figure as soon as it is known: by name, `why` for each that could not be had. `asked` starts it.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

Figures = dict[str, Any]


def asked(emulated: bool, what: str, seconds: float, **request: Any) -> Figures:
    """What PyTorch's process answers; `why` if there is nothing to compare with."""
    device = "cpu" if emulated else "cuda"
    command = [
        sys.executable,
        "-P",
        "-m",
        "gpu.hardware.torch_side",
        json.dumps({"what": what, "on": device, **request}),
    ]
    if seconds <= 0:
        return {"why": "no time was left for PyTorch"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired as late:  # what it has told so far stands
        said = late.stdout.decode() if isinstance(late.stdout, bytes) else late.stdout or ""
        return {**_merged(said), "why": f"PyTorch took longer than {seconds:.0f} s"}
    found = _merged(done.stdout)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
        return {**found, "why": f"PyTorch: {last[0][:300]}"}
    return found


def _merged(said: str) -> Figures:
    """All figures of lines of JSON; a line that was cut off is left out."""
    found: Figures = {}
    for line in said.splitlines():
        with suppress(json.JSONDecodeError):
            found |= json.loads(line)
    return found


def tell(**figures: Any) -> None:
    print(json.dumps(figures), flush=True)


def median_ms(torch: Any, device: str, work: Callable[[], Any], repeats: int) -> float:
    """Milliseconds of one call, with all that it has launched."""
    finish = torch.cuda.synchronize if device == "cuda" else lambda: None
    taken = []
    for _ in range(2 + repeats):
        finish()
        begun = time.perf_counter()
        work()
        finish()
        taken.append(1000 * (time.perf_counter() - begun))
    return statistics.median(taken[2:])


# Steps of models ----------------------------------------------------------------------------------------------------


def model(torch: Any, device: str, name: str, steps: int) -> None:
    """Milliseconds a step: eager, replayed as a CUDA graph, and compiled, which takes longest to prepare."""
    kinds: dict[str, Callable[..., Any]] = {"eager": _eager}
    if device == "cuda":
        kinds |= {"graph": _graphed, "compile": partial(_eager, prepare=torch.compile)}
    for kind, make in kinds.items():
        try:
            tell(**{kind: _milliseconds_a_step(torch, device, make(torch, device, name), steps)})
        except Exception as error:  # a compiler that is missing, a step that cannot be captured
            tell(**{f"why_no_{kind}": f"{type(error).__name__}: {error}"[:300]})


def _milliseconds_a_step(torch: Any, device: str, step: Callable[[], Any], steps: int) -> float:
    def block() -> None:
        for _ in range(steps):
            loss = step()
        float(loss)

    return median_ms(torch, device, block, 3) / steps


def _eager(torch: Any, device: str, name: str, prepare: Callable[[Any], Any] = lambda loss_of: loss_of) -> Any:
    """A step, whose loss `prepare` may compile."""
    optimizer, loss_of, batch = _built(torch, device, name)
    prepared = prepare(loss_of)

    def step() -> Any:
        loss = prepared(*batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def _graphed(torch: Any, device: str, name: str) -> Callable[[], Any]:
    """A whole step as one CUDA graph: https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs"""
    optimizer, loss_of, batch = _built(torch, device, name, capturable=True)

    def eager() -> Any:
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(*batch)
        loss.backward()
        optimizer.step()
        return loss

    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):
            eager()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loss = eager()

    def step() -> Any:
        graph.replay()
        return loss

    return step


def _built(torch: Any, device: str, name: str, *, capturable: bool = False) -> tuple[Any, Any, list[Any]]:
    from support.models import MODELS

    with torch.device(device):
        _, optimizer, loss_of = MODELS[name].build(torch)
        batch = [torch.tensor(array) for array in MODELS[name].batch(np.random.default_rng(0))]
    for group in optimizer.param_groups:
        if capturable and "capturable" in group:
            group["capturable"] = True
    return optimizer, loss_of, batch


# Products and convolutions ------------------------------------------------------------------------------------------


def products(torch: Any, device: str, sizes: list[int], kinds: list[str]) -> None:
    """Milliseconds of square products, by dtype and size; `tf32` is float32 with fewer bits."""
    for kind in kinds:
        torch.backends.cuda.matmul.allow_tf32 = kind == "tf32"
        for size in sizes:
            dtype = getattr(torch, "float32" if kind == "tf32" else kind)
            a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
            tell(**{f"{kind} {size}": median_ms(torch, device, lambda a=a, b=b: a @ b, 5)})


def convolutions(torch: Any, device: str, shapes: list[list[int]], batch: int) -> None:
    """Milliseconds of forward and backward, by shape."""
    for shape in shapes:
        channels, out, side, kernel, stride = shape
        layer = torch.nn.Conv2d(channels, out, kernel, stride, kernel // 2, bias=False, device=device)
        x = torch.ones(batch, channels, side, side, device=device, requires_grad=True)
        tell(**{str(shape): median_ms(torch, device, lambda layer=layer, x=x: layer(x).sum().backward(), 5)})


def main() -> None:
    request = json.loads(sys.argv[1])
    import torch

    device = request.pop("on")
    if device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("the PyTorch that is installed here has no CUDA")
    torch.set_num_threads(1)
    torch.backends.cudnn.allow_tf32 = False  # as ours: by default PyTorch's convolutions of float32 use fewer bits
    tell(torch=torch.__version__)
    work = {"model": model, "products": products, "convolutions": convolutions}[request.pop("what")]
    work(torch, device, **request)


if __name__ == "__main__":
    main()
