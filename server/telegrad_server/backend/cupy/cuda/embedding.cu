// Rows of a table `(count, width)` looked up by index, and their gradient.
#include "blocks.cuh"

template <class T>
__global__ void embedding(const T* table, const i64* index, T* out, i64 rows, i64 width, i64 count, i64 skipped,
                          i64* fault, i64 check) {
  EACH_ROW(r, rows) {
    i64 k = index[r];
    const bool missing = k < 0 || k >= count;
    if (missing && threadIdx.x == 0) report(fault, check, k);
    if (missing) k = 0;
    EACH_COLUMN(j, width) out[r * width + j] = k == skipped ? T(0) : table[k * width + j];
  }
}

// How often each index is there. Integers add up to the same in any order.
__global__ void counts(const i64* index, u64* out, i64 rows, i64 count) {
  EACH(i, rows) {
    if (0 <= index[i] && index[i] < count) atomicAdd(out + index[i], (u64)1);
  }
}

// The first place of each index.
__global__ void first_places(const i64* index, u64* first, i64 rows, i64 count, i64* fault, i64 check) {
  EACH(i, rows) {
    if (0 <= index[i] && index[i] < count) atomicMin(first + index[i], (u64)i);
    else report(fault, check, index[i]);
  }
}

// A table's gradient: the block of an index's first place owns its row, for a tile of columns, and adds up the
// gradients of all its places in their order. No sort, no atomics on numbers that round.
template <class T>
__global__ void embedding_backward(const T* g, const i64* index, const u64* first, T* out, i64 rows, i64 width,
                                   i64 count, i64 skipped, i64 tiles) {
  typedef typename acc<T>::type A;
  __shared__ bool hits[THREADS_PER_BLOCK];
  __shared__ bool any;
  EACH_ROW(block, rows * tiles) {
    const i64 start = block / tiles, column = block % tiles * blockDim.x + threadIdx.x, k = index[start];
    if (k < 0 || k >= count || k == skipped || first[k] != (u64)start) continue;
    A total = 0;
    for (i64 from = start; from < rows; from += blockDim.x) {
      const i64 place = from + threadIdx.x;
      const bool hit = place < rows && index[place] == k;
      if (threadIdx.x == 0) any = false;
      __syncthreads();
      hits[threadIdx.x] = hit;
      if (hit) any = true;
      __syncthreads();
      if (any && column < width) {
        for (int i = 0; i < (int)blockDim.x; i++) {
          if (hits[i]) total += wide(g[(from + i) * width + column]);
        }
      }
      __syncthreads();
    }
    if (column < width) out[k * width + column] = narrow<T>(total);
  }
}
