"""Runs the benchmarks: `make bench`, or `python -m bench --quick --only chain` from the folder tests."""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

from bench import rows
from bench.measure import Result


def main() -> None:
    """Run the rows, print a line each, write them all as JSON."""
    parser = argparse.ArgumentParser(prog="bench")
    parser.add_argument("--only", choices=sorted(rows.ROWS), help="one group of rows")
    parser.add_argument("--rounds", type=int, default=5, help="rounds per row, interleaved (default: 5)")
    parser.add_argument("--quick", action="store_true", help="two rounds and the small models only")
    parser.add_argument("--json", type=Path, default=Path("../out/bench.json"), help="where to write the figures")
    options = parser.parse_args()
    rounds = 2 if options.quick else options.rounds
    found: list[Result] = []
    print(f"{'what':58} {'ratio':>7} {'spread':>13} {'target':>7}")
    for name, group in rows.ROWS.items():
        if options.only == name or (options.only is None and name not in rows.ON_REQUEST):
            for result in group(rounds, options.quick):
                print(line(result), flush=True)
                found.append(result)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps([result.record() for result in found], indent=1))
    print(f"figures: {options.json.resolve()}")


def line(result: Result) -> str:
    """One row as text: the median ratio, its spread over the rounds, the target and whether it is met."""
    if not result.ratios:
        return f"{result.what:58} {result.note}"
    middle = statistics.median(result.ratios)
    spread = f"{min(result.ratios):.2f}-{max(result.ratios):.2f}"
    met = "" if result.target is None else "met" if result.meets(middle) else "MISSED"
    target = "" if result.target is None else f"{'>=' if result.higher else '<='}{result.target}"
    return f"{result.what:58} {middle:7.2f} {spread:>13} {target:>7} {met:6} {result.note}"


if __name__ == "__main__":
    main()
