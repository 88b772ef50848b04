"""The steps of the check, in their order, and the seconds that each may take."""

from __future__ import annotations

from typing import Final, NamedTuple


class Step(NamedTuple):
    """A step: `gpu.hardware.steps.<name>` does it. `seconds` on a GPU; `rehearsal` on an emulated device, reduced."""

    name: str
    title: str
    seconds: float
    rehearsal: float


STEPS: Final = (
    Step("doctor", "telegrad doctor, quick", 60, 60),
    Step("kernels", "every kernel, compiled for the card", 90, 60),
    Step("training", "models over HTTP, 20 steps, against NumPy", 80, 40),
    Step("models", "steps of models, beside PyTorch", 110, 40),
    Step("samples", "every op's samples and gradients against NumPy", 90, 50),
    Step("throughput", "products, kernels and transfers, beside PyTorch and the card's copies", 50, 50),
    Step("failures", "transfers, out of memory, an illegal address", 60, 40),
    Step("sanitizer", "compute-sanitizer over the kernels", 60, 20),
)

TOTAL: Final = 480.0
"""Seconds that all steps together may take; what is left then is not begun."""

TOTAL_OF_REHEARSAL: Final = 360.0
