"""Samples of activation functions."""

from __future__ import annotations

from .base import T, sample, sample_unary

for activation in (
    "silu mish softplus logsigmoid softsign tanhshrink relu6 leaky_relu elu selu celu hardtanh hardswish "
    "softshrink hardshrink"
).split():
    sample(activation, T(3, 4))
    sample(activation, T(2, 3, low=-9.0, high=9.0))
for approximate in ("none", "tanh"):
    sample("gelu", T(3, 4), approximate=approximate)
    sample("gelu", T(7, dtype="float64"), approximate=approximate)
    sample("_gelu_backward", T(3, 4), T(3, 4), approximate, oracle=False)
sample("hardsigmoid", T(3, 4), second=False)  # PyTorch has no second order of it
sample("softplus", T(3, 4), 2.0, 1.0)
sample("leaky_relu", T(3, 4), 0.2)
sample("elu", T(3, 4), 0.7)
sample("celu", T(3, 4), 0.7)
sample("hardtanh", T(3, 4), -0.5, 0.7)
sample("hardtanh", T(3, dtype="int64"))
sample("threshold", T(3, 4), 0.1, 2.0)
sample("glu", T(3, 4))
sample("glu", T(4, 3), 0)
sample("prelu", T(2, 3, 4), T(3))
sample("prelu", T(2, 3), T(1))
sample_unary("sigmoid")
sample("sigmoid", T(2, dtype="int64"))
sample_unary("relu")
sample("_relu_backward", T(3, 4), T(3, 4), oracle=False, smooth=False)
