"""Models trained over HTTP on the card and on NumPy, from the same weights: the same losses."""

from __future__ import annotations

import time
from typing import Any, Final

import numpy as np
from gpu.hardware.card import Card
from gpu.hardware.findings import Findings
from support.models import MODELS, step_losses

import telegrad as tg

STEPS, OF_REHEARSAL = 20, 3

BOUNDS: Final = {"float32": (5, 1e-4, 0.03), "float64": (20, 1e-7, 1e-7)}
"""How many steps agree how closely, relatively, and how closely all do: see `support.trainings`."""


def run(card: Card, findings: Findings) -> None:
    names = ("tiny",) if card.emulated else ("mlp", "cnn", "gpt", "lstm")
    with card.server("--device", "cpu") as url:
        for dtype in ("float32",) if card.emulated else ("float32", "float64"):
            for name in names:
                findings.attempt(f"{name} in {dtype}", _compared, card, url, name, dtype)


def _compared(card: Card, url: str, name: str, dtype: str) -> dict[str, Any]:
    steps = OF_REHEARSAL if card.emulated else STEPS
    weights, wanted, _ = _trained(url, "cpu", name, dtype, steps, None)
    _, found, seconds = _trained(url, card.name, name, dtype, steps, weights)
    off = np.abs(np.array(found) - wanted) / np.abs(wanted)
    first, close, all_within = BOUNDS[dtype]
    right = bool((off[:first] <= close).all() and (off <= all_within).all()) and len(set(found)) == steps
    why = {} if right else {"why": f"losses {found}, on NumPy {wanted}"}
    return {"ok": right, "steps": steps, "largest_difference": float(off.max()), "seconds": seconds, **why}


def _trained(
    url: str, device: str, name: str, dtype: str, steps: int, weights: dict[str, np.ndarray] | None
) -> tuple[dict[str, np.ndarray], list[float], float]:
    """The weights before, the losses, and the seconds that the steps took. `weights`: to begin with."""
    with tg.connect(url, device=device):
        tg.manual_seed(0)
        built = MODELS[name].build(tg)
        if weights is not None:
            built[0].load_state_dict({key: tg.from_numpy(value) for key, value in weights.items()})
        before = {key: value.cpu().numpy() for key, value in built[0].state_dict().items()}
        begun = time.perf_counter()
        losses = step_losses(tg, name, built, steps, dtype)
        assert {str(loss.device) for loss in losses} == {device}
        return before, [float(loss) for loss in losses], time.perf_counter() - begun
