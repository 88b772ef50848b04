"""The rows, in groups. Each gives results with their targets; without torch its rows say so."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
from support.live import live_server
from support.proxies import DelayProxy

from bench.measure import HAS_TORCH, Result, peers

STEPS = {"mlp": 60, "cnn": 12, "gpt": 12, "characters": 150, "chain": 60}
MISSING = "torch is not installed: make oracle"


def against_torch(rounds: int, quick: bool) -> Iterator[Result]:
    """Each model's step over loopback, read every 50, and the chain; beside local torch with as many threads."""
    names = ["chain", "mlp", "characters"] if quick else list(STEPS)
    if not HAS_TORCH:
        yield Result("steps over loopback ÷ torch", [], note=MISSING)
        return
    with live_server() as url, peers(("telegrad", url), ("torch",)) as (ours, theirs):
        for name in names:
            for read_every, word in ((50, "read every 50"), (1, "read every step")):
                ratios = []
                for _ in range(rounds):
                    mine = ours.ask("steps", name, STEPS[name], read_every)
                    ratios.append(mine / theirs.ask("steps", name, STEPS[name], read_every))
                target = 1.0 if read_every == 50 else None
                yield Result(f"{name}: step over loopback, {word} ÷ torch", ratios, target, note=f"{mine * 1e3:.2f} ms")


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
                near, far = pair
                for name in ("mlp",) if quick else ("mlp", "characters", "chain"):
                    count = max(STEPS[name] * 4, 200)
                    deferred, each = [], []
                    for _ in range(rounds):
                        deferred.append(far.ask("steps", name, count, count) / near.ask("steps", name, count, count))
                        step = near.ask("steps", name, 20, 1)
                        each.append(far.ask("steps", name, 10, 1) / (1.1 * rtt + step))
                    word = f"{name} at {rtt * 1e3:.0f} ms"
                    yield Result(f"{word}, values deferred ÷ loopback", deferred, 1.1)
                    yield Result(f"{word}, read every step ÷ (1.1 RTT + loopback)", each, 1.0)


def transfers(rounds: int, quick: bool) -> Iterator[Result]:
    """256 MB down and up ÷ a raw loopback socket."""
    import telegrad as tg

    count = (16 if quick else 64) << 20
    values = np.ones(count, np.float32)
    with live_server() as url:
        tg.connect(url)
        held = tg.zeros(count) + 1
        tg.synchronize()
        down, up = [], []
        into = np.empty_like(values)
        for _ in range(rounds):
            raw = values.nbytes / raw_transfer(values, into)
            begun = time.perf_counter()
            held.numpy()
            down.append(values.nbytes / (time.perf_counter() - begun) / raw)
            host = tg.tensor(values)
            begun = time.perf_counter()
            host.view(-1)
            tg.synchronize()
            up.append(values.nbytes / (time.perf_counter() - begun) / raw)
            del host
        tg.disconnect()
    size = f"{values.nbytes >> 20} MB"
    yield Result(f"{size} download ÷ raw socket", down, 0.9, higher=True)
    yield Result(f"{size} upload ÷ raw socket", up, 0.6, higher=True)


def raw_transfer(values: np.ndarray, into: np.ndarray) -> float:
    """Seconds for the array's bytes from one thread's socket to another's, into memory that exists."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sender = threading.Thread(target=lambda: _send_all(listener, values))
        sender.start()
        with socket.create_connection(listener.getsockname()) as connection:
            view, filled = memoryview(into).cast("B"), 0
            begun = time.perf_counter()
            while filled < len(view):
                filled += connection.recv_into(view[filled:])
            took = time.perf_counter() - begun
        sender.join()
    return took


def _send_all(listener: socket.socket, values: np.ndarray) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.sendall(memoryview(values).cast("B"))


def round_trip(rounds: int, quick: bool) -> Iterator[Result]:
    """An empty round trip answered by the front ÷ a raw socket's ping-pong."""
    from telegrad._transport import Transport

    ratios = []
    with live_server() as url, Transport(url) as transport:
        for _ in range(rounds):
            ours = _median(lambda: transport.request("GET", "/v1/health"))
            ratios.append(ours / _ping_pong())
    yield Result("empty round trip through the client's transport ÷ raw", ratios, 3.5, note=f"{ours * 1e6:.0f} µs")


def _median(call: Callable[[], object], count: int = 500) -> float:
    times = []
    for _ in range(count):
        begun = time.perf_counter()
        call()
        times.append(time.perf_counter() - begun)
    return float(np.median(times))


def _ping_pong() -> float:
    """The median of 32 bytes there and back, between two threads' sockets."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
    for end in (near, far):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def echo() -> None:
        while data := far.recv(64):
            far.sendall(data)

    thread = threading.Thread(target=echo)
    thread.start()

    def trip() -> None:
        near.sendall(b"x" * 32)
        near.recv(64)

    median = _median(trip)
    near.close()
    thread.join()
    far.close()
    return median


ROWS = {
    "recording": recording,
    "models": against_torch,
    "delayed": delayed,
    "transfers": transfers,
    "round_trip": round_trip,
}
