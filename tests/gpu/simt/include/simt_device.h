// The device language: keywords, built-in variables, vectors, intrinsics, mathematics and atomics.
//
// Threads never run at the same time here, so that an atomic is a read and a write.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#include <math.h>

#define __CUDA_ARCH__ 900
#define __CUDACC_VER_MAJOR__ 13
#define __CUDACC_VER_MINOR__ 0

#define __global__
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __align__(bytes) alignas(bytes)
#define __launch_bounds__(...)

// Vectors and built-in variables ---------------------------------------------------------------------------------

struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

#define SIMT_VECTORS(type, name)                                             \
  struct alignas(2 * sizeof(type)) name##2 {                                 \
    type x, y;                                                               \
  };                                                                         \
  struct alignas(4 * sizeof(type) > 16 ? 16 : 4 * sizeof(type)) name##4 {    \
    type x, y, z, w;                                                         \
  };                                                                         \
  static inline name##2 make_##name##2(type x, type y) { return {x, y}; }    \
  static inline name##4 make_##name##4(type x, type y, type z, type w) { return {x, y, z, w}; }

SIMT_VECTORS(int, int)
SIMT_VECTORS(unsigned, uint)
SIMT_VECTORS(long long, longlong)
SIMT_VECTORS(float, float)
SIMT_VECTORS(double, double)

static uint3 threadIdx, blockIdx;
static dim3 blockDim, gridDim;

// Bits -----------------------------------------------------------------------------------------------------------

namespace simt {
template <class To, class From>
inline To bit_cast(From value) {
  static_assert(sizeof(To) == sizeof(From));
  To result;
  memcpy(&result, &value, sizeof result);
  return result;
}
}  // namespace simt

static inline float __int_as_float(int v) { return simt::bit_cast<float>(v); }
static inline int __float_as_int(float v) { return simt::bit_cast<int>(v); }
static inline float __uint_as_float(unsigned v) { return simt::bit_cast<float>(v); }
static inline unsigned __float_as_uint(float v) { return simt::bit_cast<unsigned>(v); }
static inline double __longlong_as_double(long long v) { return simt::bit_cast<double>(v); }
static inline long long __double_as_longlong(double v) { return simt::bit_cast<long long>(v); }
static inline int __double2hiint(double v) { return int(__double_as_longlong(v) >> 32); }
static inline int __double2loint(double v) { return int(__double_as_longlong(v)); }
static inline double __hiloint2double(int high, int low) {
  return __longlong_as_double(static_cast<long long>(uint64_t(uint32_t(high)) << 32 | uint32_t(low)));
}

static inline int __popc(unsigned v) { return __builtin_popcount(v); }
static inline int __popcll(unsigned long long v) { return __builtin_popcountll(v); }
static inline int __clz(int v) { return v ? __builtin_clz(unsigned(v)) : 32; }
static inline int __clzll(long long v) { return v ? __builtin_clzll(static_cast<unsigned long long>(v)) : 64; }
static inline int __ffs(int v) { return __builtin_ffs(v); }
static inline int __ffsll(long long v) { return __builtin_ffsll(v); }
static inline int __mulhi(int a, int b) { return int(int64_t(a) * b >> 32); }
static inline unsigned __umulhi(unsigned a, unsigned b) { return unsigned(uint64_t(a) * b >> 32); }
static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return static_cast<unsigned long long>(static_cast<unsigned __int128>(a) * b >> 64);
}
static inline long long __mul64hi(long long a, long long b) {
  return static_cast<long long>(static_cast<__int128>(a) * b >> 64);
}

template <class T>
static inline T __ldg(const T* pointer) {
  return *pointer;
}
static inline void __threadfence() {}
static inline void __threadfence_block() {}

// Mathematics ----------------------------------------------------------------------------------------------------
// <math.h> brings C's functions and C++'s overloads for float; here is what only CUDA has.

static inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
static inline float rsqrt(float x) { return 1.0f / sqrtf(x); }
static inline double rsqrt(double x) { return 1.0 / sqrt(x); }
static inline float rcbrtf(float x) { return 1.0f / cbrtf(x); }
static inline double rcbrt(double x) { return 1.0 / cbrt(x); }
static inline float normcdff(float x) { return 0.5f * erfcf(-x * 0.70710678118654752f); }
static inline double normcdf(double x) { return 0.5 * erfc(-x * 0.70710678118654752); }
static inline double sinpi(double x) { return sin(3.14159265358979324 * fmod(x, 2.0)); }
static inline float sinpif(float x) { return float(sinpi(double(x))); }
static inline double cospi(double x) { return cos(3.14159265358979324 * fmod(x, 2.0)); }
static inline float cospif(float x) { return float(cospi(double(x))); }
static inline float fdividef(float a, float b) { return a / b; }
static inline float __fdividef(float a, float b) { return a / b; }
static inline float __frcp_rn(float x) { return 1.0f / x; }
static inline float __fsqrt_rn(float x) { return sqrtf(x); }
static inline float __fadd_rn(float a, float b) { return a + b; }
static inline float __fsub_rn(float a, float b) { return a - b; }
static inline float __fmul_rn(float a, float b) { return a * b; }
static inline float __fdiv_rn(float a, float b) { return a / b; }
static inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
static inline double __dadd_rn(double a, double b) { return a + b; }
static inline double __dmul_rn(double a, double b) { return a * b; }
static inline double __fma_rn(double a, double b, double c) { return fma(a, b, c); }
// The C library has functions of these names for itself.
#define __expf(x) expf(x)
#define __logf(x) logf(x)
#define __log2f(x) log2f(x)
#define __powf(x, y) powf(x, y)
#define __sinf(x) sinf(x)
#define __cosf(x) cosf(x)
static inline float __saturatef(float x) { return x > 0.0f ? (x < 1.0f ? x : 1.0f) : 0.0f; }
static inline int __float2int_rn(float x) { return int(rintf(x)); }
static inline int __float2int_rz(float x) { return int(x); }
static inline int __float2int_rd(float x) { return int(floorf(x)); }
static inline float __int2float_rn(int x) { return float(x); }
static inline float __uint2float_rn(unsigned x) { return float(x); }

using std::isfinite;
using std::isinf;
using std::isnan;
using std::signbit;

#define SIMT_MIN_MAX(type, other, result, less)                                                          \
  static inline result min(type a, other b) { return static_cast<result>(less ? a : b); }                     \
  static inline result max(type a, other b) { return static_cast<result>(less ? b : a); }
#define SIMT_INTEGER_MIN_MAX(type) SIMT_MIN_MAX(type, type, type, a < b)

SIMT_INTEGER_MIN_MAX(int)
SIMT_INTEGER_MIN_MAX(unsigned)
SIMT_INTEGER_MIN_MAX(long)
SIMT_INTEGER_MIN_MAX(unsigned long)
SIMT_INTEGER_MIN_MAX(long long)
SIMT_INTEGER_MIN_MAX(unsigned long long)
SIMT_MIN_MAX(int, unsigned, unsigned, unsigned(a) < b)
SIMT_MIN_MAX(unsigned, int, unsigned, a < unsigned(b))
SIMT_MIN_MAX(long long, unsigned long long, unsigned long long, static_cast<unsigned long long>(a) < b)
SIMT_MIN_MAX(unsigned long long, long long, unsigned long long, a < static_cast<unsigned long long>(b))

static inline float min(float a, float b) { return fminf(a, b); }
static inline float max(float a, float b) { return fmaxf(a, b); }
static inline double min(double a, double b) { return fmin(a, b); }
static inline double max(double a, double b) { return fmax(a, b); }
static inline double min(float a, double b) { return fmin(a, b); }
static inline double max(float a, double b) { return fmax(a, b); }
static inline double min(double a, float b) { return fmin(a, b); }
static inline double max(double a, float b) { return fmax(a, b); }

// Atomics, for the types for which CUDA has them -----------------------------------------------------------------

#define SIMT_ATOMIC(name, type, result)          \
  static inline type name(type* at, type value) { \
    type old = *at;                               \
    *at = result;                                 \
    return old;                                   \
  }
#define SIMT_ATOMIC_CAS(type)                                          \
  static inline type atomicCAS(type* at, type expected, type value) {  \
    type old = *at;                                                    \
    if (old == expected) *at = value;                                  \
    return old;                                                        \
  }
#define SIMT_INTEGER_ATOMICS(type)                     \
  SIMT_ATOMIC(atomicMin, type, value < old ? value : old) \
  SIMT_ATOMIC(atomicMax, type, old < value ? value : old) \
  SIMT_ATOMIC(atomicAnd, type, old & value)            \
  SIMT_ATOMIC(atomicOr, type, old | value)             \
  SIMT_ATOMIC(atomicXor, type, old ^ value)

SIMT_INTEGER_ATOMICS(int)
SIMT_INTEGER_ATOMICS(unsigned)
SIMT_INTEGER_ATOMICS(long long)
SIMT_INTEGER_ATOMICS(unsigned long long)
SIMT_ATOMIC(atomicAdd, int, old + value)
SIMT_ATOMIC(atomicAdd, unsigned, old + value)
SIMT_ATOMIC(atomicAdd, unsigned long long, old + value)
SIMT_ATOMIC(atomicAdd, float, old + value)
SIMT_ATOMIC(atomicAdd, double, old + value)
SIMT_ATOMIC(atomicSub, int, old - value)
SIMT_ATOMIC(atomicSub, unsigned, old - value)
SIMT_ATOMIC(atomicExch, int, value)
SIMT_ATOMIC(atomicExch, unsigned, value)
SIMT_ATOMIC(atomicExch, unsigned long long, value)
SIMT_ATOMIC(atomicExch, float, value)
SIMT_ATOMIC_CAS(int)
SIMT_ATOMIC_CAS(unsigned)
SIMT_ATOMIC_CAS(unsigned short)
SIMT_ATOMIC_CAS(unsigned long long)
