"""Adam and AdamW."""

from __future__ import annotations

from typing import Any, ClassVar

from .optimizer import Optimizer, Params, nonnegative, refuse


class Adam(Optimizer):
    """Adam (Kingma and Ba, 2014). `foreach` and `fused` change nothing: one row steps all parameters."""

    row = "adam_step"
    decoupled: ClassVar[bool] = False

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        nonnegative(lr=lr, eps=eps, weight_decay=weight_decay)
        refuse(capturable=capturable, differentiable=differentiable)
        for i, beta in enumerate(betas):
            if not 0.0 <= beta < 1.0:
                raise ValueError(f"Invalid beta parameter at index {i}: {beta}")
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay or self.decoupled,
        }
        super().__init__(params, defaults)

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("step", "exp_avg", "exp_avg_sq", *(("max_exp_avg_sq",) if group["amsgrad"] else ()))

    def arguments(self, group: dict[str, Any]) -> tuple[Any, ...]:
        numbers = (group["lr"], *group["betas"], group["eps"], group["weight_decay"])
        flags = (group["amsgrad"], group["decoupled_weight_decay"], group["maximize"])
        return (*map(float, numbers), *flags)


class AdamW(Adam):
    """Adam with weight decay decoupled from the moments (Loshchilov and Hutter, 2017)."""

    decoupled = True

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
        )
