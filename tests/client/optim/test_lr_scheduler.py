"""Schedulers: the rates of PyTorch's at every step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import telegrad as tg

MAKE: dict[str, Callable[[Any, Any], Any]] = {
    "lambda": lambda s, o: s.LambdaLR(o, lambda epoch: 0.9**epoch),
    "lambdas": lambda s, o: s.LambdaLR(o, [lambda epoch: 0.9**epoch, lambda epoch: 1 / (1 + epoch)]),
    "step": lambda s, o: s.StepLR(o, 3, 0.5),
    "milestones": lambda s, o: s.MultiStepLR(o, [2, 5, 5, 9], 0.5),
    "exponential": lambda s, o: s.ExponentialLR(o, 0.9),
    "constant": lambda s, o: s.ConstantLR(o, 0.25, 4),
    "linear": lambda s, o: s.LinearLR(o, 0.2, 0.8, 6),
    "cosine": lambda s, o: s.CosineAnnealingLR(o, 5, 0.01),
    "cosine to zero": lambda s, o: s.CosineAnnealingLR(o, 4),
    "warm restarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 3, 2, 0.01),
    "one cycle": lambda s, o: s.OneCycleLR(o, 0.7, 15),
    "one cycle in three": lambda s, o: s.OneCycleLR(
        o, [0.7, 0.3], epochs=3, steps_per_epoch=5, three_phase=True, anneal_strategy="linear"
    ),
    "sequential": lambda s, o: s.SequentialLR(o, [s.LinearLR(o, 0.1, total_iters=4), s.CosineAnnealingLR(o, 8)], [4]),
}


def optimizer(lib: Any) -> Any:
    a, b = (lib.zeros(2, requires_grad=True) for _ in range(2))
    return lib.optim.SGD([{"params": [a]}, {"params": [b], "lr": 0.3}], lr=0.1, momentum=0.9)


def rates(lib: Any, make: Callable[[Any, Any], Any]) -> list[float]:
    opt = optimizer(lib)
    scheduler = make(lib.optim.lr_scheduler, opt)
    seen = []
    for _ in range(14):
        seen += [value for group in opt.param_groups for value in (group["lr"], group["momentum"])]
        assert scheduler.get_last_lr() == [group["lr"] for group in opt.param_groups]
        opt.step()
        scheduler.step()
    return seen


@pytest.mark.oracle
@pytest.mark.parametrize("name", MAKE)
def test_rates_equal_torchs(name: str) -> None:
    torch = pytest.importorskip("torch", reason="the oracle, torch, is not installed")
    assert rates(tg, MAKE[name]) == pytest.approx(rates(torch, MAKE[name]), rel=1e-12)


@pytest.mark.oracle
def test_schedulers_chain() -> None:
    torch = pytest.importorskip("torch", reason="the oracle, torch, is not installed")

    def chained(lib: Any) -> list[float]:
        opt, found = optimizer(lib), []
        s = lib.optim.lr_scheduler
        schedulers = [s.ExponentialLR(opt, 0.9), s.LinearLR(opt, 0.5, total_iters=3), s.StepLR(opt, 2)]
        for _ in range(6):
            opt.step()
            for scheduler in schedulers:
                scheduler.step()
            found.append(opt.param_groups[1]["lr"])
        return found

    assert chained(tg) == pytest.approx(chained(torch), rel=1e-12)


@pytest.mark.oracle
@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
def test_plateaus_are_found_as_torch_finds_them(mode: str, threshold_mode: str) -> None:
    torch = pytest.importorskip("torch", reason="the oracle, torch, is not installed")
    metrics = [3.0, 2.0, 2.5, 2.2, 1.99, 1.99, 2.0, 2.4, 2.4, 2.3, 1.0, 1.0, 1.0, 1.0, -1.0, -1.0, -1.0, -2.0, 5.0]

    def reduced(lib: Any) -> list[float]:
        opt, found = optimizer(lib), []
        plateau = lib.optim.lr_scheduler.ReduceLROnPlateau
        scheduler = plateau(opt, mode, 0.5, 1, 0.01, threshold_mode, cooldown=1, min_lr=[0.02, 0.1])
        for metric in metrics:
            scheduler.step(metric)
            found += [group["lr"] for group in opt.param_groups]
        return found

    assert reduced(tg) == reduced(torch)


def test_a_state_dict_continues_where_it_was_taken() -> None:
    s = tg.optim.lr_scheduler
    opt = optimizer(tg)
    scheduler = MAKE["sequential"](s, opt)
    for _ in range(6):
        scheduler.step()
    later = optimizer(tg)
    resumed = MAKE["sequential"](s, later)
    resumed.load_state_dict(scheduler.state_dict())
    later.load_state_dict(opt.state_dict())
    scheduler.step()
    resumed.step()
    assert resumed.get_last_lr() == scheduler.get_last_lr()


def test_what_cannot_be_scheduled_is_refused() -> None:
    s, opt = tg.optim.lr_scheduler, optimizer(tg)
    with pytest.raises(TypeError, match="is not an Optimizer"):
        s.StepLR(object(), 3)
    with pytest.raises(KeyError, match="initial_lr"):
        s.StepLR(opt, 3, last_epoch=4)
    with pytest.raises(ValueError, match="Expected 2 lr_lambdas"):
        s.LambdaLR(opt, [abs])
    with pytest.raises(ValueError, match="total_steps OR"):
        s.OneCycleLR(opt, 0.1)
    scheduler = s.OneCycleLR(opt, 0.1, 3)
    with pytest.raises(ValueError, match="total steps"):
        [scheduler.step() for _ in range(5)]
