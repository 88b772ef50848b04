"""What compute-sanitizer looks at: a float32 sample of each op whose kernels are ours, and its gradients."""

from __future__ import annotations

from gpu.hardware.card import Card
from gpu.instantiations import kernels

from telegrad_protocol.spec import OPS
from telegrad_server.checks.compare import cases, compare, skip_reason

MEMORY = 1 << 30


def main(card: Card) -> None:
    xp = card.backend.for_session(MEMORY)
    seen = set()
    with xp.active():
        for case in cases(sorted({spec.family for spec in OPS.values()} & set(kernels())), ["float32"]):
            if case.sample.op in seen or skip_reason(case) is not None:
                continue
            seen.add(case.sample.op)
            print(f"sample {case}", flush=True)
            try:
                compare(case, xp)
            except Exception as error:  # the samples' own step tells these
                print(f"{type(error).__name__}: {error}", flush=True)
        xp.synchronize()


if __name__ == "__main__":
    main(Card(emulated=False))
