"""What a step costs: recorded, over loopback, in process and far away."""

from __future__ import annotations

import os
from collections.abc import Iterator

from support.live import live_server
from support.proxies import DelayProxy

from bench.measure import HAS_TORCH, Peer, Result, peak_mb, peers, server_processes
from telegrad_server.channel.process import ENVIRONMENT

STEPS = {"mlp": 60, "cnn": 12, "gpt": 12, "characters": 150, "chain": 60}
FAR_STEPS = {"mlp": 480, "cnn": 80, "gpt": 30, "characters": 2400, "chain": 1000}
"""About two seconds each: the one round trip that a read at the end costs should not be what is measured."""

QUICK = ("chain", "mlp", "characters")
MISSING = "torch is not installed: make oracle"


def against_torch(rounds: int, quick: bool) -> Iterator[Result]:
    """Each model's step over loopback, read every 50, and the chain; beside local torch with as many threads."""
    if not HAS_TORCH:
        yield Result("steps over loopback ÷ torch", [], note=MISSING)
        return
    with live_server() as url, peers(("telegrad", url), ("torch",)) as (ours, theirs):
        for name in QUICK if quick else STEPS:
            for read_every, word in ((50, "read every 50"), (1, "read every step")):
                ratios = []
                for _ in range(rounds):
                    mine = ours.ask("steps", name, STEPS[name], read_every)
                    ratios.append(mine / theirs.ask("steps", name, STEPS[name], read_every))
                what, target = f"{name}: step over loopback, {word} ÷ torch", 1.0 if read_every == 50 else None
                yield Result(what, ratios, target, note=f"{mine * 1e3:.2f} ms", peaks=_peaks(ours, theirs))


def _peaks(ours: Peer, theirs: Peer) -> dict[str, float]:
    """Peak memory so far, in MB, by process."""
    server = {process.name: peak_mb(process.pid) for process in server_processes()}
    return {"client": peak_mb(ours.pid), "torch": peak_mb(theirs.pid), **server}


def in_process(rounds: int, quick: bool) -> Iterator[Result]:
    """Steps over loopback, values deferred ÷ the same rows handed to an executor in process, in a worker's environment."""
    alone = {**os.environ, **ENVIRONMENT}
    with live_server() as url, peers(("telegrad", url)) as (ours,), peers(("replay",), env=alone) as (bare,):
        for name in ("mlp",) if quick else ("mlp", "characters", "chain"):
            steps, ratios = STEPS[name] * 2, []
            for _ in range(rounds):
                mine = ours.ask("steps", name, steps, steps)
                ratios.append(mine / bare.ask("replay", name, steps))
            target = 1.05 if name == "mlp" else None
            yield Result(f"{name}: values deferred ÷ same rows in process", ratios, target, note=f"{mine * 1e3:.2f} ms")


def recording(rounds: int, quick: bool) -> Iterator[Result]:
    """Recording one op, with gradients, ÷ torch's eager call."""
    if not HAS_TORCH:
        yield Result("recording ÷ torch", [], note=MISSING)
        return
    with peers(("torch",)) as (theirs,), live_server() as url, peers(("recorder", url)) as (ours,):
        for name in ("x + y", "x * 2.0", "x.sum(dim=1, keepdim=True)", "F.linear"):
            ratios = []
            for _ in range(rounds):
                mine = ours.ask("record", name)
                ratios.append(mine / theirs.ask("record", name))
            yield Result(f"recording {name} ÷ torch", ratios, 0.5, note=f"{mine * 1e6:.2f} µs")


def delayed(rounds: int, quick: bool) -> Iterator[Result]:
    """Steps at emulated round trips of 30 and 100 ms ÷ steps on loopback."""
    with live_server() as url:
        for rtt in (0.030, 0.100):
            with DelayProxy(url, rtt, process=True) as proxy, peers(("telegrad", url), ("telegrad", proxy.url)) as pair:
                for name in ("mlp",) if quick else FAR_STEPS:
                    yield from _far(name, rtt, rounds, *pair)


def _far(name: str, rtt: float, rounds: int, near: Peer, far: Peer) -> Iterator[Result]:
    count, deferred, each = FAR_STEPS[name], [], []
    for _ in range(rounds):
        deferred.append(far.ask("steps", name, count, count) / near.ask("steps", name, count, count))
        step = near.ask("steps", name, 20, 1)
        each.append(far.ask("steps", name, 10, 1) / (1.1 * rtt + step))
    word = f"{name} at {rtt * 1e3:.0f} ms"
    yield Result(f"{word}, values deferred ÷ loopback", deferred, 1.1)
    yield Result(f"{word}, read every step ÷ (1.1 RTT + loopback)", each, 1.0)
