"""What compute-sanitizer looks at: a float32 sample of each op whose kernels are ours, and its gradients, as one line
of JSON: `python -m gpu.hardware.sanitized SECONDS [--emulated]`.

It ends in time, so that the tool writes its summary.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from itertools import chain, zip_longest

from gpu.hardware.card import Card
from gpu.hardware.sampled import tried
from gpu.instantiations import kernels

from telegrad_protocol.spec import OPS
from telegrad_server.checks.compare import Case, cases, skip_reason


def chosen() -> list[Case]:
    """The samples, of each family in turn: what has no time is then a little of each."""
    families = sorted({spec.family for spec in OPS.values()} & set(kernels()))
    turns = zip_longest(*(_firsts(family) for family in families))
    return [case for case in chain.from_iterable(turns) if case is not None]


def _firsts(family: str) -> Iterator[Case]:
    """The first sample of each op that can be compared."""
    seen = set()
    for case in cases([family], ["float32"]):
        if case.sample.op not in seen and skip_reason(case) is None:
            seen.add(case.sample.op)
            yield case


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("seconds", type=float)
    parser.add_argument("--emulated", action="store_true")
    options = parser.parse_args()
    card = Card(emulated=options.emulated)
    samples = chosen()
    xp = card.backend
    # Each array is an allocation of its own: past its end in a pool's block, a kernel would hit nothing that is watched.
    card.cp.cuda.set_allocator(None)
    with xp.active():
        print(json.dumps(tried(xp, samples, options.seconds)), flush=True)


if __name__ == "__main__":
    main()
