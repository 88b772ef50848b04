"""What only a real device shows: copies while kernels run, memory that is not enough, and a device that is lost."""

from __future__ import annotations

import signal
import time
from typing import Any

import numpy as np
import psutil
from gpu.hardware.card import Card
from gpu.hardware.findings import Findings
from gpu.hardware.timing import waited

import telegrad as tg
from telegrad_protocol import dtypes


def run(card: Card, findings: Findings) -> None:
    # On its own memory limit the server would refuse before the card does.
    with card.server("--memory", "4T") as url:
        findings.attempt("one tensor beyond the card's memory", _one_too_large, card, url)
        findings.attempt("many tensors beyond the card's memory", _many, card, url)
        findings.attempt("an illegal address", _lost, card, url)
    findings.attempt("copies while kernels run", _copies, card)


def _one_too_large(card: Card, url: str) -> dict[str, Any]:
    with tg.connect(url, device=card.name):
        kept = tg.arange(5.0)
        refusal = _refusal(lambda: tg.zeros(1 << 31, 1 << 7).sum().item())
        return {"ok": _is_out_of_memory(refusal) and (kept + 1).tolist() == [1, 2, 3, 4, 5], "told": str(refusal)[:200]}


def _many(card: Card, url: str) -> dict[str, Any]:
    """Tensors of a sixteenth of the card, until it is full; then half of them again."""
    with tg.connect(url, device=card.name):
        numel = tg.cuda.mem_get_info()[1] // 64
        held: list[Any] = []

        def fill() -> None:
            for _ in range(40):
                held.append(tg.zeros(numel))
                tg.synchronize()

        refusal = _refusal(fill)
        count = len(held)
        held.clear()
        again = [tg.zeros(numel) for _ in range(count // 2)]
        right = _is_out_of_memory(refusal) and again[-1][:2].tolist() == [0.0, 0.0]
        return {"ok": right, "tensors": count, "told": str(refusal)[:200]}


def _refusal(work: Any) -> Exception | None:
    try:
        work()
    except Exception as error:
        return error
    return None


def _is_out_of_memory(error: Exception | None) -> bool:
    return isinstance(error, tg.OutOfMemoryError)


def _lost(card: Card, url: str) -> dict[str, Any]:
    """The session hears of it, and a new worker serves."""
    tg.connect(url, device=card.name)
    x = tg.ones(2)
    assert x.tolist() == [1.0, 1.0]
    _worker(card).send_signal(signal.SIGUSR1)
    begun = time.monotonic()
    refusal = _refusal(lambda: [(x + 1).tolist() for _ in range(100)])
    tg.disconnect()
    with tg.connect(url, device=card.name):
        serves = (tg.ones(2) + 1).tolist() == [2.0, 2.0]
    told = refusal is not None and "worker process ended" in str(refusal)
    return {"ok": told and serves, "seconds": time.monotonic() - begun, "told": str(refusal)[:200]}


def _worker(card: Card) -> psutil.Process:
    """The process that has the card."""
    children = psutil.Process().children(recursive=True)
    return next(child for child in children if "gpu.cuda_worker" in child.cmdline() and card.name in child.cmdline())


def _copies(card: Card) -> dict[str, Any]:
    """Bytes go to the card and others come back on a stream of their own, from pinned memory, while products run."""
    xp = card.backend.for_session(1 << 30)
    nbytes, size, count = (1 << 20, 64, 2) if card.emulated else (256 << 20, 4096, 20)
    sent = np.random.default_rng(0).integers(0, 256, nbytes, np.uint8)
    back = np.zeros(nbytes, np.uint8)
    with xp.active():
        a = xp.randn(xp.new_generator(0), (size, size), dtypes.float32)
        there, kept = xp.upload_buffer(nbytes), xp.cp.arange(nbytes, dtype=np.uint8)
        now = xp.record_event()  # before the products: what is copied waits for nothing that comes later
        products: list[Any] = []

        def multiply() -> None:
            for _ in range(count):
                products[:] = [xp.matmul(a, a)]

        def copy() -> None:
            xp.copy_in(there, 0, sent.data, now)
            xp.copy_out(kept, 0, back.data, now)

        for memory in (sent.data, back.data):
            xp.pin(memory)
        milliseconds = {"copies": waited(xp, copy, 1), "products": waited(xp, multiply, 1)}
        product = xp.to_host(products[0])
        back[:] = 0
        there.fill(0)
        milliseconds["both"] = waited(xp, lambda: [multiply(), copy()], 1)
        for memory in (sent.data, back.data):
            xp.unpin(memory)
        right = {
            "bytes_sent_right": bool((xp.to_host(there) == sent).all()),
            "bytes_back_right": bool((back == np.arange(nbytes).astype(np.uint8)).all()),
            "product_right": bool(np.allclose(xp.to_host(products[0]), product, rtol=1e-5, atol=1e-4)),
        }
    share = milliseconds["both"] / (milliseconds["copies"] + milliseconds["products"])
    return {"ok": all(right.values()), **right, "milliseconds": milliseconds, "both_to_sum": share}
