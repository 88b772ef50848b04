// Prepended to every family's source: the rules that all our kernels keep.
//
// Arithmetic is done in acc<T> (float for halves, double for double, 64-bit integers), with one cast at the end.
// Integers come as long long, real options as double. An index read from memory is checked before it is followed:
// one that is out of range is reported with `report` and replaced by 0, so that no kernel leaves its arrays.
#include <cuda_fp16.h>
#include <cuda_bf16.h>

typedef long long i64;
typedef unsigned long long u64;

// What Python and the kernels share, written by `source`: sizes, acc<T>, and digits<T>, a float's bits of precision.
#include "shared.cuh"

template <class T> __device__ __forceinline__ typename acc<T>::type wide(T value) {
  return static_cast<typename acc<T>::type>(value);
}
template <class T, class A> __device__ __forceinline__ T narrow(A value) { return static_cast<T>(value); }
template <> __device__ __forceinline__ float wide<__half>(__half value) { return __half2float(value); }
template <> __device__ __forceinline__ float wide<__nv_bfloat16>(__nv_bfloat16 value) {
  return __bfloat162float(value);
}
template <> __device__ __forceinline__ __half narrow<__half, float>(float value) { return __float2half(value); }
template <> __device__ __forceinline__ __nv_bfloat16 narrow<__nv_bfloat16, float>(float value) {
  return __float2bfloat16(value);
}

// The threads of a launch take elements in turn: i, i + threads, ...
#define EACH(i, count) \
  for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < (count); i += (i64)gridDim.x * blockDim.x)

// fault[0]: the number of the failing check, 0 while there is none; fault[1]: the index it met. The first one stays.
__device__ inline void report(i64* fault, i64 check, i64 index) {
  if (atomicCAS((u64*)fault, 0ULL, (u64)check) == 0ULL) fault[1] = index;
}
