"""How a row is measured: peers in processes of their own, rounds interleaved, ratios per round."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

HAS_TORCH = importlib.util.find_spec("torch") is not None


class Result(NamedTuple):
    """One row: ratios of the rounds; met if the median is at most (or, where `higher`, at least) the target."""

    what: str
    ratios: list[float]
    target: float | None = None
    higher: bool = False
    note: str = ""

    def meets(self, ratio: float) -> bool:
        assert self.target is not None
        return ratio >= self.target if self.higher else ratio <= self.target


class Peer:
    """A process that answers requests for timings, a line of JSON each."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "bench.peer", *arguments]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *request: Any) -> float:
        """One timing, in seconds."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the benchmark peer ended with status {self._process.wait()}")
        return float(json.loads(answer))

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)


@contextmanager
def peers(*named: tuple[str, ...]) -> Iterator[list[Peer]]:
    """Peers that live as long as the block."""
    made = [Peer(*arguments) for arguments in named]
    try:
        yield made
    finally:
        for peer in made:
            peer.close()
