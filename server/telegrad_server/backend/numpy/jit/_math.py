"""Scalar functions for use inside kernels: `exp`, `tanh`, `erf`, `sigmoid`, `fma` and `maximum`.

In float32 they are polynomials without branches, so that the loop around them runs in vector lanes: `exp`
and `tanh` are within 2e-7 of the value, relatively, and `erf` within 1.2e-7, absolutely. In float64 they are
the C library's.
The coefficients are minimax fits over the intervals named beside them.
"""

from __future__ import annotations

import math

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

f32, i32 = np.float32, np.int32
# A helper keeps its own rounding steps even where the loop that calls it may reorder a sum.
STRICT = {"fastmath": False, "error_model": "numpy"}


@intrinsic
def fma(typingctx, a, b, c):
    """`a * b + c`, rounded once."""
    return a(a, a, a), lambda context, builder, signature, args: builder.fma(*args)


@intrinsic
def maximum(typingctx, a, b):
    """The larger of two, NaN if either is."""

    def generate(context, builder, signature, args):
        real = context.get_value_type(a)
        function = builder.module.declare_intrinsic("llvm.maximum", [real], ir.FunctionType(real, [real, real]))
        return builder.call(function, args)

    return a(a, a), generate


@intrinsic
def bits_of(typingctx, x):
    return types.int32(types.float32), lambda context, builder, signature, args: builder.bitcast(
        args[0], ir.IntType(32)
    )


@intrinsic
def from_bits(typingctx, x):
    return types.float32(types.int32), lambda context, builder, signature, args: builder.bitcast(
        args[0], ir.FloatType()
    )


# Adding and taking away 1.5 * 2**23 rounds a small float32 to an integer, which then stands in its low bits.
ROUND = f32(12582912.0)
ROUND_BITS = i32(0x4B400000)
LOG2_E = f32(1.4426950408889634)
LN2_HIGH, LN2_LOW = f32(0.693359375), f32(-2.12194440e-4)
# (exp(r) - 1 - r) / r² for |r| <= ln(2) / 2.
E0, E1, E2, E3, E4 = map(f32, (0.50000000951, 0.16666518899, 0.04166620597, 0.00836888223, 0.001395048))
# (tanh(x) / x - 1) / x² as a polynomial of x², for |x| <= 0.63.
T0, T1, T2 = map(f32, (-0.333333305782, 0.133331961313, -0.0539454000711))
T3, T4, T5 = map(f32, (0.0216926962679, -0.00815644159266, 0.00212285029954))
# erf(x) / x as a polynomial of x², for |x| <= 1.
S0, S1, S2, S3 = map(f32, (1.12837916591, -0.376126271404, 0.112836002118, -0.0268544455815))
S4, S5, S6 = map(f32, (0.00518953646193, -0.00080208456984, 7.88911915748e-05))
# -log(erfc(x)) for 1 <= x <= 4; from 4 on erf is 1 in float32.
B0, B1, B2, B3 = map(f32, (-0.000188034394741, 1.12957839842, 0.633219941256, 0.10841852839))
B4, B5, B6, B7 = map(f32, (-0.0252082274787, 0.00420455158845, -0.00044133440944, 2.1686691985e-05))


def exp(x):
    """eˣ."""
    return math.exp(x)


@overload(exp, jit_options=STRICT)
def _exp(x):
    if x != types.float32:
        return lambda x: math.exp(x)

    def implementation(x):
        x = f32(-104.0) if x < f32(-104.0) else x
        x = f32(89.0) if x > f32(89.0) else x
        shifted = fma(x, LOG2_E, ROUND)
        n = shifted - ROUND
        r = fma(n, -LN2_LOW, fma(n, -LN2_HIGH, x))
        tail = fma(fma(fma(fma(E4, r, E3), r, E2), r, E1), r, E0)
        mantissa = fma(r * r, tail, r) + f32(1.0)
        # Two factors, because one power of two would leave float32 where the result is subnormal.
        power = bits_of(shifted) - ROUND_BITS
        half = power >> i32(1)
        first = from_bits((half + i32(127)) << i32(23))
        return mantissa * first * from_bits((power - half + i32(127)) << i32(23))

    return implementation


def tanh(x):
    """The hyperbolic tangent."""
    return math.tanh(x)


@overload(tanh, jit_options=STRICT)
def _tanh(x):
    if x != types.float32:
        return lambda x: math.tanh(x)

    def implementation(x):
        u = x * x
        near = fma(fma(fma(fma(fma(T5, u, T4), u, T3), u, T2), u, T1), u, T0)
        far = f32(1.0) - f32(2.0) / (exp(f32(2.0) * abs(x)) + f32(1.0))
        return math.copysign(fma(x * u, near, x) if abs(x) < f32(0.63) else far, x)

    return implementation


def erf(x):
    """The error function."""
    return math.erf(x)


@overload(erf, jit_options=STRICT)
def _erf(x):
    if x != types.float32:
        return lambda x: math.erf(x)

    def implementation(x):
        u = x * x
        near = fma(fma(fma(fma(fma(fma(S6, u, S5), u, S4), u, S3), u, S2), u, S1), u, S0)
        a = f32(4.0) if abs(x) > f32(4.0) else abs(x)
        high = fma(fma(fma(B7, a, B6), a, B5), a, B4)
        far = f32(1.0) - exp(-fma(fma(fma(fma(high, a, B3), a, B2), a, B1), a, B0))
        return x * near if abs(x) < f32(1.0) else math.copysign(far, x)

    return implementation


def sigmoid(x):
    """1 / (1 + e⁻ˣ)."""
    return 1 / (1 + math.exp(-x))


@overload(sigmoid, jit_options=STRICT)
def _sigmoid(x):
    one = f32(1.0) if x == types.float32 else 1.0
    return lambda x: one / (one + exp(-x))
