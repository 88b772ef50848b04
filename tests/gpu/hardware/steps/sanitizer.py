"""compute-sanitizer's memcheck and racecheck over one sample of each op with kernels of ours."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from gpu.hardware.card import Card
from gpu.hardware.findings import DESCRIPTOR, Findings

TOOLS: Final = ("memcheck", "racecheck")
PATIENCE: Final = 27.0
"""Seconds for each tool, which makes kernels many times slower."""

TOLD: Final = 8


def run(card: Card, findings: Findings) -> None:
    program = _program()
    if card.emulated or program is None:
        why = "an emulated device runs no machine code" if card.emulated else "compute-sanitizer is not installed"
        findings.add("compute-sanitizer", why=why)
        return
    for tool in TOOLS:
        findings.attempt(tool, _checked, program, tool)


def _program() -> str | None:
    """compute-sanitizer, from the PATH or from CUDA's folder."""
    places = [os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), "/usr/local/cuda"]
    folders = [str(Path(place) / part) for place in places if place for part in ("bin", "compute-sanitizer")]
    return shutil.which("compute-sanitizer", path=os.pathsep.join([os.environ.get("PATH", ""), *folders]))


def _checked(program: str, tool: str) -> dict[str, Any]:
    """Errors that a tool found, as far as it came."""
    command = [program, "--tool", tool, "--error-exitcode", "0", sys.executable, "-P", "-m", "gpu.hardware.sanitized"]
    environment = {name: value for name, value in os.environ.items() if name != DESCRIPTOR}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        try:
            text, whole = process.communicate(timeout=PATIENCE)[0], True
        except subprocess.TimeoutExpired:
            process.kill()
            text, whole = process.communicate()[0], False
    return outcome(text, whole)


def outcome(text: str, whole: bool) -> dict[str, Any]:
    """What the output of a tool says: samples that ran, and the errors it names, the first with its lines.

    >>> outcome("sample add\\n========= Invalid __global__ read of size 4 bytes\\n========= ERROR SUMMARY: 1 error", True)
    {'ok': False, 'samples': 1, 'errors': 1, 'whole': True, 'why': 'Invalid __global__ read of size 4 bytes'}
    """
    samples = len(re.findall(r"^sample ", text, re.MULTILINE))
    said = [line.removeprefix("=========").strip() for line in text.splitlines() if line.startswith("=========")]
    wrong = [
        line for line in said if re.match(r"(Error|Warning|Invalid|Race|Program hit|Uninitialized|Misaligned)", line)
    ]
    why = {"why": "; ".join(wrong[:TOLD])} if wrong else {}
    return {"ok": not wrong and samples > 0, "samples": samples, "errors": len(wrong), "whole": whole, **why}
