// Softmax and its gradient along an axis of `(outer, n, inner)`, where row r is `(r / inner, :, r % inner)`.
#include "blocks.cuh"

template <class T, bool LOG> __global__ void softmax(const T* x, T* out, i64 rows, i64 n, i64 inner) {
  typedef typename acc<T>::type A;
  EACH_ROW(r, rows) {
    const i64 at = (r / inner) * n * inner + r % inner;
    A top = -infinity<A>(), total = 0;
    EACH_COLUMN(j, n) top = larger(top, wide(x[at + j * inner]));
    top = block_max(top);
    EACH_COLUMN(j, n) total += exp(wide(x[at + j * inner]) - top);
    total = block_sum(total);
    const A last = LOG ? log(total) : 1 / total;
    EACH_COLUMN(j, n) {
      const A apart = wide(x[at + j * inner]) - top;
      const A value = LOG ? apart - last : exp(apart) * last;
      out[at + j * inner] = narrow<T>(value);
    }
  }
}

template <class T, bool LOG>
__global__ void softmax_backward(const T* g, const T* out, T* gx, i64 rows, i64 n, i64 inner) {
  typedef typename acc<T>::type A;
  EACH_ROW(r, rows) {
    const i64 at = (r / inner) * n * inner + r % inner;
    A total = 0;
    EACH_COLUMN(j, n) {
      const A up = wide(g[at + j * inner]);
      total += LOG ? up : up * wide(out[at + j * inner]);
    }
    total = block_sum(total);
    EACH_COLUMN(j, n) {
      const A up = wide(g[at + j * inner]), own = wide(out[at + j * inner]);
      const A value = LOG ? up - exp(own) * total : own * (up - total);
      gx[at + j * inner] = narrow<T>(value);
    }
  }
}
