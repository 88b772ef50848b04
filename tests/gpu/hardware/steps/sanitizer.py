"""compute-sanitizer's memcheck and racecheck over one sample of each op with kernels of ours."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from importlib.metadata import distributions
from pathlib import Path
from typing import IO, Any, Final

import psutil
from gpu.hardware.card import Card
from gpu.hardware.findings import Findings

TOOLS: Final = ("memcheck", "racecheck")
SECONDS: Final = 18.0
"""How long samples are begun under a tool, which makes kernels many times slower."""

PATIENCE: Final = 28.0
"""Seconds for each tool, with its start, the last sample and its summary."""

TOLD: Final = 8

_SUMMARY: Final = re.compile(r"(?:ERROR|RACECHECK) SUMMARY: (.*)")
_WRONG: Final = re.compile(r"Invalid|Misaligned|(?:Error|Warning): Race|Program hit")


def run(card: Card, findings: Findings) -> None:
    program = _program()
    if card.emulated or program is None:
        why = "an emulated device runs no machine code" if card.emulated else "compute-sanitizer is not installed"
        findings.add("compute-sanitizer", why=why)
        return
    for tool in TOOLS:
        findings.attempt(tool, checked, program, tool)


def _program() -> str | None:
    """compute-sanitizer: from the PATH, from CUDA's folder or from a wheel."""
    places = [os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), "/usr/local/cuda"]
    folders = [str(Path(place) / part) for place in places if place for part in ("bin", "compute-sanitizer")]
    found = shutil.which("compute-sanitizer", path=os.pathsep.join([os.environ.get("PATH", ""), *folders]))
    return found or next(_in_wheels(), None)


def _in_wheels() -> Any:
    for wheel in distributions():
        if "sanitizer" in (wheel.name or ""):
            yield from (str(file.locate()) for file in wheel.files or () if file.name == "compute-sanitizer")


def checked(program: str, tool: str, *options: str) -> dict[str, Any]:
    """What a tool finds, as far as it comes. `options` are of `gpu.hardware.sanitized`."""
    # What the driver refuses is no concern of the kernels: CuPy asks for more than every card has.
    command = [program, "--tool", tool, *(("--report-api-errors", "no") if tool == "memcheck" else ())]
    command += [sys.executable, "-P", "-m", "gpu.hardware.sanitized", str(SECONDS), *options]
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as begun:
        # Files, since a pipe would stay open in the process that the tool has started, and be waited for.
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=begun)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            _end(process)
        return outcome(_text(said), _text(begun).splitlines())


def _text(file: IO[str]) -> str:
    file.seek(0)
    return file.read()


def _end(process: subprocess.Popen[Any]) -> None:
    """End the tool and the process that it looks at."""
    for each in (process, *psutil.Process(process.pid).children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            each.kill()
    process.wait()


def outcome(said: str, begun: list[str]) -> dict[str, Any]:
    """What a tool's output says. `ok` is None where it neither found anything nor came to its summary.

    >>> outcome("========= Invalid __global__ read of size 4\\n========= ERROR SUMMARY: 1 error", ["add"])
    {'ok': False, 'summary': '1 error', 'why': 'Invalid __global__ read of size 4'}
    """
    lines = [line.removeprefix("=========").strip() for line in said.splitlines() if line.startswith("=========")]
    summary = next((found[1] for line in lines if (found := _SUMMARY.match(line))), None)
    samples = _samples(said)
    figures = ({"summary": summary} if summary else {}) | ({"samples": samples} if samples else {})
    wrong = [line for line in lines if _WRONG.match(line)]
    if wrong or (summary and not summary.startswith("0 ")):
        return {"ok": False, **figures, "why": _why(*(wrong or lines))}
    if summary and samples:
        return {"ok": True, **figures}
    return {"ok": None, **figures, "why": _why("it did not come to its end", *lines, *begun[-2:])}


def _samples(said: str) -> dict[str, Any]:
    """How far the samples came, and how they went; whether their values are right is another step's business."""
    lines = [line for line in said.splitlines() if line.startswith("{")]
    return {name: value for name, value in json.loads(lines[-1]).items() if name not in ("ok", "why")} if lines else {}


def _why(*lines: str) -> str:
    return "; ".join(lines[:TOLD])
