"""`telegrad serve`: starts the front and its workers, prints the URL, and at a signal finishes accepted work and ends."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import signal
import socket
import sys
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import uvicorn

from telegrad_protocol.devices import canonical
from telegrad_protocol.errors import Unavailable, WorkerDied

from .app import create_app, sessions_for
from .backend.probe import found_devices
from .channel.process import WorkerProcess
from .http.allocator import keep_freed_memory
from .http.connections import connections_of
from .http.rest import offload
from .logs import Libraries, log
from .sessions.registry import Sessions
from .settings import DEFAULT_PORT, Settings, available_memory, parse_memory, read_tokens

DRAIN = 30.0
"""Seconds that accepted work may take after the signal to end."""

KEEP_ALIVE = 300


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help="port; 0 takes a free one (default: %(default)s)"
    )
    parser.add_argument("--token-file", help="file with a token a line; else TELEGRAD_TOKEN, if it is set")
    parser.add_argument("--memory", default="80%", help="limit for tensors, as 4G or 80%% (default: %(default)s)")
    parser.add_argument(
        "--device",
        action="append",
        help="cpu, cuda, cuda:k: what to serve beside cpu; may be given again (default: all)",
    )
    parser.add_argument("--lease", type=float, default=60.0, help="seconds that a silent session lives (default: 60)")
    parser.add_argument("--allow-host", action="append", default=[], help="a name for Host (off loopback: only these)")
    parser.add_argument("--allow-origin", action="append", default=[], help="an origin whose pages may use the server")
    parser.add_argument("--log-format", choices=["text", "json"], default="text")
    parser.add_argument("--embedded-fd", type=int, help=argparse.SUPPRESS)


def run(options: argparse.Namespace) -> int:
    """Serve until a signal, or the end of the embedding process; the exit status."""
    logging.basicConfig(handlers=[Libraries()], level=logging.WARNING)
    log.style = options.log_format
    log.quiet = options.embedded_fd is not None  # the terminal belongs to the script that embeds us
    channel = None if options.embedded_fd is None else socket.socket(fileno=options.embedded_fd)
    try:
        settings = settings_from(options, channel)
        settings.check()
    except (ValueError, OSError) as error:
        print(f"telegrad serve: {error}", file=sys.stderr)
        return 2
    keep_freed_memory()
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn_loop = uvicorn.Config(app=lambda: None, log_config=None).get_loop_factory()
        with asyncio.Runner(loop_factory=uvicorn_loop) as runner:
            return runner.run(serve(settings, channel))
    return 130


def settings_from(options: argparse.Namespace, channel: socket.socket | None) -> Settings:
    """Settings of the command line; the embedded server's token comes through the channel."""
    tokens = frozenset({_read_line(channel)}) if channel is not None else read_tokens(options.token_file)
    return Settings(
        host=options.host,
        port=options.port,
        tokens=tokens,
        allow_hosts=frozenset(options.allow_host),
        allow_origins=frozenset(options.allow_origin),
        devices=devices_from(options.device),
        memory=options.memory,
        lease=options.lease,
        log_format=options.log_format,
    )


def devices_from(wanted: list[str] | None) -> dict[str, int]:
    """The devices to serve, with the memory of each: the CPU, and the GPUs that are asked for or found.

    Raises ValueError for a GPU that was asked for and cannot be used, with the reason. Where none was asked for, GPUs
    are looked for if CuPy is installed, and one that cannot be used is logged and left out.
    """
    names = {canonical(name) for name in wanted or ()} - {"cpu"}
    devices = {"cpu": available_memory()}
    if wanted is not None and not names:
        return devices
    if wanted is None and find_spec("cupy") is None:
        return devices
    for found in found_devices():
        if found.usable and (wanted is None or found.device in names):
            devices[found.device] = found.memory
        elif not found.usable and wanted is None:
            log.warning("GPU not used", device=found.device, reason=found.reason)
        elif not found.usable and (found.device in names or found.device == "cuda"):
            raise ValueError(f"{found.device} cannot be used: {found.reason}")
    missing = names - set(devices)
    if missing:
        raise ValueError(f"there is no device {', '.join(sorted(missing))}; there are {', '.join(devices)}")
    return devices


def _read_line(channel: socket.socket) -> str:
    line = b""
    while not line.endswith(b"\n"):
        piece = channel.recv(1)
        if not piece:
            raise ValueError("the embedding process ended before it gave a token")
        line += piece
    return line.decode().strip()


async def serve(settings: Settings, channel: socket.socket | None = None) -> int:
    """Run the server in this event loop until a signal, or the end of the embedding process."""
    try:
        listener = _listen(settings)
    except OSError as error:
        print(f"telegrad serve: cannot listen on {settings.host}:{settings.port}: {error}", file=sys.stderr)
        return 1
    workers = {
        device: WorkerProcess(
            device,
            parse_memory(settings.memory, total),
            partial(lambda name, cause: sessions.lose(name, cause), device),
        )
        for device, total in settings.devices.items()
    }
    sessions = sessions_for(settings, workers)
    try:
        for worker in workers.values():
            await worker.start()
    except WorkerDied:
        print("telegrad serve: a worker did not start; its own words are above", file=sys.stderr)
        await _stop(workers, 5.0)
        return 1
    server = _server(create_app(settings, sessions), settings)
    ending = asyncio.Event()
    _end_on_signals(ending, sessions)
    tasks = [asyncio.create_task(server.serve(sockets=[listener])), asyncio.create_task(sessions.sweep())]
    while not server.started and not tasks[0].done():
        await asyncio.sleep(0.005)
    await _announce(settings, listener, channel, ending)
    await ending.wait()
    log.info("shutting down", sessions=len(sessions))
    embedded = channel is not None  # no client is left to wait for an answer
    await sessions.drain(0.0 if embedded else DRAIN)
    sessions.lose_all(Unavailable("the server is shutting down"))
    server.should_exit = True
    await tasks[0]
    tasks[1].cancel()
    await asyncio.to_thread(offload.stop)
    await _stop(workers, 0.3 if embedded or sessions.hurried else 5.0)
    return 0


def _server(app: Any, settings: Settings) -> _Server:
    return _Server(
        uvicorn.Config(
            app,
            http=connections_of(settings),
            ws="none",
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="off",
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=5,
            server_header=False,
        )
    )


async def _stop(workers: dict[str, WorkerProcess], patience: float) -> None:
    for worker in workers.values():
        if worker.started:
            await worker.stop(patience)


class _Server(uvicorn.Server):
    """Leaves signals to `_end_on_signals`: accepted work is finished first."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        yield


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((settings.host, settings.port))
    listener.listen(2048)
    return listener


def _end_on_signals(ending: asyncio.Event, sessions: Sessions) -> None:
    """The first signal lets accepted work finish; the second ends the server at once."""

    def end() -> None:
        sessions.hurried = ending.is_set()
        ending.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end)


async def _announce(
    settings: Settings, listener: socket.socket, channel: socket.socket | None, ending: asyncio.Event
) -> None:
    host, port = listener.getsockname()[:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    if channel is None:
        print(f"telegrad {version('telegrad')} listening on {url}", flush=True)
        return
    channel.sendall(f"{url}\n".encode())
    channel.setblocking(False)
    # The other end is open exactly as long as the embedding process lives.
    asyncio.get_running_loop().add_reader(channel.fileno(), ending.set)
