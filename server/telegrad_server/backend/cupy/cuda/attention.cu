// The softmax inside attention, in place. Row i belongs to query `i % queries`, which a causal attention lets see the
// keys 0..i. A row that sees nothing attends to nothing: its weights are 0.
#include "blocks.cuh"

__device__ __forceinline__ i64 keys_seen(i64 row, i64 queries, i64 keys, bool causal) {
  const i64 reach = row % queries + 1;
  return causal && reach < keys ? reach : keys;
}

template <class T>
__global__ void attention_weights(T* scores, i64 rows, i64 n, double scale, i64 queries, bool causal) {
  typedef typename acc<T>::type A;
  EACH_ROW(r, rows) {
    T* row = scores + r * n;
    const i64 seen = keys_seen(r, queries, n, causal);
    A top = -infinity<A>(), total = 0;
    EACH_COLUMN(j, seen) top = larger(top, wide(row[j]) * (A)scale);
    top = block_max(top);
    const bool blind = top == -infinity<A>();
    if (!blind) {
      EACH_COLUMN(j, seen) total += exp(wide(row[j]) * (A)scale - top);
    }
    total = block_sum(total);
    EACH_COLUMN(j, n) {
      const A value = blind || j >= seen ? (A)0 : (A)exp(wide(row[j]) * (A)scale - top) / total;
      row[j] = narrow<T>(value);
    }
  }
}

template <class T>
__global__ void attention_weights_backward(T* g, const T* weights, i64 rows, i64 n, double scale, i64 queries,
                                           bool causal) {
  typedef typename acc<T>::type A;
  EACH_ROW(r, rows) {
    T* up = g + r * n;
    const T* row = weights + r * n;
    const i64 seen = keys_seen(r, queries, n, causal);
    A total = 0;
    EACH_COLUMN(j, seen) total += wide(up[j]) * wide(row[j]);
    total = block_sum(total);
    EACH_COLUMN(j, n) {
      const A value = j < seen ? wide(row[j]) * (wide(up[j]) - total) * (A)scale : (A)0;
      up[j] = narrow<T>(value);
    }
  }
}

__device__ __forceinline__ float masked(float score, bool seen) { return seen ? score : -infinity<float>(); }
__device__ __forceinline__ double masked(double score, bool seen) { return seen ? score : -infinity<double>(); }
template <class A, class M> __device__ __forceinline__ A masked(A score, M mask) { return score + wide(mask); }

// Scores of `(batch, heads, queries, keys)`, and where the mask's element for each lies.
struct Mask {
  i64 sizes[4], steps[4];
};

template <class T, class M>
__global__ void masked_scores(const T* scores, double scale, const M* mask, T* out, i64 count, Mask shape) {
  typedef typename acc<T>::type A;
  EACH(i, count) {
    i64 at = 0, rest = i;
    for (int axis = 3; axis >= 0; axis--) {
      at += rest % shape.sizes[axis] * shape.steps[axis];
      rest /= shape.sizes[axis];
    }
    const A score = wide(scores[i]) * (A)scale, value = masked(score, mask[at]);
    out[i] = narrow<T>(value);
  }
}
