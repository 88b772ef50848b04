"""Samples, element by element: exponentials, logarithms, trigonometry, the error function."""

from __future__ import annotations

from .base import T, sample, sample_unary

sample_unary("exp")
sample_unary("exp2")
sample_unary("expm1")
sample_unary("log", low=0.2, high=3.0)
sample_unary("log2", low=0.2, high=3.0)
sample_unary("log10", low=0.2, high=3.0)
sample_unary("log1p", low=-0.5, high=3.0)
sample_unary("sin")
sample_unary("cos")
sample_unary("tan", low=-1.0, high=1.0)
sample_unary("asin", low=-0.8, high=0.8)
sample_unary("acos", low=-0.8, high=0.8)
sample_unary("atan")
sample_unary("sinh")
sample_unary("cosh")
sample_unary("tanh")
sample("tanh", T(2, dtype="int64"))
sample_unary("erf")
sample("xlogy", T(3, 4), T(4, low=0.2, high=2.0))
sample("xlogy", T(3), 2.0)
sample("xlogy", 2.0, T(3, low=0.2, high=2.0))
sample("xlogy", T(3, values=[0.0, 1.0, 2.0]), T(3, values=[0.5, 2.0, 1.0]))
sample("logaddexp", T(3, 4), T(4))
