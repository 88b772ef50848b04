"""What the wire costs: bulk transfers beside a raw socket, their memory, and an empty round trip."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context

import httpx
import numpy as np
from support.live import NO_TLS, live_server

from bench.measure import Result, peers, server_processes

Process = get_context("fork").Process
EXTRA = 8.0
"""MB that count as no extra memory: two pieces of a transfer."""

WARM = 16 << 20
"""Bytes of a first transfer: every slot is used, and little is kept."""


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
    size, note = f"{values.nbytes >> 20} MB", f"raw {raw / 1e9:.2f} GB/s"
    yield Result(f"{size} download ÷ raw socket", down, 0.9, higher=True, note=note)
    yield Result(f"{size} upload ÷ raw socket", up, 0.6, higher=True, note=note)


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


def memory(rounds: int, quick: bool) -> Iterator[Result]:
    """The peak memory of 256 MB down and up, beyond the tensor itself, of the client and of the server's processes.

    A small transfer comes first: buffers and shared pages stay, once for all. Each is on a server of its own: a process
    keeps what a tensor had, and the next one's extra memory would be hidden there.
    """
    nbytes = (64 if quick else 256) << 20
    for way in ("download", "upload"):
        found = [_extra_memory(way, nbytes) for _ in range(rounds)]
        for side in ("client", "server"):
            what = f"{nbytes >> 20} MB {way}: extra memory of the {side}"
            yield Result(what, [extra[side] for extra in found], EXTRA, unit="MB")


def _extra_memory(way: str, nbytes: int) -> dict[str, float]:
    with live_server() as url, peers(("telegrad", url)) as (ours,):
        ours.extra_memory(way, WARM)
        return ours.extra_memory(way, nbytes)


def round_trip(rounds: int, quick: bool) -> Iterator[Result]:
    """An empty round trip answered by the front ÷ a raw socket's ping-pong, both between two cores."""
    from telegrad._http.transport import Transport

    plain, through = [], []
    with live_server() as url, Transport(url) as transport, httpx.Client(base_url=url, verify=NO_TLS) as client:
        (front,) = [process.pid for process in server_processes() if process.name == "front"]
        with _on_cores(front) as other:
            for _ in range(rounds):
                raw = _ping_pong(other)
                stock = _median(lambda: client.get("/v1/health"))
                ours = _median(lambda: transport.request("GET", "/v1/health"))
                plain.append(stock / raw)
                through.append(ours / raw)
    note = f"raw {raw * 1e6:.0f} µs"
    yield Result("empty round trip, plain httpx ÷ raw", plain, 3.5, note=f"{stock * 1e6:.0f} µs, {note}")
    yield Result("empty round trip, client's transport ÷ raw", through, 3.5, note=f"{ours * 1e6:.0f} µs, {note}")


@contextmanager
def _on_cores(pid: int) -> Iterator[set[int]]:
    """This process on the first core and `pid` on the last, which is given: on one core nobody waits to be woken."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(pid, {cores[-1]})
    os.sched_setaffinity(0, {cores[0]})
    try:
        yield {cores[-1]}
    finally:
        os.sched_setaffinity(0, cores)


def _median(call: Callable[[], object], count: int = 500) -> float:
    times = []
    for _ in range(count):
        begun = time.perf_counter()
        call()
        times.append(time.perf_counter() - begun)
    return float(np.median(times))


def _ping_pong(cores: set[int]) -> float:
    """The median of 32 bytes to another process on `cores` and back, over plain sockets."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        echo = Process(target=_echo, args=(listener.getsockname(), cores))
        echo.start()
        far, _ = listener.accept()
    with far:
        far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def trip() -> None:
            far.sendall(b"x" * 32)
            far.recv(64)

        median = _median(trip)
    echo.join()
    return median


def _echo(address: tuple[str, int], cores: set[int]) -> None:
    os.sched_setaffinity(0, cores)
    with socket.create_connection(address) as near:
        near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while data := near.recv(64):
            near.sendall(data)
