// Softmax along an axis, layer norm of rows, group norm of groups of channels, batch norm of channels. Statistics are kept in acc<T>.
#include "blocks.cuh"

// Softmax and its gradient along an axis of `(outer, n, inner)`, where row r is `(r / inner, :, r % inner)`.
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

// Which weight belongs to element j of row r: for layer norm the j-th; in a group, that of the element's channel.
template <bool GROUPED> __device__ __forceinline__ i64 channel(i64 r, i64 j, i64 groups, i64 per_group, i64 length) {
  return GROUPED ? (r % groups) * per_group + j / length : j;
}

template <class T, bool GROUPED>
__global__ void layer_norm(const T* x, const T* weight, const T* bias, T* out, typename acc<T>::type* mean,
                           typename acc<T>::type* rstd, i64 rows, i64 n, double eps, i64 groups, i64 per_group,
                           i64 length) {
  typedef typename acc<T>::type A;
  EACH_ROW(r, rows) {
    const T* row = x + r * n;
    A total = 0, square = 0;
    EACH_COLUMN(j, n) total += wide(row[j]);
    const A m = block_sum(total) / (A)n;
    EACH_COLUMN(j, n) square += (wide(row[j]) - m) * (wide(row[j]) - m);
    const A s = 1 / sqrt(block_sum(square) / (A)n + (A)eps);
    EACH_COLUMN(j, n) {
      const i64 c = channel<GROUPED>(r, j, groups, per_group, length);
      A value = (wide(row[j]) - m) * s;
      if (weight) value *= wide(weight[c]);
      if (bias) value += wide(bias[c]);
      out[r * n + j] = narrow<T>(value);
    }
    if (threadIdx.x == 0) mean[r] = m, rstd[r] = s;
  }
}

template <class T, bool GROUPED>
__global__ void layer_norm_backward(const T* g, const T* x, const typename acc<T>::type* mean,
                                    const typename acc<T>::type* rstd, const T* weight, T* gx, i64 rows, i64 n,
                                    i64 groups, i64 per_group, i64 length) {
  typedef typename acc<T>::type A;
  EACH_ROW(r, rows) {
    const i64 at = r * n;
    const A m = mean[r], s = rstd[r];
    A total = 0, along = 0;
    EACH_COLUMN(j, n) {
      const A factor = weight ? wide(weight[channel<GROUPED>(r, j, groups, per_group, length)]) : (A)1;
      const A scaled = wide(g[at + j]) * factor;
      total += scaled;
      along += scaled * (wide(x[at + j]) - m) * s;
    }
    total = block_sum(total) / (A)n;
    along = block_sum(along) / (A)n;
    EACH_COLUMN(j, n) {
      const A factor = weight ? wide(weight[channel<GROUPED>(r, j, groups, per_group, length)]) : (A)1;
      const A value = s * (wide(g[at + j]) * factor - total - (wide(x[at + j]) - m) * s * along);
      gx[at + j] = narrow<T>(value);
    }
  }
}

// Sums over ROWS_PER_PART rows at a time, `(2, parts, n)`: for the weight of layer norm, then for its bias.
template <class T>
__global__ void layer_norm_parts(const T* g, const T* x, const typename acc<T>::type* mean,
                                 const typename acc<T>::type* rstd, typename acc<T>::type* sums, i64 rows, i64 n,
                                 i64 parts) {
  typedef typename acc<T>::type A;
  EACH(i, parts * n) {
    const i64 first = i / n * ROWS_PER_PART, j = i % n;
    const i64 end = first + ROWS_PER_PART < rows ? first + ROWS_PER_PART : rows;
    A along = 0, total = 0;
    for (i64 r = first; r < end; r++) {
      const A up = wide(g[r * n + j]);
      along += up * (wide(x[r * n + j]) - mean[r]) * rstd[r];
      total += up;
    }
    sums[i] = along;
    sums[parts * n + i] = total;
  }
}

template <class T> __global__ void sum_parts(const typename acc<T>::type* sums, T* out, i64 parts, i64 n) {
  typedef typename acc<T>::type A;
  EACH(i, 2 * n) {
    const typename acc<T>::type* column = sums + i / n * parts * n + i % n;
    A total = 0;
    for (i64 part = 0; part < parts; part++) total += column[part * n];
    out[i] = narrow<T>(total);
  }
}

// The gradients of group norm's weight and bias, a block for each channel of `(images, channels, length)`.
template <class T>
__global__ void group_norm_channels(const T* g, const T* x, const typename acc<T>::type* mean,
                                    const typename acc<T>::type* rstd, T* gw, T* gb, i64 images, i64 channels,
                                    i64 length, i64 groups) {
  typedef typename acc<T>::type A;
  EACH_ROW(c, channels) {
    A along = 0, total = 0;
    EACH_COLUMN(i, images * length) {
      const i64 image = i / length, at = (image * channels + c) * length + i % length;
      const i64 row = image * groups + c / (channels / groups);
      const A up = wide(g[at]);
      along += up * (wide(x[at]) - mean[row]) * rstd[row];
      total += up;
    }
    along = block_sum(along);
    total = block_sum(total);
    if (threadIdx.x == 0) gw[c] = narrow<T>(along), gb[c] = narrow<T>(total);
  }
}

// A block for each channel of `(images, channels, length)`; element i of a channel is at `at(i)`.
#define EACH_OF_CHANNEL(at, c) \
  for (i64 i_ = threadIdx.x, at = 0; \
       i_ < images * length && (at = ((i_ / length) * channels + c) * length + i_ % length, true); i_ += blockDim.x)

template <class T>
__global__ void batch_norm(const T* x, const T* weight, const T* bias, T* out, T* mean, T* var, i64 images,
                           i64 channels, i64 length, double eps) {
  typedef typename acc<T>::type A;
  const A count = (A)(images * length);
  EACH_ROW(c, channels) {
    A total = 0, square = 0;
    EACH_OF_CHANNEL(at, c) total += wide(x[at]);
    const A m = block_sum(total) / count;
    EACH_OF_CHANNEL(at, c) square += (wide(x[at]) - m) * (wide(x[at]) - m);
    const A v = block_sum(square) / count;
    const A scale = (weight ? wide(weight[c]) : (A)1) / sqrt(v + (A)eps), shift = bias ? wide(bias[c]) : (A)0;
    EACH_OF_CHANNEL(at, c) {
      const A value = (wide(x[at]) - m) * scale + shift;
      out[at] = narrow<T>(value);
    }
    if (threadIdx.x == 0) mean[c] = narrow<T>(m), var[c] = narrow<T>(v);
  }
}

template <class T>
__global__ void batch_norm_backward(const T* g, const T* x, const T* mean, const T* var, const T* weight, T* gx,
                                    T* gw, T* gb, i64 images, i64 channels, i64 length, double eps) {
  typedef typename acc<T>::type A;
  const A count = (A)(images * length);
  EACH_ROW(c, channels) {
    const A m = wide(mean[c]), s = 1 / sqrt(wide(var[c]) + (A)eps), scale = weight ? s * wide(weight[c]) : s;
    A along = 0, total = 0;
    EACH_OF_CHANNEL(at, c) {
      along += wide(g[at]) * (wide(x[at]) - m) * s;
      total += wide(g[at]);
    }
    along = block_sum(along);
    total = block_sum(total);
    EACH_OF_CHANNEL(at, c) {
      const A value = (wide(g[at]) - total / count - (wide(x[at]) - m) * s * (along / count)) * scale;
      gx[at] = narrow<T>(value);
    }
    if (threadIdx.x == 0) gw[c] = narrow<T>(along), gb[c] = narrow<T>(total);
  }
}
