"""Loopback proxies that make a network slow or faulty.

`DelayProxy` adds a round-trip time, byte by byte; `FaultProxy` loses, repeats, delays, reorders and cuts off
HTTP/1.1 requests and responses, as its seed has it, and counts what it did:

    with FaultProxy(server_url, seed=7, drop=0.1, duplicate=0.1) as proxy:
        talk_to(proxy.url)
    assert proxy.counts["drop_request"]

From a shell, from the folder above this one, until its input ends:

    python -m support.proxies http://127.0.0.1:7077 --rtt 0.03      # prints the URL to use instead
"""

import argparse
import asyncio
import collections
import contextlib
import random
import selectors
import subprocess
import sys
import threading
import urllib.parse
from typing import NamedTuple

_READ_AHEAD = 16 << 20


class _Proxy:
    """A proxy on an event loop of its own, in a daemon thread; `url` is where it listens."""

    def __init__(self, upstream_url):
        parts = urllib.parse.urlsplit(upstream_url)
        self._upstream = parts.hostname, parts.port or 80
        self._path = parts.path
        self._tasks = set()
        self._writers = set()

    def __enter__(self):
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        started.wait()
        return self

    def __exit__(self, *exception):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self, started):
        def new_loop():
            # The other selectors round waits up to whole milliseconds, several per cent of a short round trip.
            return asyncio.SelectorEventLoop(selectors.SelectSelector())

        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(self._main(started))

    async def _main(self, started):
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=_READ_AHEAD, backlog=512)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{self._path}"
        started.set()
        await self._stop.wait()
        server.close()
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)  # for the transports to let go of their sockets

    def _accept(self, reader, writer):
        task = self._loop.create_task(self._attend(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _attend(self, reader, writer):
        async with self._closing(writer):
            try:
                await self._serve(reader, writer)
            except* (OSError, asyncio.IncompleteReadError):
                pass  # whatever goes wrong on either side ends the connection, as a network's fault does

    @contextlib.asynccontextmanager
    async def _connected(self):
        reader, writer = await asyncio.open_connection(*self._upstream, limit=_READ_AHEAD)
        async with self._closing(writer):
            yield reader, writer

    @contextlib.asynccontextmanager
    async def _closing(self, writer):
        self._writers.add(writer)
        try:
            yield
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            self._writers.discard(writer)


class DelayProxy(_Proxy):
    """Passes bytes on half of `rtt_s` seconds later, each way: in order, any number of them under way.

    With `process`, as benchmarks need it, it runs in a process of its own and takes no time of the caller's.
    """

    def __init__(self, upstream_url, rtt_s, *, process=False):
        super().__init__(upstream_url)
        self._command = [sys.executable, "-P", __file__, upstream_url, "--rtt", str(rtt_s)] if process else None
        self._delay = rtt_s / 2

    def __enter__(self):
        if not self._command:
            return super().__enter__()
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.url = self._process.stdout.readline().decode().strip()
        return self

    def __exit__(self, *exception):
        if not self._command:
            super().__exit__(*exception)
            return
        self._process.communicate(timeout=10)

    async def _serve(self, reader, writer):
        async with self._connected() as (upstream_reader, upstream_writer):
            await asyncio.gather(self._carry(reader, upstream_writer), self._carry(upstream_reader, writer))

    async def _carry(self, reader, writer):
        under_way = asyncio.Queue()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._deliver(under_way, writer))
            data = True
            while data:
                try:
                    data = await reader.read(1 << 20)
                except OSError:
                    data = None  # a reset, where b"" is an orderly end
                under_way.put_nowait((self._loop.time() + self._delay, data))

    async def _deliver(self, under_way, writer):
        while True:
            due, data = await under_way.get()
            await asyncio.sleep(max(0, due - self._loop.time()))
            if data:
                writer.write(data)
                continue
            if data is None:
                writer.transport.abort()
            else:
                with contextlib.suppress(OSError):  # gone already
                    writer.write_eof()
            return


class _Message(NamedTuple):
    """An HTTP request or response as it was read."""

    head: bytes
    body: bytes
    until_closed: bool

    def cut(self, share):
        """The message without its end: `share` of the body remains, or of the head where there is no body."""
        wire = self.head + self.body
        first = len(self.head) if self.body else 0
        return wire[: first + int(share * (len(wire) - first))]


class FaultProxy(_Proxy):
    """Forwards HTTP/1.1 requests and does to each what its seed draws; at most one of

    - `drop`: closes the connection, before the request is forwarded or after it was, without the response;
    - `duplicate`: sends the request twice at once, on two connections, and returns one of the answers;
    - `delay`: forwards it up to `delay_s` seconds later;
    - `reorder`: holds it until a later request, on another connection, was answered, at most `hold_s` seconds;
    - `truncate`: closes the connection within the request, seen from the server, or within the response.

    Each is given as a probability. `counts` says what was done: "requests", "drop_request", "drop_response",
    "duplicate", "delay", "reorder", "reorder_alone" (nothing overtook), "truncate_request",
    "truncate_response". What is drawn depends on the seed and the order of requests alone.
    """

    def __init__(
        self,
        upstream_url,
        seed,
        *,
        drop=0.0,
        duplicate=0.0,
        delay=0.0,
        reorder=0.0,
        truncate=0.0,
        delay_s=0.02,
        hold_s=0.25,
    ):
        super().__init__(upstream_url)
        faults = drop + duplicate + delay + reorder + truncate
        if faults > 1:
            raise ValueError(f"the probabilities of faults come to {faults}, more than 1")
        self._treatments = [
            self._drop,
            self._duplicate,
            self._delay,
            self._reorder,
            self._truncate,
            self._forward,
        ]
        self._weights = [drop, duplicate, delay, reorder, truncate, 1 - faults]
        self._random = random.Random(seed)
        self._delay_s = delay_s
        self._hold_s = hold_s
        self._held = {}
        self.counts = collections.Counter()

    async def _serve(self, reader, writer):
        while True:
            request = await _read(reader)
            self.counts["requests"] += 1
            number = self.counts["requests"]
            treat, share, first = self._draw()
            answer, whole = await treat(request, share=share, first=first, place=(number, writer))
            writer.write(answer)
            await writer.drain()
            if not whole:
                return
            self._let_pass(number, writer)

    def _draw(self):
        """What to do to a request, where within, and to which side of it."""
        treat = self._random.choices(self._treatments, self._weights)[0]
        return treat, self._random.random(), self._random.random() < 0.5

    async def _ask(self, request):
        async with self._connected() as (reader, writer):
            writer.write(request.head + request.body)
            return await _read_response(reader, request)

    async def _forward(self, request, **_):
        """What to answer, and whether that is a whole response, after which the connection goes on."""
        answer = await self._ask(request)
        return answer.head + answer.body, not answer.until_closed

    async def _drop(self, request, *, first, **_):
        if not first:
            await self._ask(request)
        self.counts["drop_request" if first else "drop_response"] += 1
        return b"", False

    async def _duplicate(self, request, *, first, **_):
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(self._ask(request)) for _ in range(2)]
        self.counts["duplicate"] += 1
        answer = asked[first].result()
        return answer.head + answer.body, not answer.until_closed

    async def _delay(self, request, *, share, **_):
        self.counts["delay"] += 1
        await asyncio.sleep(share * self._delay_s)
        return await self._forward(request)

    async def _reorder(self, request, *, place, **_):
        overtaken = self._held[place] = asyncio.Event()
        try:
            await asyncio.wait_for(overtaken.wait(), self._hold_s)
            self.counts["reorder"] += 1
        except TimeoutError:
            self.counts["reorder_alone"] += 1
        finally:
            del self._held[place]
        return await self._forward(request)

    def _let_pass(self, number, writer):
        """Release what was held when request `number` of another connection came, and has now been overtaken."""
        for (held_number, held_writer), overtaken in self._held.items():
            if held_number < number and held_writer is not writer:
                overtaken.set()

    async def _truncate(self, request, *, share, first, **_):
        if first:
            async with self._connected() as (_, writer):
                writer.write(request.cut(share))
            self.counts["truncate_request"] += 1
            return b"", False
        answer = await self._ask(request)
        self.counts["truncate_response"] += 1
        return answer.cut(share), False


async def _read(reader):
    """The next message that says itself how long it is, or else has no body."""
    head = await reader.readuntil(b"\r\n\r\n")
    fields = _fields(head)
    if fields.get(b"transfer-encoding", b"").lower() == b"chunked":
        return _Message(head, await _read_chunks(reader), False)
    return _Message(head, await reader.readexactly(int(fields.get(b"content-length", 0))), False)


async def _read_response(reader, request):
    """The response to `request`, past interim ones."""
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1][:3])
    if status < 200:
        return await _read_response(reader, request)
    if status in (204, 304) or request.head.startswith(b"HEAD "):
        return _Message(head, b"", False)
    fields = _fields(head)
    if b"transfer-encoding" in fields:
        return _Message(head, await _read_chunks(reader), False)
    if b"content-length" in fields:
        return _Message(head, await reader.readexactly(int(fields[b"content-length"])), False)
    return _Message(head, await reader.read(), True)


def _fields(head):
    pairs = (line.split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line)
    return {name.lower(): value.strip() for name, value in pairs}


async def _read_chunks(reader):
    """A chunked body as it is on the wire, to its end."""
    pieces = []
    size = 1
    while size:
        pieces.append(await reader.readuntil(b"\r\n"))
        size = int(pieces[-1].split(b";")[0], 16)
        if size:
            pieces.append(await reader.readexactly(size + 2))
    while pieces[-1] != b"\r\n":
        pieces.append(await reader.readuntil(b"\r\n"))
    return b"".join(pieces)


def main():
    """Run a `DelayProxy` until standard input ends."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("upstream_url")
    parser.add_argument("--rtt", type=float, required=True, help="seconds to add to a round trip")
    arguments = parser.parse_args()
    with DelayProxy(arguments.upstream_url, arguments.rtt) as proxy:
        print(proxy.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
