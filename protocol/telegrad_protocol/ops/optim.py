"""Optimizer steps: one row for all parameters, applied to all or to none.

`state` names the optimizer's tensors, a fixed number per parameter; missing ones are made of zeros.
"""

from __future__ import annotations

from telegrad_protocol.spec import Ids, Tensor, control


@control(public=True)
def clear_grads(tensors: list[Tensor]) -> None:
    """Forgets the gradients of tensors."""


@control(returns=("out",))
def unscale_grads(params: list[Tensor], factor: float) -> None:
    """Multiplies the gradients of `params` by `factor`; reads one bool, whether all were finite."""


@control(public=True)
def sgd_step(
    params: list[Tensor],
    state: Ids,
    lr: float,
    momentum: float = 0.0,
    dampening: float = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
    maximize: bool = False,
) -> None:
    """Stochastic gradient descent; `state` has a momentum buffer per parameter, or nothing without momentum."""


@control(public=True)
def adam_step(
    params: list[Tensor],
    state: Ids,
    lr: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    amsgrad: bool = False,
    decoupled: bool = False,
    maximize: bool = False,
) -> None:
    """Adam (Kingma and Ba, 2014), or AdamW where weight decay is decoupled (Loshchilov and Hutter, 2017).

    `state` has per parameter: the number of steps (0-d float32), exp_avg, exp_avg_sq, and max_exp_avg_sq for AMSGrad.
    """
