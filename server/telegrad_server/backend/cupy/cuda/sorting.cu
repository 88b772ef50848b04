// Searching sorted rows, and the most frequent of their values.

template <class A> __device__ bool is_nan(A value) { return value != value; }

// How many of sorted values come before one: nan is the largest.
template <class A, class T> __device__ i64 places_before(const T* sorted, i64 n, A value, bool right) {
  i64 low = 0, high = n;
  while (low < high) {
    i64 middle = (low + high) / 2;
    A held = wide(sorted[middle]);
    bool before = right ? (held <= value || is_nan(value)) : (held < value || (is_nan(value) && !is_nan(held)));
    if (before) low = middle + 1;
    else high = middle;
  }
  return low;
}

// values come in rows of `per`, each searched in a row of n
template <class T>
__global__ void search(const T* rows, const T* values, i64* places, i64 count, i64 per, i64 n, bool right) {
  EACH(i, count) places[i] = places_before(rows + i / per * n, n, wide(values[i]), right);
}

template <class T>
__global__ void contains(const T* sorted, const T* values, bool* found, i64 count, i64 n, bool invert) {
  EACH(i, count) {
    typename acc<T>::type value = wide(values[i]);
    i64 place = places_before(sorted, n, value, false);
    found[i] = (place < n && wide(sorted[place]) == value) != invert;
  }
}

// The last place of the longest run in each sorted row, the first of several; `order` says where it came from.
template <class T> __global__ void mode(const T* sorted, const i64* order, i64* out, i64 rows, i64 n) {
  EACH(row, rows) {
    const T* values = sorted + row * n;
    i64 best = 0, longest = 0, run = 0;
    for (i64 place = 0; place < n; place++) {
      run = place > 0 && wide(values[place]) == wide(values[place - 1]) ? run + 1 : 1;
      if (run > longest) { longest = run; best = place; }
    }
    out[row] = order[row * n + best];
  }
}
