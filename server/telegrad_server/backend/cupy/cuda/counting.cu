// Counting, and searching in sorted rows.

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

// As NumPy counts: by rounding down, then moved where the edge says otherwise. The last interval is closed.
__global__ void histogram(const double* values, const double* edges, i64* counts, i64 count, i64 bins) {
  double low = edges[0], high = edges[bins];
  EACH(i, count) {
    double value = values[i];
    if (!(value >= low && value <= high)) continue;
    i64 bin = (i64)((value - low) / (high - low) * bins);
    bin = bin >= bins ? bins - 1 : bin;
    if (value < edges[bin]) bin--;
    else if (bin < bins - 1 && value >= edges[bin + 1]) bin++;
    atomicAdd((u64*)counts + bin, 1ULL);
  }
}
