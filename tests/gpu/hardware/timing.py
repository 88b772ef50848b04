"""How long work takes on the card."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from gpu.hardware.card import Card

REPEATS = 10


def milliseconds(card: Card, work: Callable[[], Any], repeats: int = REPEATS) -> float:
    """The median of a few runs, by the card's own clock, after one that prepares."""
    cuda = card.cp.cuda
    work()
    taken = []
    for _ in range(1 if card.emulated else repeats):
        begin, end = cuda.Event(), cuda.Event()
        begin.record()
        work()
        end.record()
        end.synchronize()
        taken.append(cuda.get_elapsed_time(begin, end))
    return statistics.median(taken)


def waited(xp: Any, work: Callable[[], Any], repeats: int = 5) -> float:
    """The median of the milliseconds until a call's work is done, as the host sees it, after one that prepares."""
    taken = []
    for _ in range(1 + repeats):
        xp.synchronize()
        begun = time.perf_counter()
        work()
        xp.synchronize()
        taken.append(1000 * (time.perf_counter() - begun))
    return statistics.median(taken[1:])
