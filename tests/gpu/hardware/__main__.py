"""`python -m gpu.hardware`: the whole check; see `make gpu-check`. Exit status 0 if all is well."""

from __future__ import annotations

import argparse
import datetime
import platform
import re
import signal
import subprocess
import sys
from pathlib import Path

from .findings import Line
from .packages import environment
from .page import section
from .plan import STEPS, TOTAL, TOTAL_OF_REHEARSAL
from .planted import PLANTS
from .runner import Runner, went_well

REPORTS = Path(__file__).with_name("reports")


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and the step that runs ends too
    arguments = ["--emulated"] if options.emulated else []
    arguments += ["--plant", options.plant] if options.plant else []
    seconds = options.seconds or (TOTAL_OF_REHEARSAL if options.emulated else TOTAL)
    folder = options.out or REPORTS / f"{datetime.datetime.now():%Y-%m-%d-%H%M%S}"
    runner = Runner(folder, seconds, arguments, environment(wheels=not options.emulated))
    runner.tell({"step": "", "event": "head", **_head(options.emulated)})
    chosen = [step for step in STEPS if options.only is None or step.name in options.only]
    for step in chosen:
        runner.run(step, step.rehearsal if options.emulated else step.seconds)
        print(section(step.name, runner.lines), flush=True)
    folder = options.out or _named(folder, runner.lines)
    print(f"report: {folder / 'report.md'}")
    return 0 if went_well(runner.lines, chosen) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="gpu-check", description=__doc__)
    parser.add_argument("--out", type=Path, help="a folder (default: one of reports/, named by time and card)")
    parser.add_argument("--only", nargs="+", choices=[step.name for step in STEPS], help="only these steps")
    parser.add_argument("--seconds", type=float, help="for all steps together")
    parser.add_argument("--emulated", action="store_true", help="rehearse on an emulated device, reduced")
    parser.add_argument("--plant", choices=sorted(PLANTS), help="with a fault that the report must show")
    return parser.parse_args()


def _head(emulated: bool) -> dict[str, str]:
    """When, of which commit, and on what."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        commit = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        commit = "unknown"
    found = {"date": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC", "commit": commit}
    if emulated:
        found["rehearsal"] = "an emulated device: nothing here was seen on hardware, and no speed means anything"
    return {**found, "system": platform.platform()}


def _named(folder: Path, lines: list[Line]) -> Path:
    """The folder of the report, with the card's name."""
    card = next((line.get("name") for line in lines if line.get("what") == "card"), None)
    words = re.sub(r"[^a-z0-9]+", "-", str(card or "no-card").lower()).strip("-")
    return folder.rename(folder.with_name(f"{folder.name}-{words}"))


if __name__ == "__main__":
    sys.exit(main())
