"""How a row is measured: peers in processes of their own, rounds interleaved, ratios per round."""

from __future__ import annotations

import importlib.util
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil

HAS_TORCH = importlib.util.find_spec("torch") is not None


class Result(NamedTuple):
    """One row: a ratio, or a number of `unit`, per round; met if the median is at most the target.

    `higher`: at least the target. `peaks`: peak memory in MB, by process.
    """

    what: str
    ratios: list[float]
    target: float | None = None
    higher: bool = False
    note: str = ""
    unit: str = ""
    peaks: dict[str, float] | None = None

    def meets(self, ratio: float) -> bool:
        assert self.target is not None
        return ratio >= self.target if self.higher else ratio <= self.target

    def record(self) -> dict[str, Any]:
        """Everything, with the median and the spread, for JSON."""
        if not self.ratios:
            return self._asdict()
        middle = statistics.median(self.ratios)
        met = None if self.target is None else self.meets(middle)
        return {**self._asdict(), "median": middle, "spread": [min(self.ratios), max(self.ratios)], "met": met}


class Peer:
    """A process that answers requests for timings, a line of JSON each."""

    def __init__(self, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        command = [sys.executable, "-m", "bench.peer", *arguments]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
        self.pid = self._process.pid

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

    def extra_memory(self, way: str, nbytes: int) -> dict[str, float]:
        """Peak memory of a transfer beyond the tensor, in MB, of the client and of the server's processes together."""
        self.ask("prepare", way, nbytes)
        server = [process.pid for process in server_processes()]
        sides = {"client": ([self.pid], way == "download"), "server": (server, way == "upload")}
        before = {pid: _restart_peak(pid) for pids, _ in sides.values() for pid in pids}
        self.ask("transfer", way, nbytes)
        return {
            side: sum(peak_mb(pid) - before[pid] for pid in pids) - (nbytes / 1e6 if holds_it else 0)
            for side, (pids, holds_it) in sides.items()
        }

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)


@contextmanager
def peers(*named: tuple[str, ...], env: Mapping[str, str] | None = None) -> Iterator[list[Peer]]:
    """Peers that live as long as the block."""
    made = [Peer(*arguments, env=env) for arguments in named]
    try:
        yield made
    finally:
        for peer in made:
            peer.close()


class ServerProcess(NamedTuple):
    name: str
    pid: int


def server_processes() -> list[ServerProcess]:
    """The processes of the servers that this one started: front and worker."""
    found = []
    for process in psutil.Process().children(recursive=True):
        command = process.cmdline()
        name = "worker" if "telegrad_server.worker" in command else "front" if "telegrad_server" in command else ""
        if name:
            found.append(ServerProcess(name, process.pid))
    return found


def peak_mb(pid: int) -> float:
    """The most memory that a process had, as the kernel counts it."""
    return _status(pid, "VmHWM")


def _restart_peak(pid: int) -> float:
    """Let the peak begin anew from what the process has now, which is returned, in MB."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return _status(pid, "VmRSS")


def _status(pid: int, field: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (kilobytes,) = [line.split()[1] for line in lines if line.startswith(f"{field}:")]
    return int(kilobytes) * 1024 / 1e6
