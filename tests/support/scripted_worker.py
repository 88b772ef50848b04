"""A worker process that does as it is told: the other end of the channel, in tests of the channel."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import time

from telegrad_protocol.errors import OpValueError
from telegrad_server.channel.requests import Request
from telegrad_server.channel.worker_end import WorkerEnd


def answer(link: WorkerEnd, request: Request) -> None:
    """Carry out one request; its kind is the name of what to do."""
    if request.kind == "health":
        link.reply(request, {"pid": os.getpid()})
    elif request.kind == "echo":
        link.reply(request, request.fields[0])
    elif request.kind == "submit":
        link.reply(request, (request.fields[3], [], 0.0))
    elif request.kind == "refuse":
        link.fail(request, OpValueError("refused", argument="x"))
    elif request.kind == "write_piece":
        _, _, _, size, slot = request.fields
        link.reply(request, bytes(link.slot(slot, size)))
    elif request.kind == "read_piece":
        _, read, _, size, slot = request.fields
        link.slot(slot, size)[:] = bytes([read]) * size
        link.reply(request, None)
    elif request.kind == "huge":
        link.reply(request, bytes(request.fields[0]))
    elif request.kind == "nap":
        time.sleep(request.fields[0])
        link.reply(request, None)
    elif request.kind == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif request.kind == "exit":
        os._exit(3)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int)
    parser.add_argument("--arena-fd", type=int)
    options, _ = parser.parse_known_args()
    link = WorkerEnd(socket.socket(fileno=options.fd), options.arena_fd)
    while True:
        try:
            for request in link.poll(None):
                answer(link, request)
        except EOFError:
            return


if __name__ == "__main__":
    sys.exit(main())
