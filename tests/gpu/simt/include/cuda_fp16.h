// float16 for the host: storage and conversions; arithmetic goes through float and is rounded once, as on a device.
#pragma once

#include <type_traits>

#include "simt_device.h"

struct __half_raw {
  unsigned short x;
};

struct __half {
  _Float16 value;

  __half() = default;
  template <class T, class = std::enable_if_t<std::is_arithmetic_v<T>>>
  __half(T number) : value(static_cast<_Float16>(number)) {}
  __half(const __half_raw& raw) : value(simt::bit_cast<_Float16>(raw.x)) {}
  operator float() const { return static_cast<float>(value); }
  operator __half_raw() const { return {simt::bit_cast<unsigned short>(value)}; }
};
typedef __half half;

static inline unsigned short __half_as_ushort(__half h) { return simt::bit_cast<unsigned short>(h.value); }
static inline short __half_as_short(__half h) { return simt::bit_cast<short>(h.value); }
static inline __half __ushort_as_half(unsigned short bits) { return __half_raw{bits}; }
static inline __half __short_as_half(short bits) { return __half_raw{static_cast<unsigned short>(bits)}; }
static inline __half __float2half(float f) { return f; }
static inline __half __float2half_rn(float f) { return f; }
static inline __half __double2half(double d) { return d; }
static inline float __half2float(__half h) { return h; }
static inline bool __hisnan(__half h) { return std::isnan(static_cast<float>(h)); }
static inline int __hisinf(__half h) { return std::isinf(static_cast<float>(h)); }

#define SIMT_HALF_ARITHMETIC(type, sign)                                  \
  static inline type operator sign(const type& a, const type& b) {        \
    return static_cast<float>(a) sign static_cast<float>(b);              \
  }                                                                       \
  static inline type& operator sign##=(type& a, const type& b) { return a = a sign b; }
#define SIMT_HALF_COMPARISON(type, sign)                                  \
  static inline bool operator sign(const type& a, const type& b) {        \
    return static_cast<float>(a) sign static_cast<float>(b);              \
  }
#define SIMT_HALF_OPERATORS(type)                                         \
  SIMT_HALF_ARITHMETIC(type, +)                                           \
  SIMT_HALF_ARITHMETIC(type, -)                                           \
  SIMT_HALF_ARITHMETIC(type, *)                                           \
  SIMT_HALF_ARITHMETIC(type, /)                                           \
  SIMT_HALF_COMPARISON(type, <)                                           \
  SIMT_HALF_COMPARISON(type, >)                                           \
  SIMT_HALF_COMPARISON(type, <=)                                          \
  SIMT_HALF_COMPARISON(type, >=)                                          \
  SIMT_HALF_COMPARISON(type, ==)                                          \
  SIMT_HALF_COMPARISON(type, !=)                                          \
  static inline type operator+(const type& a) { return a; }               \
  static inline type operator-(const type& a) { return -static_cast<float>(a); } \
  SIMT_ATOMIC(atomicAdd, type, old + value)

SIMT_HALF_OPERATORS(__half)
