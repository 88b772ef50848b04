"""A worker in a process of this machine: frames over a socket pair, bulk bytes through shared memory."""

from __future__ import annotations

import asyncio
import mmap
import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Any, Final

from telegrad_protocol.errors import TelegradError, WorkerDied, from_dict
from telegrad_server.logs import log

from .arena import ARENA_BYTES, running, shared_memory, show_running
from .frames import Frames, frame
from .requests import Health
from .slots import SlotTransfers

RESTART_AFTER: Final = (0.1, 0.5, 2.0, 5.0)
"""Seconds before a worker that died is started again, by the number of deaths in a row."""

LIVED: Final = 60.0
"""The death of a worker that lived for so many seconds counts as the first in a row."""

ENDED: Final = "the worker process ended; its sessions and tensors are gone"

PROGRAM: Final = ("-m", "telegrad_server.worker")

ENVIRONMENT: Final = {
    # Idle threads of one pool must not spin on cores that another pool needs (read before NumPy is imported).
    "OMP_WAIT_POLICY": "passive",
    "NUMBA_THREADING_LAYER": "workqueue",
    # Kernels split their products into threads themselves: threads of BLAS spin, and wait for cores that others use.
    "OPENBLAS_NUM_THREADS": "1",
    # By default the C library returns large blocks to the system at each free: every kernel would fault pages in anew.
    "MALLOC_TRIM_THRESHOLD_": str(4 << 30),
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
}


class WorkerProcess(SlotTransfers):
    """A `Worker` in a child process, which is started again when it dies.

    `on_death` is called with the cause, since the sessions there are gone. `program`: the arguments of Python.
    """

    def __init__(
        self, device: str, memory: int, on_death: Callable[[WorkerDied], None], program: tuple[str, ...] = PROGRAM
    ) -> None:
        self.device = device
        self.memory = memory
        self.on_death = on_death
        self.program = program
        self._cause: WorkerDied | None = None
        self._deaths = 0
        self._alive = False
        self._stopping = False
        self._restarting: asyncio.Task[None] | None = None
        self._arena_fd = shared_memory(ARENA_BYTES)
        self._arena = memoryview(mmap.mmap(self._arena_fd, ARENA_BYTES))
        super().__init__(self._arena)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._next = count().__next__

    @property
    def started(self) -> bool:
        """Whether there is, or was, a process."""
        return hasattr(self, "_process")

    @property
    def alive(self) -> bool:
        """Whether there is a process that takes requests."""
        return self._alive

    @property
    def running(self) -> str:
        """The session whose rows the process runs at this moment, or an empty string."""
        return running(self._arena) if self._alive else ""

    def kill(self, cause: WorkerDied) -> None:
        """End the process in the middle of its work. Calls that wait, and sessions, get the cause."""
        if self._alive:
            self._cause = cause
            self._process.kill()

    async def start(self) -> None:
        """Start the process and wait until it answers. Raises `WorkerDied` if it ends instead."""
        self._spawn()
        await self.ask(Health())

    def _spawn(self) -> None:
        ours, theirs = socket.socketpair()
        show_running(self._arena, "")  # a worker that died has left the session that it ran
        command = [sys.executable, *self.program, "--fd", str(theirs.fileno())]
        command += ["--arena-fd", str(self._arena_fd), "--memory", str(self.memory), "--device", self.device]
        self._process = subprocess.Popen(
            command,
            pass_fds=[theirs.fileno(), self._arena_fd],
            env={**os.environ, **ENVIRONMENT},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        theirs.close()
        ours.setblocking(False)
        self._channel = ours
        self._frames = Frames()
        self._outbox: deque[memoryview] = deque()
        self._writing = False
        self._alive = True
        self._born = time.monotonic()
        asyncio.get_running_loop().add_reader(ours.fileno(), self._readable)

    # Requests ---------------------------------------------------------------------------------------------

    async def ask(self, request: Any) -> Any:
        """Send a request of the closed list; its answer. Raises the error that the worker answers with."""
        return request.answer(await self.exchange(request.kind, *request))

    async def exchange(self, kind: str, *fields: Any) -> Any:
        """Send a message and wait for its answer's payload."""
        if not self._alive:
            raise WorkerDied(
                "the worker process ended, its sessions and tensors are gone, and it is being started again",
                hint="open a session in a moment",
            )
        number = self._next()
        pieces = frame(number, (kind, *fields))
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        self._outbox.extend(map(memoryview, pieces if len(pieces) > 2 else [b"".join(pieces)]))
        if not self._writing:
            self._writable()
        try:
            return await future
        finally:
            self._waiting.pop(number, None)

    def _writable(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._outbox:
                data = self._outbox[0]
                sent = self._channel.send(data)
                if sent == len(data):
                    self._outbox.popleft()
                else:
                    self._outbox[0] = data[sent:]
        except BlockingIOError:
            if not self._writing:
                self._writing = True
                loop.add_writer(self._channel.fileno(), self._writable)
            return
        except OSError:
            self._died()
            return
        if self._writing:
            self._writing = False
            loop.remove_writer(self._channel.fileno())

    def _readable(self) -> None:
        try:
            data = self._channel.recv(1 << 20)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._died()
            return
        self._deliver(self._frames.feed(data))

    def _deliver(self, answers: list[tuple[int, Any]]) -> None:
        """Hand each answer to the call that waits for it."""
        for number, answer in answers:
            future = self._waiting.get(number)
            if future is None or future.done():
                continue
            if isinstance(answer, TelegradError):
                future.set_exception(answer)
                continue
            payload, error = answer
            if error is None:
                future.set_result(payload)
            else:
                future.set_exception(from_dict(error))

    # Supervision ------------------------------------------------------------------------------------------

    def _died(self) -> None:
        """Fail the calls that wait and, at once, the sessions: no request may find a session that has lost its tensors."""
        self._disconnect()
        waiting, self._waiting = list(self._waiting.values()), {}
        cause, self._cause = self._cause or WorkerDied(ENDED), None
        for future in waiting:
            if not future.done():
                future.set_exception(WorkerDied(cause.message))
        self.on_death(cause)
        if not self._stopping:
            self._restarting = asyncio.get_running_loop().create_task(self._restart())

    def _disconnect(self) -> None:
        self._alive = False
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._channel.fileno())
        if self._writing:
            loop.remove_writer(self._channel.fileno())
        self._channel.close()
        self._outbox.clear()

    async def _reap(self, patience: float) -> int:
        """The exit status of the process, which is killed if it does not end by itself."""
        try:
            return await asyncio.to_thread(self._process.wait, patience)
        except subprocess.TimeoutExpired:  # in the middle of a long kernel
            self._process.kill()
            return await asyncio.to_thread(self._process.wait)

    async def _restart(self) -> None:
        status = await self._reap(5.0)
        cause = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        log.warning("worker died", device=self.device, cause=cause)
        if time.monotonic() - self._born > LIVED:
            self._deaths = 0
        await asyncio.sleep(RESTART_AFTER[min(self._deaths, len(RESTART_AFTER) - 1)])
        self._deaths += 1
        self._spawn()
        log.info("worker restarted", device=self.device, pid=self._process.pid)

    async def stop(self, patience: float = 5.0) -> None:
        """Close the channel, so that the process ends by itself; kill it after `patience` seconds."""
        self._stopping = True
        if self._restarting is not None:
            self._restarting.cancel()
        if self._alive:
            self._disconnect()
        await self._reap(patience)
        os.close(self._arena_fd)
