"""Float32 arithmetic with fused multiply-adds in NumPy, and Box-Muller's transform of blocks in it.

A fused multiply-add rounds once. The product of two float32 numbers is exact in float64, and so is its sum with a
third up to float64's own rounding, which only matters where it lands halfway between two float32 numbers.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, Final

import numpy as np

_F: Final = np.float32
_D: Final = np.float64
_BELOW: Final = np.int64((1 << 29) - 1)
_HALF: Final = np.int64(1 << 28)


def fma(x: Any, y: Any, z: Any) -> np.ndarray:
    """`x * y + z` of float32 numbers, rounded once."""
    product = np.multiply(x, y, dtype=_D)
    total = np.add(product, z, dtype=_D)
    halfway = (total.view(np.int64) & _BELOW) == _HALF
    if halfway.any():
        _round_once(total, halfway, product, z)
    rounded: np.ndarray = total.astype(_F)
    return rounded


def _round_once(total: np.ndarray, halfway: np.ndarray, product: np.ndarray, z: Any) -> None:
    """Move sums that float64 has rounded to halfway a little to the side where they are."""
    addend = np.broadcast_to(np.asarray(z, _D), total.shape)
    for at in zip(*np.nonzero(halfway), strict=True):
        exact = Fraction(float(product[at])) + Fraction(float(addend[at]))
        rounded = Fraction(float(total[at]))
        if exact != rounded:
            total[at] = np.nextafter(total[at], math.inf if exact > rounded else -math.inf)


_LOG: Final = (
    -1.1514610310e-1,
    1.1676998740e-1,
    -1.2420140846e-1,
    1.4249322787e-1,
    -1.6668057665e-1,
    2.0000714765e-1,
    -2.4999993993e-1,
    3.3333331174e-1,
)


def _log(x: np.ndarray) -> np.ndarray:
    """Natural logarithm of positive normal float32 numbers, by the Cephes polynomial."""
    bits = x.view(np.int32)
    exponent = ((bits >> 23) - 126).astype(_F)
    m = ((bits & 0x7FFFFF) | 0x3F000000).view(_F)
    below = m < _F(0.707106781186547524)
    exponent = np.where(below, exponent - _F(1), exponent)
    m = (m - _F(1)) + np.where(below, m, _F(0))
    square = m * m
    y: Any = _F(7.0376836292e-2)
    for coefficient in _LOG:
        y = fma(y, m, _F(coefficient))
    y = fma(y * m, square, exponent * _F(-2.12194440e-4)) - square * _F(0.5)
    return fma(exponent, _F(0.693359375), m + y)


def _cos_sin(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cosine and sine of float32 numbers in `[0, 8192)`, by the Cephes polynomials on an octant."""
    octant = ((x * _F(4 / math.pi)).astype(np.int32) + np.int32(1)) & np.int32(-2)
    y = octant.astype(_F)
    r = fma(y, _F(-0.78515625), x)
    r = fma(y, _F(-2.4187564849853515625e-4), r)
    r = fma(y, _F(-3.77489497744594108e-8), r)
    square = r * r
    c = fma(_F(2.443315711809948e-5), square, _F(-1.388731625493765e-3))
    c = fma(c, square, _F(4.166664568298827e-2))
    c = fma(c * square, square, -(square * _F(0.5))) + _F(1)
    s = fma(_F(-1.9515295891e-4), square, _F(8.3321608736e-3))
    s = fma(s, square, _F(-1.6666654611e-1))
    s = fma(s * square, r, r)
    swapped = (octant & 2) != 0
    sine, cosine = np.where(swapped, c, s), np.where(swapped, s, c)
    sine = np.where((octant & 4) != 0, -sine, sine)
    return np.where(((octant + 2) & 4) != 0, -cosine, cosine), sine


def box_muller(units: np.ndarray) -> np.ndarray:
    """Each whole block of 16 float32 uniforms as standard normals: 8 radii, then 8 angles; the rest as it is."""
    whole = units.size // 16 * 16
    blocks = units[:whole].reshape(-1, 2, 8)
    radius = np.sqrt(_F(-2) * _log(_F(1) - blocks[:, 0]))
    cosine, sine = _cos_sin(_F(2 * math.pi) * blocks[:, 1])
    out = units.copy()
    paired = out[:whole].reshape(-1, 2, 8)
    paired[:, 0] = radius * cosine + _F(0)  # a negative zero becomes positive, as where the mean is added
    paired[:, 1] = radius * sine + _F(0)
    return out
