// bfloat16 for the host: the upper half of a float, rounded to nearest even.
#pragma once

#include "cuda_fp16.h"

struct __nv_bfloat16_raw {
  unsigned short x;
};

struct __nv_bfloat16 {
  unsigned short bits;

  __nv_bfloat16() = default;
  template <class T, class = std::enable_if_t<std::is_arithmetic_v<T>>>
  __nv_bfloat16(T number) : bits(round(static_cast<float>(number))) {}
  __nv_bfloat16(const __nv_bfloat16_raw& raw) : bits(raw.x) {}
  operator float() const { return __uint_as_float(static_cast<unsigned>(bits) << 16); }
  operator __nv_bfloat16_raw() const { return {bits}; }

 private:
  static unsigned short round(float f) {
    const unsigned word = __float_as_uint(f);
    if (std::isnan(f)) return 0x7FFF;
    return static_cast<unsigned short>((word + 0x7FFF + (word >> 16 & 1)) >> 16);
  }
};

static inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 h) { return h.bits; }
static inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short bits) { return __nv_bfloat16_raw{bits}; }
static inline __nv_bfloat16 __float2bfloat16(float f) { return f; }
static inline __nv_bfloat16 __float2bfloat16_rn(float f) { return f; }
static inline __nv_bfloat16 __double2bfloat16(double d) { return d; }
static inline float __bfloat162float(__nv_bfloat16 h) { return h; }
static inline bool __hisnan(__nv_bfloat16 h) { return std::isnan(static_cast<float>(h)); }
static inline int __hisinf(__nv_bfloat16 h) { return std::isinf(static_cast<float>(h)); }

SIMT_HALF_OPERATORS(__nv_bfloat16)
