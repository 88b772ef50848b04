"""One step, in a process of its own: `python -m gpu.hardware.step NAME [--emulated] [--plant FAULT]`."""

from __future__ import annotations

import argparse
import faulthandler
import importlib
import signal
import sys

from gpu.hardware.card import Card
from gpu.hardware.findings import Findings
from gpu.hardware.planted import PLANTS, plant


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--emulated", action="store_true")
    parser.add_argument("--plant", choices=sorted(PLANTS))
    options = parser.parse_args()
    faulthandler.register(signal.SIGUSR1, file=sys.stderr, all_threads=True)  # so that one that hangs says where
    card = Card(emulated=options.emulated)
    if options.plant is not None:
        plant(options.plant, options.name)
    importlib.import_module(f"gpu.hardware.steps.{options.name}").run(card, Findings(options.name))


if __name__ == "__main__":
    main()
