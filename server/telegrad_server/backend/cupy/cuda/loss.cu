// Cross entropy of rows of logits with a class each. A class that does not exist is reported and taken for class 0.
#include "blocks.cuh"

__device__ __forceinline__ i64 checked(i64 target, i64 classes, i64 ignored, i64* fault, i64 check) {
  if (target == ignored || (0 <= target && target < classes)) return target;
  report(fault, check, target);
  return 0;
}

// `saved (2, rows)` gets each row's maximum, and the logarithm of the sum of exponentials beyond it.
template <class T>
__global__ void cross_entropy(const T* x, const i64* target, const T* weight, T* loss, typename acc<T>::type* saved,
                              i64 rows, i64 n, i64 ignored, double smoothing, i64* fault, i64 check) {
  typedef typename acc<T>::type A;
  EACH_ROW(r, rows) {
    const T* row = x + r * n;
    A top = -infinity<A>(), total = 0, spread = 0;
    EACH_COLUMN(j, n) top = larger(top, wide(row[j]));
    top = block_max(top);
    EACH_COLUMN(j, n) total += exp(wide(row[j]) - top);
    const A shift = log(block_sum(total));
    if (smoothing > 0) {
      EACH_COLUMN(j, n) spread += (shift - (wide(row[j]) - top)) * (weight ? wide(weight[j]) : (A)1);
      spread = block_sum(spread);
    }
    if (threadIdx.x == 0) {
      const i64 t = checked(target[r], n, ignored, fault, check);
      A value = 0;
      if (t != ignored) {
        value = (shift - (wide(row[t]) - top)) * (weight ? wide(weight[t]) : (A)1);
        if (smoothing > 0) value = (A)(1 - smoothing) * value + (A)(smoothing / n) * spread;
      }
      loss[r] = narrow<T>(value);
      saved[r] = top, saved[rows + r] = shift;
    }
  }
}

template <class T>
__global__ void cross_entropy_backward(const T* g, i64 g_step, const T* x, const typename acc<T>::type* saved,
                                       const i64* target, const T* weight, T* gx, i64 rows, i64 n, i64 ignored,
                                       double smoothing, i64* fault, i64 check) {
  typedef typename acc<T>::type A;
  EACH_ROW(r, rows) {
    const i64 t = checked(target[r], n, ignored, fault, check);
    if (t == ignored) {
      EACH_COLUMN(j, n) gx[r * n + j] = narrow<T>((A)0);
      continue;
    }
    A all_weights = (A)n;
    if (smoothing > 0 && weight) {
      all_weights = 0;
      EACH_COLUMN(j, n) all_weights += wide(weight[j]);
      all_weights = block_sum(all_weights);
    }
    const A up = wide(g[r * g_step]), top = saved[r], shift = saved[rows + r];
    const A hit = up * (A)(1 - smoothing) * (weight ? wide(weight[t]) : (A)1), smooth = up * (A)(smoothing / n);
    EACH_COLUMN(j, n) {
      A value = (hit + smooth * all_weights) * exp((wide(x[r * n + j]) - top) - shift);
      if (smoothing > 0) value -= smooth * (weight ? wide(weight[j]) : (A)1);
      if (j == t) value -= hit;
      gx[r * n + j] = narrow<T>(value);
    }
  }
}

// The classes, 0 where one is ignored or does not exist.
template <class T>
__global__ void checked_targets(const T* target, i64* out, i64 count, i64 classes, i64 ignored, i64* fault,
                                i64 check) {
  EACH(i, count) {
    const i64 t = checked(target[i], classes, ignored, fault, check);
    out[i] = t == ignored ? 0 : t;
  }
}

// The number of targets that are not ignored, or the sum of their weights; one block.
template <class T, class I>
__global__ void class_norm(const I* target, const T* weight, T* out, i64 count, i64 classes, i64 ignored) {
  typedef typename acc<T>::type A;
  A total = 0;
  EACH_COLUMN(i, count) {
    const i64 t = target[i];
    if (t == ignored) continue;
    if (!weight) total += 1;
    else if (0 <= t && t < classes) total += wide(weight[t]);
  }
  total = block_sum(total);
  if (threadIdx.x == 0) out[0] = narrow<T>(total);
}
