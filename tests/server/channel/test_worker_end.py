"""The worker's end of the channel, and the memory that both ends share."""

from __future__ import annotations

import os
import socket

import pytest

from telegrad_server.channel.arena import ARENA_BYTES, shared_memory
from telegrad_server.channel.frames import frame
from telegrad_server.channel.worker_end import WorkerEnd


def test_the_workers_end_polls_without_waiting_and_hears_of_the_end() -> None:
    ours, theirs = socket.socketpair()
    arena = shared_memory(ARENA_BYTES)
    end = WorkerEnd(theirs, arena)
    assert end.poll(0) == []
    message = b"".join(frame(1, ("echo", "x")))
    ours.sendall(message[:7])
    assert end.poll(0.001) == []
    ours.sendall(message[7:] + b"".join(frame(2, ("echo",))))
    assert end.poll(None) == [("echo", 1, ("x",)), ("echo", 2, ())]
    ours.close()
    with pytest.raises(EOFError):
        end.poll(None)
    theirs.close()
    os.close(arena)


def test_memory_is_shared_where_the_system_has_no_memfd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    fd = shared_memory(100)
    assert os.fstat(fd).st_size == 100
    assert os.fstat(fd).st_nlink == 0, "its file has no name"
    os.close(fd)
