// Maxima and averages of windows over planes `(planes, height, width)`, and their gradients.
//
// Windows and indices are PyTorch's: a NaN wins a maximum, and an index counts in the plane of the input. Gradients are
// gathered: each element of the input looks for the windows it is in, so that sums have one order.
struct Windows {
  i64 size[2], out[2], kernel[2], stride[2], padding[2], dilation[2];
  i64 count_padding, divisor;  // divisor: 0 where it is the number of elements
};

struct Span {
  i64 begin, end, whole;  // whole: the elements that count, padding with them where it counts
};

// The elements of an axis that window o covers, cut to the input. Adaptive windows cover it evenly.
template <bool ADAPTIVE> __device__ __forceinline__ Span span(const Windows& w, int axis, i64 o) {
  const i64 n = w.size[axis];
  if (ADAPTIVE) {
    const i64 begin = o * n / w.out[axis], end = ((o + 1) * n + w.out[axis] - 1) / w.out[axis];
    return {begin, end, end - begin};
  }
  const i64 apart = w.dilation[axis], first = o * w.stride[axis] - w.padding[axis];
  const i64 last = first + apart * (w.kernel[axis] - 1) + 1, end = last < n ? last : n;
  const i64 begin = first < 0 ? first + (-first + apart - 1) / apart * apart : first;
  const i64 padded = (last < n + w.padding[axis] ? last : n + w.padding[axis]) - first;
  return {begin, end, w.count_padding ? padded : end - begin};
}

template <class T, bool ADAPTIVE>
__global__ void max_pool(const T* x, T* out, i64* indices, i64 count, Windows w) {
  typedef typename acc<T>::type A;
  EACH(i, count) {
    const i64 per_plane = w.out[0] * w.out[1], plane = i / per_plane, o = i % per_plane;
    const Span ys = span<ADAPTIVE>(w, 0, o / w.out[1]), xs = span<ADAPTIVE>(w, 1, o % w.out[1]);
    const T* values = x + plane * w.size[0] * w.size[1];
    A best = -(A)__int_as_float(0x7f800000);
    i64 at = ys.begin * w.size[1] + xs.begin;
    for (i64 y = ys.begin; y < ys.end; y += w.dilation[0]) {
      for (i64 q = xs.begin; q < xs.end; q += w.dilation[1]) {
        const A value = wide(values[y * w.size[1] + q]);
        if (value > best || value != value) best = value, at = y * w.size[1] + q;
      }
    }
    out[i] = narrow<T>(best);
    indices[i] = at;
  }
}

// Results that chose the same element of the input, as a list: `head` of each element, `next` of each result, -1 at
// the end. Their order is chance; `gather_maxima` undoes it.
__global__ void link_maxima(const i64* indices, i64* head, i64* next, i64 count, i64 per_plane, i64 plane, i64* fault,
                            i64 check) {
  EACH(i, count) {
    const i64 at = indices[i];
    if (0 <= at && at < plane) next[i] = (i64)atomicExch((u64*)head + i / per_plane * plane + at, (u64)i);
    else report(fault, check, at);
  }
}

// Each element adds up the gradients of its list from the first result to the last. A list is as long as windows
// overlap, so that looking for the next one in it costs little.
template <class T> __global__ void gather_maxima(const T* g, const i64* head, const i64* next, T* gx, i64 count) {
  typedef typename acc<T>::type A;
  EACH(i, count) {
    A total = 0;
    for (i64 taken = -1;;) {
      i64 least = -1;
      for (i64 k = head[i]; k >= 0; k = next[k]) {
        if (k > taken && (least < 0 || k < least)) least = k;
      }
      if (least < 0) break;
      total += wide(g[least]);
      taken = least;
    }
    gx[i] = narrow<T>(total);
  }
}

template <class T>
__global__ void take_from_planes(const T* x, const i64* indices, T* out, i64 count, i64 per_plane, i64 plane,
                                 i64* fault, i64 check) {
  EACH(i, count) {
    i64 at = indices[i];
    if (at < 0 || at >= plane) report(fault, check, at), at = 0;
    out[i] = x[i / per_plane * plane + at];
  }
}

template <class T, bool ADAPTIVE> __global__ void avg_pool(const T* x, T* out, i64 count, Windows w) {
  typedef typename acc<T>::type A;
  EACH(i, count) {
    const i64 per_plane = w.out[0] * w.out[1], plane = i / per_plane, o = i % per_plane;
    const Span ys = span<ADAPTIVE>(w, 0, o / w.out[1]), xs = span<ADAPTIVE>(w, 1, o % w.out[1]);
    const T* values = x + plane * w.size[0] * w.size[1];
    A total = 0;
    for (i64 y = ys.begin; y < ys.end; y++) {
      for (i64 q = xs.begin; q < xs.end; q++) total += wide(values[y * w.size[1] + q]);
    }
    const A value = total / (A)(w.divisor ? w.divisor : ys.whole * xs.whole);
    out[i] = narrow<T>(value);
  }
}

// The windows that element `at` of an axis may be in: [begin, end).
template <bool ADAPTIVE> __device__ __forceinline__ Span covering(const Windows& w, int axis, i64 at) {
  const i64 n = w.size[axis], m = w.out[axis];
  if (ADAPTIVE) return {at * m / n, ((at + 1) * m + n - 1) / n, 0};
  const i64 first = at + w.padding[axis] - w.kernel[axis] + 1, last = (at + w.padding[axis]) / w.stride[axis];
  return {first > 0 ? (first + w.stride[axis] - 1) / w.stride[axis] : 0, last < m ? last + 1 : m, 0};
}

template <class T, bool ADAPTIVE> __global__ void avg_pool_backward(const T* g, T* gx, i64 count, Windows w) {
  typedef typename acc<T>::type A;
  EACH(i, count) {
    const i64 size = w.size[0] * w.size[1], at = i % size;
    const Span rows = covering<ADAPTIVE>(w, 0, at / w.size[1]), columns = covering<ADAPTIVE>(w, 1, at % w.size[1]);
    const T* up = g + i / size * w.out[0] * w.out[1];
    A total = 0;
    for (i64 r = rows.begin; r < rows.end; r++) {
      const i64 height = span<ADAPTIVE>(w, 0, r).whole;
      for (i64 c = columns.begin; c < columns.end; c++) {
        total += wide(up[r * w.out[1] + c]) / (A)(w.divisor ? w.divisor : height * span<ADAPTIVE>(w, 1, c).whole);
      }
    }
    gx[i] = narrow<T>(total);
  }
}
