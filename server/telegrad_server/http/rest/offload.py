"""Large bodies are parsed and written off the event loop, which answers other requests meanwhile.

Parsing JSON or msgpack is one call of C that holds the interpreter lock: it runs in another process, which returns
elements as bytes and little else. Writing is done in pieces, for which a thread is enough.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Final, NamedTuple, TypeVar

from telegrad_protocol.errors import TelegradError, TooLarge, Unavailable

from . import codec

LARGE: Final = 1 << 16
"""Bytes from which a body is parsed, or written, off the event loop."""

OTHER_ITEMS: Final = 50_000
"""Items that a large body may have, elements of tensors not counted."""

ELEMENT_BYTES: Final = 32 << 20
"""Bytes of elements that nested lists may make; as bytes and as .npy there may be more."""

_HINT: Final = "send them as bytes in msgpack, or as .npy"

Result = TypeVar("Result")


class Elements(NamedTuple):
    """Elements of a tensor that the parser process parsed, or the error that it raised."""

    value: codec.Value | None
    error: TelegradError | None = None

    def get(self) -> codec.Value:
        if self.error is not None:
            raise self.error
        assert self.value is not None
        return self.value


async def parse(body: bytes, kind: str) -> Any:
    """A body as plain data, with `Elements` in place of the nested lists of a large one. Raises `Malformed`, `TooLarge`."""
    if len(body) <= LARGE:
        return codec.parse(body, kind)
    return await _parser.run(_parse, body, kind)


async def work(large: bool, function: Callable[..., Result], *args: Any) -> Result:
    """A function's result: from a thread if the work is large. The function must let other threads run."""
    return await asyncio.to_thread(function, *args) if large else function(*args)


# In the other process ---------------------------------------------------------------------------------------------


def _parse(body: bytes, kind: str) -> Any:
    value = _with_elements(codec.parse(body, kind))
    if isinstance(value, dict) and isinstance(value.get("calls"), list | tuple):
        value["calls"] = [_with_elements(call) for call in value["calls"]]
    if _count(value, OTHER_ITEMS) > OTHER_ITEMS:
        raise TooLarge(
            f"the body has more than {OTHER_ITEMS} items beside the elements of tensors", expected=OTHER_ITEMS
        )
    return value


def _with_elements(value: Any) -> Any:
    if not isinstance(value, dict) or not isinstance(value.get("data"), list | tuple):
        return value
    name = value.get("dtype")
    try:
        made = codec.from_nested(value["data"], codec.dtype_named(name) if isinstance(name, str) else None)
        if len(made.data) > ELEMENT_BYTES:
            raise TooLarge(f"nested lists make {len(made.data)} bytes of elements", expected=ELEMENT_BYTES, hint=_HINT)
        found = Elements(made)
    except TelegradError as error:
        found = Elements(None, error)
    return {**value, "data": found}


def _count(value: Any, most: int) -> int:
    """The number of items of nested data, without elements. Counting stops beyond `most`."""
    count, stack = 0, [value]
    while stack and count <= most:
        item = stack.pop()
        count += 1
        if isinstance(item, dict):
            stack.extend(item.values())
        elif isinstance(item, list | tuple) and not isinstance(item, Elements):
            stack.extend(item)
    return count


def _begin() -> None:
    """Ignore signals, which the server handles, and exit when the server has exited for any reason."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_after_parent, daemon=True).start()


def _exit_after_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(0)


class Parser:
    """The parser process: started for the first large body, and again if it has died."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None

    async def run(self, function: Callable[..., Any], *args: Any) -> Any:
        if self._pool is None:
            spawn = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(1, mp_context=spawn, initializer=_begin)
        pool = self._pool
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, function, *args)
        except BrokenProcessPool:
            if self._pool is pool:
                self._pool = None
            raise Unavailable("the process that reads large bodies has ended; send it again") from None

    def stop(self) -> None:
        """End the process, if there is one."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


_parser = Parser()
stop = _parser.stop
