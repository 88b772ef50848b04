"""`telegrad doctor`: looks at this machine and tries a device: op samples, gradients, a training run, speeds.

Each part of the report is a dictionary, printed for people as soon as it is there, or all of them as JSON at the end.
A part that found something wrong has `ok` false, and makes the exit status 1.
"""

from __future__ import annotations

import argparse
import json

from telegrad_protocol.devices import canonical
from telegrad_protocol.errors import DeviceError

from .report import Part, render


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", type=_device, help="cpu, cuda, cuda:k (default: the first usable GPU, else cpu)")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--quick", action="store_true", help="one sample an op, smaller measurements: seconds")


def _device(text: str) -> str:
    try:
        return canonical(text)
    except DeviceError as error:
        raise argparse.ArgumentTypeError(error.message) from error


def run(options: argparse.Namespace) -> int:
    """Print the report; the exit status: 0 if all is well, 1 if something failed."""
    from .examination import examine  # loads the engine and its kernels, which the front of a server does without

    report: dict[str, Part] = {}
    for name, part in examine(options.device, options.quick):
        report[name] = part
        if not options.json:
            print(render(name, part), flush=True)
    well = all(part.get("ok", True) for part in report.values())
    if options.json:
        print(json.dumps({"ok": well, **report}, indent=2))
    else:
        print("all is well" if well else "something failed: see above")
    return 0 if well else 1
