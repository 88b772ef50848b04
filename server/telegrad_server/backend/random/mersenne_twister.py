"""The Mersenne Twister and the transforms of its words, compiled, in PyTorch's own order of rounding.

Every function is one serial loop: a random stream has one order. Where PyTorch's kernels are compiled to fused
multiply-adds, so are these, by name; the compiler itself may neither fuse nor reorder. Float32 results are the
same bits on every machine; in float64 `log`, `sin` and their like are the C library's, as PyTorch's are.
"""

import math

import numpy as np
from numba import float32, int32, int64, njit, uint32
from numba.extending import intrinsic

STATE_WORDS = 624

_compiled = njit(cache=True, nogil=True, error_model="numpy")
_inlined = njit(cache=True, nogil=True, error_model="numpy", inline="always")


@intrinsic
def _fma(typing, x, y, z):
    """`x * y + z`, rounded once."""

    def generate(context, builder, signature, args):
        return builder.fma(*args)

    return x(x, y, z), generate


def seeded(seed):
    """The state after seeding with the low 32 bits of `seed`: uint32 `[624]`."""
    words = [seed & 0xFFFFFFFF]
    for j in range(1, STATE_WORDS):
        words.append((1812433253 * (words[-1] ^ (words[-1] >> 30)) + j) & 0xFFFFFFFF)
    return np.array(words, np.uint32)


@_inlined
def _twisted(far, here, after):
    mixed = (here & uint32(0x80000000)) | (after & uint32(0x7FFFFFFF))
    return far ^ (mixed >> uint32(1)) ^ (uint32(0x9908B0DF) * (after & uint32(1)))


@_compiled
def _renew(state):
    for j in range(227):
        state[j] = _twisted(state[j + 397], state[j], state[j + 1])
    for j in range(227, 623):
        state[j] = _twisted(state[j - 227], state[j], state[j + 1])
    state[623] = _twisted(state[396], state[623], state[0])


@_compiled
def draw(state, left, position, out):
    """Fill uint32 `out` with the next words, advancing `state` in place.

    `left - 1` words from `position` on are unread, and the state is renewed only when the next word is needed,
    as in PyTorch. Returns the new `left` and `position`.
    """
    done = 0
    while done < out.size:
        if left == 1:
            _renew(state)
            left, position = STATE_WORDS + 1, 0
        count = min(left - 1, out.size - done)
        for i in range(count):
            word = state[position + i]
            word ^= word >> uint32(11)
            word ^= (word << uint32(7)) & uint32(0x9D2C5680)
            word ^= (word << uint32(15)) & uint32(0xEFC60000)
            out[done + i] = word ^ (word >> uint32(18))
        done += count
        left -= count
        position += count
    return left, position


@_compiled
def uniform32(words, low, width, out):
    """Write float32 in `[low, low + width)`, 24 bits from each uint32 word."""
    for i in range(out.size):
        unit = float32(int32(words[i] & uint32(0xFFFFFF))) * float32(2**-24)
        out[i] = _fma(unit, width, low)


@_compiled
def uniform64(words, low, width, out):
    """Write float64 in `[low, low + width)`, 53 bits from each two uint32 words, the first the high one."""
    for i in range(out.size):
        high = float(int64(words[2 * i] & uint32(0x1FFFFF)))
        unit = (high * 2.0**32 + float(int64(words[2 * i + 1]))) * 2.0**-53
        out[i] = _fma(unit, width, low)


@_inlined
def _log(x):
    """Natural logarithm of a positive normal float32, by the Cephes polynomial."""
    bits = np.float32(x).view(np.int32)
    exponent = float32((bits >> int32(23)) - int32(126))
    m = np.int32((bits & int32(0x7FFFFF)) | int32(0x3F000000)).view(np.float32)
    below = m < float32(0.707106781186547524)
    exponent = exponent - float32(1) if below else exponent
    m = (m - float32(1)) + (m if below else float32(0))
    square = m * m
    y = _fma(float32(7.0376836292e-2), m, float32(-1.1514610310e-1))
    y = _fma(y, m, float32(1.1676998740e-1))
    y = _fma(y, m, float32(-1.2420140846e-1))
    y = _fma(y, m, float32(1.4249322787e-1))
    y = _fma(y, m, float32(-1.6668057665e-1))
    y = _fma(y, m, float32(2.0000714765e-1))
    y = _fma(y, m, float32(-2.4999993993e-1))
    y = _fma(y, m, float32(3.3333331174e-1))
    y = _fma(y * m, square, exponent * float32(-2.12194440e-4)) - square * float32(0.5)
    return _fma(exponent, float32(0.693359375), m + y)


@_inlined
def _cos_sin(x):
    """Cosine and sine of a float32 in `[0, 8192)`, by the Cephes polynomials on an octant."""
    octant = (int32(x * float32(4 / math.pi)) + int32(1)) & int32(-2)
    y = float32(octant)
    r = _fma(y, float32(-0.78515625), x)
    r = _fma(y, float32(-2.4187564849853515625e-4), r)
    r = _fma(y, float32(-3.77489497744594108e-8), r)
    square = r * r
    c = _fma(float32(2.443315711809948e-5), square, float32(-1.388731625493765e-3))
    c = _fma(c, square, float32(4.166664568298827e-2))
    c = _fma(c * square, square, -(square * float32(0.5))) + float32(1)
    s = _fma(float32(-1.9515295891e-4), square, float32(8.3321608736e-3))
    s = _fma(s, square, float32(-1.6666654611e-1))
    s = _fma(s * square, r, r)
    swapped = (octant & int32(2)) != 0
    sine = c if swapped else s
    cosine = s if swapped else c
    sine = -sine if (octant & int32(4)) != 0 else sine
    cosine = -cosine if ((octant + int32(2)) & int32(4)) != 0 else cosine
    return cosine, sine


@_compiled
def box_muller32(data, mean, std):
    """Turn each whole block of 16 float32 uniforms into normals, in place: 8 radii, then 8 angles."""
    # Runs of each kind, rather than blocks, are what lets the loop between them use vector lanes.
    radii, angles = np.empty(1024, np.float32), np.empty(1024, np.float32)
    for first in range(0, data.size - 15, 2048):
        count = min(1024, (data.size - first) // 16 * 8)
        for i in range(count):
            at = first + 2 * i - i % 8
            radii[i], angles[i] = data[at], data[at + 8]
        for i in range(count):
            radius = math.sqrt(float32(-2) * _log(float32(1) - radii[i]))
            cosine, sine = _cos_sin(float32(2 * math.pi) * angles[i])
            radii[i] = _fma(radius * cosine, std, mean)
            angles[i] = _fma(radius * sine, std, mean)
        for i in range(count):
            at = first + 2 * i - i % 8
            data[at], data[at + 8] = radii[i], angles[i]


@_compiled
def box_muller64(data, mean, std):
    """`box_muller32` in float64."""
    for start in range(0, data.size - 15, 16):
        for j in range(start, start + 8):
            radius = math.sqrt(-2.0 * math.log(1.0 - data[j]))
            theta = 2 * math.pi * data[j + 8]
            data[j] = _fma(radius * math.cos(theta), std, mean)
            data[j + 8] = _fma(radius * math.sin(theta), std, mean)


@_compiled
def normal_pairs(uniforms):
    """Turn float64 pairs (angle, radius) into pairs of standard normals, in place."""
    for i in range(0, uniforms.size, 2):
        radius = math.sqrt(-2.0 * math.log1p(-uniforms[i + 1]))
        theta = 2 * math.pi * uniforms[i]
        uniforms[i] = radius * math.cos(theta)
        uniforms[i + 1] = radius * math.sin(theta)


@_compiled
def scale(values, mean, std):
    """`values * std + mean` in place, rounded once."""
    for i in range(values.size):
        values[i] = _fma(values[i], std, mean)


@_compiled
def exponential(values, inverse):
    """Turn float64 uniforms into exponentials, in place; `inverse` is `-1 / rate`."""
    for i in range(values.size):
        values[i] = inverse * math.log1p(-values[i])


@_compiled
def cauchy(values, median, sigma):
    """Turn float64 uniforms into Cauchy variates, in place."""
    for i in range(values.size):
        values[i] = _fma(sigma, math.tan(math.pi * (values[i] - 0.5)), median)


@_compiled
def geometric(values, p):
    """Turn float64 uniforms into numbers of trials, in place."""
    for i in range(values.size):
        values[i] = math.ceil(math.log(values[i]) / math.log1p(-p))


@_compiled
def exponentiate(values):
    """`exp(values)` in place; NumPy's differs in the last bit with the processor."""
    for i in range(values.size):
        values[i] = math.exp(values[i])


@_compiled
def shuffle(out, words):
    """Exchange `out[i]` with one of those not before it, in place: uint32 `words` `[n - 1]`."""
    for i in range(words.size):
        j = i + int64(words[i] % uint32(out.size - i))
        out[i], out[j] = out[j], out[i]
