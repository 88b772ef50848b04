"""Products, kernels of elements and of rows, and transfers: beside PyTorch, the card's own copies, and cudaMemcpy."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any, Final, NamedTuple

import numpy as np
from gpu.hardware.card import Card
from gpu.hardware.findings import Findings
from gpu.hardware.timing import milliseconds, waited
from gpu.hardware.torch_side import asked

from telegrad_protocol import dtypes

PRODUCTS: Final = (dtypes.float32, dtypes.float16, dtypes.bfloat16)
PATIENCE: Final = 25.0
"""Seconds for PyTorch."""

MEMORY: Final = 4 << 30
REPEATS: Final = 5

LONG_ENOUGH: Final = 5.0
"""Milliseconds of one measurement: many calls of what is short, so that launching them hides behind the card's work."""

MOST_CALLS: Final = 200


class Sizes(NamedTuple):
    """Rows of square products; rows and columns of what kernels read; bytes of a transfer."""

    products: tuple[int, ...]
    kernels: tuple[int, int]
    transfer: int


ON_A_CARD: Final = Sizes((1024, 4096, 8192), (1 << 16, 1 << 10), 256 << 20)
REHEARSED: Final = Sizes((32, 64), (64, 128), 1 << 20)


def run(card: Card, findings: Findings) -> None:
    sizes, backend = REHEARSED if card.emulated else ON_A_CARD, card.backend
    xp = backend.for_session(min(MEMORY, backend.memory_info()[0] // 2))
    with xp.active():
        ours: dict[str, float] = {}
        for dtype in PRODUCTS:
            findings.attempt(f"products in {dtype.name}", _products, card, xp, dtype, sizes.products, ours)
        findings.add("products in tf32", why="the backend has none: it multiplies float32 in float32")
        findings.attempt("kernels", _kernels, card, xp, sizes.kernels, findings)
        findings.attempt("transfers", _transfers, xp, sizes.transfer)
        xp.empty_cache()  # PyTorch is a process of its own
        _beside_torch(card, findings, sizes.products, ours)


# Products -----------------------------------------------------------------------------------------------------------


def _products(card: Card, xp: Any, dtype: Any, sizes: tuple[int, ...], ours: dict[str, float]) -> dict[str, Any]:
    """Of square matrices. `ours` is given the milliseconds until each is done, under the name that PyTorch's has."""
    tflops = {}
    for size in sizes:
        a, b = (_normal(xp, (size, size), dtype, seed) for seed in (0, 1))
        product = partial(xp.matmul, a, b)
        tflops[str(size)] = _tflops(size, _on_card(card, product))
        ours[f"{dtype.name} {size}"] = waited(xp, product)
    return {"tflops": tflops}


def _beside_torch(card: Card, findings: Findings, sizes: tuple[int, ...], ours: dict[str, float]) -> None:
    """Both as the host waits for them, one call at a time."""
    kinds = [*(dtype.name for dtype in PRODUCTS), "tf32"]
    theirs = asked(card.emulated, "products", PATIENCE, sizes=sizes, kinds=kinds)
    if "why" in theirs:
        findings.add("products, beside PyTorch", why=theirs["why"])
    told = {"why": "PyTorch on the CPU: only tried"} if card.emulated else {}
    for kind in kinds:
        names = {str(size): f"{kind} {size}" for size in sizes if f"{kind} {size}" in theirs}
        tflops = {size: _tflops(int(size), theirs[name]) for size, name in names.items()}
        ratios = {size: theirs[name] / ours[name] for size, name in names.items() if name in ours}
        figures = {"tflops_ratio_to_torch": ratios} if ratios else {}
        if tflops:
            findings.add(f"products in {kind}, beside PyTorch", **figures, torch_tflops=tflops, **told)


def _tflops(size: int, milliseconds: float) -> float:
    return 2 * size**3 / milliseconds / 1e9


def _normal(xp: Any, shape: tuple[int, ...], dtype: Any, seed: int = 0) -> Any:
    """Numbers as models have them: a card multiplies zeros and ones with less power, and so faster."""
    return xp.cast(xp.randn(xp.new_generator(seed), shape, dtypes.float32), dtype)


# Kernels ------------------------------------------------------------------------------------------------------------


def _kernels(card: Card, xp: Any, shape: tuple[int, int], findings: Findings) -> dict[str, Any]:
    """Each kernel, as bytes that it must read and write, beside a copy by the card itself, which is returned."""
    x, y = (_normal(xp, shape, dtypes.float32, seed) for seed in (0, 1))
    copy = partial(y.data.copy_from_device_async, x.data, x.nbytes, xp.cp.cuda.get_current_stream())
    rate = 2 * x.nbytes / _on_card(card, copy) / 1e6
    for name, (moved, work) in _works(xp, x, y).items():
        findings.attempt(f"{name} over {prod(shape)} elements", _kernel, card, moved * x.nbytes, work, rate)
    xp.raise_faults()
    return {"card_copies_gb_per_s": rate}


def _kernel(card: Card, nbytes: int, work: Callable[[], Any], copy_rate: float) -> dict[str, Any]:
    rate = nbytes / _on_card(card, work) / 1e6
    return {"gb_per_s": rate, "ratio_to_card_copies": rate / copy_rate}


def _works(xp: Any, x: Any, y: Any) -> dict[str, tuple[int, Callable[[], Any]]]:
    """Kernels by name, each with how many arrays like `x` it must read and write."""
    rows, columns = x.shape
    weight, bias = (_normal(xp, (columns,), dtypes.float32, seed) for seed in (2, 3))
    classes = xp.randint(xp.new_generator(4), 0, columns, (rows,), dtypes.int64)
    return {
        "copy": (2, partial(xp.copy, x)),
        "add": (3, partial(xp.add, x, y)),
        "gelu": (2, partial(xp.gelu, x, "none")),
        "softmax": (2, partial(xp.softmax, x, 1, False)),
        "layer_norm": (2, partial(xp.layer_norm, x, weight, bias, 1e-5)),
        "cross_entropy": (1, partial(xp.cross_entropy, x, classes, None, -100, 0.0)),
        "sum of rows": (1, partial(xp.sum, x, (1,))),
    }


# Transfers ----------------------------------------------------------------------------------------------------------


def _transfers(xp: Any, nbytes: int) -> dict[str, Any]:
    """As the server does them, beside cudaMemcpy from memory that CUDA has allocated."""
    ours, plain = _as_the_server(xp, nbytes), _plain(xp, nbytes)
    rates = {f"{way}_gb_per_s": nbytes / taken / 1e6 for way, taken in ours.items()}
    ratios = {f"{way}_ratio_to_memcpy": plain[way] / taken for way, taken in ours.items()}
    return {**rates, **ratios}


def _as_the_server(xp: Any, nbytes: int) -> dict[str, float]:
    host, there = np.ones(nbytes, np.uint8).data, xp.upload_buffer(nbytes)
    xp.pin(host)
    now = xp.record_event()
    try:
        return {
            "host_to_device": waited(xp, partial(xp.copy_in, there, 0, host, now)),
            "device_to_host": waited(xp, partial(xp.copy_out, there, 0, host, now)),
        }
    finally:
        xp.unpin(host)


def _plain(xp: Any, nbytes: int) -> dict[str, float]:
    runtime, there = xp.cp.cuda.runtime, xp.upload_buffer(nbytes)
    host = xp.cp.cuda.alloc_pinned_memory(nbytes)
    into = partial(runtime.memcpy, there.data.ptr, host.ptr, nbytes, runtime.memcpyHostToDevice)
    out = partial(runtime.memcpy, host.ptr, there.data.ptr, nbytes, runtime.memcpyDeviceToHost)
    return {"host_to_device": waited(xp, into), "device_to_host": waited(xp, out)}


# Times --------------------------------------------------------------------------------------------------------------


def _on_card(card: Card, work: Callable[[], Any]) -> float:
    """Milliseconds of a call by the card's own clock."""
    one = milliseconds(card, work, REPEATS)
    calls = 1 if card.emulated else max(1, min(MOST_CALLS, int(LONG_ENOUGH / max(one, 1e-3))))

    def block() -> None:
        for _ in range(calls):
            work()  # whose result's memory the next call takes

    return milliseconds(card, block, REPEATS) / calls
