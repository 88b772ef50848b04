"""What everyday idioms wait for: round trips far away, time beside torch near by."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from support.live import live_server
from support.proxies import DelayProxy

from bench.idioms import IDIOMS
from bench.measure import HAS_TORCH, Peer, Result, peers
from bench.rows.training import FAR_STEPS, MISSING

RTT = 0.050
TOLERANCE, FEW = 1.15, 10
"""How much longer than RTT a round trip may take; how many in a call are too few for its share of noise to be small."""


def idioms(rounds: int, quick: bool) -> Iterator[Result]:
    """Round trips beyond loopback at 50 ms, for each step, epoch or call; also under deferred metrics."""
    with (
        live_server() as url,
        DelayProxy(url, RTT, process=True) as proxy,
        peers(("telegrad", url), ("telegrad", proxy.url)) as (near, far),
    ):
        for name, idiom in IDIOMS.items():
            yield _trips(name, False, idiom.trips, rounds, near, far)
            if idiom.deferred is not None:
                yield _trips(name, True, idiom.deferred, rounds, near, far)


def _trips(name: str, deferred: bool, wanted: float, rounds: int, near: Peer, far: Peer) -> Result:
    idiom, found = IDIOMS[name], []
    for _ in range(rounds):
        here = near.ask("idiom", name, deferred)
        found.append((far.ask("idiom", name, deferred) - here) / RTT / idiom.count)
    what = f"{name}{', deferred' if deferred else ''}: trips a {idiom.per}"
    note = f"wanted {wanted:g}; {here / idiom.count * 1e3:.2f} ms on loopback"
    target = round(TOLERANCE * wanted + (0.1 if idiom.count < FEW else 0.02), 2)
    return Result(what, found, target, note=note, unit="round trips")


def idioms_near(rounds: int, quick: bool) -> Iterator[Result]:
    """The same idioms over loopback ÷ torch."""
    if not HAS_TORCH:
        yield Result("idioms over loopback ÷ torch", [], note=MISSING)
        return
    with live_server() as url, peers(("telegrad", url), ("torch",)) as (ours, theirs):
        for name, idiom in IDIOMS.items():
            ratios = []
            for _ in range(rounds):
                mine = ours.ask("idiom", name, False)
                ratios.append(mine / theirs.ask("idiom", name, False))
            note = f"{mine / idiom.count * 1e3:.2f} ms a {idiom.per}"
            yield Result(f"{name}: loopback ÷ torch", ratios, idiom.times_torch, note=note)


def reading(rounds: int, quick: bool) -> Iterator[Result]:
    """A step that is read every step, every 50, and every step under deferred metrics ÷ loopback's, never read."""
    with live_server() as url:
        for rtt in (0.0, 0.030, 0.100):
            with _at(url, rtt) as there, peers(("telegrad", url), ("telegrad", there)) as pair:
                for name in ("mlp",) if quick else ("mlp", "characters"):
                    yield from _reading(name, rtt, rounds, *pair)


@contextmanager
def _at(url: str, rtt: float) -> Iterator[str]:
    """The URL of the server so far away."""
    if not rtt:
        yield url
        return
    with DelayProxy(url, rtt, process=True) as proxy:
        yield proxy.url


def _reading(name: str, rtt: float, rounds: int, near: Peer, far: Peer) -> Iterator[Result]:
    count = FAR_STEPS[name]
    few = count if rtt == 0 else 20
    ways = {
        "read every step": (lambda: far.ask("steps", name, few, 1), None),
        "read every 50": (lambda: far.ask("steps", name, count, 50), None),
        "deferred metrics": (lambda: far.ask("metrics", name, count), 1.1),
    }
    for way, (ask, target) in ways.items():
        ratios = []
        for _ in range(rounds):
            there = ask()
            ratios.append(there / near.ask("steps", name, count, count))
        what = f"{name} at {rtt * 1e3:.0f} ms, {way} ÷ loopback, never read"
        yield Result(what, ratios, target, note=f"{there * 1e3:.2f} ms")
