"""Runs the steps one after the other, each for so long at most, and keeps what they find as it comes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final

from .findings import DESCRIPTOR, Line
from .page import page
from .plan import Step

STACKS: Final = 1.0
"""Seconds that a step which hangs has to write where it is."""

WORTH_BEGINNING: Final = 5.0
"""Seconds that must be left for a step to be begun."""

TOLD: Final = 25
"""Lines of a failed step's log that the report repeats."""


class Runner:
    """One check: its folder, the lines so far, and how many seconds are left."""

    def __init__(self, folder: Path, seconds: float, arguments: Sequence[str], environment: dict[str, str]) -> None:
        self.lines: list[Line] = []
        self._folder = folder
        self._deadline = time.monotonic() + seconds
        self._arguments = arguments
        self._environment = {**os.environ, **environment}
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "results.jsonl").write_text("")

    def run(self, step: Step, limit: float) -> None:
        """Run a step, or say that there was no time for it."""
        left = self._deadline - time.monotonic()
        limit = min(limit, left)
        if left < WORTH_BEGINNING:
            self.tell({"step": step.name, "event": "end", "outcome": "not begun", "why": "no time was left"})
            return
        begun = time.monotonic()
        self.tell({"step": step.name, "event": "begin", "title": step.title, "limit_seconds": round(limit, 1)})
        outcome = self._run(step.name, limit)
        self.tell({"step": step.name, "event": "end", "seconds": round(time.monotonic() - begun, 1), **outcome})

    def tell(self, line: Line) -> None:
        """Keep a line, in the results and in the report."""
        self.lines.append(line)
        with (self._folder / "results.jsonl").open("a") as results:
            results.write(json.dumps(line) + "\n")
        whole = self._folder / "report.md.new"  # a check that is cut off leaves a whole page
        whole.write_text(page(self.lines))
        whole.replace(self._folder / "report.md")

    def _run(self, name: str, limit: float) -> Line:
        """The outcome of a step's process."""
        log = self._folder / f"{name}.log"
        source, sink = os.pipe()
        command = [sys.executable, "-P", "-m", "gpu.hardware.step", name, *self._arguments]
        with log.open("w") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=[sink],
                env={**self._environment, DESCRIPTOR: str(sink)},
                start_new_session=True,
            )
        os.close(sink)
        reader = threading.Thread(target=self._read, args=(os.fdopen(source),), daemon=True)
        reader.start()
        try:
            hung = _waits_in_vain(process, limit)
        finally:  # also where the check itself is ended
            _end(process)
        reader.join(STACKS)
        return _outcome(process.returncode, hung, log)

    def _read(self, findings: IO[str]) -> None:
        with findings:
            for text in findings:
                with suppress(json.JSONDecodeError):  # the last one of a process that was killed
                    self.tell(json.loads(text))


def _waits_in_vain(process: subprocess.Popen[Any], limit: float) -> bool:
    """Wait for a process; True if it took longer, and has been asked where it is."""
    try:
        process.wait(limit)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGUSR1)
        time.sleep(STACKS)
        return True
    return False


def _end(process: subprocess.Popen[Any]) -> None:
    """End a process and all that it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _outcome(status: int, hung: bool, log: Path) -> Line:
    if not hung and status == 0:
        return {"outcome": "done"}
    tail = log.read_text(errors="replace").splitlines()[-TOLD:]
    if hung:
        return {"outcome": "hung", "why": "it took longer than its limit, and was ended there", "log": tail}
    how = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
    return {"outcome": "failed", "why": f"its process ended with {how}", "log": tail}


def went_well(lines: Sequence[Line], chosen: Sequence[Step]) -> bool:
    """Whether every step was done and nothing that was checked was wrong."""
    ended = {line["step"]: line["outcome"] for line in lines if line["event"] == "end"}
    right: Callable[[Line], bool] = lambda line: line.get("ok") is not False
    return all(ended.get(step.name) == "done" for step in chosen) and all(map(right, lines))
