// For kernels that give each row to a block of threads: a power of two of them, at most THREADS_PER_BLOCK.
//
// A block takes rows r, r + blocks, ...; its threads take the row's elements j, j + threads, ... Sums go up a tree of
// fixed shape, so that a result is the same in every run.
#define EACH_ROW(r, rows) for (i64 r = blockIdx.x; r < (rows); r += gridDim.x)
#define EACH_COLUMN(j, count) for (i64 j = threadIdx.x; j < (count); j += blockDim.x)

template <class A> __device__ __forceinline__ A infinity() { return (A)__int_as_float(0x7f800000); }

// The larger of two, NaN if either is.
template <class A> __device__ __forceinline__ A larger(A a, A b) { return (a > b || a != a) ? a : b; }

struct Sum {
  template <class A> static __device__ __forceinline__ A of(A a, A b) { return a + b; }
};
struct Largest {
  template <class A> static __device__ __forceinline__ A of(A a, A b) { return larger(a, b); }
};

// One value per thread, reduced to one that every thread gets.
template <class How, class A> __device__ A reduced(A value) {
  __shared__ A parts[THREADS_PER_BLOCK];
  const int own = threadIdx.x;
  parts[own] = value;
  __syncthreads();
  for (int half = blockDim.x / 2; half > 0; half /= 2) {
    if (own < half) parts[own] = How::of(parts[own], parts[own + half]);
    __syncthreads();
  }
  const A total = parts[0];
  __syncthreads();  // before the next reduction writes them
  return total;
}
template <class A> __device__ __forceinline__ A block_sum(A value) { return reduced<Sum>(value); }
template <class A> __device__ __forceinline__ A block_max(A value) { return reduced<Largest>(value); }
